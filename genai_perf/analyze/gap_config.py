"""A run's configuration as GenAI-Perf's checkpoint has it: its own settings, and its load engine's.

This program has no such engine; what is written is the command line that would have asked Perf Analyzer for
the same load. Scripts read the load and the artifact directory off it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genai_perf.analyze.parameters import LOAD_PARAMETERS
from genai_perf.config.schema import Config
from genai_perf.reports import Result
from genai_perf.reports.input_config import input_config
from genai_perf.types import RunInfo, Summary
from genai_perf.workload import inputs_file


def gap_configs(
    config: Config, parameters: Mapping[str, Any], directory: Path | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`genai_perf_config` and `perf_analyzer_config`, with header values blanked."""
    shown = input_config(_unmeasured(config))
    endpoint = {name: value for name, value in shown["endpoint"].items() if name not in _ABSENT}
    own = {name: value for name, value in parameters.items() if name not in LOAD_PARAMETERS}
    swept = {LOAD_PARAMETERS[name]: value for name, value in parameters.items() if name in LOAD_PARAMETERS}
    load = {} if swept.keys() & {"concurrency", "request_rate"} else shown["perf_analyzer"]["stimulus"]
    return (
        {
            "_parameters": {
                "endpoint": endpoint,
                "input": shown["input"],
                "tokenizer": shown["tokenizer"],
                **own,
            }
        },
        {
            "_model_name": config.endpoint.model_names[0],
            "_parameters": {**swept, **load},
            "_cli_args": list(_arguments(config, directory)),
        },
    )


_ABSENT = ("server_metrics_urls", "url")
"""Of the endpoint's settings: where things are cannot matter for a result."""


def _unmeasured(config: Config) -> Result:
    """What the report of such a run knows before it is made."""
    info = RunInfo(
        version="",
        command="",
        started_wall_ns=0,
        endpoint=str(config.endpoint.type),
        streaming=config.endpoint.streaming,
        config=config.public(),
        tokenizer={},
        versions={},
    )
    return Result(info, None, None, Summary({}, 0, {}, {}), config.endpoint.path or "")


def _arguments(config: Config, directory: Path | None) -> Iterator[str]:
    """In the order in which GenAI-Perf gave them."""
    load, endpoint = config.load, config.endpoint
    yield from ("perf_analyzer", "-m", endpoint.model_names[0], "--async")
    if load.warmup_request_count:
        yield from ("--warmup-request-count", str(load.warmup_request_count))
    yield from ("--stability-percentage", f"{load.stability_percentage:g}")
    if load.measurement_interval_ms is not None:
        yield from ("--measurement-interval", str(load.measurement_interval_ms))
    elif config.request_count is not None:
        yield from ("--request-count", str(config.request_count))
    yield from ("-i", "http")
    if endpoint.streaming:
        yield "--streaming"
    yield from ("-u", config.urls[0])
    if config.input.batch_size > 1:
        yield from ("-b", str(config.input.batch_size))
    yield from ("--service-kind", "openai")
    if endpoint.path:
        yield from ("--endpoint", endpoint.path)
    for header in config.public()["endpoint"]["headers"]:
        yield from ("-H", header)
    if directory is not None:
        yield from ("--input-data", str(directory / inputs_file.NAME))
        yield from ("--profile-export-file", str(directory / config.output.profile_export_file))
    if load.request_rate is not None:
        yield from ("--request-rate-range", f"{load.request_rate:g}")
    elif load.request_intervals is not None:
        yield from ("--request-intervals", str(load.request_intervals))
    elif load.fixed_schedule:
        yield "--fixed-schedule"
    elif load.periodic_concurrency_range is not None:
        yield from ("--periodic-concurrency-range", load.periodic_concurrency_range)
        yield from ("--request-period", str(load.request_period))
    else:
        yield from ("--concurrency-range", str(load.concurrency or 1))
