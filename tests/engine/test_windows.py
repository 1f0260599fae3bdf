# ruff: noqa: E501  one case, one line
"""Perf Analyzer's measurement windows and its stability rule, on numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.engine.windows import Windows

MS = 1_000_000
S = 1_000 * MS


def windows(**given):
    defaults = {"start_ns": 0, "interval_ns": None, "requests": None, "stability_percentage": 10.0}
    return Windows(**(defaults | {"percentile": None, "max_trials": 10} | given))


def timed(ends, *, interval_ns=100, until_ns=None, latency_ns=5, **given):
    """Windows of that length, over requests that ended at these instants."""
    made = windows(interval_ns=interval_ns, **given)
    for end in ends:
        made.add(*(end if isinstance(end, tuple) else (end, latency_ns)))
    made.advance(until_ns if until_ns is not None else 10**12)
    return made


def shape(made):
    return [(window.start_ns, window.end_ns, window.requests) for window in made.closed]


# -- windows of time --------------------------------------------------------------------------------


def test_windows_are_exactly_as_long_as_asked_and_touch():
    made = timed([10, 150, 250], until_ns=305, stability_percentage=999.0, max_trials=99)
    assert [(0, 100, 1), (100, 200, 1), (200, 300, 1)] == shape(made)


@pytest.mark.parametrize(
    ("end_ns", "expected"), [(1, [1, 0]), (99, [1, 0]), (100, [1, 0]), (101, [0, 1]), (200, [0, 1])]
)
def test_a_request_belongs_where_it_ends(end_ns, expected):
    made = timed([end_ns], until_ns=200)
    assert expected == [window.requests for window in made.closed]


def test_a_request_that_is_told_late_still_belongs_where_it_ended():
    made = windows(interval_ns=100)
    made.add(150, 5)
    made.add(50, 5)
    made.advance(100)
    made.add(120, 5)
    made.advance(200)
    assert [(0, 100, 1), (100, 200, 2)] == shape(made)


def test_a_request_told_after_its_window_was_closed_counts_in_the_next():
    made = windows(interval_ns=100)
    made.advance(100)
    made.add(99, 5)
    made.advance(200)
    assert [(0, 100, 0), (100, 200, 1)] == shape(made)


def test_a_window_says_how_fast_and_how_long():
    made = timed([(20, 10), (40, 20), (100, 60)], until_ns=100, interval_ns=100)
    (window,) = made.closed
    assert (3 * S / 100, 30.0) == (window.throughput_per_s, window.latency_ns)


def test_an_empty_window_says_zero():
    (window,) = timed([], until_ns=100).closed
    assert (0, 0.0, 0.0) == (window.requests, window.throughput_per_s, window.latency_ns)


def test_the_open_window_is_due_at_its_end():
    made = windows(interval_ns=100, start_ns=7)
    assert 107 == made.due_ns
    made.advance(106)
    assert [] == made.closed
    made.advance(320)
    assert ([(7, 107, 0), (107, 207, 0), (207, 307, 0)], 407) == (shape(made), made.due_ns)


@pytest.mark.parametrize(
    ("percentile", "latencies", "expected"),
    [
        (None, [10, 20, 60], 30.0),
        (50, [10], 10.0),
        (50, [10, 20], 20.0),  # floor(0.5 x 1 + 0.5) = 1
        (50, [10, 20, 30], 20.0),
        (90, list(range(1, 11)), 9.0),  # floor(0.9 x 9 + 0.5) = 8
        (95, list(range(1, 11)), 10.0),
        (99, list(range(1, 101)), 99.0),  # floor(0.99 x 99 + 0.5) = 98
        (1, list(range(1, 101)), 2.0),  # floor(0.01 x 99 + 0.5) = 1
    ],
)
def test_the_latency_is_the_average_or_a_percentile_by_nearest_rank(percentile, latencies, expected):
    ends = [(50, latency) for latency in reversed(latencies)]
    (window,) = timed(ends, until_ns=100, percentile=percentile).closed
    assert expected == window.latency_ns


# -- windows of requests ----------------------------------------------------------------------------


def test_a_window_of_requests_closes_with_its_last_one_and_is_as_long_as_it_took():
    made = windows(requests=3, stability_percentage=0.0, start_ns=100)
    for end_ns in (150, 160, 200, 210, 300, 350, 999):
        made.add(end_ns, 5)
    assert [(100, 200, 3), (200, 350, 3)] == shape(made)
    assert [3 * S / 100, 3 * S / 150] == [window.throughput_per_s for window in made.closed]
    assert made.due_ns is None


def test_time_closes_no_window_of_requests():
    made = windows(requests=3)
    made.advance(10**12)
    assert [] == made.closed


def test_requests_that_all_end_at_once_are_no_division_by_zero():
    made = windows(requests=1, max_trials=3)
    for _ in range(3):
        made.add(0, 5)
    assert 3 == len(made.closed)
    assert all(math.isfinite(window.throughput_per_s) for window in made.closed)


# -- stability --------------------------------------------------------------------------------------


def judged(shapes, **given):
    """(stable, windows needed) for windows of (requests, latency each) of one second."""
    made = windows(interval_ns=S, **given)
    for number, (requests, latency_ns) in enumerate(shapes):
        for _ in range(requests):
            made.add(number * S + S // 2, latency_ns)
        made.advance((number + 1) * S)
    return made.stable, len(made.closed)


@pytest.mark.parametrize(
    ("shapes", "given", "expected"),
    [
        pytest.param([(10, 100)] * 3, {}, (True, 3), id="three alike"),
        pytest.param([(10, 100)] * 2, {}, (None, 2), id="two are too few"),
        pytest.param([(100, 100), (110, 100), (105, 100)], {}, (True, 3), id="throughput just within 10 %"),
        pytest.param([(100, 100), (111, 100), (105, 100)], {}, (None, 3), id="throughput just outside"),
        pytest.param([(10, 100), (10, 110), (10, 105)], {}, (True, 3), id="latency just within"),
        pytest.param([(10, 100), (10, 111), (10, 105)], {}, (None, 3), id="latency just outside"),
        pytest.param([(10, 100), (10, 105), (10, 111)], {}, (None, 3), id="any two of the three"),
        pytest.param([(1, 100), *[(10, 100)] * 3], {}, (True, 4), id="the last three count"),
        pytest.param([(10, 100), (10, 100), (0, 0), (10, 100), (10, 100), (10, 100)], {}, (True, 6), id="an empty one breaks it"),
        pytest.param([(0, 0)] * 3, {}, (None, 3), id="nothing is not stable"),
        pytest.param([(0, 0)] * 3, {"stability_percentage": 999.0}, (None, 3), id="not even at 999"),
        pytest.param([(1, 1), (9, 9), (1, 1)], {"stability_percentage": 999.0}, (True, 3), id="999 takes any"),
        pytest.param([(1, 1), (10, 1), (1, 1)], {"stability_percentage": 999.0}, (True, 3), id="999 % is 10.99 times"),
        pytest.param([(10, 100)] * 3, {"stability_percentage": 0.0}, (True, 3), id="0 takes equal ones"),
        pytest.param([(10, 100), (10, 101), (10, 100)], {"stability_percentage": 0.0}, (None, 3), id="0 takes nothing else"),
        pytest.param([(1, 1), (5, 5)] * 5, {}, (False, 10), id="ten trials and it never was"),
        pytest.param([(1, 1), (5, 5)] * 5, {"max_trials": 4}, (False, 4), id="fewer trials"),
        pytest.param([(5, 5)] * 3, {"max_trials": 3}, (True, 3), id="stable at the last trial"),
        pytest.param([(5, 5)], {"max_trials": 1}, (False, 1), id="one trial is never enough to know"),
        pytest.param([(0, 0)] * 4, {"max_trials": 4}, (False, 4), id="a server that never answers"),
    ],
)  # fmt: skip
def test_three_windows_in_a_row_must_agree(shapes, given, expected):
    assert expected == judged(shapes, **given)


def test_stability_looks_at_the_chosen_percentile_and_not_at_the_average():
    made = windows(interval_ns=100, percentile=50)
    for start_ns, worst_ns in ((0, 10), (100, 9_000), (200, 50)):
        for latency_ns in (10, 10, 10, 10, worst_ns):
            made.add(start_ns + 50, latency_ns)
        made.advance(start_ns + 100)
    assert made.stable is True


def test_nothing_is_closed_any_more_once_it_is_decided():
    made = timed(range(10, 10_000, 10), interval_ns=100)
    assert (True, 3) == (made.stable, len(made.closed))
    made.add(10_001, 5)
    made.advance(20_000)
    assert 3 == len(made.closed)
    counted = windows(requests=1, stability_percentage=999.0)
    for end_ns in range(1, 100):
        counted.add(end_ns, 5)
    assert (True, 3) == (counted.stable, len(counted.closed))


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 50)), max_size=60), st.integers(1, 300))
def test_every_request_is_in_one_window_or_in_none_that_is_closed(ended, interval_ns):
    made = windows(interval_ns=interval_ns, max_trials=10**6, stability_percentage=0.0)
    now_ns = 0
    for end_ns, latency_ns in sorted(ended):
        made.add(end_ns, latency_ns)
        made.advance(now_ns := max(now_ns, end_ns - 20))
    for window in made.closed:
        inside = [end_ns for end_ns, _ in ended if window.start_ns < end_ns <= window.end_ns]
        assert len(inside) == window.requests
        assert interval_ns == window.end_ns - window.start_ns
