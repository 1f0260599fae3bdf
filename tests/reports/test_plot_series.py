"""What is computed for the pictures, against the plain way of computing it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import result, streamed

from genai_perf.metrics.stats import percentile
from genai_perf.reports.plots import series

instants = st.integers(0, 10_000)
spans = st.lists(st.tuples(instants, st.integers(0, 3_000)).map(lambda s: (s[0], s[0] + s[1])), max_size=30)


def columns(found: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.array([start for start, _ in found], np.int64),
        np.array([end for _, end in found], np.int64),
    )


@given(spans, st.integers(1, 12))
def test_requests_in_flight_are_averaged_exactly(found: list[tuple[int, int]], bins: int) -> None:
    edges = np.linspace(0, 13_000, bins + 1).round().astype(np.int64)
    mean, _ = series.in_flight(*columns(found), edges)
    for place in range(bins):
        left, right = int(edges[place]), int(edges[place + 1])
        inside = sum(max(0, min(end, right) - max(start, left)) for start, end in found)
        assert pytest.approx(inside / (right - left)) == mean[place]


@given(spans, st.integers(1, 12))
def test_the_most_in_flight_is_what_some_instant_of_the_bin_saw(
    found: list[tuple[int, int]], bins: int
) -> None:
    found = [(start, end) for start, end in found if end > start]
    edges = np.linspace(0, 13_001, bins + 1).round().astype(np.int64)
    _, most = series.in_flight(*columns(found), edges)
    for place in range(bins):
        left, right = int(edges[place]), int(edges[place + 1])
        changes = [left, *(at for span in found for at in span if left <= at < right)]
        expected = max(sum(start <= at < end for start, end in found) for at in changes)
        assert expected == most[place]


def test_requests_that_follow_one_another_are_never_two_in_flight() -> None:
    starts = np.arange(0, 1000, 10)
    _, most = series.in_flight(starts, starts + 10, np.array([0, 500, 1000]))
    assert [1, 1] == most.tolist()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=5000))
def test_the_percentile_curve_is_of_the_reports_percentiles(values: list[float]) -> None:
    ordered = np.sort(np.array(values))
    at, share = series.percentile_curve(ordered)
    assert (ordered[0], ordered[-1], 0.0, 100.0) == (at[0], at[-1], share[0], share[-1])
    for value, percent in list(zip(at, share))[:: max(1, len(at) // 20)]:
        assert pytest.approx(percentile(ordered, percent), abs=1e-6) == value


def test_the_percentile_curve_of_very_many_is_short_and_knows_the_slow_end() -> None:
    at, share = series.percentile_curve(np.arange(1_000_000, dtype=np.float64))
    assert len(at) <= 2000
    assert 10 == int((at > 999_988).sum()) - 1
    assert [*np.sort(share)] == [*share]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1000)), min_size=60, max_size=300),
    st.sampled_from([50.0, 90.0, 99.0]),
)
def test_percentiles_over_time_are_those_of_each_bin(
    points: list[tuple[float, float]], percent: float
) -> None:
    at, values = (np.array(column) for column in zip(*points))
    centres, (line,) = series.binned_percentiles(at, values, [percent])
    bins = len(points) // series.EVENTS_A_BIN
    assert bins == len(centres)
    edges = np.linspace(at.min(), at.max(), bins + 1)
    places = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, bins - 1)
    for place in range(bins):
        inside = np.sort(values[places == place])
        expected = percentile(inside, percent) if len(inside) else np.nan
        assert pytest.approx(expected, nan_ok=True) == line[place]


def test_a_few_requests_have_no_percentiles_over_time() -> None:
    centres, (line,) = series.binned_percentiles(np.arange(59.0), np.arange(59.0), [50])
    assert (0, 0) == (len(centres), len(line))


def test_bins_tile_the_run() -> None:
    run = series.read(result(streamed(100)))
    edges = series.bin_edges(run)
    assert (run.origin_ns, run.last_ns) == (edges[0], edges[-1])
    assert (1000 // series.EVENTS_A_BIN) == len(edges) - 1


@given(st.integers(0, 20_000), st.integers(1, 6_000))
def test_a_sample_is_of_distinct_points_in_order(total: int, most: int) -> None:
    points = np.arange(total)[series.sample(total, most)]
    assert min(total, most) == len(points)
    assert (np.diff(points) > 0).all()
