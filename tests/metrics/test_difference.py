"""Whether two runs differ: the resampling against its definition, and how often it is wrong."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.metrics import difference
from genai_perf.metrics.difference import Interval, Sample

Make = Callable[[np.random.Generator, int], Any]


def independent(random: np.random.Generator, count: int) -> Any:
    return random.lognormal(0, 0.5, count)


def like_neighbours(random: np.random.Generator, count: int) -> Any:
    """Each value is mostly the one before: 0.8 of it, and something new."""
    noise = random.normal(0, 0.6, count)
    state, states = random.normal(0, 1), []
    for each in noise:
        state = 0.8 * state + each
        states.append(state)
    return np.exp(0.5 * np.array(states))


def average(values: Any, seed: int) -> Sample:
    return Sample(values.mean(), difference.averages(values, seed), difference.stretches(len(values)))


def percentile(values: Any, percent: float, seed: int) -> Sample:
    (draws,) = difference.percentiles(values, [percent], seed)
    return Sample(np.percentile(values, percent), draws, difference.stretches(len(values)))


# -- the resampling ---------------------------------------------------------------------------------------


def resampled(values: Any, seed: int, draw: int) -> Any:
    """One resampling by its definition: whole stretches, as often as they were drawn."""
    place = difference.stretch_of(len(values))
    counts = difference.drawn(difference.stretches(len(values)), seed)[draw].astype(int)
    return np.repeat(values, counts[place])


@pytest.mark.parametrize("count", [10, 19, 20, 21, 333, 2000])
def test_resampled_figures_are_those_of_whole_stretches(count: int) -> None:
    values = independent(np.random.default_rng(count), count)
    averages = difference.averages(values, 3)
    medians, nineties = difference.percentiles(values, [50, 90], 3)
    for draw in (0, 1, 1000, 1999):
        whole = resampled(values, 3, draw)
        assert np.mean(whole) == pytest.approx(averages[draw])
        assert np.percentile(whole, 50) == pytest.approx(medians[draw])
        assert np.percentile(whole, 90) == pytest.approx(nineties[draw])


def test_many_values_are_counted_in_bins_and_hardly_rounded() -> None:
    values = independent(np.random.default_rng(0), 50_000)
    (found,) = difference.percentiles(values, [99], 0)
    for draw in range(20):
        exact = np.percentile(resampled(values, 0, draw), 99)
        assert abs(exact - found[draw]) < 0.3 * found.std()


@given(st.integers(1, 10_000))
def test_stretches_are_in_the_order_of_time_and_of_one_size(count: int) -> None:
    place = difference.stretch_of(count)
    sizes = np.bincount(place)
    assert difference.stretches(count) == len(sizes)
    assert (np.diff(place) >= 0).all()
    assert max(sizes) - min(sizes) <= 1


def test_a_rate_is_all_amounts_over_all_the_time() -> None:
    amounts, lasted = np.full(20, 5.0), np.full(20, 0.5)
    assert np.full(difference.DRAWS, 101 / 12) == pytest.approx(
        difference.rates(amounts, lasted, (1.0, 2.0), 0)
    )
    uneven = np.linspace(0.1, 0.9, 20)
    draws = difference.rates(amounts, uneven, (1.0, 2.0), 0)
    assert 101 / 12 == pytest.approx(draws.mean(), rel=0.02)
    assert draws.std() > 0


def test_two_runs_are_resampled_differently_and_each_always_alike() -> None:
    first, again, second = (difference.drawn(20, seed) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != second).any()
    assert (first.sum(axis=1) == 20).all()


# -- the interval -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "count", "percent", "at_most"),
    [
        (independent, 10, None, 6),
        (independent, 500, 99, 6),
        (like_neighbours, 1000, None, 7),
        (like_neighbours, 1000, 50, 7),
        (like_neighbours, 20, None, 40),  # what `drifts` is for
    ],
)
def test_two_runs_of_the_same_are_seldom_called_different(
    make: Make, count: int, percent: float | None, at_most: int
) -> None:
    random = np.random.default_rng(11)
    wrong = 0
    for _ in range(40):
        runs = [make(random, count) for _ in range(2)]
        samples = [
            average(values, seed) if percent is None else percentile(values, percent, seed)
            for seed, values in enumerate(runs)
        ]
        interval = difference.of_ratio(*samples)
        assert interval is not None
        wrong += not interval.holds_zero
    assert wrong <= at_most


@pytest.mark.parametrize("percent", [None, 50, 90])
def test_a_difference_of_a_fifth_is_found_among_some_hundred_requests(percent: float | None) -> None:
    random = np.random.default_rng(5)
    before, after = independent(random, 800), 1.2 * independent(random, 800)
    samples = [
        average(values, seed) if percent is None else percentile(values, percent, seed)
        for seed, values in enumerate((before, after))
    ]
    interval = difference.of_ratio(*samples)
    assert interval is not None
    assert 0 < interval.low < 0.2 < interval.high


def test_what_measuring_leaves_open_widens_both_sides() -> None:
    draws = np.full(difference.DRAWS, 10.0)
    first, second = Sample(10, draws, 20, uncertainty=0.5), Sample(11, 1.1 * draws, 20, uncertainty=0.4)
    interval = difference.of_ratio(first, second)
    assert interval is not None
    assert 0.04 + 0.05 * 1.1 == pytest.approx(interval.measuring)
    assert (0.1 - 0.095, 0.1 + 0.095) == pytest.approx((interval.low, interval.high))
    assert not interval.holds_zero
    assert 0.9 == pytest.approx(difference.of_difference(first, second).measuring)


@pytest.mark.parametrize(
    ("low", "high", "measuring", "holds_zero", "is_variation"),
    [(0.01, 0.2, 0, False, False), (-0.01, 0.2, 0.05, True, False), (-0.1, 0.2, 0.05, True, True)],
)
def test_an_interval_tells_variation_from_measuring(
    low: float, high: float, measuring: float, holds_zero: bool, is_variation: bool
) -> None:
    interval = Interval(low, high, measuring)
    assert (holds_zero, is_variation) == (interval.holds_zero, interval.is_variation)


def test_nothing_is_divided_by_what_may_be_nothing() -> None:
    nothing = Sample(0, np.zeros(difference.DRAWS), 20)
    assert difference.of_ratio(nothing, nothing) is None
    assert (0, 0) == (
        difference.of_difference(nothing, nothing).low,
        difference.of_difference(nothing, nothing).high,
    )


@pytest.mark.parametrize(("percent", "needed"), [(50, 10), (90, 50), (99, 500), (10, 50)])
def test_a_percentile_needs_some_requests_beyond_it(percent: float, needed: int) -> None:
    assert needed == difference.requests_needed(percent)


# -- drift ------------------------------------------------------------------------------------------------


def test_a_run_that_gets_slower_and_slower_drifts() -> None:
    random = np.random.default_rng(0)
    assert difference.drifts(np.linspace(1, 3, 800) * independent(random, 800))
    assert not difference.drifts(np.ones(200))
    assert not difference.drifts(np.arange(9))


def test_a_run_that_does_not_is_seldom_said_to_drift() -> None:
    random = np.random.default_rng(1)
    assert sum(difference.drifts(independent(random, 100)) for _ in range(200)) <= 8
