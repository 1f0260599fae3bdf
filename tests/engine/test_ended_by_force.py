# ruff: noqa: SIM117  the server's block is around the client's
"""Runs that are interrupted, killed, or meet a full disk: real processes against a real server."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from genai_perf.clock import NS_PER_S, monotonic_ns
from genai_perf.engine.journal import read
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

QUICK = {"ttft_ms": 5.0, "itl_ms": 2.0, "output_tokens": 10}
"""An answer takes 25 ms."""


def serve(**settings):
    return EmbeddedServer(ServerSettings(port=0, **settings))


@contextmanager
def profile(directory, url, *options, until=("--benchmark-duration", "3600"), **popen):
    """`genai-perf profile` in a process of its own that does not end by itself."""
    command = [
        "profile",
        "-m",
        "m",
        "--endpoint-type",
        "chat",
        "--streaming",
        "--tokenizer",
        "builtin",
        "-u",
        url,
    ]
    command += ["--isl", "20", "--num-dataset-entries", "5", *until]
    command += ["--artifact-dir", str(directory), *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "genai_perf", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def run_directory(directory):
    (found,) = directory.iterdir()
    return found


def records(directory):
    """The rows on disk, in order of their index."""
    rows = read(run_directory(directory) / "records.arrows")[1].to_pylist()
    return sorted(rows, key=lambda row: row["index"])


def wait_for_batches(number, directory, process):
    """Until so many have been written; pytest's own time limit ends a wait for ever."""
    sizes = set()
    while len(sizes) <= number:  # the first is that of the head
        assert process.poll() is None, process.stderr.read()
        sizes |= {path.stat().st_size for path in directory.glob("*/records.arrows")} - {0}
        time.sleep(0.02)


def line_of(process, pattern):
    for line in process.stderr:
        if re.search(pattern, line):
            return line
    raise AssertionError(f"stderr ended without {pattern!r}")


def report(directory):
    command = [sys.executable, "-m", "genai_perf", "report", str(run_directory(directory))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def end_of(directory):
    return json.loads((run_directory(directory) / "run.json").read_text())["end"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_drains_and_reports(tmp_path, number):
    with serve(**QUICK) as server, profile(tmp_path, server.url, "--concurrency", "3") as process:
        wait_for_batches(1, tmp_path, process)
        process.send_signal(number)
        output, errors = process.communicate()
    rows = records(tmp_path)
    assert 130 == process.returncode, errors
    assert "waiting for 3 requests in flight; Ctrl-C again gives them up" in errors
    assert "Request Count" in output
    assert "interrupted" == end_of(tmp_path)["stop_reason"]
    assert {None} == {row["error_kind"] for row in rows}
    assert list(range(len(rows))) == [row["index"] for row in rows]
    assert f"Requests: {len(rows)} succeeded" in output.replace(",", "")


def test_a_second_signal_gives_up_and_keeps_what_had_come(tmp_path):
    windows = ["--measurement-interval", "500", "--max-trials", "1000"]
    with serve(**QUICK, stall_rate=1.0) as server:
        with profile(tmp_path, server.url, "--concurrency", "4", "-v", until=windows) as process:
            line_of(process, "window 1: 0 requests")  # by now every answer has stalled half-way
            process.send_signal(signal.SIGINT)
            line_of(process, "waiting for 4 requests in flight")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
    assert 130 == process.returncode, errors
    assert "giving up the requests in flight" in errors
    rows = records(tmp_path)
    assert ["cancelled"] * 4 == [row["error_kind"] for row in rows]
    for row in rows:
        assert row["text"]
        assert row["end_ns"] > row["content_ns"][-1]
    assert "interrupted" == end_of(tmp_path)["stop_reason"]


def test_a_killed_run_keeps_all_but_its_last_second_and_can_be_reported(tmp_path):
    log = tmp_path / "truth.jsonl"
    artifacts = tmp_path / "artifacts"
    with serve(**QUICK, truth_log=log) as server:
        with profile(artifacts, server.url, "--concurrency", "4") as process:
            wait_for_batches(3, artifacts, process)
            process.kill()
            killed_ns = monotonic_ns()
            process.wait()
    truths = [json.loads(line) for line in log.read_text().splitlines()]
    must_be_there = sum(
        truth["outcome"] == "ok" and truth["end_ns"] < killed_ns - NS_PER_S for truth in truths
    )
    rows = records(artifacts)
    assert len(rows) >= max(1, must_be_there)
    assert {None} == {row["error_kind"] for row in rows}
    assert end_of(artifacts) is None
    seen = report(artifacts)
    assert 0 == seen.returncode, seen.stderr
    assert f"Requests: {len(rows)} succeeded" in seen.stdout.replace(",", "")
    assert "The run did not end by itself" in seen.stdout


def test_a_disk_that_fills_up_ends_the_run_with_one_line_and_loses_no_record_before(tmp_path):
    limit = 60_000

    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with serve(**QUICK) as server:
        with profile(tmp_path, server.url, "--concurrency", "4", "--quiet", preexec_fn=fill) as process:
            output, errors = process.communicate()
    path = run_directory(tmp_path) / "records.arrows"
    assert (1, "") == (process.returncode, output)
    assert [
        f"error: {path}: cannot be written: File too large",
        "hint: what was written before is whole; `genai-perf report` reads it",
    ] == errors.splitlines()
    rows = records(tmp_path)
    assert limit >= path.stat().st_size > limit - 40_000
    assert list(range(len(rows))) == [row["index"] for row in rows]
    seen = report(tmp_path)
    assert 0 == seen.returncode, seen.stderr
    assert f"Requests: {len(rows)} succeeded" in seen.stdout
