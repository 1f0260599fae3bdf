"""`<stem>_genai_perf.json`: GenAI-Perf's keys in its order, then ours.

GenAI-Perf's are the metrics, `telemetry_stats`, `input_config` and `sessions`. After them: our metrics, in
the same form; `uncertainty`, how far the truth may lie from each statistic, in the metric's unit;
`exactness`, on what evidence; and `errors`, `traffic_classes`, `batches`, `streaming`, `tokenizer`, `run`,
`trace`, `notes`, `versions`, `gpus`, `server_statistics`. Within a metric, `p99.9` and `count` stand after
its statistics.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import CATALOG
from genai_perf.metrics.classes import ClassSummary
from genai_perf.metrics.sessions import by_session
from genai_perf.reports import Result, batches, gpus, models, server_metrics
from genai_perf.reports.csv_file import statistics
from genai_perf.reports.files import whole_file
from genai_perf.reports.input_config import input_config
from genai_perf.types import Stats

COMPATIBLE = (
    "request_throughput",
    "request_latency",
    "request_goodput",
    "request_count",
    "time_to_first_token",
    "time_to_second_token",
    "inter_token_latency",
    "output_token_throughput",
    "output_token_throughput_per_user",
    "output_sequence_length",
    "input_sequence_length",
    "image_throughput",
    "image_latency",
)
"""GenAI-Perf's metrics, in the order of its file."""


def write(result: Result, directory: Path) -> Path:
    """Writes the file and gives its path; ArtifactError when that fails."""
    path = directory / f"{result.report_stem}.json"
    with whole_file(path) as file:
        file.write(json.dumps(document(result), indent=2).encode())
    return path


def document(result: Result) -> dict[str, Any]:
    """What the file says."""
    measured = result.summary.metrics
    ours = [tag for tag in CATALOG if tag in measured and tag not in COMPATIBLE]
    return {
        **{tag: _metric(tag, measured[tag]) for tag in COMPATIBLE if tag in measured},
        **_telemetry_stats(result),
        "input_config": input_config(result),
        **_sessions(result),
        **{tag: _metric(tag, measured[tag]) for tag in ours},
        "uncertainty": {
            tag: _uncertainty(tag, figure.uncertainty)
            for tag, figure in measured.items()
            if isinstance(figure, Stats) and figure.uncertainty is not None
        },
        "exactness": dict(result.summary.exactness),
        "errors": _errors(result.summary.errors),
        **(
            {"traffic_classes": {each.name: _class(each) for each in result.classes}}
            if result.classes
            else {}
        ),
        **({"batches": batches.document(result)} if result.batches else {}),
        "streaming": result.info.streaming,
        "tokenizer": dict(result.info.tokenizer),
        "run": _run(result),
        **({"merged": _merged(result)} if result.info.merged else {}),
        **({"trace": _trace(result)} if result.end is not None and result.end.trace else {}),
        "notes": list(result.summary.notes),
        "versions": dict(result.info.versions),
        **({"gpus": gpus.details(result.gpus, result.summary)} if result.gpus is not None else {}),
        **({"server_metrics": server_metrics.document(result.server)} if result.server is not None else {}),
        **({"server_statistics": models.details(served)} if (served := models.of(result)) else {}),
    }


def _class(kind: ClassSummary) -> dict[str, Any]:
    return {
        "weight": kind.weight,
        **{tag: _metric(tag, figure) for tag, figure in kind.metrics.items()},
        "errors": _errors(kind.errors),
    }


def _errors(errors: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    return {kind: {"count": count, "message": message} for kind, (count, message) in errors.items()}


def _sessions(result: Result) -> dict[str, Any]:
    """Each conversation by itself, where there are any."""
    if result.columns is None or not result.has_sessions:
        return {}
    tags = [tag for tag in COMPATIBLE if tag in result.summary.metrics and tag != "request_goodput"]
    found = by_session(result.columns, result.records, tags)
    return {
        "sessions": {name: {tag: _metric(tag, one[tag]) for tag in tags if tag in one} for name, one in found}
    }


def _telemetry_stats(result: Result) -> dict[str, Any]:
    """GPUs that were sampled, and those of merged runs of which only figures are known."""
    stats: dict[str, Any] = gpus.telemetry_stats(result.gpus) if result.gpus is not None else {}
    for metric, by_gpu in result.info.merged.get("telemetry_stats", {}).items():
        stats[metric] = {**by_gpu, **stats.get(metric, {})}
    return {"telemetry_stats": stats} if stats else {}


def _merged(result: Result) -> dict[str, Any]:
    """How several runs lie in time, and what each of them was; the notes say it in words."""
    named = ("input", "how", "measured_s", "overlapped_s", "runs")
    return {name: result.info.merged[name] for name in named}


def _trace(result: Result) -> dict[str, Any]:
    """What the run's trace says of its requests."""
    assert result.end is not None
    share = result.shared_share
    return {**result.end.trace, **({"shared_share": share} if share is not None else {})}


def _metric(tag: str, figure: Stats | float) -> dict[str, Any]:
    unit = CATALOG[tag].unit
    if not isinstance(figure, Stats):
        return {"unit": unit.label, "avg": unit.of(figure)}
    return {
        "unit": unit.label,
        **{name: unit.of(amount) for name, amount in statistics(figure).items()},
        "count": figure.count,
    }


def _uncertainty(tag: str, uncertainty: Any) -> dict[str, Any]:
    unit = CATALOG[tag].unit
    return {"unit": unit.label, **{name: unit.of(amount) for name, amount in uncertainty.items()}}


def _run(result: Result) -> dict[str, Any]:
    """How the run was made and how it ended; instants in ns since its start."""
    info, end = result.info, result.end
    started = datetime.fromtimestamp(info.started_wall_ns / NS_PER_S, UTC)
    return {
        "genai_perf": info.version,
        "command": info.command,
        "started": started.isoformat(timespec="milliseconds"),
        "stop_reason": end.stop_reason if end else "killed",
        "stable": end.stable if end else None,
        "windows": [asdict(window) for window in end.windows] if end else [],
    }
