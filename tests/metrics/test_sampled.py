"""Figures of what was sampled at instants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.metrics.gpu import Together
from genai_perf.metrics.sampled import (
    REACH_NS,
    Stretch,
    curve,
    describe_curve,
    growth,
    one_value,
    together,
)
from genai_perf.metrics.stats import PERCENTILES

S = 1_000_000_000


def at(*seconds: float):
    return np.array([round(second * S) for second in seconds], np.int64)


def of(*values: float):
    return np.array(values, np.float64)


def average(instants, values, stretch):
    stats = describe_curve(curve(instants, values, stretch))
    assert stats is not None
    return stats.avg


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_with_even_readings_every_statistic_is_that_of_the_values(values):
    middles = at(*(n + 0.5 for n in range(len(values))))
    stats = describe_curve(curve(middles, of(*values), Stretch(0, len(values) * S)))
    assert stats is not None
    assert np.mean(values) == pytest.approx(stats.avg, rel=1e-9, abs=1e-6)
    assert np.std(values) == pytest.approx(stats.std, rel=1e-6, abs=1e-4)
    assert (min(values), max(values), len(values)) == (stats.min, stats.max, stats.count)
    for name, percent in PERCENTILES.items():
        expected = np.percentile(values, percent)
        assert expected == pytest.approx(stats.percentiles[name], rel=1e-6, abs=1e-4)


def test_a_reading_that_comes_late_weighs_for_the_time_that_nothing_else_is_known_of():
    instants, values = at(0, 0.25, 0.5, 0.75, 1, 3), of(100, 100, 100, 100, 0, 0)
    assert 100 * 0.875 / 3 == average(instants, values, Stretch(0, 3 * S))


def test_readings_outside_of_the_stretch_count_only_where_there_is_none_inside():
    assert 7 == average(at(-0.1, 0.5, 1.1), of(1000, 7, 1000), Stretch(0, S))
    assert 7 == average(at(-0.1, 5), of(7, 1000), Stretch(0, S))


def test_what_is_too_far_from_any_reading_is_unknown():
    known = curve(at(0, 100), of(1, 3), Stretch(0, 100 * S))
    assert 2 * REACH_NS == known.covered_ns()
    assert describe_curve(curve(at(0), of(1), Stretch(50 * S, 60 * S))) is None


def test_a_stretch_of_one_instant_has_the_nearest_reading():
    assert 5 == average(at(0, 1), of(5, 9), Stretch(S // 4, S // 4))


@given(st.lists(st.integers(1, 15), min_size=1, max_size=30), st.integers(15, 40), st.integers(0, 1000))
def test_the_average_of_a_square_wave_is_as_near_as_the_readings_are(gaps, half, low):
    """Each time the wave changes, at most half a gap between two readings is credited to the wrong side."""
    instants = np.cumsum([0, *gaps])
    wave = low + 500.0 * (instants // half % 2)
    end = int(instants[-1])
    high = sum(max(0, min(end, start + half) - start) for start in range(half, end, 2 * half))
    truth = low + 500 * high / end
    bound = end // half * 500 * max(gaps) / 2 / end
    tenths = S // 10
    assert abs(average(instants * tenths, wave, Stretch(0, end * tenths)) - truth) <= bound + 1e-6


def test_a_sum_is_of_the_times_at_which_everybody_is_known():
    stretch = Stretch(0, 10 * S)
    one = curve(at(*range(11)), of(*[100] * 11), stretch)
    two = curve(at(*range(6)), of(*[10] * 6), stretch)
    both = together([one, two], Together.SUM)
    assert (110, 110) == (both.value.min(), both.value.max())
    assert 5 * S + REACH_NS == both.covered_ns()


@given(st.data(), st.sampled_from(Together))
def test_several_gauges_are_combined_instant_by_instant(data, how):
    stretch = Stretch(0, 5 * S)
    curves = []
    for _ in range(data.draw(st.integers(1, 4))):
        ticks = data.draw(st.lists(st.integers(-5, 55), min_size=1, max_size=20, unique=True))
        values = data.draw(st.lists(st.integers(0, 9), min_size=len(ticks), max_size=len(ticks)))
        curves.append(curve(np.sort(np.array(ticks, np.int64)) * (S // 10), of(*values), stretch))
    both = together(curves, how)

    def value(each, instant):
        inside = (each.begin_ns <= instant) & (instant < each.end_ns)
        assert inside.sum() <= 1
        return float(each.value[inside][0]) if inside.any() else None

    combine = {Together.SUM: sum, Together.MAX: max, Together.MEAN: lambda found: sum(found) / len(found)}[
        how
    ]
    for instant in range(12345, 5 * S, S // 7):
        each = [value(one, instant) for one in curves]
        expected = None if None in each else combine(each)
        assert expected == pytest.approx(value(both, instant))


def test_a_counter_that_is_read_as_it_grows_is_exact():
    grown = growth(at(0, 1, 2, 3), of(50, 150, 250, 350), Stretch(S // 2, 5 * S // 2), always_grows=True)
    assert 200 == grown.amount
    assert S == grown.refresh_ns


def test_a_counter_that_fell_has_been_reset_and_counts_from_nought():
    grown = growth(at(0, 1, 2, 3), of(900, 1000, 30, 130), Stretch(0, 3 * S), always_grows=True)
    assert 100 + 30 + 100 == grown.amount


def test_a_counter_that_is_back_at_the_next_reading_was_misread():
    shown = of(5e9, 5e9 + 100, 0, 5e9 + 300, 5e9 + 400)
    assert 400 == growth(at(0, 1, 2, 3, 4), shown, Stretch(0, 4 * S), always_grows=True).amount


def test_a_counter_that_fell_by_a_little_was_not_reset():
    shown = of(5e9, 5e9 + 100, 5e9 + 40, 5e9 + 90, 5e9 + 190)
    grown = growth(at(0, 1, 2, 3, 4), shown, Stretch(0, 4 * S), always_grows=True)
    assert 100 + 50 + 100 == grown.amount


def test_a_counter_that_is_refreshed_seldom_is_taken_where_it_changes():
    """100 a second, refreshed each second at .25, read four times a second."""
    instants = at(*(n / 4 for n in range(41)))
    shown = of(*(100 * int((n - 1) / 4) for n in range(1, 42)))
    grown = growth(instants, shown, Stretch(2 * S, 8 * S), always_grows=True)
    assert 600 == pytest.approx(grown.amount)
    assert S == grown.refresh_ns


def test_a_counter_that_is_refreshed_more_seldom_than_was_measured_is_not_known():
    instants = at(*range(41))
    shown = of(*(n // 30 * 3000 for n in range(41)))
    assert growth(instants, shown, Stretch(5 * S, 15 * S), always_grows=True).amount is None
    twice = of(*((n + 15) // 30 * 3000 for n in range(61)))
    grown = growth(at(*range(61)), twice, Stretch(0, 12 * S), always_grows=True)
    assert (None, 30 * S) == (grown.amount, grown.refresh_ns)


def test_a_counter_that_may_stand_still_has_then_grown_by_nothing():
    assert 0 == growth(at(0, 1, 2), of(7, 7, 7), Stretch(0, 2 * S), always_grows=False).amount
    assert 5 == growth(at(0, 1, 2), of(7, 7, 12), Stretch(0, 2 * S), always_grows=False).amount


def test_one_number_is_all_of_its_statistics():
    stats = one_value(3.5)
    assert {3.5} == {stats.avg, stats.min, stats.max, *stats.percentiles.values()}
    assert (0, 1) == (stats.std, stats.count)
