"""Scenarios, and checkpoints as GenAI-Perf wrote them in either schema."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genai_perf.analyze.records import record_type
from genai_perf.analyze.scenario import Outcome, Scenario
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig, TokenizerConfig
from genai_perf.types import Stats, Summary

MS = 1_000_000

CHAT = Config(
    endpoint=EndpointConfig(
        model_names=("gpt2",), type="chat", streaming=True, headers=("Authorization: Bearer secret",)
    ),
    tokenizer=TokenizerConfig(name="builtin"),
)


def chat(concurrency: int, **inputs: Any) -> Config:
    return replace(CHAT, load=LoadConfig(concurrency=concurrency), input=InputConfig(**inputs))


def stats(ms: float, count: int = 10) -> Stats:
    return Stats(
        count=count,
        avg=ms * MS,
        std=ms * MS / 10,
        min=ms * MS / 2,
        max=ms * MS * 2,
        percentiles={
            f"p{p:g}": ms * MS * (0.5 + 1.5 * p / 100) for p in (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)
        },
        uncertainty={"avg": 10.0, "min": 0.0, "max": 20.0, "p50": 5.0, "p99": 7.0},
    )


def summary(ttft_ms: float, requests_per_s: float) -> Summary:
    return Summary(
        metrics={
            "time_to_first_token": stats(ttft_ms),
            "request_latency": stats(ttft_ms * 3),
            "output_token_throughput": requests_per_s * 100,
            "request_throughput": requests_per_s,
            "request_count": 10.0,
            "request_latency_from_due": stats(ttft_ms * 4),
            "error_rate": 1 / 6,
        },
        requests=10,
        errors={"timeout": (2, "no answer within 1 s")},
        exactness={},
        notes=("two requests failed",),
    )


def measured(concurrency: int, ttft_ms: float, requests_per_s: float, **inputs: Any) -> Scenario:
    planned = Scenario.planned(
        chat(concurrency, **inputs), {"concurrency": concurrency}, Path(f"artifacts/c{concurrency}")
    )
    return planned.measured(summary(ttft_ms, requests_per_s))


def of(
    values: Mapping[str, float], name: str = "", gpus: Mapping[str, Mapping[str, float]] | None = None
) -> Scenario:
    """A scenario of one model with these values by tag."""
    return Scenario(
        model="gpt2",
        parameters={},
        name=name,
        outcome=Outcome.MEASURED,
        perf={"gpt2": {tag: record_type(tag)(value) for tag, value in values.items()}},
        gpus={
            gpu: {tag: record_type(tag)(value) for tag, value in each.items()}
            for gpu, each in (gpus or {}).items()
        },
    )


# -- as GenAI-Perf wrote them ---------------------------------------------------------------------------

PERF = {
    "time_to_first_token_p99": 82.02 * MS,
    "time_to_first_token_avg": 40 * MS,
    "inter_token_latency_p99": 7.53 * MS,
    "inter_token_latency_p90": 7 * MS,
    "request_latency_p99": 879.2 * MS,
    "input_sequence_length_p99": 201.0,
    "output_token_throughput_avg": 145.93,
    "request_throughput_avg": 1.30,
}

COMMAND = [
    *("perf_analyzer", "-m", "gpt2", "--async", "--stability-percentage", "999", "--request-count", "10"),
    *("-i", "http", "-u", "localhost:8000", "--service-kind", "openai", "--endpoint", "v1/chat/completions"),
    *("--input-data", "artifacts/{place}/inputs.json"),
    *("--profile-export-file", "artifacts/{place}/profile_export.json", "--concurrency-range", "1"),
]


def stored(tag: str, value: float, gpu: str | None = None) -> list[Any]:
    values: dict[str, Any] = {"_value": value, "_timestamp": 0}
    return [tag, values if gpu is None else {**values, "_device_uuid": gpu}]


def measurement(perf: Mapping[str, float], gpus: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    return {
        "_gpu_metrics": {
            gpu: {tag: stored(tag, value, gpu) for tag, value in each.items()} for gpu, each in gpus.items()
        },
        "_model_config_measurements": {
            "gpt2": {"_perf_metrics": {tag: stored(tag, value) for tag, value in perf.items()}}
        },
    }


def newer(number: int, entries: int, perf: Mapping[str, float]) -> dict[str, Any]:
    """A run config as GenAI-Perf 25.06 and later wrote it."""
    place = f"gpt2-openai-chat-num_dataset_entries{entries}"
    return {
        "name": f"gpt2_run_config_{number}",
        "genai_perf_config": {
            "_parameters": {
                "endpoint": {"type": "chat", "streaming": True, "service_kind": "openai"},
                "input": {"num_dataset_entries": 100, "synthetic_tokens": {"mean": 200, "stddev": 0}},
                "tokenizer": {"name": "gpt2", "revision": "main"},
                "num_dataset_entries": entries,
            }
        },
        "perf_analyzer_config": {
            "_model_name": "gpt2",
            "_parameters": {},
            "_cli_args": [part.format(place=place) for part in COMMAND],
        },
        "measurement": measurement(
            perf, {"0": {"gpu_power_usage_avg": 65.1, "gpu_memory_used_p99": 21_582.0}}
        ),
    }


def older(number: int, entries: int, perf: Mapping[str, float]) -> dict[str, Any]:
    """A run config as GenAI-Perf 25.01 to 25.05 wrote it, with GPUs by Triton."""
    return {
        **newer(number, entries, perf),
        "genai_perf_config": {
            "input": {"num_dataset_entries": entries, "synthetic_tokens": {"mean": 200, "stddev": 0}},
            "output_tokens": {"mean": 100, "deterministic": False, "stddev": 0},
            "_parameters": {"num_dataset_entries": entries},
        },
        "perf_analyzer_config": {
            "_config": {"path": "perf_analyzer", "timeout_threshold": 600, "stability_threshold": 999},
            "_cli_args": [part.format(place=f"gpt2-{entries}") for part in COMMAND],
            "_model_name": "gpt2",
            "_parameters": {},
        },
        "measurement": measurement(
            perf,
            {
                "gpu0": {
                    "gpu_power_usage_avg": 63.09,
                    "gpu_utilization_p99": 0.2,
                    "gpu_memory_used_p99": 22.63e9,
                    "energy_consumption_p99": 1.73e6,
                }
            },
        ),
    }


SCHEMAS = {"newer": newer, "older": older}


def genai_perf_checkpoint(schema: str) -> bytes:
    """Three scenarios, the second with the least time to first token."""
    entry = SCHEMAS[schema]
    return json.dumps(
        {
            "Results": {
                "run_configs": [
                    entry(0, 100, PERF),
                    entry(
                        1,
                        150,
                        {**PERF, "time_to_first_token_p99": 33.13 * MS, "request_throughput_avg": 1.32},
                    ),
                    entry(
                        2,
                        200,
                        {**PERF, "time_to_first_token_p99": 33.54 * MS, "request_throughput_avg": 1.33},
                    ),
                ]
            }
        },
        separators=(",", ":"),
    ).encode()
