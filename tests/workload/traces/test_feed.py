"""The process beside the run: what it hands over, when it waits, and how it ends."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig, TokenizerConfig
from genai_perf.exceptions import ArtifactError, InputError, RunError
from genai_perf.types import Request
from genai_perf.workload.traces import feed as feeding
from genai_perf.workload.traces.feed import Feed
from genai_perf.workload.traces.produce import CHECKED_BYTES, Order

MS = 1_000_000


def order(path, finish=None):
    config = Config(
        endpoint=EndpointConfig(model_names=("m",), type="chat"),
        input=InputConfig(file=f"payload:{path}"),
        load=LoadConfig(fixed_schedule=True),
        tokenizer=TokenizerConfig(name="builtin"),
    )
    return Order(config, path.with_name("inputs.json"), finish)


def write(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def rows_of(path):
    return json.loads(path.with_name("inputs.json").read_text())["data"]


async def take_all(feed):
    taken = []
    while await feed.wait():
        taken.append(feed.take())
    return taken


def run(path, use, finish=None):
    """What `use` makes of the feed; the producer is gone and `inputs.json` whole afterwards."""

    async def main():
        feed = await Feed.open(order(path, finish))
        try:
            return await use(feed), feed.failure
        finally:
            feed.close()
            with pytest.raises(ProcessLookupError):
                os.kill(feed.pid, 0)

    return asyncio.run(main())


def test_every_request_comes_in_order_and_stands_in_inputs_json(tmp_path):
    path = write(tmp_path / "t.jsonl", ({"timestamp": 10 + at, "text": f"Hi {at}"} for at in range(1_000)))
    taken, failure = run(path, take_all)
    assert None is failure
    assert list(range(1_000)) == [request.index for request in taken]
    assert [at * MS for at in range(1_000)] == [request.due_ns for request in taken]
    rows = rows_of(path)
    assert [json.loads(request.body) for request in taken] == [row["payload"][0] for row in rows]
    assert [[at] for at in range(1_000)] == [row["timestamp"] for row in rows]


def test_a_bad_row_of_a_short_trace_is_told_before_the_run(tmp_path):
    path = write(tmp_path / "t.jsonl", [*({"timestamp": at, "text": "Hi"} for at in range(5_000)), "{"])
    with pytest.raises(InputError, match=r"t\.jsonl:5001: Input data was truncated"):
        run(path, take_all)


@pytest.fixture
def long_trace(tmp_path, monkeypatch):
    """Longer than what is checked before the run, and than what is held ready; with room for more rows."""
    monkeypatch.setattr(feeding, "MOST_BYTES", 2_000_000)
    filler = "x" * 100_000
    rows = [
        {"timestamp": at, "text": "Hi", "note": filler} for at in range(CHECKED_BYTES // len(filler) + 10)
    ]
    return tmp_path / "t.jsonl", rows


def test_a_bad_row_of_a_long_trace_ends_it_behind_all_rows_before(long_trace):
    path, rows = long_trace
    write(path, [*rows, {"timestamp": 1, "text": "late"}])
    taken, failure = run(path, take_all)
    assert len(rows) == len(taken) == len(rows_of(path))
    assert isinstance(failure, InputError)
    assert f"t.jsonl:{len(rows) + 1}:" in failure.message
    assert "sort_by" in failure.hint


def test_a_producer_waits_for_who_reads_slowly(long_trace):
    path, rows = long_trace
    write(path, rows)

    async def look(feed):
        here = len(feed._ready)
        await asyncio.sleep(0.2)
        still_here, written = len(feed._ready), path.with_name("inputs.json").stat().st_size
        return here, still_here, written, len(await take_all(feed))

    (here, still_here, written, taken), failure = run(path, look)
    assert here == still_here < 25
    assert written < 8_000_000 < path.stat().st_size
    assert (len(rows), None) == (taken, failure)


def test_who_leaves_early_leaves_a_whole_file(long_trace):
    path, rows = long_trace
    write(path, rows)

    async def leave(feed):
        return feed.take()

    first, _ = run(path, leave)
    written = rows_of(path)
    assert 0 < len(written) < len(rows)
    assert json.loads(first.body) == written[0]["payload"][0]


def test_a_producer_that_is_killed_is_told_of_and_its_file_is_mended(long_trace):
    path, rows = long_trace
    write(path, rows)

    async def kill(feed):
        os.kill(feed.pid, signal.SIGKILL)
        return await take_all(feed)

    taken, failure = run(path, kill)
    assert isinstance(failure, RunError)
    assert "the process that reads the trace ended before the trace did: signal 9" == failure.message
    written = rows_of(path)
    assert 0 < len(taken) <= len(written) < len(rows)


def test_a_producer_that_cannot_write_is_a_clear_error(tmp_path):
    path = write(tmp_path / "t.jsonl", [{"timestamp": 0, "text": "Hi"}])
    (tmp_path / "inputs.json").mkdir()
    with pytest.raises(ArtifactError, match=r"inputs\.json: cannot be written: Is a directory"):
        run(path, take_all)


def shout(request: Request) -> Request:
    return Request(request.index, request.body.upper(), "m", "c", messages=(b"HI",), due_ns=request.due_ns)


def test_what_is_to_be_done_at_last_is_done_over_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    path = write(tmp_path / "t.jsonl", [{"timestamp": 0, "text": "Hi"}])
    (request,), _ = run(path, take_all, shout)
    assert (b"HI",) == request.messages
    assert request.body.isupper()


def test_a_run_begins_when_some_seconds_are_there_or_all(tmp_path):
    sparse = write(tmp_path / "t.jsonl", [{"timestamp": at * 60_000, "text": "Hi"} for at in range(9)])

    async def look(feed):
        return feed.next.index, feed.rate_per_s

    (index, rate_per_s), _ = run(sparse, look)
    assert 0 == index
    assert 0 < rate_per_s < 1
