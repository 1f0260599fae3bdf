"""llama.cpp's own metrics beside ours: its counters must agree with what it told of each request."""

from collections.abc import Callable

from llama_server import LlamaServer
from made_run import MadeRun
from tiny_llama import TEMPLATE_TOKENS

Measure = Callable[..., MadeRun]

ISL, OSL, REQUESTS = 100, 24, 24
CHAT = ("--endpoint-type", "chat", "--streaming", "--use-server-token-count")
WORKLOAD = ("--synthetic-input-tokens-mean", str(ISL), "--output-tokens-mean", str(OSL))


def run_of(measure: Measure, llama: LlamaServer, *options: str) -> MadeRun:
    load = ("--concurrency", "3", "--request-count", str(REQUESTS), "--warmup-request-count", "5")
    run = measure(llama, *CHAT, *WORKLOAD, *load, *options)
    assert (0, REQUESTS) == (run.exit_code, len(run.answered)), run.stderr
    return run


def test_its_token_counters_agree_exactly_with_what_it_told_of_each_request(
    llama: LlamaServer, measure: Measure
) -> None:
    run = run_of(measure, llama)
    compared = run.export["server_metrics"]["comparison"]
    processed = sum(row["usage_input_tokens"] - row["usage_cached_tokens"] for row in run.answered)
    assert 0 < processed <= REQUESTS * (ISL + TEMPLATE_TOKENS)
    for tag, ours in (("prompt_tokens", processed), ("generation_tokens", REQUESTS * OSL)):
        figures = compared[tag]["total"]
        assert (ours, ours, 0) == (figures["server"], figures["ours"], figures["difference"]), tag
    assert 0 < compared["inter_token_latency"]["avg"]["server"]
    assert "Server: llama.cpp at 127.0.0.1:" in run.stdout


def test_its_page_is_not_asked_for_when_it_is_not_wanted(llama: LlamaServer, measure: Measure) -> None:
    run = run_of(measure, llama, "--no-server-metrics", "--gpu-telemetry", "off")
    assert "server_metrics" not in run.export
    assert not (run.directory / "telemetry.arrows").exists()
