"""Ranks, GenAI-Perf's pairwise score and gain, and constraints, by their definitions."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenarios import of

from genai_perf.analyze import scoring
from genai_perf.analyze.scenario import Scenario
from genai_perf.analyze.scoring import Limit, Objectives

THROUGHPUT, TTFT, TOKENS = "request_throughput_avg", "time_to_first_token_p99", "output_token_throughput_avg"
USER = "output_token_throughput_per_user_avg"
POWER, UTILIZATION = "gpu_power_usage_avg", "gpu_utilization_avg"

EQUAL = Objectives(perf={"gpt2": {THROUGHPUT: 1 / 3, TOKENS: 1 / 3, USER: 1 / 3}})

positive = st.floats(min_value=1e-3, max_value=1e9)


def ranked(scenarios: list[Scenario], objectives: Objectives, **options: bool) -> list[str]:
    return [each.name for each in scoring.rank(scenarios, lambda _: objectives, **options)]


# the example of a cycle: a beats b, b beats c, c beats a
A = of({THROUGHPUT: 10, TOKENS: 1, USER: 37}, "a")
B = of({THROUGHPUT: 1, TOKENS: 52, USER: 8}, "b")
C = of({THROUGHPUT: 60, TOKENS: 5, USER: 2}, "c")


def test_the_pairwise_score_can_go_round_in_a_circle() -> None:
    assert 0.3336 == pytest.approx(scoring.score(A, B, EQUAL), abs=1e-4)
    assert 0.3049 == pytest.approx(scoring.score(B, C, EQUAL), abs=1e-4)
    assert 0.3223 == pytest.approx(scoring.score(C, A, EQUAL), abs=1e-4)


def test_the_rank_does_not_depend_on_the_order_of_input() -> None:
    by_utility = {tuple(ranked(list(order), EQUAL)) for order in itertools.permutations([A, B, C])}
    by_pairs = {
        tuple(ranked(list(order), EQUAL, pairwise=True)) for order in itertools.permutations([A, B, C])
    }
    assert {("c", "b", "a")} == by_utility
    assert len(by_pairs) > 1


@given(
    st.lists(st.integers(1, 10**6), min_size=2, max_size=6, unique=True), st.sampled_from([THROUGHPUT, TTFT])
)
def test_for_one_objective_the_rank_is_the_pairwise_one(values: list[int], tag: str) -> None:
    scenarios = [of({tag: value}, str(place)) for place, value in enumerate(values)]
    objectives = Objectives(perf={"gpt2": {tag: 1.0}})
    assert ranked(scenarios, objectives, pairwise=True) == ranked(scenarios, objectives)


@given(st.lists(st.tuples(positive, positive, positive), min_size=3, max_size=5), st.integers(0, 4))
def test_another_result_does_not_change_the_order_of_two(
    values: list[tuple[float, ...]], left_out: int
) -> None:
    scenarios = [of(dict(zip((THROUGHPUT, TOKENS, TTFT), each)), str(n)) for n, each in enumerate(values)]
    objectives = Objectives(perf={"gpt2": {THROUGHPUT: 0.5, TOKENS: 0.2, TTFT: 0.3}})
    name = str(left_out)
    fewer = [each for each in scenarios if each.name != name]
    assert [each for each in ranked(scenarios, objectives) if each != name] == ranked(fewer, objectives)


def test_request_throughput_is_what_counts_unless_something_else_is_said() -> None:
    assert ["b", "a"] == ranked([of({THROUGHPUT: 1}, "a"), of({THROUGHPUT: 2}, "b")], Objectives())


def test_ties_keep_their_order() -> None:
    same = [of({THROUGHPUT: 5, TTFT: n}, str(n)) for n in (3, 1, 2)]
    assert ["3", "1", "2"] == ranked(same, Objectives())


def test_what_lacks_an_objective_ranks_last_and_so_does_what_has_nothing() -> None:
    scenarios = [
        Scenario("gpt2", {}, "planned"),
        of({}, "failed"),
        of({TTFT: 1}, "no"),
        of({THROUGHPUT: 1e-6}, "yes"),
    ]
    assert "yes" == ranked(scenarios, Objectives())[0]


def test_a_zero_is_worst_where_more_is_better_and_best_where_less_is() -> None:
    assert ["b", "a"] == ranked([of({THROUGHPUT: 0}, "a"), of({THROUGHPUT: 1e-3}, "b")], Objectives())
    errors = Objectives(perf={"gpt2": {"error_rate_avg": 1.0}})
    assert ["b", "a"] == ranked([of({"error_rate_avg": 0.01}, "a"), of({"error_rate_avg": 0}, "b")], errors)


def test_weights_of_objectives_decide() -> None:
    quick, strong = of({THROUGHPUT: 10, TTFT: 1e6}, "quick"), of({THROUGHPUT: 20, TTFT: 3e6}, "strong")
    assert ["strong", "quick"] == ranked(
        [quick, strong], Objectives(perf={"gpt2": scoring.shares({THROUGHPUT: 3, TTFT: 1})})
    )
    assert ["quick", "strong"] == ranked(
        [quick, strong], Objectives(perf={"gpt2": scoring.shares({THROUGHPUT: 1, TTFT: 3})})
    )


def test_weights_of_models_decide() -> None:
    def two(name: str, first: float, second: float) -> Scenario:
        one, other = of({THROUGHPUT: first}, name), of({THROUGHPUT: second})
        return Scenario("m1", {}, name, perf={"m1": one.perf["gpt2"], "m2": other.perf["gpt2"]})

    scenarios = [two("a", 10, 20), two("b", 20, 11)]
    assert ["b", "a"] == ranked(scenarios, Objectives(models={"m1": 0.5, "m2": 0.5}))
    assert ["a", "b"] == ranked(scenarios, Objectives(models={"m1": 0.1, "m2": 0.9}))
    assert scoring.score(scenarios[0], scenarios[1], Objectives()) == pytest.approx(-10 / 15 + 9 / 15.5)


def test_gpu_objectives_are_averaged_over_gpus_and_added() -> None:
    low = of({THROUGHPUT: 10}, "low", {"0": {POWER: 100}, "1": {POWER: 100}})
    high = of({THROUGHPUT: 10}, "high", {"gpu0": {POWER: 100}, "gpu1": {POWER: 300}})
    objectives = Objectives(gpu={"gpt2": {POWER: 1.0}})
    assert ["low", "high"] == ranked([high, low], objectives)
    assert (0 + 200 / 200) / 2 == scoring.score(low, high, objectives)
    assert (0 + 200) / 2 / 2 == scoring.gain(low, high, objectives)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({THROUGHPUT: 2.0}, {THROUGHPUT: 1.0}, 2 / 3),
        ({THROUGHPUT: 1.0}, {THROUGHPUT: 2.0}, -2 / 3),
        ({THROUGHPUT: 1.0}, {}, 1),
        ({}, {THROUGHPUT: 1.0}, -1),
        ({}, {}, 0),
        ({THROUGHPUT: 0.0}, {THROUGHPUT: 0.0}, 0),
        ({THROUGHPUT: 1.0}, {THROUGHPUT: 0.0}, 2),
        ({THROUGHPUT: -1.0}, {THROUGHPUT: 1.0}, -2),
    ],
)
def test_the_score_of_a_pair(a: dict[str, float], b: dict[str, float], expected: float) -> None:
    assert expected == pytest.approx(scoring.score(of(a), of(b), Objectives()))


def test_a_metric_that_one_side_lacks_ends_the_score_at_once() -> None:
    objectives = Objectives(perf={"gpt2": {THROUGHPUT: 0.9, TTFT: 0.1}})
    assert 1 == scoring.score(of({THROUGHPUT: 1, TTFT: 1}), of({THROUGHPUT: 100}), objectives)
    assert 100 == scoring.gain(of({THROUGHPUT: 1, TTFT: 1}), of({THROUGHPUT: 100}), objectives)


@given(st.tuples(positive, positive), st.tuples(positive, positive))
def test_the_score_is_the_same_from_either_side(a: tuple[float, float], b: tuple[float, float]) -> None:
    objectives = Objectives(perf={"gpt2": {THROUGHPUT: 0.25, TTFT: 0.75}})
    one, other = of(dict(zip((THROUGHPUT, TTFT), a))), of(dict(zip((THROUGHPUT, TTFT), b)))
    assert scoring.score(one, other, objectives) == -scoring.score(other, one, objectives)
    assert abs(scoring.score(one, other, objectives)) <= 2


def test_gpus_that_only_one_side_has_count_as_missing() -> None:
    objectives = Objectives(gpu={"gpt2": {POWER: 1.0}})
    with_gpu, without = of({THROUGHPUT: 1}, gpus={"0": {POWER: 9}}), of({THROUGHPUT: 1})
    assert 1 == scoring.score(with_gpu, without, objectives)
    assert -1 == scoring.score(without, with_gpu, objectives)
    assert 0 == scoring.score(without, without, objectives)


def test_gains_of_models_and_of_gpus_are_averaged() -> None:
    better = of({THROUGHPUT: 200}, gpus={"0": {POWER: 50}})
    worse = of({THROUGHPUT: 100}, gpus={"0": {POWER: 200}})
    assert 100 == scoring.gain(better, worse, Objectives())
    assert (100 + 300) / 2 == scoring.gain(better, worse, Objectives(gpu={"gpt2": {POWER: 1.0}}))
    assert 300 == scoring.gain(
        of({}, gpus={"0": {POWER: 50}}), of({}, gpus={"0": {POWER: 200}}), Objectives(gpu={"": {POWER: 1.0}})
    )


def test_both_can_be_better_than_the_other_by_their_gains() -> None:
    objectives = Objectives(perf={"gpt2": {THROUGHPUT: 0.5, TTFT: 0.5}})
    a, b = of({THROUGHPUT: 1000, TTFT: 20}), of({THROUGHPUT: 2000, TTFT: 40})
    assert 25 == scoring.gain(a, b, objectives) == scoring.gain(b, a, objectives)


def test_a_gain_over_nothing_is_infinite() -> None:
    assert math.inf == scoring.gain(of({THROUGHPUT: 1}), of({THROUGHPUT: 0}), Objectives())


def test_weights_are_shares() -> None:
    assert {"a": 0.25, "b": 0.75} == scoring.shares({"a": 1, "b": 3})
    with pytest.raises(ValueError, match="more than 0"):
        scoring.shares({"a": 0})


@pytest.mark.parametrize(
    ("name", "same"), [("gpu0", "0"), (0, "0"), ("0", "0"), ("host:0", "host:0"), ("gpux", "gpux")]
)
def test_a_gpu_has_one_id(name: str | int, same: str) -> None:
    assert same == scoring.gpu_id(name)


@pytest.mark.parametrize(
    ("limit", "meets"),
    [
        (Limit(TTFT, 10.1), True),
        (Limit(TTFT, 10), False),  # strictly
        (Limit(TTFT, 10_000_001, is_raw=True), True),
        (Limit(TTFT, 10.1, is_raw=True), False),
        (Limit(THROUGHPUT, 4.9), True),
        (Limit(THROUGHPUT, 5), False),
        (Limit(TOKENS, 1), True),  # not measured
        (Limit(POWER, 151), True),
        (Limit(POWER, 150), False),
        (Limit(UTILIZATION, 49), True),
    ],
)
def test_limits_are_strict_in_the_units_that_are_read_and_means_over_gpus(limit: Limit, meets: bool) -> None:
    gpus = {"0": {POWER: 100.0, UTILIZATION: 50.0}, "1": {POWER: 200.0, UTILIZATION: 50.0}}
    result = of({TTFT: 10_000_000, THROUGHPUT: 5}, gpus=gpus)
    assert meets is scoring.passes(result, {"gpt2": [limit]})


def test_a_models_limits_are_for_that_model_alone() -> None:
    one, other = of({TTFT: 10_000_000}), of({TTFT: 90_000_000})
    both = Scenario("m1", {}, perf={"m1": one.perf["gpt2"], "m2": other.perf["gpt2"]})
    assert scoring.passes(both, {"m1": [Limit(TTFT, 20)], "m2": [Limit(TTFT, 100)]})
    assert not scoring.passes(both, {"m1": [Limit(TTFT, 100)], "m2": [Limit(TTFT, 20)]})
