"""What the reports say of the server's own metrics."""

import json
import math
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from runs import chat

from genai_perf.reports import console, json_file
from genai_perf.telemetry.dialects import QUANTITIES
from genai_perf.telemetry.server_metrics import Page, Row, ServerMetrics
from genai_perf.telemetry.store import Health
from genai_perf.telemetry.windowed import Distribution, Growth, Level, Window

HERE = Path("artifacts/gpt2-openai-chat-concurrency8")
MS = 1e6


def row(tag, statistic, server, ours=None, low=None, high=None, note=""):
    return Row(QUANTITIES[tag], statistic, server, server if low is None else low, high or server, ours, note)


ROWS = (
    row("time_to_first_token", "avg", 51.25 * MS, 51.5 * MS),
    row("time_to_first_token", "p50", 50 * MS, 51.4 * MS, 40 * MS, 60 * MS),
    row("time_to_first_token", "p90", 58 * MS, 61.0 * MS, 40 * MS, 60 * MS),
    row("time_to_first_token", "p99", 59 * MS, 62.5 * MS, 40 * MS, 60 * MS),
    row("request_latency", "avg", 400 * MS, 390 * MS),
    row("request_latency", "p50", 500 * MS, 400 * MS, 500 * MS, math.inf),
    row("queue_time", "avg", 0.5 * MS, note="in its scheduler"),
    row("queue_time", "p99", 0.9 * MS, low=0, high=300 * MS),
    row("requests_running", "avg", 7.5),
    row("requests_running", "max", 8),
    row("kv_cache_usage", "avg", 0.125),
    row("requests_succeeded", "total", 1000, 1000),
    row("prompt_tokens", "total", 55_000, 55_003),
    row("generation_tokens", "total", 12_345, 12_400, high=math.inf),
)
PAGE = Page(
    "server:host:8000",
    "vLLM",
    Health(12, 1, {"HTTP 503 Service Unavailable": 1}),
    {"vllm:num_requests_running": Level(7.5, 0, 8, 8), "nan": Level(math.nan, math.nan, math.nan, math.nan)},
    {"vllm:prompt_tokens_total": Growth(55_000, 1)},
    {"vllm:time_to_first_token_seconds": Distribution(2, 0.1, {0.04: 0, 0.06: 1, math.inf: 2})},
)


@pytest.fixture
def result():
    server = ServerMetrics(Window(1_000_000_000, 3_000_000_000), (PAGE,), ROWS)
    return replace(chat(), server=server)


def printed(result, verbose=False) -> str:
    out = StringIO()
    console.write(result, HERE, file=out, width=120, verbose=verbose)
    return out.getvalue()


def test_the_table_says_what_the_server_says_what_we_saw_and_the_difference(result, golden):
    golden("console/server_metrics.txt", printed(result, verbose=True))
    assert "What the server says" not in printed(result)
    assert "Server: " in printed(result)


def test_the_line_says_where_the_server_means_something_else(result):
    rows = (
        row("request_latency", "avg", 4 * MS, 390 * MS, note="until its execute() returns"),
        row("prompt_tokens", "total", 100, 100, note="processed, not cached"),
    )
    text = printed(replace(result, server=replace(result.server, rows=rows)))
    assert "request latency 4.00 ms (+386.00; until its execute() returns), prompt tokens 100 (none)" in text


def test_the_file_has_all_of_it(result, golden):
    golden(
        "json/server_metrics.json", json.dumps(json_file.document(result)["server_metrics"], indent=2) + "\n"
    )


def test_no_figure_in_the_file_is_something_that_json_does_not_know(result):
    json.dumps(json_file.document(result)["server_metrics"], allow_nan=False)


def test_a_server_that_is_not_known_has_no_table(result):
    nothing = replace(result, server=replace(result.server, rows=()))
    assert "What the server says" not in printed(nothing, verbose=True)
    assert "Server: " not in printed(nothing)


def test_a_run_whose_server_was_not_asked_says_nothing_of_it():
    assert "What the server says" not in printed(chat())
    assert "server_metrics" not in json_file.document(chat())
