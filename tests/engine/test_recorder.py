"""The recorder: reads in slices, in order, keeps the loop free, and ends the run when it cannot go on."""

import asyncio

import pytest
from exchanges import exchange
from journal_rows import info
from virtual_time import run, sleep_until

from genai_perf import endpoints
from genai_perf.endpoints import Endpoint
from genai_perf.engine import recorder as module
from genai_perf.engine.journal import Journal, read
from genai_perf.engine.recorder import (
    DEEP,
    FLUSH_S,
    FULL,
    LONGEST_SLICE_NS,
    PAUSE_S,
    SHORTEST_SLICE_NS,
    SLICE_NS,
    Recorder,
)
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Answer, Slot

S = 1_000_000_000
STEP_NS = SLICE_NS // 4


class Steps:
    """An endpoint whose answers take so many steps, a quarter of a slice each, on a clock of its own."""

    def __init__(self, monkeypatch):
        self.now_ns = 0
        self.log = []
        self.bad = None
        monkeypatch.setattr(module, "monotonic_ns", lambda: self.now_ns)
        self.endpoint = Endpoint(
            name="steps", path="", build=lambda *_: {}, decode=self.decode, prompt_text=lambda _: ""
        )

    def decode(self, exchange):
        for number in range(exchange.status):
            if number:
                yield
            self.now_ns += STEP_NS
            self.log.append(exchange.request.index)
        if exchange.request.index == self.bad:
            raise ZeroDivisionError
        return Answer(content=["x"], content_reads=[0])
        yield


@pytest.fixture
def steps(monkeypatch):
    return Steps(monkeypatch)


class Written:
    """A journal that keeps what it is given; it writes in `steps` steps and has room for so many rows."""

    def __init__(self, *, room=10**9, batch=10**9, steps=1):
        self.rows, self.flushed, self.closed, self.room, self.batch, self.steps = (
            [],
            [],
            False,
            room,
            batch,
            steps,
        )
        self.kept = 0

    @property
    def is_full(self):
        return self.kept >= self.batch

    def append(self, record):
        self.rows.append(record.index)
        self.kept += 1

    def writing(self):
        self.kept = 0
        for _ in range(self.steps):
            yield
        if len(self.rows) > self.room:
            raise ArtifactError("full", hint="no room")
        self.flushed.append((asyncio.get_running_loop().now_ns, len(self.rows)))

    def close(self):
        self.closed = True


def taking(number, row=0):
    """A slot and an exchange that takes so many steps to read."""
    given = exchange(b"x", status=number)
    given.request = type(given.request)(row, b"", "m", "0")
    return Slot(row, None), None, given


def recording(steps, journal, body):
    """Runs `body(recorder, seen)` and closes the recorder."""
    seen = []

    async def main():
        made = Recorder(
            steps.endpoint, journal, lambda record: seen.append(record.index), lambda: seen.append("failed")
        )
        try:
            await body(made, seen)
        finally:
            made.close()

    run(main())
    return seen


def watch_the_loop(steps, turns):
    """A callback that runs in every pause between two slices and says so in the log."""
    loop = asyncio.get_running_loop()
    for turn in range(turns):
        loop.call_later((turn + 1.5) * PAUSE_S, steps.log.append, "turn")


def test_a_large_answer_is_read_a_slice_at_a_time_and_the_loop_turns_in_between(steps):
    async def body(recorder, seen):
        recorder.keep(*taking(10))
        assert [] == steps.log, "keeping reads nothing: the next request is sent first"
        watch_the_loop(steps, 3)
        await sleep_until(S // 10)
        assert [0, 0, 0, 0, "turn", 0, 0, 0, 0, "turn", 0, 0, "turn"] == steps.log
        assert [0] == seen

    recording(steps, Written(), body)


def test_small_answers_share_a_slice(steps):
    async def body(recorder, seen):
        for row in range(6):
            recorder.keep(*taking(1, row))
        watch_the_loop(steps, 1)
        await sleep_until(S // 10)
        assert [0, 1, 2, 3, "turn", 4, 5] == steps.log

    assert list(range(6)) == recording(steps, Written(), body)


def test_records_are_written_in_the_order_in_which_answers_ended(steps):
    order = [3, 1, 4, 0, 5, 9, 2, 6]
    journal = Written()

    async def body(recorder, seen):
        for row in order[:5]:
            recorder.keep(*taking(1 + row, row))
        await asyncio.sleep(PAUSE_S)
        for row in order[5:]:
            recorder.keep(*taking(1 + row, row))

    assert order == recording(steps, journal, body) == journal.rows


@pytest.mark.parametrize(
    ("backlog", "away_ns", "expected_ns"),
    [
        pytest.param(0, 50 * SLICE_NS, SLICE_NS, id="shallow"),
        pytest.param(DEEP - 1, 50 * SLICE_NS, SLICE_NS, id="nearly deep"),
        pytest.param(DEEP, SLICE_NS // 2, SLICE_NS, id="deep, and nothing else to do"),
        pytest.param(DEEP, 2 * SLICE_NS, 2 * SLICE_NS, id="deep: as long as everything else"),
        pytest.param(2 * DEEP, 2 * SLICE_NS, 4 * SLICE_NS, id="twice as deep, twice as long"),
        pytest.param(FULL - 1, 50 * SLICE_NS, LONGEST_SLICE_NS, id="never long enough to lose a stamp"),
        pytest.param(FULL, 2 * SLICE_NS, 2 * SLICE_NS * (FULL // DEEP), id="unless memory is at stake"),
    ],
)
def test_how_long_a_slice_takes(steps, backlog, away_ns, expected_ns):
    async def body(recorder, seen):
        for row in range(backlog):
            recorder.keep(*taking(1, row))
        assert expected_ns == recorder._budget_ns(away_ns)

    recording(steps, Written(), body)


@pytest.mark.parametrize(
    ("left_ns", "backlog", "expected_ns"),
    [
        pytest.param(SLICE_NS // 3, 1, SLICE_NS // 3, id="until then"),
        pytest.param(5 * SLICE_NS, 1, SLICE_NS, id="far away"),
        pytest.param(-SLICE_NS, 1, SHORTEST_SLICE_NS, id="late already, but not for ever"),
        pytest.param(SLICE_NS // 3, DEEP, SLICE_NS, id="a deep backlog comes first"),
    ],
)
def test_a_slice_ends_when_a_request_is_due(steps, left_ns, backlog, expected_ns):
    async def main():
        made = Recorder(steps.endpoint, Written(), lambda _: None, lambda: None, lambda: left_ns)
        for row in range(backlog):
            made.keep(*taking(1, row))
        assert expected_ns == made._budget_ns(0)
        made.close()

    run(main())


def test_a_deep_backlog_is_read_for_as_long_as_everything_else_took(steps):
    async def body(recorder, seen):
        for row in range(DEEP):
            recorder.keep(*taking(1, row))
        steps.now_ns += 3 * SLICE_NS  # the loop was busy elsewhere
        await asyncio.sleep(PAUSE_S)
        assert 12 == len(seen)

    assert DEEP == len(recording(steps, Written(), body))


def test_a_shallow_backlog_never_takes_more_than_a_slice(steps):
    async def body(recorder, seen):
        for row in range(DEEP - 1):
            recorder.keep(*taking(1, row))
        steps.now_ns += 100 * SLICE_NS
        await asyncio.sleep(PAUSE_S)
        assert 4 == len(seen)

    recording(steps, Written(), body)


def test_it_rests_when_there_is_nothing_to_read_and_begins_again(steps):
    async def body(recorder, seen):
        for row in range(3):
            recorder.keep(*taking(1, row))
            await sleep_until((row + 1) * S)
            assert row + 1 == len(seen)

    recording(steps, Written(), body)


def test_what_is_read_is_flushed_twice_a_second(steps):
    journal = Written()

    async def body(recorder, seen):
        recorder.keep(*taking(1))
        await sleep_until(2 * S)

    recording(steps, journal, body)
    by_time = [(round((number * FLUSH_S + PAUSE_S) * S), 1) for number in range(1, 4)]
    assert [*by_time, (2 * S, 1)] == journal.flushed


def test_a_record_is_on_disk_before_its_second_is_over(tmp_path):
    async def main():
        journal = Journal(tmp_path / "j", info())
        made = Recorder(endpoints.get("chat"), journal, lambda record: None, lambda: None)
        made.keep(Slot(0, None), None, exchange(b""))
        await sleep_until(S)
        assert 1 == len(read(tmp_path / "j")[1])
        made.close()

    run(main())


def test_closing_reads_what_is_left(steps):
    journal = Written()

    async def body(recorder, seen):
        recorder.keep(*taking(9, 0))
        await asyncio.sleep(PAUSE_S)  # in the middle of the first
        recorder.keep(*taking(9, 1))
        recorder.keep(*taking(9, 2))

    assert [0, 1, 2] == recording(steps, journal, body) == journal.rows
    assert journal.closed


def test_closing_leaves_no_timer_behind(steps):
    journal = Written()

    async def main():
        Recorder(steps.endpoint, journal, lambda record: None, lambda: None).close()
        await sleep_until(10 * S)

    run(main())
    assert [] == journal.flushed


def test_a_full_batch_is_written_a_slice_at_a_time(steps):
    journal = Written(batch=2, steps=8)

    def writing(write=journal.writing):
        for _ in write():
            steps.now_ns += STEP_NS
            steps.log.append("column")
            yield

    journal.writing = writing

    async def body(recorder, seen):
        for row in range(2):
            recorder.keep(*taking(1, row))
        watch_the_loop(steps, 3)
        await sleep_until(S // 10)
        assert [0, 1] == seen

    recording(steps, journal, body)
    columns = [name for name in steps.log if name in ("column", "turn")]
    assert 8 == columns.count("column")
    assert "turn" in columns[columns.index("column") : -columns[::-1].index("column")]
    assert [2] == [rows for _, rows in journal.flushed][:1]


def test_a_journal_that_takes_no_more_ends_the_run_once_and_is_told_at_the_end(steps):
    journal = Written(room=2, batch=1)

    async def body(recorder, seen):
        for row in range(5):
            recorder.keep(*taking(1, row))
        await sleep_until(2 * S)
        recorder.keep(*taking(1, 5))
        await sleep_until(4 * S)
        assert [0, 1, 2, "failed"] == seen

    with pytest.raises(ArtifactError, match="full") as raised:
        recording(steps, journal, body)
    assert "no room" == raised.value.hint
    assert [1, 2] == [rows for _, rows in journal.flushed]
    assert journal.closed


def test_a_flush_that_fails_ends_the_run_as_well(steps):
    journal = Written(room=0)

    async def body(recorder, seen):
        recorder.keep(*taking(1))
        await sleep_until(3 * S)
        assert [0, "failed"] == seen

    with pytest.raises(ArtifactError, match="full"):
        recording(steps, journal, body)
    assert journal.closed


def test_a_journal_that_fails_while_the_rest_is_read_is_told_as_well(steps):
    journal = Written(room=1, batch=1)

    async def body(recorder, seen):
        for row in range(3):
            recorder.keep(*taking(1, row))

    with pytest.raises(ArtifactError, match="full"):
        recording(steps, journal, body)
    assert [1] == [rows for _, rows in journal.flushed]
    assert journal.closed


def test_a_bug_in_an_endpoint_ends_the_run_at_once_and_keeps_what_was_read(steps):
    steps.bad = 2
    journal = Written()

    async def body(recorder, seen):
        for row in range(5):
            recorder.keep(*taking(1, row))
        await sleep_until(S)
        assert [0, 1, "failed"] == seen

    with pytest.raises(ZeroDivisionError):
        recording(steps, journal, body)
    assert ([0, 1], True) == (journal.rows, journal.closed)
