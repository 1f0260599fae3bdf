"""Periodic concurrency from end to end: what the servers say of when each batch came."""

import json
from itertools import pairwise
from pathlib import Path

import greeter
import pytest
from made_run import MadeRun
from server import Peer, Server, chunk, event, head

from genai_perf.cli import main
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

START, END, STEP, PERIOD = 3, 9, 2, 6
PERIODIC = ["--periodic-concurrency-range", f"{START}:{END}:{STEP}", "--request-period", f"{PERIOD}"]
CHAT = ["--endpoint-type", "chat", "--streaming"]
BATCHES = [(0, 3), (3, 5), (5, 7), (7, 9)]


@pytest.fixture
def profile(tmp_path, monkeypatch, capsys):
    """Runs `profile` with these words and the batches."""
    monkeypatch.chdir(tmp_path)

    def profile(*words, periodic=PERIODIC):
        code = main(["profile", "-m", "gpt2", "--tokenizer", "builtin", *words, *periodic])
        seen = capsys.readouterr()
        return MadeRun(code, seen.out, seen.err, tmp_path / "artifacts")

    return profile


def by_index(run):
    """The journal's rows, in the order in which they were sent."""
    return sorted(run.requests, key=lambda row: row["index"])


def served(log=None, **settings):
    return EmbeddedServer(ServerSettings(port=0, ttft_ms=20, itl_ms=4, truth_log=log, **settings))


@pytest.mark.parametrize("transport", ["native", "httpx"])
@pytest.mark.parametrize("behind", [[], ["--"]])
def test_no_batch_begins_before_all_of_the_former_has_had_its_tokens(profile, tmp_path, transport, behind):
    log = tmp_path / "truth.jsonl"
    kind = ["--endpoint-type", "completions", "--streaming", "--transport", transport]
    with served(log) as server:
        run = profile(*kind, "--isl", "10", "--osl", "40", "-u", server.url, periodic=[*behind, *PERIODIC])
    assert (0, END) == (run.exit_code, len(run.answered))
    truths = sorted(map(json.loads, log.read_text().splitlines()), key=lambda each: each["received_ns"])
    assert END == len(truths)
    for former, batch in pairwise(truths[first:end] for first, end in BATCHES):
        ready_ns = max(each["token_ns"][PERIOD - 1] for each in former)
        assert ready_ns < min(each["received_ns"] for each in batch)
        assert all(each["end_ns"] > ready_ns for each in former)  # they went on meanwhile
    assert [3, 2, 2, 2] == [each["requests"] for each in run.export["batches"]]
    assert "request_count" == run.export["run"]["stop_reason"]
    assert not any("--request-period" in note for note in run.export["notes"])


def test_messages_of_a_grpc_stream_are_its_responses(profile):
    Path("greetings.jsonl").write_text('{"name": {"given": "Ada"}, "times": 12, "pause": "0.005s"}\n')
    method = ["--endpoint-type", "dynamic_grpc", "--grpc-method", "greeter.Greeter/GreetSlowly"]
    with greeter.serving() as url:
        run = profile(*method, "-u", url, "--input-file", "greetings.jsonl")
    assert (0, END) == (run.exit_code, len(run.answered))
    for former, batch in pairwise(by_index(run)[first:end] for first, end in BATCHES):
        ready_ns = max(row["content_ns"][PERIOD - 1] for row in former)
        assert ready_ns <= min(row["start_ns"] for row in batch)
    assert {12} == {len(row["content_ns"]) for row in run.requests}
    assert [3, 2, 2, 2] == [each["requests"] for each in run.export["batches"]]


def test_answers_that_are_too_short_are_not_waited_for_and_are_told_of(profile):
    with served() as server:
        run = profile(*CHAT, "--isl", "10", "--osl", "3", "-u", server.url)
    assert (0, END) == (run.exit_code, len(run.answered))
    note = "9 of 9 requests ended before their response 6 (--request-period): "
    note += "their batches were not waited for any longer."
    assert note in run.export["notes"]
    assert note in " ".join(run.stdout.split())


def test_a_server_that_hangs_up_on_everybody_is_left_after_as_many_requests_as_were_asked_for(profile):
    def hangs_up(peer: Peer) -> None:
        peer.request()
        peer.write(
            head("Transfer-Encoding: chunked", "Content-Type: text/event-stream") + chunk(event(b"{}"))
        )

    with Server(hangs_up) as server:
        run = profile(*CHAT, "-u", server.url)
    assert (1, END) == (run.exit_code, len(run.requests))
    assert {"closed"} == {row["error_kind"] for row in run.requests}
    assert "every request failed: 9 of 9 with closed" in run.error


def test_batches_may_be_of_several_kinds_but_not_of_conversations(profile):
    Path("mix.yaml").write_text("short: {weight: 1, isl: 10, osl: 9}\nlong: {weight: 1, isl: 50, osl: 30}\n")
    with served() as server:
        run = profile(*CHAT, "--traffic", "mix.yaml", "-u", server.url)
    assert (0, {"short", "long"}) == (run.exit_code, {row["traffic_class"] for row in run.answered})
    Path("mix.yaml").write_text("short: {weight: 1, isl: 10, osl: 9}\ntalks: {weight: 1, num-sessions: 3}\n")
    refused = profile(*CHAT, "--traffic", "mix.yaml", "-u", "localhost:9")
    assert 2 == refused.exit_code
    assert (
        "--periodic-concurrency-range sends requests by themselves; the input has conversations"
        in refused.error
    )
