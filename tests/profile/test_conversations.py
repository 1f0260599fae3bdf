"""Whole runs of conversations against the embedded server: what was said, when, and what the files tell."""

import json
from itertools import pairwise

import pytest

from genai_perf.cli import main
from genai_perf.config.schema import TokenizerConfig
from genai_perf.engine.journal import read
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings
from genai_perf.workload.tokenizer import load

MS = 1_000_000


@pytest.fixture(scope="module")
def url():
    settings = ServerSettings(
        port=0, ttft_ms=2, ttft_per_input_token_ms=0, itl_ms=1, itl_per_request_ms=0, context_length=2000
    )
    with EmbeddedServer(settings) as server:
        yield server.url


@pytest.fixture
def converse(url, tmp_path, monkeypatch, capsys):
    """Runs `profile` with these options; gives the run's records and its two JSON files."""
    monkeypatch.chdir(tmp_path)

    def converse(words):
        fixed = (
            "profile -m gpt2 --endpoint-type chat --tokenizer builtin --isl 20 --osl 4 --no-server-metrics -u"
        )
        assert 0 == main([*fixed.split(), url, *words.split()])
        (directory,) = (tmp_path / "artifacts").iterdir()
        _, records = read(directory / "records.arrows")
        raw = json.loads((directory / "profile_export.json").read_text())
        report = json.loads((directory / "profile_export_genai_perf.json").read_text())
        inputs = json.loads((directory / "inputs.json").read_text())["data"]
        return records.to_pylist(), raw["experiments"][0], report, inputs

    return converse


SESSIONS = "--num-sessions 6 --session-concurrency 2 --session-turns-mean 3 --session-turn-delay-mean 30"


@pytest.mark.parametrize("streaming", ["--streaming", ""], ids=["streamed", "whole"])
def test_each_turn_is_sent_with_all_that_was_said_and_after_its_user_has_thought(converse, streaming):
    records, _, _, inputs = converse(f"{SESSIONS} {streaming}")
    assert 18 == len(records) == len(inputs)
    assert {None} == {row["error_kind"] for row in records}
    by_turn = {(row["conversation"], row["turn"]): row for row in records}
    for (conversation, turn), row in by_turn.items():
        before = by_turn.get((conversation, turn - 1))
        if before is None:
            continue
        assert row["start_ns"] >= row["due_ns"] == before["end_ns"] + 30 * MS
        assert row["request_bytes"] > before["request_bytes"] + len(before["text"])
    # never more than two conversations at a time
    spans = {}
    for row in records:
        start, end = spans.get(row["conversation"], (row["start_ns"], row["end_ns"]))
        spans[row["conversation"]] = min(start, row["start_ns"]), max(end, row["end_ns"])
    edges = sorted([(start, 1) for start, _ in spans.values()] + [(end, -1) for _, end in spans.values()])
    open_, most = 0, 0
    for _, change in edges:
        open_ += change
        most = max(most, open_)
    assert 2 == most


def test_the_raw_export_shows_what_was_sent_and_its_tokens_are_the_input_length(converse):
    records, raw, report, inputs = converse(f"{SESSIONS} --streaming")
    assert {"mode": "request_rate", "value": 0.0} == raw["experiment"]
    texts = {row["conversation"]: {} for row in records}
    for row in records:
        texts[row["conversation"]][row["turn"]] = row["text"]
    counts = []
    for request in raw["requests"]:
        shown = request["request_inputs"]
        messages = json.loads(shown["payload"])["messages"]
        answers = [each["content"] for each in messages if each["role"] == "assistant"]
        said = texts[shown["session_id"]]
        assert [said[turn] for turn in range(len(answers))] == answers
        assert len(messages) == 2 * len(answers) + 1
        counts.append(" ".join(each["content"] for each in messages))
    tokens = load(TokenizerConfig(name="builtin"), "gpt2").count(counts)
    assert sum(tokens) / len(tokens) == pytest.approx(report["input_sequence_length"]["avg"])
    assert max(tokens) == report["input_sequence_length"]["max"]
    assert [[30], [30], None] == [entry.get("delay") for entry in inputs[:3]]
    assert 6 == len({entry["session_id"][0] for entry in inputs})


def test_every_session_has_its_own_statistics(converse):
    records, _, report, _ = converse(f"{SESSIONS} --streaming")
    sessions = report["sessions"]
    began = {}
    for row in sorted(records, key=lambda row: row["start_ns"]):
        began.setdefault(row["conversation"], []).append(row)
    assert list(began) == list(sessions)
    for name, rows in began.items():
        mine = sessions[name]
        assert 3 == mine["request_count"]["avg"]
        span_s = (max(row["content_ns"][-1] for row in rows) - min(row["start_ns"] for row in rows)) / 1e9
        assert mine["request_throughput"]["avg"] == pytest.approx(3 / span_s)
        latency_ms = sum(row["content_ns"][-1] - row["start_ns"] for row in rows) / 3 / MS
        assert mine["request_latency"]["avg"] == pytest.approx(latency_ms)


def test_conversations_come_at_a_rate(converse):
    records, _, _, _ = converse(
        "--num-sessions 5 --session-request-rate 50 --session-turns-mean 2 --session-turn-delay-mean 200"
    )
    first = sorted(row["due_ns"] for row in records if row["turn"] == 0)
    assert [20 * MS] * 4 == [after - before for before, after in pairwise(first)]
    # all are open at once: the last has begun before the first has gone on
    assert first[-1] < min(row["start_ns"] for row in records if row["turn"] == 1)


def test_a_warm_up_is_of_conversations_too_and_a_duration_ends_between_turns(converse):
    records, _, report, _ = converse(
        "--num-sessions 2 --session-concurrency 1 --session-turns-mean 2 --warmup-request-count 1"
    )
    assert [2, 4] == [sum(row["phase"] == phase for row in records) for phase in ("warmup", "benchmark")]
    assert 4 == report["request_count"]["avg"]
    assert 2 == len(report["sessions"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            f"{SESSIONS} --request-count 5",
            "--request-count counts requests; conversations end with their last turn",
        ),
        ("--session-concurrency 2", "--session-concurrency needs conversations"),
        ("--session-turns-mean 2", "--session-turns-mean needs --num-sessions"),
        (f"{SESSIONS} --concurrency 2", "--concurrency"),
        (
            "--tokenizer builtin --num-sessions 2 --session-concurrency 3",
            "--session-concurrency 3 is more than there are conversations (2)",
        ),
    ],
)
def test_what_cannot_be_is_said_before_the_first_request(url, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert 2 == main(["profile", "-m", "gpt2", "--endpoint-type", "chat", "-u", url, *words.split()])
    assert message in capsys.readouterr().err


def test_conversations_that_a_failure_or_the_end_of_the_time_broke_off_are_told(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    fixed = "profile -m gpt2 --endpoint-type chat --tokenizer builtin --isl 20 --osl 4 --no-server-metrics -u"
    settings = ServerSettings(port=0, ttft_ms=2, itl_ms=1, error_rate=0.3)
    with EmbeddedServer(settings) as failing:
        words = "--num-sessions 12 --session-concurrency 2 --session-turns-mean 3"
        assert 0 == main([*fixed.split(), failing.url, *words.split()])
    (path,) = tmp_path.glob("artifacts/*/records.arrows")
    rows = read(path)[1].to_pylist()
    broken_off = sum(row["error_kind"] is not None and row["turn"] < 2 for row in rows)
    assert 1 < broken_off
    assert (
        f"Note: {broken_off} conversations had turns left when one of theirs failed"
        in capsys.readouterr().out
    )


def test_a_duration_that_ends_between_turns_does_not_blame_the_server(converse, capsys):
    converse(
        "--num-sessions 4 --session-concurrency 2 --session-turns-mean 9 --session-turn-delay-mean 50 "
        "--benchmark-duration 0.2 --streaming"
    )
    told = capsys.readouterr().out
    assert "Note: 2 conversations had turns left when the time was over: these were never sent." in told
    assert "--max-concurrency" not in told
