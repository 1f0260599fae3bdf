from statistics import fmean

import pytest

from genai_perf.server.latency import Failures, Fate, LatencyModel, Places

MODEL = LatencyModel(ttft_ns=1000, ttft_per_input_token_ns=3, itl_ns=100, itl_per_request_ns=7)


@pytest.mark.parametrize(
    ("input_tokens", "wait_ns"),
    [(0, 1000), (1, 1003), (550, 2650)],
)
def test_the_first_token_takes_longer_for_a_longer_prompt(input_tokens: int, wait_ns: int) -> None:
    assert wait_ns == MODEL.first_wait_ns(input_tokens)


@pytest.mark.parametrize(("active", "wait_ns"), [(1, 100), (2, 107), (64, 541)])
def test_every_other_request_being_decoded_widens_the_gap_between_tokens(active: int, wait_ns: int) -> None:
    assert wait_ns == MODEL.next_wait_ns(active)


def test_jitter_is_the_same_for_the_same_seed_and_number() -> None:
    model = LatencyModel(ttft_ns=10**6, jitter=0.3, seed=7)

    def waits(number: int, seed: int = 7) -> list[int]:
        random = LatencyModel(ttft_ns=10**6, jitter=0.3, seed=seed).random_for(number)
        return [model.first_wait_ns(0, random) for _ in range(5)]

    assert waits(3) == waits(3)
    assert waits(3) != waits(4)
    assert waits(3) != waits(3, seed=8)


def test_jitter_widens_the_waits_and_keeps_their_average() -> None:
    model = LatencyModel(ttft_ns=10**6, jitter=0.5)
    waits = [model.first_wait_ns(0, model.random_for(number)) for number in range(4000)]
    assert abs(fmean(waits) / 10**6 - 1) < 0.03  # five standard errors
    assert min(waits) > 0
    assert max(waits) > 2 * 10**6


def test_without_jitter_there_is_nothing_random() -> None:
    assert MODEL.random_for(1) is None


def test_places_go_to_those_who_waited_longest() -> None:
    places: Places[str] = Places(2)
    assert [True, True, False, False, False] == [places.take(name) for name in "abcde"]
    assert places.waiting == 3
    assert "c" == places.free()
    assert places.forget("d")
    assert not places.forget("d")
    assert not places.forget("a")
    assert "e" == places.free()
    assert 2 == places.active
    assert places.free() is None
    assert 1 == places.active
    assert places.take("f")


FAILURES = Failures(error_rate=0.2, stall_rate=0.1, reset_rate=0.3, seed=1)


def test_failures_come_at_the_rates_that_were_asked_for() -> None:
    fates = [FAILURES.fate(number) for number in range(5000)]
    shares = {fate: fates.count(fate) / len(fates) for fate in Fate}
    expected = {Fate.ANSWER: 0.4, Fate.ERROR: 0.2, Fate.STALL: 0.1, Fate.RESET: 0.3}
    for fate, share in expected.items():
        assert abs(shares[fate] - share) < 0.035, fate


def test_a_requests_fate_depends_on_seed_and_number_alone() -> None:
    fates = [FAILURES.fate(number) for number in range(50)]
    assert fates == [FAILURES.fate(number) for number in range(50)]
    assert fates != [Failures(0.2, 0.1, 0.3, seed=2).fate(number) for number in range(50)]


@pytest.mark.parametrize(
    ("failures", "fate"),
    [
        (Failures(), Fate.ANSWER),
        (Failures(error_rate=1), Fate.ERROR),
        (Failures(stall_rate=1), Fate.STALL),
        (Failures(reset_rate=1), Fate.RESET),
    ],
)
def test_a_rate_of_one_leaves_no_choice(failures: Failures, fate: Fate) -> None:
    assert {fate} == {failures.fate(number) for number in range(100)}


@pytest.mark.parametrize(("tokens", "expected"), [(1, {0}), (2, {1}), (4, {1, 2, 3})])
def test_a_failing_answer_stops_between_its_first_and_its_last_token(tokens: int, expected: set[int]) -> None:
    assert expected == {FAILURES.tokens_before(number, tokens) for number in range(200)}
