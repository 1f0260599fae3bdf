"""Whole runs of traces against the embedded server: what was sent, when, and what the files tell."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genai_perf.cli import main
from genai_perf.config.schema import TokenizerConfig
from genai_perf.engine.journal import read
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings
from genai_perf.workload.tokenizer import load
from genai_perf.workload.traces.produce import CHECKED_BYTES

MS = 1_000_000
WORDS = (
    "profile -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --no-server-metrics "
    "--gpu-telemetry off"
)


@pytest.fixture(scope="module")
def url():
    settings = ServerSettings(
        port=0, ttft_ms=2, ttft_per_input_token_ms=0, itl_ms=1, itl_per_request_ms=0, context_length=1_000_000
    )
    with EmbeddedServer(settings) as server:
        yield server.url


class Left:
    """What a run left in its directory."""

    def __init__(self, artifacts):
        (self.directory,) = artifacts.iterdir()
        records = read(self.directory / "records.arrows")[1].to_pylist()
        self.records = sorted(records, key=lambda row: row["index"])
        self.report = json.loads((self.directory / "profile_export_genai_perf.json").read_text())
        self.raw = json.loads((self.directory / "profile_export.json").read_text())["experiments"][0]
        self.inputs = json.loads((self.directory / "inputs.json").read_text())["data"]

    @property
    def texts(self):
        return [row["payload"][0]["messages"][0]["content"] for row in self.inputs]


@pytest.fixture
def profile(url, tmp_path, monkeypatch):
    """Runs `profile` of these rows with these options; gives what it left."""
    monkeypatch.chdir(tmp_path)

    def profile(rows, words="", *, kind="payload", expected=0):
        lines = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        Path("trace").write_text(lines)
        argv = [*WORDS.split(), "-u", url, "--input-file", f"{kind}:trace", *words.split()]
        assert expected == main(argv)
        return Left(tmp_path / "artifacts")

    return profile


def row(at_ms, ids=(), tokens=700, **more):
    return {"timestamp": at_ms, "input_length": tokens, "output_length": 3, "hash_ids": list(ids), **more}


TRACE = [
    row(5_000, [1, 2]),
    row(5_000, [1, 3], priority=1),
    row(5_040, [1, 2, 4], 1_100),
    row(5_100, [], 33),
    row(5_100, [1, 2], 600),
]


def test_a_trace_is_sent_by_its_own_instants_with_blocks_that_repeat(profile, capsys):
    left = profile(TRACE)
    assert "gpt2-openai-chat-fixed_schedule" == left.directory.name
    starts = [record["due_ns"] - left.records[0]["due_ns"] for record in left.records]
    assert [0, 0, 40 * MS, 100 * MS, 100 * MS] == starts
    assert all(record["start_ns"] >= record["due_ns"] for record in left.records)
    assert {None} == {record["error_kind"] for record in left.records}
    assert [[0], [0], [40], [100], [100]] == [entry["timestamp"] for entry in left.inputs]
    assert [None, 1, None] == [entry["payload"][0].get("priority") for entry in left.inputs[:3]]
    assert {3} == {entry["payload"][0]["max_tokens"] for entry in left.inputs}
    # the tokens that were asked for, and the same ones where the trace says so
    tokens = load(TokenizerConfig(name="builtin"), "gpt2").encode_all(left.texts)
    lengths = [each["input_length"] for each in TRACE]
    assert lengths == [len(ids) for ids in tokens] == [record["input_tokens"] for record in left.records]
    assert tokens[0][:512] == tokens[1][:512]
    assert tokens[0] == tokens[2][:700]
    assert tokens[4] == tokens[0][:600]
    assert tokens[0][512:524] != tokens[1][512:524]
    # 512 of the second, 700 of the third, all of the last
    shared = {"input_tokens": 3_100, "shared_tokens": 1_812, "unready": 0, "shared_share": 1_812 / 3_100}
    assert shared == left.report["trace"]
    assert (
        "Trace: 58.5% of the input tokens repeat the beginning of an earlier prompt"
        in capsys.readouterr().out
    )
    # as any open loop
    assert {"fixed_schedule": True} == left.report["input_config"]["perf_analyzer"]["stimulus"]
    assert {"mode": "request_rate", "value": 0.0} == left.raw["experiment"]
    assert 5 == left.report["request_latency_from_due"]["count"] == left.report["send_lateness"]["count"]
    assert "end_of_trace" == left.report["run"]["stop_reason"]


def test_speed_up_and_warm_up(profile):
    left = profile(TRACE, "--speed-up 2 --warmup-request-count 2")
    phases = [(record["phase"], record["due_ns"]) for record in left.records]
    warm, measured = [due for phase, due in phases if phase == "warmup"], phases[2][1]
    assert [0, 0] == [due - warm[0] for due in warm]
    assert [0, 30 * MS, 30 * MS] == [due - measured for _, due in phases[2:]]
    assert 3 == left.report["request_count"]["avg"]
    assert 1_700 == left.report["trace"]["input_tokens"]  # of the measured ones with hash_ids


@pytest.mark.parametrize(("words", "expected"), [("--request-count 2", 2), ("--benchmark-duration 0.03", 2)])
def test_a_count_or_a_duration_ends_it_earlier(profile, words, expected):
    left = profile(TRACE, words)
    assert expected == len(left.records) == left.report["request_count"]["avg"]
    assert expected <= len(left.inputs)


def test_an_azure_trace(profile):
    left = profile(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:17:03.9799600,100,5\n2023-11-16 18:17:04.0299600,30,2\n",
        kind="azure",
    )
    assert [(100, 0), (30, 50 * MS)] == [
        (record["input_tokens"], record["due_ns"] - left.records[0]["due_ns"]) for record in left.records
    ]
    assert [5, 2] == [entry["payload"][0]["max_tokens"] for entry in left.inputs]


def test_conversations_of_a_trace(profile):
    rows = [
        {"session_id": "a", "text": "One", "output_length": 2, "delay": 20},
        {"session_id": "b", "text": "Two", "output_length": 2},
        {"session_id": "a", "text": "Three", "output_length": 2, "priority": 4},
    ]
    left = profile(rows, "--session-concurrency 2 --session-delay-ratio 2")
    by_turn = {(record["conversation"], record["turn"]): record for record in left.records}
    assert {("a", 0), ("a", 1), ("b", 0)} == by_turn.keys()
    assert by_turn["a", 1]["due_ns"] == by_turn["a", 0]["end_ns"] + 40 * MS
    assert {"a", "b"} == left.report["sessions"].keys()
    assert [(["a"], [40]), (["a"], None), (["b"], None)] == [
        (entry["session_id"], entry.get("delay")) for entry in left.inputs
    ]
    sent = [json.loads(each["request_inputs"]["payload"]) for each in left.raw["requests"]]
    assert 3 == max(len(body["messages"]) for body in sent)


def test_a_trace_is_data_for_another_load(profile):
    left = profile(TRACE, "--concurrency 2 --request-count 10")
    assert [0, 1, 2, 3, 4] * 2 == [record["input_index"] for record in left.records]
    assert {None} == {record["due_ns"] for record in left.records}
    assert 1_812 == left.report["trace"]["shared_tokens"] / 2


def test_a_bad_row_is_told_before_the_first_request_and_a_former_run_is_left_alone(profile, capsys):
    former = profile(TRACE)
    assert former.report == profile([*TRACE, row(5_000)], expected=2).report
    assert (
        'error: trace:6: "timestamp" goes back in time, to 0.100 s before line 5' in capsys.readouterr().err
    )


def test_a_bad_row_far_down_ends_the_run_with_its_place_and_what_was_measured(profile, capsys):
    # long enough not to be checked before, slow enough not to be there when the run begins
    filler = "x" * 400_000
    rows = [row(30 * at, tokens=5, note=filler) for at in range(CHECKED_BYTES // len(filler) + 30)]
    left = profile("".join(json.dumps(each) + "\n" for each in rows) + "[]\n", expected=2)
    seen = capsys.readouterr()
    assert f"error: trace:{len(rows) + 1}: not a JSON object: []" in seen.err
    assert "Note: The run was ended early by its input" in seen.out
    assert len(rows) == len(left.records) == left.report["request_count"]["avg"]
    assert "bad_input" == left.report["run"]["stop_reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(url, tmp_path, number):
    trace = tmp_path / "trace"
    trace.write_text("".join(json.dumps(row(at, tokens=5)) + "\n" for at in range(100_000)))
    argv = [
        *WORDS.split(),
        "-u",
        url,
        "--input-file",
        f"payload:{trace}",
        "--artifact-dir",
        str(tmp_path / "a"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "genai_perf", *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        producers = []
        while not producers or not list(tmp_path.glob("a/*/records.arrows")):
            assert process.poll() is None
            producers = children(process.pid)
            time.sleep(0.05)
        os.kill(process.pid, number)
        assert {signal.SIGINT: 130, signal.SIGKILL: -9}[number] == process.wait(60)
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 30
    while any(is_running(producer) for producer in producers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (directory,) = (tmp_path / "a").iterdir()
    assert json.loads((directory / "inputs.json").read_text())["data"]


def children(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in listed if b"workload.traces" in command_of(child)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_running(pid):
    return bool(command_of(pid))


ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"^\$ genai-perf (.*)$", (ROOT / "docs" / "traces.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_page_s_examples_run(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert 0 == main([*line.split(), "--artifact-dir", str(tmp_path), "--no-server-metrics"])
    seen = capsys.readouterr()
    assert ", 0 failed" in seen.out
    if "mooncake" in line:
        (shown,) = re.findall(r"^Trace: .*$", (ROOT / "docs" / "traces.md").read_text(), re.MULTILINE)
        assert shown in seen.out
