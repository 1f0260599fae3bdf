"""Levels, growth and distributions over the measured window, from readings whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.telemetry.store import Series
from genai_perf.telemetry.windowed import (
    Borders,
    Distribution,
    Growth,
    Level,
    Window,
    distribution,
    growth,
    level,
)

BETWEEN = Borders(10, 50)


def readings(values, name="c", labels=None, type_="counter"):
    """A series, from values by instant."""
    at_ns = np.array(sorted(values), np.int64)
    return Series(
        "s", name, labels or {}, type_, at_ns, np.array([values[at] for at in sorted(values)], float)
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({0: 1, 10: 5, 30: 7, 50: 9, 60: 99}, Growth(4)),
        ({10: 5, 50: 5}, Growth(0)),
        ({30: 7, 50: 9}, Growth(9)),  # was not there before the first request
        ({50: 9}, Growth(9)),
        ({10: 5, 30: 2, 50: 4}, Growth(4, resets=1)),
        ({10: 5, 30: 0, 40: 3, 45: 1, 50: 1}, Growth(4, resets=2)),
        ({10: 5, 30: 8}, Growth(3)),  # its labels are not shown any more
        ({0: 5, 60: 8}, Growth(0)),
    ],
)
def test_a_counter_has_grown_by_this(values, expected):
    assert expected == growth([readings(values)], BETWEEN)


def test_counters_grow_together():
    assert Growth(7, resets=1) == growth([readings({10: 1, 50: 4}), readings({10: 9, 50: 4})], BETWEEN)


def test_a_level_is_of_the_readings_in_the_window_alone():
    one = readings({0: 100, 10: 1, 20: 2, 30: 6, 60: 100}, type_="gauge")
    assert Level(3, 1, 6, 6) == level([one], Window(10, 50))
    assert level([one], Window(31, 50)) is None


def test_several_gauges_are_added_up_or_averaged_at_each_instant():
    both = [readings({10: 1, 20: 5}, type_="gauge"), readings({10: 3, 20: 1}, type_="gauge")]
    assert Level(5, 4, 6, 6) == level(both, Window(0, 50))
    assert Level(2.5, 2, 3, 3) == level(both, Window(0, 50), is_sum=False)


def test_a_gauge_without_a_value_says_nothing():
    assert Level(2, 2, 2, 2) == level([readings({10: math.nan, 20: 2})], Window(0, 50))


def test_a_histogram_is_the_difference_of_its_buckets():
    def bucket(edge, before, after):
        return readings({10: before, 50: after}, "h_bucket", {"le": edge})

    series = [
        *(bucket("0.1", 5, 5), bucket("0.5", 5, 8), bucket("+Inf", 6, 10)),
        readings({10: 100.0, 50: 102.5}, "h_sum"),
        readings({10: 6, 50: 10}, "h_count"),
        readings({10: 6, 50: 10}, "another_count"),
    ]
    found = distribution("h", series, BETWEEN)
    assert Distribution(4, 2.5, {0.1: 0, 0.5: 3, math.inf: 4}) == found
    assert found.mean == 0.625
    assert (0.1, 0.5) == (found.percentile(50).low, found.percentile(50).high)
    assert (0.1, math.inf) == (found.percentile(99).low, found.percentile(99).high)  # between two of them
    assert distribution("another", series, BETWEEN) is None


def test_nothing_observed_has_no_mean_and_no_percentile():
    nothing = Distribution(0, 0.0, {1.0: 0, math.inf: 0})
    assert nothing.mean is None
    assert nothing.percentile(50) is None
    assert Distribution(3, 3.0, {}).percentile(50) is None


def test_distributions_with_other_buckets_keep_their_mean_alone():
    together = Distribution(1, 2.0, {1.0: 1}) + Distribution(3, 4.0, {2.0: 3})
    assert (1.5, None) == (together.mean, together.percentile(50))
    assert Distribution(4, 6.0, {1.0: 4}) == Distribution(1, 2.0, {1.0: 1}) + Distribution(3, 4.0, {1.0: 3})


EDGES = (0.001, 0.01, 0.05, 0.1, 0.5, 1.0, math.inf)


@given(st.lists(st.floats(1e-4, 3.0), min_size=1, max_size=60), st.sampled_from([1, 50, 90, 99, 100]))
def test_the_bounds_of_a_percentile_hold_the_percentile_of_the_values(values, percent):
    buckets = {edge: float(sum(value <= edge for value in values)) for edge in EDGES}
    found = Distribution(len(values), math.fsum(values), buckets).percentile(percent)
    assert found.low - 1e-9 <= np.percentile(values, percent) <= found.high + 1e-9
    assert found.low <= found.value <= found.high


def test_a_unit_scales_sum_and_edges():
    assert Distribution(2, 2e9, {1e9: 2}) == Distribution(2, 2.0, {1.0: 2}).scaled(1e9)
