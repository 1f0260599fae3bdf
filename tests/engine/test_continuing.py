"""The rest of an interrupted run: which slots, when, and that its clock stood still meanwhile."""

import asyncio
import itertools
import signal
from dataclasses import replace

import numpy as np
import pytest
from exchanges import request
from hypothesis import given
from hypothesis import strategies as st
from journal_rows import info
from virtual_time import Plan, VirtualTimer, VirtualTransport, run

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig, OutputConfig
from genai_perf.engine.continuing import CannotContinue, Half, half_of, set_forward
from genai_perf.engine.job import Job
from genai_perf.engine.journal import SCHEMA, Journal, read
from genai_perf.engine.run import Run
from genai_perf.metrics import arrow
from genai_perf.schedule import LoadFile, Stretch
from genai_perf.types import Exchange, RequestError, Workload

MS = 1_000_000
S = 1_000 * MS
REFUSED = RequestError("connect", "cannot connect: Connection refused")
ROWS = 5


def job(*, seed=0, rows=ROWS, intervals_us=(), stretches=(), **load):
    return Job(
        Config(
            endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True),
            input=InputConfig(random_seed=seed),
            load=LoadConfig(**load),
            output=OutputConfig(quiet=True),
        ),
        endpoints.get("chat"),
        Workload([request(row) for row in range(rows)]),
        LoadFile(intervals_us=intervals_us, stretches=stretches),
    )


def half(done, *, began_ns=0, stopped_ns=0):
    return Half(info(), SCHEMA.empty_table(), frozenset(done), 0, began_ns, stopped_ns)


def made(path, wanted, plans, *, at=(), begins_ns=0):
    """Makes a run in virtual time, or the rest of one; `at` is a list of (instant, what happens then)."""
    transport = VirtualTransport(plans)

    async def main():
        for at_ns, happens in at:
            asyncio.get_running_loop().call_at(at_ns / S, happens)
        await asyncio.sleep(begins_ns / S)
        journal = Journal(path.with_suffix(".part"), wanted.half.info if wanted.half else info())
        if wanted.half:
            journal.take_over(wanted.half.records, path)
        end = await Run(wanted, transport, journal, VirtualTimer()).measure()
        journal.path.replace(path)
        return end

    return run(main()), transport


def killed(path, at_ns):
    """The run's records as if it had been killed then: of what was in flight there is none."""
    about, table = read(path)
    table = table.combine_chunks()
    ends_ns = arrow.numbers(table.column("end_ns").chunk(0))
    return about, arrow.take(table, np.flatnonzero(ends_ns <= at_ns))


def rows(path):
    return sorted(read(path)[1].to_pylist(), key=lambda row: (row["phase"] == "benchmark", row["index"]))


def continued(tmp_path, wanted, plans, *, killed_at_ns, begins_ns=7 * S):
    """A run that is killed and continued: how it ended, its rows, and what was sent for the rest."""
    path = tmp_path / "records.arrows"
    made(path, wanted, plans)
    before = half_of(wanted, *killed(path, killed_at_ns))
    end, transport = made(path, replace(wanted, half=before), plans, begins_ns=begins_ns)
    return end, rows(path), transport


# -- which slots, and when ------------------------------------------------------------------------------


def test_a_closed_loop_sends_what_has_no_record_in_order():
    left = half({10, 12, 13}).slots_left(itertools.repeat(None), 10, requests=7, duration_ns=None)
    assert [11, 14, 15, 16] == [slot.index for slot in left]


def test_the_gaps_before_what_is_done_are_left_out():
    due = iter([5, 10, 30, 60, 100])
    left = list(half({0, 2}).slots_left(due, 0, requests=5, duration_ns=None))
    assert [(1, 5), (3, 35), (4, 75)] == [(slot.index, slot.due_ns) for slot in left]


def test_a_duration_counts_what_was_measured_before():
    before = half({0, 1}, began_ns=100, stopped_ns=130)
    left = before.slots_left(itertools.count(0, 10), 0, requests=None, duration_ns=50)
    assert [(2, 10)] == [(slot.index, slot.due_ns) for slot in left]


@given(
    gaps=st.lists(st.integers(0, 1000), min_size=1, max_size=50),
    done=st.sets(st.integers(3, 60)),
)
def test_every_slot_is_done_or_left_and_each_keeps_its_own_gap(gaps, done):
    due = list(itertools.accumulate(gaps))
    done = {index for index in done if index < 3 + len(gaps)}
    left = list(half(done).slots_left(iter(due), 3, requests=len(due), duration_ns=None))
    assert set(range(3, 3 + len(gaps))) - done == {slot.index for slot in left}
    assert sorted(slot.index for slot in left) == [slot.index for slot in left]
    before_ns = 0
    for slot in left:
        assert gaps[slot.index - 3] == slot.due_ns - before_ns
        before_ns = slot.due_ns


def test_where_hope_is_judged_on_lies_behind_so_many_that_are_left():
    assert 16 == half({10, 12, 13}).first_left(3, 10)


def test_an_exchange_moves_as_a_whole_and_what_never_was_stays_so():
    exchange = Exchange(request(), start_ns=5, sent_ns=6, end_ns=9, at_ns=[7], read_ns=[8], after_ns=[6])
    set_forward(exchange, 100)
    assert (105, 106, 0, 109) == (
        exchange.start_ns,
        exchange.sent_ns,
        exchange.headers_ns,
        exchange.end_ns,
    )
    assert ([107], [108], [106]) == (exchange.at_ns, exchange.read_ns, exchange.after_ns)


# -- whole runs in virtual time -------------------------------------------------------------------------


def test_a_closed_loop_goes_on_where_it_stopped_and_its_clock_stood_still(tmp_path):
    end, found, transport = continued(
        tmp_path, job(concurrency=2, request_count=10), [Plan(10 * MS)], killed_at_ns=25 * MS
    )
    assert list(range(10)) == [row["index"] for row in found]
    assert [row % ROWS for row in range(4, 10)] == [row for _, row in transport.sends]
    assert [10 * MS * (n // 2) for n in range(10)] == [row["start_ns"] for row in found]
    assert {10 * MS} == {row["end_ns"] - row["start_ns"] for row in found}
    assert {row["end_ns"] for row in found} >= {row["content_ns"][0] for row in found}
    assert ("request_count", 50 * MS) == (end.stop_reason, end.recorded_ns)


def test_what_was_in_flight_is_sent_again_first_of_all(tmp_path):
    plans = [Plan(90 * MS), Plan(10 * MS)]  # the first one hangs
    _, found, transport = continued(
        tmp_path, job(concurrency=2, request_count=8), plans, killed_at_ns=35 * MS
    )
    assert [0, 4, 0, 1, 2] == [row for _, row in transport.sends]  # slots 0, 4, 5, 6, 7
    assert list(range(8)) == [row["index"] for row in found]
    assert 30 * MS == found[0]["start_ns"]


@pytest.mark.parametrize(
    "load",
    [
        {"request_rate": 10.0},
        {"request_rate": 10.0, "request_distribution": "poisson"},
        {"request_rate": 10.0, "request_distribution": "gamma", "burstiness": 0.5},
        {"request_intervals": "gaps.txt"},
    ],
)
def test_an_open_loop_keeps_its_plan(tmp_path, load):
    wanted = job(request_count=40, intervals_us=(30_000, 120_000, 50_000), seed=3, **load)
    _, found, transport = continued(tmp_path, wanted, [Plan(150 * MS)], killed_at_ns=2 * S)
    assert list(range(40)) == [row["index"] for row in found]
    assert [row["due_ns"] for row in found] == [row["start_ns"] for row in found]
    first = 40 - len(transport.sends)
    assert 0 < first < 40
    planned = list(itertools.islice(wanted.arrivals(), 40))
    stopped_ns = max(row["end_ns"] for row in found[:first])
    gaps = [later - sooner for sooner, later in itertools.pairwise([0, *planned])]
    assert [stopped_ns + due for due in itertools.accumulate(gaps[first:])] == [
        row["due_ns"] for row in found[first:]
    ]


def test_a_duration_goes_on_for_what_is_left_of_it(tmp_path):
    wanted = job(concurrency=1, duration_s=1.0)
    end, found, transport = continued(tmp_path, wanted, [Plan(100 * MS)], killed_at_ns=350 * MS)
    assert 7 == len(transport.sends)
    assert [100 * MS * n for n in range(10)] == [row["start_ns"] for row in found]
    assert "duration" == end.stop_reason


def test_a_second_interruption_is_continued_as_well(tmp_path):
    wanted = job(request_rate=10.0, request_distribution="poisson", request_count=40)
    path = tmp_path / "records.arrows"
    made(path, wanted, [Plan(150 * MS)])
    first = half_of(wanted, *killed(path, S))
    about = replace(info(), breaks=(first.ends_here(0),))
    made(path, replace(wanted, half=replace(first, info=about)), [Plan(150 * MS)], begins_ns=5 * S)
    second = half_of(wanted, *killed(path, 2 * S))
    assert second.began_ns == first.began_ns
    assert len(second.done) > len(first.done)
    made(path, replace(wanted, half=second), [Plan(150 * MS)], begins_ns=S)
    found = rows(path)
    assert list(range(40)) == [row["index"] for row in found]
    assert sorted(row["start_ns"] for row in found) == [row["start_ns"] for row in found]
    assert {150 * MS} == {row["end_ns"] - row["start_ns"] for row in found}


def test_the_server_is_warmed_up_again_which_is_not_recorded_twice(tmp_path):
    wanted = job(concurrency=1, request_count=5, warmup_request_count=3)
    _, found, transport = continued(tmp_path, wanted, [Plan(10 * MS)], killed_at_ns=55 * MS)
    assert 3 + 3 == len(transport.sends)
    assert ["warmup"] * 3 + ["benchmark"] * 5 == [row["phase"] for row in found]
    assert [10 * MS * n for n in range(8)] == [row["start_ns"] for row in found]


def test_what_the_user_gave_up_is_sent_again_and_what_the_server_refused_is_kept(tmp_path):
    path = tmp_path / "records.arrows"
    wanted = job(concurrency=2, request_count=6)
    plans = [Plan(10 * MS), Plan(20 * MS, error=REFUSED), Plan(S)]
    gives_up = [(50 * MS, interrupt), (60 * MS, interrupt)]
    made(path, wanted, plans, at=gives_up)
    assert [None, "connect", "cancelled", "cancelled"] == [row["error_kind"] for row in rows(path)]
    before = half_of(wanted, *read(path))
    assert ({0, 1}, 1, 20 * MS) == (set(before.done), before.failed, before.stopped_ns)
    made(path, replace(wanted, half=before), [Plan(10 * MS)], begins_ns=S)
    assert [None, "connect", None, None, None, None] == [row["error_kind"] for row in rows(path)]


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_what_was_held_back_when_the_user_stopped_is_sent_after_all(tmp_path):
    wanted = job(request_rate=1000.0, request_count=5, max_prefill_concurrency=1)
    path = tmp_path / "records.arrows"
    made(path, wanted, [Plan(10 * MS)], at=[(5 * MS, interrupt)])
    assert [None, *["held_back"] * 4] == [row["error_kind"] for row in rows(path)]
    before = half_of(wanted, *read(path))
    made(path, replace(wanted, half=before), [Plan(10 * MS)], begins_ns=7 * S)
    assert [(index, None) for index in range(5)] == [(row["index"], row["error_kind"]) for row in rows(path)]


def test_a_run_of_which_all_is_there_sends_nothing_more(tmp_path):
    end, found, transport = continued(
        tmp_path, job(concurrency=2, request_count=6), [Plan(10 * MS)], killed_at_ns=S
    )
    assert [] == transport.sends
    assert 6 == len(found)
    assert "request_count" == end.stop_reason


def test_a_server_that_is_gone_by_then_ends_the_rest(tmp_path):
    wanted = job(concurrency=1, request_count=100)
    path = tmp_path / "records.arrows"
    made(path, wanted, [Plan(10 * MS)])
    before = half_of(wanted, *killed(path, 505 * MS))
    refuses = [Plan(5 * MS, error=REFUSED)]
    end, transport = made(path, replace(wanted, half=before), refuses, begins_ns=S)
    assert "error_rate" == end.stop_reason
    assert 10 <= len(transport.sends) < 20


# -- what cannot be continued ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"measurement_interval_ms": 100}, "measurement windows"),
        ({"concurrency": 4, "request_count": 9, "ramp_up_s": 1.0}, "load changes over time"),
        ({"periodic_concurrency_range": "2:4"}, "load changes over time"),
        (
            {"concurrency_schedule": "file", "stretches": (Stretch(1.0, 1.0, 2.0),)},
            "load changes over time",
        ),
    ],
)
def test_some_runs_are_made_from_their_beginning(load, reason):
    with pytest.raises(CannotContinue, match=reason):
        half_of(job(**load), info(), SCHEMA.empty_table())


def test_conversations_are_not_taken_up_in_their_middle():
    talks = replace(job(concurrency=1), workload=Workload([request()], starts=[0]))
    with pytest.raises(CannotContinue, match="conversations"):
        half_of(talks, info(), SCHEMA.empty_table())


def test_nothing_is_continued_of_which_nothing_was_measured(tmp_path):
    path = tmp_path / "records.arrows"
    wanted = job(concurrency=1, request_count=5, warmup_request_count=3)
    made(path, wanted, [Plan(10 * MS)])
    for at_ns in (0, 35 * MS):
        with pytest.raises(CannotContinue, match="nothing was measured yet"):
            half_of(wanted, *killed(path, at_ns))


def test_another_plan_is_noticed(tmp_path):
    """As where the file of the gaps has changed."""
    path = tmp_path / "records.arrows"
    load = {"request_intervals": "gaps.txt", "request_count": 20}
    made(path, job(intervals_us=(10_000, 20_000), **load), [Plan(MS)])
    with pytest.raises(CannotContinue, match="planned otherwise"):
        half_of(job(intervals_us=(10_000, 30_000), **load), *killed(path, 200 * MS))
