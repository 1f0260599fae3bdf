"""Traces, conversations and polite clients against a real model runtime, whose counts say what reached it."""

import json
from collections.abc import Callable
from pathlib import Path

import tokenizers
from llama_server import SLOTS, LlamaServer
from made_run import MadeRun

Measure = Callable[..., MadeRun]

CHAT = ("--endpoint-type", "chat", "--streaming", "--use-server-token-count")


def test_every_turn_reaches_the_server_with_all_that_was_said(
    llama: LlamaServer, measure: Measure, model: Path
) -> None:
    sessions = ("--num-sessions", "4", "--session-concurrency", "2", "--session-turns-mean", "3")
    run = measure(llama, *CHAT, *sessions, "--isl", "40", "--osl", "8")
    assert (0, 12) == (run.exit_code, len(run.answered)), run.stderr
    tokenizer = tokenizers.Tokenizer.from_file(str(model.parent / "tokenizer.json"))
    raw = run.experiment["requests"]
    seen = []
    for request, row in zip(
        sorted(raw, key=lambda each: each["timestamp"]),
        sorted(run.answered, key=lambda row: row["start_ns"]),
        strict=True,
    ):
        messages = json.loads(request["request_inputs"]["payload"])["messages"]
        said = sum(len(tokenizer.encode(each["content"], add_special_tokens=False).ids) for each in messages)
        # the template has a token before and one after each message, and one that asks for the answer
        assert said + 2 * len(messages) + 1 == row["usage_input_tokens"]
        seen.append(len(messages))
    assert [1] * 4 + [3] * 4 + [5] * 4 == sorted(seen)


def test_shared_blocks_of_a_trace_are_shared_in_the_servers_cache(
    llama: LlamaServer, measure: Measure, tmp_path: Path
) -> None:
    rows = [([101, 102], 700), ([101, 103], 700), ([104], 300), ([101, 103], 900)]
    trace = tmp_path / "trace.jsonl"
    trace.write_text(
        "".join(
            json.dumps({"timestamp": 1_000 * at, "input_length": tokens, "output_length": 2, "hash_ids": ids})
            + "\n"
            for at, (ids, tokens) in enumerate(rows)
        )
    )
    run = measure(llama, *CHAT, "--input-file", f"payload:{trace}", "--speed-up", "2")
    assert (0, 4) == (run.exit_code, len(run.answered)), run.stderr
    rows_sent = sorted(run.requests, key=lambda row: row["index"])
    assert [700, 700, 300, 900] == [row["input_tokens"] for row in rows_sent]
    # one token of the template stands before, and the words after the block may agree by chance
    first, second, other, third = (row["usage_cached_tokens"] or 0 for row in rows_sent)
    assert max(first, other) < 20
    assert 512 <= second < 532
    assert 700 <= third < 720
    assert (512 + 700) / 2_600 == run.export["trace"]["shared_share"]


def test_no_more_prompts_are_read_at_a_time_than_the_cap_says(llama: LlamaServer, measure: Measure) -> None:
    load = ("--concurrency", str(SLOTS), "--request-count", "40", "--max-prefill-concurrency", "2")
    run = measure(llama, *CHAT, *load, "--isl", "200", "--osl", "20")
    assert (0, 40) == (run.exit_code, len(run.answered)), run.stderr
    edges = [(row["start_ns"], 1) for row in run.requests]
    edges += [(row["content_ns"][0], -1) for row in run.requests]
    waiting = most = 0
    for _, change in sorted(edges):
        waiting += change
        most = max(most, waiting)
    assert 2 == most


def test_requests_that_are_hung_up_on_do_the_others_no_harm(llama: LlamaServer, measure: Measure) -> None:
    load = ("--concurrency", "4", "--request-count", "40", "--request-cancellation-rate", "0.5")
    run = measure(llama, *CHAT, *load, "--request-cancellation-delay", "0.01", "--isl", "50", "--osl", "200")
    kinds = [row["error_kind"] for row in run.requests]
    assert (0, {None, "hung_up"}) == (run.exit_code, set(kinds)), run.stderr
    assert [200] * kinds.count(None) == [row["usage_output_tokens"] for row in run.answered]
