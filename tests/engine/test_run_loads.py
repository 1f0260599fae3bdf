"""Whole runs whose load changes, and whose clients give up; on virtual time."""

from pathlib import Path

from measured import config
from virtual_time import Plan

from genai_perf.schedule import LoadFile, Stretch

MS = 1_000_000
S = 1_000 * MS


def test_a_ramp_fills_the_places_one_after_the_other(measure):
    seen = measure(config(concurrency=3, ramp_up_s=0.01, duration_s=0.02), [Plan(MS)])
    in_flight = dict(seen.transport.levels)
    assert 1 == in_flight[0]
    assert 2 == max(level for at_ns, level in in_flight.items() if at_ns < 7.5 * MS)
    assert 3 == max(in_flight.values())


def test_a_schedule_of_rates_ends_the_run_and_is_obeyed(measure):
    given = config(request_rate_schedule=Path("rates.csv"))
    seen = measure(given, [Plan(MS)], load_file=LoadFile(stretches=(Stretch(1, 2, 2), Stretch(1, 4, 4))))
    assert [0, 500 * MS, 1000 * MS, 1250 * MS, 1500 * MS, 1750 * MS] == [
        at_ns for at_ns, _ in seen.transport.sends
    ]
    assert "duration" == seen.end.stop_reason


def test_a_schedule_of_widths_ends_the_run_and_is_obeyed(measure):
    given = config(concurrency_schedule=Path("widths.csv"))
    seen = measure(
        given, [Plan(10 * MS)], load_file=LoadFile(stretches=(Stretch(0.02, 1, 1), Stretch(0.02, 2, 2)))
    )
    assert [0, 10, 20, 20, 30, 30] == [at_ns // MS for at_ns, _ in seen.transport.sends]
    assert 2 == seen.transport.opened


def test_what_is_in_flight_after_the_grace_period_is_given_up_and_is_no_failure(measure):
    given = config(concurrency=2, duration_s=0.01, grace_period_s=0.005, max_error_rate=0.0)
    seen = measure(given, [Plan(MS)] * 11 + [Plan(3600 * S)] * 2)
    unfinished = [row for row in seen.rows if row["error_kind"] == "unfinished"]
    assert 2 == len(unfinished)
    assert {15 * MS} == {row["end_ns"] for row in unfinished}
    assert "duration" == seen.end.stop_reason


def test_requests_that_are_hung_up_on_are_no_failures(measure):
    given = config(
        concurrency=1, request_count=40, cancellation_rate=1.0, cancellation_delay_s=0.001, max_error_rate=0.0
    )
    seen = measure(given, [Plan(S)])
    assert {"hung_up"} == {row["error_kind"] for row in seen.rows}
    assert (40, "request_count") == (len(seen.rows), seen.end.stop_reason)
