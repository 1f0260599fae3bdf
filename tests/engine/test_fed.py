"""Requests that come while the run goes on, on virtual time: when they are sent, and what ends it."""

import asyncio
from collections import deque

import pytest
from exchanges import request
from journal_rows import info
from virtual_time import Plan, VirtualTimer, VirtualTransport, now_ns, run, sleep_until

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, LoadConfig, OutputConfig
from genai_perf.engine.job import Job, connections_wanted
from genai_perf.engine.journal import Journal, read
from genai_perf.engine.run import Run
from genai_perf.exceptions import InputError, RunError
from genai_perf.types import Workload

MS = 1_000_000
S = 1_000 * MS


class ListedFeed:
    """Requests by (when they are there, due), in order; `failure` comes behind the last."""

    rate_per_s = 40.0

    def __init__(self, *times, failure=None):
        self.failure = None
        self._last = failure
        self._coming = deque(enumerate(times))
        self._ready = deque()
        self._woken = asyncio.Event()
        self._arrive()

    def _arrive(self):
        while self._coming and self._coming[0][1][0] <= now_ns():
            index, (_, due_ns) = self._coming.popleft()
            self._ready.append(request(index, due_ns=due_ns, input_tokens=10, shared_tokens=index))

    @property
    def next(self):
        self._arrive()
        return self._ready[0] if self._ready else None

    def take(self):
        return self._ready.popleft()

    async def wait(self):
        self._woken.clear()
        if self.next is None and self._coming:
            arrival = asyncio.ensure_future(sleep_until(self._coming[0][1][0]))
            waking = asyncio.ensure_future(self._woken.wait())
            await asyncio.wait([arrival, waking], return_when=asyncio.FIRST_COMPLETED)
            arrival.cancel()
            waking.cancel()
            await asyncio.gather(arrival, waking, return_exceptions=True)
        if self.next is None and not self._coming:
            self.failure = self._last
        return self.next is not None

    def wake(self):
        self._woken.set()


@pytest.fixture
def measure(tmp_path):
    """(how the run ended, its rows by index) of a trace with these times."""

    def measure(*times, plans=(), failure=None, at=(), **load):
        path = tmp_path / "records.arrows"
        config = Config(
            endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True),
            load=LoadConfig(fixed_schedule=True, **load),
            output=OutputConfig(quiet=True),
        )

        async def main():
            feed = ListedFeed(*times, failure=failure)
            job = Job(config, endpoints.get("chat"), Workload((), is_streamed=True), feed=feed)
            made = Run(job, VirtualTransport(plans), Journal(path, info()), VirtualTimer())
            for at_ns, happens in at:
                asyncio.get_running_loop().call_at(at_ns / S, happens, made)
            end = await made.measure()
            assert {asyncio.current_task()} == asyncio.all_tasks()
            return end

        end = run(main())
        return end, sorted(read(path)[1].to_pylist(), key=lambda row: row["index"])

    return measure


def at_once(*dues_ms):
    return [(0, due_ms * MS) for due_ms in dues_ms]


def column(rows, name):
    return [row[name] for row in rows]


def test_each_request_is_sent_once_as_long_after_the_first_as_it_is_due(measure):
    end, rows = measure(*at_once(7_000, 7_000, 7_020, 67_000), plans=[Plan(3 * MS)])
    assert [0, 0, 20 * MS, 60 * S] == column(rows, "start_ns") == column(rows, "due_ns")
    assert [0, 1, 2, 3] == column(rows, "input_index")
    assert "end_of_trace" == end.stop_reason
    assert {"input_tokens": 40, "shared_tokens": 6, "unready": 0} == end.trace


def test_the_clock_starts_again_behind_the_warm_up(measure):
    end, rows = measure(*at_once(0, 10, 500, 530), plans=[Plan(100 * MS)], warmup_request_count=2)
    assert ["warmup", "warmup", "benchmark", "benchmark"] == column(rows, "phase")
    assert [0, 10 * MS, 110 * MS, 140 * MS] == column(rows, "due_ns") == column(rows, "start_ns")
    assert {"input_tokens": 20, "shared_tokens": 5, "unready": 0} == end.trace


def test_a_warm_up_that_takes_the_whole_trace_is_an_error(measure):
    with pytest.raises(
        InputError, match="--warmup-request-count 2: the trace has no more requests than that"
    ):
        measure(*at_once(0, 1), warmup_request_count=2)


def test_what_comes_late_is_sent_late_and_counted(measure):
    end, rows = measure((0, 0), (50 * MS, 20 * MS), (50 * MS, 30 * MS), (60 * MS, 100 * MS))
    assert [0, 20 * MS, 30 * MS, 100 * MS] == column(rows, "due_ns")
    assert [0, 50 * MS, 50 * MS, 100 * MS] == column(rows, "start_ns")
    assert (1, "end_of_trace") == (end.trace["unready"], end.stop_reason)


def test_a_count_or_a_duration_ends_it_earlier(measure):
    end, rows = measure(*at_once(0, 10, 20, 30), request_count=3)
    assert ("request_count", 3) == (end.stop_reason, len(rows))
    end, rows = measure(*at_once(0, 10, 20, 30), duration_s=0.02)
    assert ("duration", 2) == (end.stop_reason, len(rows))


def test_what_finds_no_place_in_time_is_counted(measure):
    end, rows = measure(*at_once(0, 1, 2, 50), plans=[Plan(30 * MS)], duration_s=0.04, max_concurrency=1)
    assert [0, 30 * MS] == column(rows, "start_ns")
    assert [0, 1 * MS] == column(rows, "due_ns")
    assert (1, "duration") == (end.unsent, end.stop_reason)


def test_a_cap_sends_late_what_waits_for_a_place(measure):
    _, rows = measure(*at_once(0, 0, 5), plans=[Plan(10 * MS)], max_concurrency=2)
    assert [0, 0, 10 * MS] == column(rows, "start_ns")
    assert [0, 0, 5 * MS] == column(rows, "due_ns")


@pytest.mark.parametrize(
    ("failure", "reason"), [(InputError("t:3: bad"), "bad_input"), (RunError("lost"), "no_input")]
)
def test_an_error_in_the_trace_ends_it_behind_all_before(measure, failure, reason):
    end, rows = measure(*at_once(0, 10), plans=[Plan(100 * MS)], failure=failure)
    assert [100 * MS, 110 * MS] == column(rows, "end_ns")
    assert (reason, failure.message) == (end.stop_reason, end.error)


def test_ctrl_c_does_not_wait_for_a_trace_that_does_not_come(measure):
    end, rows = measure((0, 0), (3600 * S, 1 * S), at=[(5 * S, lambda made: made._interrupt())])
    assert ("interrupted", 1, "") == (end.stop_reason, len(rows), end.error)
    assert end.recorded_ns < 6 * S


def test_connections_are_opened_for_the_rate_that_is_seen():
    config = Config(load=LoadConfig(fixed_schedule=True))

    async def main():
        job = Job(config, endpoints.get("chat"), Workload((), is_streamed=True), feed=ListedFeed((0, 0)))
        return connections_wanted(job)

    assert 4 == run(main())
