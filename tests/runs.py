"""Results to report on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from journal_rows import ENDED, characters, failed, info, row, table

from genai_perf.config.schema import (
    Config,
    EndpointConfig,
    InputConfig,
    LoadConfig,
    MetricsConfig,
    OutputConfig,
)
from genai_perf.metrics.compute import of_columns
from genai_perf.metrics.reading import read_columns
from genai_perf.reports import Result
from genai_perf.types import RunEnd, Window

MS = 1_000_000
CHAT = Config(
    endpoint=EndpointConfig(model_names=("gpt2",), type="chat", streaming=True, headers=("X-Key: secret",)),
    load=LoadConfig(concurrency=8),
)
PATHS = {"chat": "v1/chat/completions", "completions": "v1/completions", "embeddings": "v1/embeddings"}


def result(rows: list[dict[str, Any]], config: Config = CHAT, end: RunEnd | None = ENDED) -> Result:
    """What a run with this configuration would have to report."""
    endpoint = str(config.endpoint.type)
    run = info(endpoint=endpoint, streaming=config.endpoint.streaming, config=config.public())
    tokens = endpoint != "embeddings"
    if not tokens:
        run = replace(run, tokenizer={})
    records = table(rows)
    columns = read_columns(
        records,
        count=characters if tokens else None,
        input_tokens=None,
        use_server_token_count=config.metrics.use_server_token_count,
        slos=config.metrics.goodput,
    )
    summary = of_columns(columns, run, end, settings=config.metrics, produces_tokens=tokens)
    return Result(
        info=run,
        end=end,
        records=records,
        summary=summary,
        endpoint_path=config.endpoint.path or PATHS[endpoint],
        title="LLM Metrics" if tokens else "Embeddings Metrics",
        produces_tokens=tokens,
        columns=columns,
    )


def streamed(requests: int = 10) -> list[dict[str, Any]]:
    """Answers of ten tokens: the first after 5 ms, then one each 444 µs or a little more."""
    rows = []
    for number in range(requests):
        start = number * 10 * MS
        first = start + 5 * MS + number * 1000
        arrivals = [first + token * (444_000 + number * 1000) for token in range(10)]
        rows.append(
            row(
                *arrivals,
                texts=["t"] * 10,
                start_ns=start,
                sent_ns=start + 15_000,
                content_slack_ns=[3_000, *[0] * 9],
                content_lag_ns=[20_000 + number] * 10,
            )
        )
    return rows


def chat() -> Result:
    """The plain case."""
    return result(streamed())


def troubled() -> Result:
    """An open loop with SLOs, failures, reasoning, windows that never became stable."""
    config = replace(
        CHAT,
        load=LoadConfig(request_rate=100.0, request_distribution="poisson", measurement_interval_ms=5000),
        metrics=MetricsConfig(goodput={"time_to_first_token": 5.005}),
    )
    rows = [
        request
        | {
            "due_ns": request["start_ns"] - place * 1000,
            "reasoning_ns": [request["start_ns"] + MS],
            "reasoning_chars": [4],
            "usage_output_tokens": 17,
            "usage_reasoning_tokens": 7,
            "connect_ns": 100_000 if place < 2 else None,
            "stamp": "user" if place == 9 else "kernel",
        }
        for place, request in enumerate(streamed())
    ]
    rows += [failed("http_429", "rate limit\n reached \x1b[31m[bold]"), failed("http_429"), row()]
    rows += [failed("timeout", "no complete answer within 600 s", start_ns=1, due_ns=0, status=0)]
    windows = tuple(
        Window(start_ns=n * 5_000 * MS, end_ns=(n + 1) * 5_000 * MS, requests=10 + n,
               throughput_per_s=2.0 + n, latency_ns=9.5 * MS)
        for n in range(3)
    )  # fmt: skip
    return result(rows, config, RunEnd("max_trials", stable=False, windows=windows))


def unstreamed() -> Result:
    """Answers in one piece, slow enough for thousands separators."""
    config = replace(CHAT, endpoint=replace(CHAT.endpoint, streaming=False))
    return result([row((n + 1) * 1_234_567_890, texts=["four"], input_tokens=4321) for n in range(3)], config)


def embeddings() -> Result:
    """Answers without text."""
    config = Config(
        endpoint=EndpointConfig(model_names=("e5", "bge"), type="embeddings"),
        input=InputConfig(file="texts.jsonl", batch_size=2),
        load=LoadConfig(concurrency=2, request_count=3),
        output=OutputConfig(profile_export_file="mine.json"),
    )
    return result([row((n + 1) * MS, texts=[""]) for n in range(3)], config)


RUNS = {"chat": chat, "troubled": troubled, "unstreamed": unstreamed, "embeddings": embeddings}

BODIES = {
    "chat": {"model": "gpt2", "messages": [{"role": "user", "content": "twelve chars"}], "stream": True},
    "completions": {"model": "gpt2", "prompt": ["twelve", "chars"]},
    "embeddings": {"model": "e5", "input": ["a", "b"]},
}


def write_inputs(directory: Path, endpoint: str, rows: int = 1) -> None:
    """An `inputs.json` of so many equal rows."""
    data = [{"payload": [BODIES[endpoint]]} for _ in range(rows)]
    (directory / "inputs.json").write_text(json.dumps({"data": data}, indent=2))
