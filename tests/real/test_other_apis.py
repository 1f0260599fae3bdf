"""llama.cpp's own server, asked by the other APIs that it speaks, and in its odder moments."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from llama_server import SLOTS, LlamaServer
from made_run import MadeRun
from tiny_llama import NAME, TEMPLATE_TOKENS

Measure = Callable[..., MadeRun]

ISL, OSL, REQUESTS = 60, 16, 20
WORKLOAD = ("--synthetic-input-tokens-mean", str(ISL), "--output-tokens-mean", str(OSL))
LOAD = ("--request-count", str(REQUESTS), "--concurrency", str(SLOTS))
FINISH = {"responses": "completed", "messages": "max_tokens"}


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("api", FINISH)
def test_responses_and_messages_are_measured_as_chat_is(
    llama: LlamaServer, measure: Measure, api: str, streaming: bool
) -> None:
    options = ("--endpoint-type", api, "--use-server-token-count", *WORKLOAD, *LOAD)
    run = measure(llama, *options, *(("--streaming",) if streaming else ()))
    assert (0, REQUESTS) == (run.exit_code, len(run.answered)), run.stderr
    assert {FINISH[api]} == {row["finish_reason"] for row in run.answered}
    assert OSL == run.export["output_sequence_length"]["avg"]
    asked = run.export["input_sequence_length"]
    assert (ISL + TEMPLATE_TOKENS,) * 2 == (asked["min"], asked["max"])  # what came from the cache, too
    if streaming:
        assert {OSL} == {len(row["content_ns"]) for row in run.answered}
        assert 0 < run.export["time_to_first_token"]["avg"] < run.export["request_latency"]["avg"]


@pytest.mark.parametrize(("api", "path"), [("rerank", None), ("rankings", "rerank")])
def test_documents_are_ranked_in_both_dialects(
    reranker: LlamaServer, measure: Measure, tmp_path: Path, api: str, path: str | None
) -> None:
    (tmp_path / "queries.jsonl").write_text(json.dumps({"text": "What is a class?"}) + "\n")
    passages = ("A kind of thing.", "A list.", "No answer.")
    (tmp_path / "passages.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in passages))
    tei = ("--endpoint", path, "--extra-inputs", "rankings:tei") if path else ()
    batches = ("--batch-size-text", "2", "--num-dataset-entries", "5")
    run = measure(reranker, "--endpoint-type", api, "--input-file", str(tmp_path), *batches, *tei, *LOAD)
    assert (0, REQUESTS) == (run.exit_code, len(run.answered)), run.stderr
    for body in run.bodies:
        ranked = body["texts"] if path else body["documents"]
        assert 2 == len(ranked) == len(set(passages) & set(ranked))
        assert path or NAME == body["model"]
    assert {"Request Latency (ms)", "Request Throughput (per sec)", "Request Count (count)"} == run.csv.keys()
    assert "GenAI-Perf | Rankings Metrics" in run.stdout


def test_made_up_queries_and_passages_are_ranked(reranker: LlamaServer, measure: Measure) -> None:
    made = ("--input-file", "synthetic:queries,passages", "--synthetic-input-tokens-mean", "20")
    run = measure(reranker, "--endpoint-type", "rerank", *made, "--num-dataset-entries", "5", *LOAD)
    assert (0, REQUESTS) == (run.exit_code, len(run.answered)), run.stderr
    assert 5 == len({body["query"] for body in run.bodies}) == len({*run.bodies[0]["documents"]}) * 5


def test_a_server_that_ranks_nothing_is_an_error_in_its_words(llama: LlamaServer, measure: Measure) -> None:
    run = measure(llama, "--endpoint-type", "rerank", "--synthetic-input-tokens-mean", "20")
    assert 1 == run.exit_code
    assert "with http_501: This server does not support reranking. Start it with `--reranking`" in run.stderr


def test_embeddings_in_base64_are_embeddings(embedder: LlamaServer, measure: Measure) -> None:
    options = ("--endpoint-type", "embeddings", "--extra-inputs", "encoding_format:base64")
    run = measure(embedder, *options, "--synthetic-input-tokens-mean", "20", *LOAD)
    assert (0, REQUESTS) == (run.exit_code, len(run.answered)), run.stderr
    assert {20} == {row["usage_input_tokens"] for row in run.answered}


def test_an_error_in_the_middle_of_a_stream_fails_the_request_and_keeps_what_came(
    narrow_llama: LlamaServer, measure: Measure
) -> None:
    options = ("--synthetic-input-tokens-mean", "8", "--output-tokens-mean", "200", *LOAD)
    run = measure(narrow_llama, "--endpoint-type", "chat", "--streaming", *options)
    failed = [row for row in run.requests if row["error_kind"]]
    assert failed, "all at once they need more than there is"
    assert {("server", "Context size has been exceeded.")} == {
        (row["error_kind"], row["error_message"]) for row in failed
    }
    assert {200} == {row["status"] for row in failed}
    assert any(row["content_ns"] for row in failed)


def test_an_image_without_eyes_is_a_500_in_the_servers_words(
    llama: LlamaServer, measure: Measure, tmp_path: Path
) -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    messages = json.dumps({"messages": [{"role": "user", "content": [part]}]})
    run = measure(llama, "--endpoint-type", "chat", "--streaming", "--extra-inputs", messages)
    assert 1 == run.exit_code
    assert "with http_500: image input is not supported" in run.stderr


def test_several_models_share_the_requests(llama: LlamaServer, measure: Measure, tmp_path: Path) -> None:
    few = ("--synthetic-input-tokens-mean", "10", "--output-tokens-mean", "2", "--num-dataset-entries", "12")
    models = ("-m", "lora-b", "lora-c")  # beside the first, which is always given here
    for strategy in ("round_robin", "random"):
        chosen = ("--model-selection-strategy", strategy, "--request-count", "12")
        run = measure(llama, "--endpoint-type", "chat", *few, *models, *chosen)
        assert (0, 12) == (run.exit_code, len(run.answered)), run.stderr
        asked = [body["model"] for body in run.bodies]
        in_turn = [NAME, "lora-b", "lora-c"] * 4
        assert (asked == in_turn) == (strategy == "round_robin")
        assert {NAME, "lora-b", "lora-c"} == {*asked}
        by_row = {row["input_index"]: row["model"] for row in run.answered}
        assert asked == [by_row[index] for index in range(12)]
        assert run.directory.name.startswith(NAME)
