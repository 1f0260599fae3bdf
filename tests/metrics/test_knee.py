"""The knee of a sweep, by examples and by what must not move it."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from genai_perf.metrics.knee import knee, knee_of
from genai_perf.types import Stats, Summary

POWERS_OF_TWO = [1, 2, 4, 8, 16, 32, 64, 128, 256]


def closed_loop(places: int, loads: list[int], service_s: float = 1.0) -> tuple[list[float], list[float]]:
    """A server with so many places, where those who find none wait: throughput and latency, by load."""
    latency = [service_s * max(1, load / places) for load in loads]
    return [load / each for load, each in zip(loads, latency)], latency


def open_loop(loads: list[float], capacity: float) -> tuple[list[float], list[float]]:
    """An M/M/1 queue; beyond its capacity, what a run of a minute sees of the queue that grows."""
    throughput = [min(load, capacity) for load in loads]
    latency = [1 / (capacity - load) if load < capacity else 60 * (load - capacity) + 9 for load in loads]
    return throughput, latency


@pytest.mark.parametrize(
    ("throughput", "latency", "expected"),
    [
        ([50, 96, 181, 650, 1100, 1600, 1900, 1950], [1, 1.02, 1.05, 1.23, 1.45, 2, 3.37, 6.56], 5),
        ([10, 20, 40, 40, 40], [1, 1, 1, 2, 4], 2),
        ([10, 20, 40, 30, 10], [1, 1, 1, 3, 9], 2),  # throughput collapses under overload
        ([10, 20, 40, 80], [1, 1, 1, 1], None),  # saturation is not reached
        ([40, 40, 40], [1, 2, 4], None),  # saturated from the start
        ([40, 40, 40], [1, 1, 1], None),
        ([40, 40.4, 40.2, 39.9], [1, 1.01, 0.99, 1.0], None),  # flat, with noise
        ([10, 20, 40, 39.5], [1, 1, 1, 1], None),  # the last step is noise
        ([10, 20, 40, 40, 20], [1, 1, 1, 1, 1], 2),  # the least load of equals
        ([10, 30], [1, 2], None),
        ([10], [1], None),
        ([], [], None),
        ([10, None, 40, None, 40], [1, None, 1, None, 4], 2),  # failed scenarios keep their places
        ([10, 0.0, 40, float("nan"), 40], [1, 0.0, 1, 3, 4], 2),
        ([None, None], [None, None], None),
    ],
)
def test_the_knee_is_where_throughput_per_latency_is_greatest(throughput, latency, expected) -> None:
    assert expected == knee(throughput, latency)


@given(st.sampled_from(POWERS_OF_TWO[1:-1]), st.floats(1e-6, 1e6))
def test_the_knee_of_a_server_with_places_is_their_number(places: int, service_s: float) -> None:
    throughput, latency = closed_loop(places, POWERS_OF_TWO, service_s)
    assert POWERS_OF_TWO.index(places) == knee(throughput, latency)


@given(st.integers(2, 31))
def test_the_knee_of_a_sweep_in_fine_steps_is_the_number_of_places(places: int) -> None:
    loads = list(range(1, 41))
    assert loads.index(places) == knee(*closed_loop(places, loads))


def test_the_knee_of_a_simple_queue_is_at_half_its_capacity() -> None:
    loads = [10.0 * step for step in range(1, 13)]
    assert loads.index(50) == knee(*open_loop(loads, 100))


curves = st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), max_size=12).map(
    lambda points: ([t for t, _ in points], [latency for _, latency in points])
)


@given(curves, st.integers(-20, 20), st.integers(-20, 20))
def test_units_do_not_move_the_knee(curve, throughput_power: int, latency_power: int) -> None:
    throughput, latency = curve
    scaled = [t * 2.0**throughput_power for t in throughput], [ms * 2.0**latency_power for ms in latency]
    assert knee(throughput, latency) == knee(*scaled)


@given(curves, st.floats(1.0, 100.0))
def test_going_further_into_overload_does_not_move_the_knee(curve, slower: float) -> None:
    throughput, latency = curve
    found = knee(throughput, latency)
    assume(found is not None)
    assert found == knee([*throughput, throughput[-1]], [*latency, latency[-1] * slower])


@given(st.lists(st.floats(1, 1e4), max_size=12).map(sorted), st.floats(0.1, 100))
def test_a_curve_that_only_climbs_has_no_knee(throughput: list[float], latency: float) -> None:
    assert knee(throughput, [latency] * len(throughput)) is None


def summary(per_s: float, latency_ns: float, **further: float) -> Summary:
    def stats(avg: float) -> Stats:
        return Stats(count=1, avg=avg, std=0, min=avg, max=avg, percentiles={})

    metrics = {"request_throughput": per_s, "request_latency": stats(latency_ns)}
    metrics |= {tag: stats(value) for tag, value in further.items()}
    return Summary(metrics=metrics, requests=1, errors={}, exactness={})


def test_the_runs_of_a_sweep_have_the_knee_of_their_averages() -> None:
    assert 2 == knee_of([summary(t, 1e6 * ms) for t, ms in zip((10, 20, 40, 40), (1, 1, 1, 2))])


def test_an_open_loops_knee_counts_what_the_user_waits() -> None:
    """The server is as quick as ever, but requests wait for a place here."""
    runs = [summary(t, 1e6, request_latency_from_due=d) for t, d in ((10, 1e6), (20, 1e6), (20, 9e9))]
    assert 1 == knee_of(runs)


def test_a_scenario_that_failed_is_passed_over() -> None:
    runs = [summary(t, 1e6 * ms) for t, ms in zip((10, 20, 40, 40), (1, 1, 1, 2))]
    failed = replace(runs[0], metrics={}, requests=0)
    assert 3 == knee_of([failed, *runs])
