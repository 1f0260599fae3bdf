"""When requests are due: each arrival process by its definition, and how phases number their slots."""

import math
import statistics
from fractions import Fraction
from itertools import count, islice, pairwise, repeat
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf import schedule
from genai_perf.config.schema import Config, InputConfig, LoadConfig
from genai_perf.schedule import LoadFile, Stretch
from genai_perf.types import Phase, Slot

S = 1_000_000_000
RATES = st.floats(0.001, 1e6) | st.integers(1, 1_000_000).map(float)


def constant(rate_per_s):
    return schedule.at_rate(schedule.evenly(), schedule.steady(rate_per_s))


def poisson(rate_per_s, random_, expected=None):
    return schedule.at_rate(schedule.poisson(random_, expected), schedule.steady(rate_per_s))


def first(number, arrivals):
    return list(islice(arrivals, number))


def gaps(due):
    return [after - before for before, after in pairwise(due)]


# -- constant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate_per_s", "expected"),
    [
        (1, [0, 1 * S, 2 * S, 3 * S]),
        (4, [0, 250_000_000, 500_000_000, 750_000_000]),
        (3, [0, 333_333_333, 666_666_667, S]),
        (0.5, [0, 2 * S, 4 * S, 6 * S]),
        (1e9, [0, 1, 2, 3]),
    ],
)
def test_constant_arrivals_are_a_period_apart_and_the_first_is_at_once(rate_per_s, expected):
    assert expected == first(4, constant(rate_per_s))


def assert_exact(due, rate_per_s):
    """To the rounding of each: half a nanosecond, and what a float of that size can tell."""
    for number, due_ns in list(enumerate(due))[:: 1 + len(due) // 1_000]:
        exact = number * S / Fraction(rate_per_s)
        assert abs(due_ns - exact) <= Fraction(1, 2) + exact / 2**51


@given(RATES)
def test_constant_arrivals_lie_on_the_grid_of_their_rate(rate_per_s):
    due = first(100, constant(rate_per_s))
    assert_exact(due, rate_per_s)
    assert max(gaps(due)) - min(gaps(due)) <= 1


@pytest.mark.parametrize("rate_per_s", [3, 7.7, 99_999.9])
def test_constant_arrivals_do_not_drift_however_many_there_are(rate_per_s):
    assert_exact(first(200_000, constant(rate_per_s)), rate_per_s)


# -- poisson ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate_per_s", [0.1, 50, 2_000, 100_000])
def test_poisson_gaps_have_the_mean_and_the_spread_of_an_exponential(rate_per_s):
    number = 40_000
    due = [0, *first(number, poisson(rate_per_s, Random(0)))]
    in_periods = [gap * rate_per_s / S for gap in gaps(due)]
    # five standard errors each: sqrt(1/n) for the mean, sqrt(8/n) for the variance
    assert abs(statistics.mean(in_periods) - 1) < 5 / math.sqrt(number)
    assert abs(statistics.variance(in_periods) - 1) < 5 * math.sqrt(8 / number)
    # the share of gaps that are longer than t periods is exp(-t)
    for longer_than in (0.1, 0.5, 1, 2, 4):
        share = sum(gap > longer_than for gap in in_periods) / number
        expected = math.exp(-longer_than)
        assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / number)


def test_poisson_arrivals_in_equal_spans_are_as_spread_as_they_are_many():
    due = first(40_000, poisson(100, Random(1)))
    spans = due[-1] // S
    counts = [0] * spans
    for due_ns in due:
        if due_ns < spans * S:
            counts[due_ns // S] += 1
    assert abs(statistics.variance(counts) / statistics.mean(counts) - 1) < 5 * math.sqrt(2 / spans)


def test_a_gap_says_nothing_about_the_next():
    due = first(40_000, poisson(100, Random(2)))
    assert abs(statistics.correlation(gaps(due)[:-1], gaps(due)[1:])) < 5 / math.sqrt(40_000)


# -- gamma ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.25, 1.0, 4.0])
def test_gamma_gaps_have_the_mean_and_the_spread_of_their_shape(shape):
    number = 40_000
    waited = gaps([0.0, *first(number, schedule.gamma(shape, Random(0)))])
    assert abs(statistics.mean(waited) - 1) < 5 * math.sqrt(1 / shape / number)
    # the variance of a sample variance, by the gamma's fourth moment: (2 + 6/shape) / shape² / n
    assert abs(statistics.variance(waited) - 1 / shape) < 5 * math.sqrt((2 + 6 / shape) / number) / shape


def test_gamma_arrivals_of_shape_one_are_poisson_and_a_smaller_shape_clumps():
    def spread(shape):
        due = first(40_000, schedule.gamma(shape, Random(3)))
        counts = [0] * (int(due[-1]) // 10)
        for at in due:
            if at < 10 * len(counts):
                counts[int(at) // 10] += 1
        return statistics.variance(counts) / statistics.mean(counts)

    assert abs(spread(1.0) - 1) < 0.15
    assert spread(0.2) > 3
    assert spread(5.0) < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_a_gamma_process_of_expected_length_has_exactly_its_rate(seed):
    due = first(2_001, schedule.gamma(0.3, Random(seed), 2_000))
    assert due[1_999] < 2_000 == pytest.approx(due[2_000])


# -- a load that changes ----------------------------------------------------------------------------

STRETCHES = st.lists(
    st.tuples(st.floats(0.01, 100), st.floats(0, 1000), st.floats(0, 1000)).map(lambda each: Stretch(*each)),
    min_size=1,
    max_size=5,
)


def reached(rate, due_ns):
    """How many arrivals the rate has brought by then: its definition, by stretches."""
    return schedule.arrivals_until(rate, due_ns / S)


@given(STRETCHES)
def test_each_arrival_comes_when_the_rate_has_brought_so_many(rate):
    due = first(200, schedule.at_rate(schedule.evenly(), rate))
    for number, due_ns in enumerate(due):
        # as exact as the rounding to a nanosecond allows
        steepest = max(max(each.start, each.end) for each in rate)
        assert abs(reached(rate, due_ns) - number) <= 1e-6 + steepest / S
    assert min(gaps(due), default=0) >= 0


@given(STRETCHES)
def test_a_rate_that_ends_brings_as_many_as_its_area(rate):
    total = sum(each.area for each in rate)
    rate = [Stretch(each.seconds, each.start * 300 / total, each.end * 300 / total) for each in rate if total]
    assert abs(len(list(schedule.at_rate(schedule.evenly(), rate))) - (300 if total else 0)) <= 1


@given(STRETCHES, st.floats(0.05, 20), st.integers())
def test_random_arrivals_under_any_rate_never_decrease(rate, shape, seed):
    due = first(200, schedule.at_rate(schedule.gamma(shape, Random(seed)), rate))
    assert min(gaps(due), default=0) >= 0
    assert all(0 <= due_ns <= sum(each.seconds for each in rate) * S for due_ns in due)


@pytest.mark.parametrize("shape", [0.3, 1, 4])
def test_a_random_process_keeps_its_mean_and_its_spread_on_a_slope(shape):
    rise, top, fall = rate = (Stretch(100, 0, 400), Stretch(50, 400, 400), Stretch(100, 400, 0))
    due = list(schedule.at_rate(schedule.gamma(shape, Random(2)), rate))
    for begun, stretch in ((0, rise), (100, top), (150, fall)):
        number = sum(begun * S <= due_ns < (begun + stretch.seconds) * S for due_ns in due)
        assert abs(number - stretch.area) < 5 * math.sqrt(stretch.area / shape)
    waited = gaps([0.0, *(reached(rate, due_ns) for due_ns in due)])  # in arrivals, the slope is gone
    assert abs(statistics.mean(waited) - 1) < 5 * math.sqrt(1 / shape / len(due))
    assert abs(statistics.variance(waited) - 1 / shape) < 5 * math.sqrt((2 + 6 / shape) / len(due)) / shape


def test_a_ramp_sends_a_quarter_of_its_arrivals_in_its_first_half():
    rate = schedule.steady(100, ramp_up_s=10)
    due = first(500, schedule.at_rate(schedule.evenly(), rate))
    assert 125 == sum(due_ns < 5 * S for due_ns in due)
    assert [10 * S, 10.01 * S] == first(502, schedule.at_rate(schedule.evenly(), rate))[500:]


def test_a_pause_brings_nothing():
    rate = (Stretch(1, 10, 10), Stretch(5, 0, 0), Stretch(1, 10, 10))
    due = list(schedule.at_rate(schedule.evenly(), rate))
    assert [0.9 * S, 6 * S, 6.1 * S] == due[9:12]
    assert 20 == len(due)


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ((Stretch(10, 4, 4),), [(0, 4)]),
        ((Stretch(10, 1, 3),), [(0, 1), (2.5 * S, 2), (7.5 * S, 3)]),
        ((Stretch(4, 3, 1),), [(0, 3), (1 * S, 2), (3 * S, 1)]),
        ((Stretch(1, 2, 2), Stretch(1, 0, 0), Stretch(1, 5, 5)), [(0, 2), (S, 0), (2 * S, 5)]),
        (schedule.steady(2, 3, start=1), [(0, 1), (1.5 * S, 2)]),
    ],
)
def test_places_follow_the_load_to_the_nearest_whole_number(stretches, expected):
    assert expected == list(schedule.places(stretches))


# -- intervals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gaps_us", "expected"),
    [
        ([5], [5_000, 10_000, 15_000, 20_000, 25_000]),
        ([1, 2], [1_000, 3_000, 4_000, 6_000, 7_000]),
        ([0, 0, 7], [0, 0, 7_000, 7_000, 7_000]),
    ],
)
def test_intervals_begin_with_their_first_gap_and_repeat(gaps_us, expected):
    assert expected == first(5, schedule.intervals(gaps_us))


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=20))
def test_intervals_keep_their_mean_rate_over_any_number_of_rounds(gaps_us):
    due = first(3 * len(gaps_us), schedule.intervals(gaps_us))
    assert [round_ * sum(gaps_us) * 1_000 for round_ in (1, 2, 3)] == due[len(gaps_us) - 1 :: len(gaps_us)]


# -- all of them ------------------------------------------------------------------------------------


def config(seed=0, **load):
    return Config(input=InputConfig(random_seed=seed), load=LoadConfig(**load))


OPEN = st.one_of(
    RATES.map(lambda rate: {"request_rate": rate}),
    RATES.map(lambda rate: {"request_rate": rate, "request_distribution": "poisson"}),
    st.just({"request_intervals": "gaps.txt"}),
)


@given(OPEN, st.lists(st.integers(0, 1000), min_size=1).filter(any), st.integers())
def test_due_times_never_decrease_and_come_again_with_the_same_seed(load, intervals_us, seed):
    one, two = (first(300, schedule.arrivals(config(seed, **load), LoadFile(intervals_us))) for _ in range(2))
    assert one == two
    assert all(type(due_ns) is int for due_ns in one)
    assert min(gaps(one), default=0) >= 0
    assert one[0] >= 0


def test_another_seed_gives_other_poisson_arrivals_and_the_same_constant_ones():
    for distribution, are_equal in (("poisson", False), ("constant", True)):
        load = {"request_rate": 10.0, "request_distribution": distribution}
        one, two = (first(10, schedule.arrivals(config(seed, **load), LoadFile())) for seed in (0, 1))
        assert are_equal == (one == two)


def test_the_arrivals_of_a_seed_are_the_same_on_every_machine():
    load = {"request_rate": 10.0, "request_distribution": "poisson"}
    expected = [49_038_396, 188_196_443, 515_642_145, 650_701_057]
    assert expected == first(4, schedule.arrivals(config(0, **load), LoadFile()))


def test_a_closed_loop_has_no_due_times():
    assert [None] * 5 == first(5, schedule.arrivals(config(concurrency=3), LoadFile()))


def test_intervals_come_before_a_rate():
    assert [2_000] == first(1, schedule.arrivals(config(request_intervals="gaps.txt"), LoadFile([2])))


# -- slots ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "limits", "expected"),
    [
        pytest.param(repeat(None), {"requests": 3}, [None, None, None], id="a closed loop by count"),
        pytest.param(count(0, 10), {"requests": 3}, [0, 10, 20], id="by count"),
        pytest.param(count(0, 10), {"duration_ns": 30}, [0, 10, 20], id="the end itself is no longer in"),
        pytest.param(count(0, 10), {"duration_ns": 30.5}, [0, 10, 20, 30], id="just before the end is in"),
        pytest.param(
            count(0, 10), {"requests": 2, "duration_ns": 30}, [0, 10], id="whichever is first: count"
        ),
        pytest.param(
            count(0, 10), {"requests": 9, "duration_ns": 15}, [0, 10], id="whichever is first: time"
        ),
        pytest.param(count(0, 10), {"requests": 0}, [], id="none"),
        pytest.param(count(40, 10), {"duration_ns": 30}, [], id="the first is due too late"),
        pytest.param(iter([5, 7]), {}, [5, 7], id="a list that ends"),
    ],
)
def test_a_phase_ends_by_count_or_by_due_time(due, limits, expected):
    assert expected == [slot.due_ns for slot in schedule.slots(due, 0, Phase.BENCHMARK, **limits)]


def test_a_closed_loop_goes_on_past_its_duration_because_the_runner_watches_the_clock():
    assert 100 == len(first(100, schedule.slots(repeat(None), 0, Phase.BENCHMARK, duration_ns=1)))


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_benchmark_numbers_on_after_the_warm_up(warmup, requests):
    before = list(schedule.slots(count(0, 10), 0, Phase.WARMUP, requests=warmup))
    after = list(schedule.slots(count(0, 10), warmup, Phase.BENCHMARK, requests=requests))
    assert [Slot(index, 10 * index, Phase.WARMUP) for index in range(warmup)] == before
    assert [Slot(warmup + index, 10 * index, Phase.BENCHMARK) for index in range(requests)] == after


def test_slots_are_made_as_they_are_wanted():
    slots = schedule.slots(constant(1e6), 0, Phase.BENCHMARK)
    assert [0, 1, 2] == [slot.index for slot in first(3, slots)]


@given(RATES, st.floats(0.001, 100))
def test_a_constant_rate_fills_its_duration(rate_per_s, duration_s):
    duration_s = min(duration_s, 2_000 / rate_per_s)
    slots = list(schedule.slots(constant(rate_per_s), 0, Phase.BENCHMARK, duration_ns=duration_s * S))
    assert abs(len(slots) - rate_per_s * duration_s) <= 1 + 1e-6 * len(slots)


@pytest.mark.parametrize("seed", range(5))
def test_a_poisson_process_of_expected_length_has_exactly_its_rate(seed):
    due = first(2_001, poisson(100, Random(seed), 2_000))
    assert due[1_999] < 20 * S
    assert 20 * S == pytest.approx(due[2_000], abs=1_000)


def test_a_poisson_process_of_expected_length_is_as_irregular_as_any():
    waited = gaps([0, *first(40_000, poisson(100, Random(2), 40_000))])
    assert S / 100 == pytest.approx(statistics.fmean(waited), rel=0.001)
    assert S / 100 == pytest.approx(statistics.pstdev(waited), rel=0.03)
