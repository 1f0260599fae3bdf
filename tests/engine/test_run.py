"""A whole run on virtual time: phases, what ends it, what is counted, what is left behind."""

import os
import signal
from dataclasses import replace

import pytest
from exchanges import request
from journal_rows import info
from measured import config
from virtual_time import Plan, VirtualTimer, VirtualTransport, now_ns, run

from genai_perf import endpoints
from genai_perf.engine.job import Job, connections_wanted
from genai_perf.engine.journal import Journal, read
from genai_perf.engine.run import Run
from genai_perf.exceptions import ArtifactError, ServerError
from genai_perf.schedule import LoadFile
from genai_perf.types import RequestError, Workload

MS = 1_000_000
S = 1_000 * MS
REFUSED = RequestError("connect", "cannot connect: Connection refused")


def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)


# -- before -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ({}, 1),
        ({"concurrency": 8}, 8),
        ({"concurrency": 8, "request_count": 3}, 3),
        ({"concurrency": 8, "duration_s": 5.0}, 8),
        ({"request_rate": 5.0}, 1),
        ({"request_rate": 2000.0}, 200),
        ({"request_rate": 2000.0, "max_concurrency": 16}, 16),
        ({"request_rate": 1e6}, 1024),
        ({"request_rate": 1e6, "max_concurrency": 5000}, 1024),
        ({"request_intervals": "gaps.txt"}, 1),
    ],
)
def test_connections_are_opened_for_what_will_be_in_flight(load, expected):
    job = Job(config(**load), endpoints.get("chat"), Workload([request()]))
    assert expected == connections_wanted(job)


def test_the_transport_is_opened_before_the_first_request(measure):
    seen = measure(config(concurrency=3, request_count=10), [Plan(MS)])
    assert 3 == seen.transport.opened


def test_a_server_that_cannot_be_reached_leaves_an_empty_journal(tmp_path):
    class Unreachable(VirtualTransport):
        async def open(self, connections):
            raise ServerError("http://localhost:8000: Connection refused")

    transport = Unreachable()

    async def main():
        job = Job(config(), endpoints.get("chat"), Workload([request()]))
        await Run(job, transport, Journal(tmp_path / "j", info()), VirtualTimer()).measure()

    with pytest.raises(ServerError, match="refused"):
        run(main())
    assert transport.closed
    assert 0 == len(read(tmp_path / "j")[1])


# -- phases and counts ------------------------------------------------------------------------------


def test_a_closed_loop_ends_after_its_requests(measure):
    seen = measure(config(concurrency=2, request_count=5), [Plan(10 * MS)])
    assert ("request_count", None, ()) == (seen.end.stop_reason, seen.end.stable, seen.end.windows)
    assert [0, 0, 10 * MS, 10 * MS, 20 * MS] == seen.column("start_ns")
    assert ["Hello"] * 5 == seen.column("text")
    assert [0, 1, 2, 3, 4] == seen.column("input_index")
    assert seen.ended_ns == seen.end.recorded_ns == 30 * MS


def test_the_warm_up_is_awaited_and_the_benchmark_goes_on_in_the_data(measure):
    given = config(concurrency=2, request_count=4, warmup_request_count=3)
    seen = measure(given, [Plan(10), Plan(10), Plan(50), Plan(5)])
    assert ["warmup"] * 3 + ["benchmark"] * 4 == seen.column("phase")
    assert [0, 0, 10, 60, 60, 65, 65] == seen.column("start_ns")
    assert [0, 1, 2, 3, 4, 0, 1] == seen.column("input_index")
    assert list(range(7)) == seen.column("index")
    assert "request_count" == seen.end.stop_reason


def test_an_open_loop_counts_due_times_from_the_beginning_of_each_phase(measure):
    given = config(request_rate=100.0, request_count=3, warmup_request_count=2)
    seen = measure(given, [Plan(35 * MS)])
    assert [due * MS for due in (0, 10, 45, 55, 65)] == seen.column("due_ns") == seen.column("start_ns")


def test_a_duration_ends_a_closed_loop_and_what_is_in_flight_is_awaited(measure):
    seen = measure(config(concurrency=1, duration_s=0.1), [Plan(40 * MS)])
    assert "duration" == seen.end.stop_reason
    assert [0, 40 * MS, 80 * MS] == seen.column("start_ns")
    assert 120 * MS == seen.ended_ns


def test_a_duration_does_not_count_the_warm_up(measure):
    given = config(concurrency=1, duration_s=0.1, warmup_request_count=5)
    seen = measure(given, [Plan(40 * MS)])
    assert [number * 40 * MS for number in range(8)] == seen.column("start_ns")


@pytest.mark.parametrize(("duration_s", "reason"), [(0.05, "duration"), (5.0, "request_count")])
def test_whichever_limit_comes_first_is_the_reason(measure, duration_s, reason):
    seen = measure(config(concurrency=1, request_count=4, duration_s=duration_s), [Plan(40 * MS)])
    assert reason == seen.end.stop_reason


def test_an_open_loop_sends_all_that_is_due_within_its_duration(measure):
    seen = measure(config(request_rate=1000.0, duration_s=0.05), [Plan(3 * S)])
    assert [number * MS for number in range(50)] == seen.column("start_ns")
    assert ("duration", 0) == (seen.end.stop_reason, seen.end.unsent)


def test_what_a_cap_kept_from_being_sent_is_counted(measure):
    seen = measure(config(request_rate=1000.0, duration_s=0.05, max_concurrency=1), [Plan(20 * MS)])
    assert [0, 20 * MS, 40 * MS] == seen.column("start_ns")
    assert [0, 1 * MS, 2 * MS] == seen.column("due_ns")
    assert 47 == seen.end.unsent


@pytest.mark.parametrize(
    ("rate", "duration_s", "expected"), [(1.0, 2.4, 3), (0.1, 30.0, 3), (1.0, 3.0, 3), (0.1, 5.0, 1)]
)
@pytest.mark.parametrize("distribution", ["constant", "poisson"])
def test_a_rate_and_a_duration_make_as_many_requests_as_they_say(
    measure, distribution, rate, duration_s, expected
):
    given = config(request_rate=rate, duration_s=duration_s, request_distribution=distribution)
    seen = measure(given, [Plan(MS)])
    is_exact = distribution == "constant" or rate * duration_s == int(rate * duration_s)
    assert (expected == len(seen.rows)) if is_exact else (len(seen.rows) <= expected)
    assert all(row["due_ns"] < duration_s * S for row in seen.rows)


def test_intervals_of_a_file_are_kept_to(measure):
    given = config(request_intervals="gaps.txt", request_count=4)
    seen = measure(given, [Plan(MS)], load_file=LoadFile([5, 10]))
    assert [5_000, 15_000, 20_000, 30_000] == seen.column("start_ns")


def test_an_hour_of_load_is_measured_in_no_time(measure):
    seen = measure(config(request_rate=1.0, duration_s=3600.0), [Plan(30 * S)])
    assert 3600 == len(seen.rows)
    assert 30 == seen.transport.most_in_flight


# -- hopeless runs ----------------------------------------------------------------------------------


def test_a_failed_request_is_data(measure):
    seen = measure(config(concurrency=1, request_count=4), [Plan(MS), Plan(MS, error=REFUSED), Plan(MS)])
    assert "request_count" == seen.end.stop_reason
    assert [None, "connect", None, None] == seen.column("error_kind")


def test_when_all_of_the_first_requests_fail_the_run_ends(measure):
    seen = measure(config(concurrency=1, request_count=1000), [Plan(MS, error=REFUSED)])
    assert "error_rate" == seen.end.stop_reason
    assert 10 <= len(seen.rows) <= 12
    assert {"connect"} == set(seen.column("error_kind"))


def test_with_more_places_all_of_the_first_in_flight_must_have_failed(measure):
    seen = measure(config(concurrency=50, request_count=1000), [Plan(MS, error=REFUSED)])
    assert "error_rate" == seen.end.stop_reason
    assert (
        50 <= len(seen.rows) < 1000
    )  # how many more were sent until the first were read is a matter of time


def test_one_good_answer_among_the_first_keeps_the_run_going(measure):
    plans = [*[Plan(MS, error=REFUSED)] * 9, Plan(MS), Plan(MS, error=REFUSED)]
    seen = measure(config(concurrency=1, request_count=100), plans)
    assert ("request_count", 100) == (seen.end.stop_reason, len(seen.rows))


def test_refusals_that_come_back_sooner_than_answers_do_not_end_the_run(measure):
    # Of eight places one is busy with an answer for a second; the others are refused at once, 70 times.
    plans = [Plan(S), *[Plan(10 * MS, error=REFUSED)] * 700, Plan(MS)]
    seen = measure(config(concurrency=8, request_count=720), plans)
    assert "request_count" == seen.end.stop_reason
    assert 700 == sum(kind is not None for kind in seen.column("error_kind"))


def test_a_hopeless_warm_up_ends_the_run_too(measure):
    given = config(concurrency=1, request_count=10, warmup_request_count=100)
    seen = measure(given, [Plan(MS, error=REFUSED)])
    assert "error_rate" == seen.end.stop_reason
    assert {"warmup"} == set(seen.column("phase"))
    assert len(seen.rows) <= 12


def test_a_few_failures_of_a_short_warm_up_do_not_count_against_the_benchmark(measure):
    given = config(concurrency=1, request_count=20, warmup_request_count=5)
    seen = measure(given, [*[Plan(MS, error=REFUSED)] * 12, Plan(MS)])
    assert ("request_count", 25) == (seen.end.stop_reason, len(seen.rows))


@pytest.mark.parametrize(
    ("rate", "every", "reason", "at_most"),
    [
        pytest.param(0.25, 2, "error_rate", 12, id="more than allowed: ends when ten have ended"),
        pytest.param(0.5, 2, "request_count", 100, id="just what is allowed"),
        pytest.param(0.0, 20, "error_rate", 23, id="none allowed"),
        pytest.param(0.0, 1000, "request_count", 100, id="none allowed, none seen"),
        pytest.param(1.0, 1, "request_count", 100, id="everything may fail"),
    ],
)
def test_an_error_rate_above_the_given_one_ends_the_run(measure, rate, every, reason, at_most):
    transport = VirtualTransport()
    transport.plan = lambda _: Plan(MS, error=REFUSED if len(transport.sends) % every == every - 1 else None)
    seen = measure(config(concurrency=1, request_count=100, max_error_rate=rate), transport=transport)
    assert reason == seen.end.stop_reason
    assert 10 <= len(seen.rows) <= at_most


def test_an_error_inside_an_answer_counts_as_one(measure):
    bad = Plan(MS, status=500, body=b'{"error": "boom"}')
    seen = measure(config(concurrency=1, request_count=100), [bad])
    assert "error_rate" == seen.end.stop_reason
    assert {"http_500"} == set(seen.column("error_kind"))


def test_what_was_in_flight_when_the_run_gave_up_is_awaited(measure):
    plans = [*[Plan(MS, error=REFUSED)] * 10, Plan(50 * MS)]
    given = config(request_rate=1000.0, request_count=1000)
    seen = measure(given, plans)
    assert "error_rate" == seen.end.stop_reason
    assert None in seen.column("error_kind")
    assert all(row["end_ns"] <= seen.ended_ns for row in seen.rows)


# -- windows ----------------------------------------------------------------------------------------


def test_windows_of_time_end_the_run_when_three_agree(measure, capsys):
    given = config(concurrency=2, measurement_interval_ms=1000, stability_percentage=10.0)
    seen = measure(given, [Plan(100 * MS)])
    assert ("stable", True) == (seen.end.stop_reason, seen.end.stable)
    bounds = [(window.start_ns, window.end_ns) for window in seen.end.windows]
    assert [(0, S), (S, 2 * S), (2 * S, 3 * S)] == bounds
    assert [20, 20, 20] == [window.requests for window in seen.end.windows]
    assert [20.0] * 3 == [window.throughput_per_s for window in seen.end.windows]
    assert [100.0 * MS] * 3 == [window.latency_ns for window in seen.end.windows]
    # what was in flight then is awaited and recorded
    assert 3 * S < seen.ended_ns <= 3 * S + 120 * MS
    assert 64 >= len(seen.rows) > 60
    assert "" == capsys.readouterr().err


def test_windows_begin_with_the_benchmark_and_not_with_the_warm_up(measure):
    given = config(concurrency=1, measurement_interval_ms=100, warmup_request_count=3)
    seen = measure(given, [Plan(10 * MS)])
    assert 30 * MS == seen.end.windows[0].start_ns
    assert [10, 10, 10] == [window.requests for window in seen.end.windows]


def test_a_load_that_never_settles_ends_after_its_trials(measure):
    slower = [Plan(takes * MS) for takes in range(1, 400)]
    given = config(concurrency=1, measurement_interval_ms=1000, stability_percentage=5.0, max_trials=6)
    seen = measure(given, slower)
    assert ("max_trials", False, 6) == (seen.end.stop_reason, seen.end.stable, len(seen.end.windows))
    assert 6 * S < seen.ended_ns < 7 * S


def test_windows_of_requests_end_the_run_when_three_agree(measure):
    given = config(concurrency=1, measurement_request_count=7, stability_percentage=10.0)
    seen = measure(given, [Plan(10 * MS)])
    assert ("stable", True) == (seen.end.stop_reason, seen.end.stable)
    assert [7, 7, 7] == [window.requests for window in seen.end.windows]
    assert [70 * MS, 140 * MS, 210 * MS] == [window.end_ns for window in seen.end.windows]
    assert 21 <= len(seen.rows) <= 22


def test_failed_requests_are_in_no_window(measure):
    failing = [
        Plan(10 * MS),
        Plan(10 * MS, error=REFUSED),
        Plan(10 * MS, status=500),
        Plan(10 * MS, status=302),
    ]
    given = config(concurrency=1, measurement_interval_ms=100)
    seen = measure(given, failing * 20)
    assert [3, 2, 3] == [window.requests for window in seen.end.windows]


def test_a_server_that_never_answers_ends_the_windows_too(measure):
    given = config(request_rate=10.0, measurement_interval_ms=1000, max_trials=3)
    seen = measure(given, [Plan(100 * S)])
    assert ("max_trials", False) == (seen.end.stop_reason, seen.end.stable)
    assert [0, 0, 0] == [window.requests for window in seen.end.windows]
    assert 103 * S <= seen.ended_ns <= 104 * S


def test_verbose_tells_each_window_once(measure, capsys):
    given = config(concurrency=1, measurement_interval_ms=100, quiet=False, verbose=True)
    measure(given, [Plan(10 * MS)])
    told = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [f"window {number}: 10 requests, 100.00/s, latency 10.000 ms" for number in (1, 2, 3)] == told


def test_verbose_tells_windows_of_requests_as_well(measure, capsys):
    given = config(concurrency=1, measurement_request_count=5, quiet=False, verbose=True)
    measure(given, [Plan(10 * MS)])
    told = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [f"window {number}: 5 requests, 100.00/s, latency 10.000 ms" for number in (1, 2, 3)] == told


def test_a_count_of_requests_ends_windows_that_are_not_stable_yet(measure):
    given = config(concurrency=1, measurement_interval_ms=1000, request_count=5)
    seen = measure(given, [Plan(10 * MS)])
    assert ("request_count", None, ()) == (seen.end.stop_reason, seen.end.stable, seen.end.windows)


# -- Ctrl-C -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_stops_sending_and_awaits_what_is_in_flight(measure, capsys, number):
    given = config(concurrency=3, request_count=1000, quiet=False)
    seen = measure(given, [Plan(100 * MS)], at=[(250 * MS, lambda: interrupt(number))])
    assert "interrupted" == seen.end.stop_reason
    assert (9, {None}) == (len(seen.rows), set(seen.column("error_kind")))
    assert 300 * MS == seen.ended_ns
    expected = "waiting for 3 requests in flight; Ctrl-C again gives them up\n"
    assert expected == capsys.readouterr().err


def test_a_second_signal_gives_up_what_is_in_flight_and_still_records_it(measure, capsys):
    given = config(concurrency=3, request_count=1000, quiet=False)
    at = [(250 * MS, interrupt), (260 * MS, interrupt)]
    seen = measure(given, [*[Plan(100 * MS)] * 6, Plan(3600 * S)], at=at)
    assert "interrupted" == seen.end.stop_reason
    assert [None] * 6 + ["cancelled"] * 3 == seen.column("error_kind")
    assert [260 * MS] * 3 == seen.column("end_ns")[6:]
    assert 260 * MS == seen.ended_ns
    assert "giving up the requests in flight\n" in capsys.readouterr().err


def test_more_signals_change_nothing(measure):
    at = [(at_ns * MS, interrupt) for at_ns in (250, 260, 260, 260)]
    seen = measure(config(concurrency=3, request_count=1000), [Plan(3600 * S)], at=at)
    assert ["cancelled"] * 3 == seen.column("error_kind")


def test_a_signal_during_the_warm_up_sends_no_benchmark(measure):
    given = config(concurrency=1, request_count=10, warmup_request_count=10)
    seen = measure(given, [Plan(10 * MS)], at=[(25 * MS, interrupt)])
    assert ("interrupted", {"warmup"}, 3) == (seen.end.stop_reason, set(seen.column("phase")), len(seen.rows))


def test_a_signal_between_two_arrivals_ends_an_open_loop_at_once(measure):
    given = config(request_rate=0.001, request_count=10)
    seen = measure(given, [Plan(10 * MS)], at=[(5 * S, interrupt)])
    assert (5 * S, 1) == (seen.ended_ns, len(seen.rows))


def test_a_signal_while_windows_are_drained_is_told_as_an_interruption(measure):
    given = config(concurrency=1, measurement_interval_ms=100)
    plans = [*[Plan(10 * MS)] * 31, Plan(100 * S)]
    seen = measure(given, plans, at=[(S, interrupt), (2 * S, interrupt)])
    assert ("interrupted", True) == (seen.end.stop_reason, seen.end.stable)
    assert 2 * S == seen.ended_ns


def test_signals_are_handed_back(measure):
    before = signal.getsignal(signal.SIGTERM)
    measure(config(request_count=1), [Plan(MS)])
    assert before == signal.getsignal(signal.SIGTERM)


# -- the journal ------------------------------------------------------------------------------------


def test_a_journal_that_takes_no_more_ends_the_run_and_keeps_what_it_had(tmp_path):
    journal = Journal(tmp_path / "j", info())
    real_append = journal.append
    transport = VirtualTransport([Plan(10 * MS), Plan(10 * MS), Plan(10 * MS), Plan(3600 * S)])

    def append(record):
        if record.index == 2:
            raise ArtifactError("no room")
        real_append(record)

    journal.append = append

    async def main():
        job = Job(config(concurrency=2, request_count=1000), endpoints.get("chat"), Workload([request()]))
        with pytest.raises(ArtifactError, match="no room"):
            await Run(job, transport, journal, VirtualTimer()).measure()
        return now_ns()

    assert 30 * MS > run(main())
    assert (True, 0) == (transport.closed, transport.in_flight)
    assert [0, 1] == read(tmp_path / "j")[1]["index"].to_pylist()


def test_a_bug_in_an_endpoint_is_a_traceback_and_not_a_hanging_run(tmp_path):
    class Bug(Exception):
        pass

    def decode(exchange):
        yield
        raise Bug

    endpoint = replace(endpoints.get("chat"), decode=decode)
    transport = VirtualTransport([Plan(10 * MS), Plan(3600 * S)])

    async def main():
        job = Job(config(concurrency=2, request_count=1000), endpoint, Workload([request()]))
        with pytest.raises(Bug):
            await Run(job, transport, Journal(tmp_path / "j", info()), VirtualTimer()).measure()
        return now_ns()

    assert 10 * MS < run(main()) < 15 * MS
    assert (True, 0) == (transport.closed, transport.in_flight)
