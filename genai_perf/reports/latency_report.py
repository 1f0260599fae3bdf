"""Perf Analyzer's `-f FILE`: a CSV with a row for each level, under its names and in its units.

Times are means over the requests that count, in whole microseconds. `Network+Server Send/Recv` is what is
left of the mean latency when the client's own times and what Triton says of itself are taken away; the two
have different clocks, so that it may come to less than nothing, which is written as 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.config.gap_words import stimulus
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG
from genai_perf.metrics.latency import ClientTimes, client_times, latency_ns
from genai_perf.metrics.server_statistics import MEASURED
from genai_perf.reports import Result, models
from genai_perf.reports.files import whole_file

if TYPE_CHECKING:
    from genai_perf.telemetry.gpu import GPUs

_PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Row:
    """One level."""

    throughput_per_s: float
    cells: Mapping[str, str | None]
    """By column, in the order of the file; None where this run has no such figure."""


def row(result: Result, *, verbose: bool) -> Row:
    """The row of a run with at least one request that counts."""
    return Row(throughput_per_s(result), dict(_cells(result, verbose=verbose)))


def write(rows: Sequence[Row], path: Path) -> Path:
    """Writes the file, rows by increasing throughput, and gives its path; ArtifactError when that fails.

    A column is there when any row has it.
    """
    columns = [name for name in rows[0].cells if any(row.cells[name] is not None for row in rows)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for each in sorted(rows, key=lambda row: row.throughput_per_s):
        writer.writerow([each.cells[name] for name in columns])
    with whole_file(path) as file:
        file.write(text.getvalue().encode())
    return path


def _cells(result: Result, *, verbose: bool) -> Iterator[tuple[str, str | None]]:
    columns = result.columns
    assert columns is not None
    chosen = result.option("load", "stability_percentile")
    client = client_times(columns, result.records)
    yield from _load_cells(result)
    yield "Inferences/Second", f"{throughput_per_s(result):g}"
    responses = throughput_per_s(result) * float(columns.events.mean())
    yield "Response Throughput", f"{responses:g}" if result.info.streaming else None
    yield "Client Send", _us(client.send_ns)
    yield from _server_cells(result, client)
    yield "Client Recv", _us(client.receive_ns)
    for percent in sorted({*_PERCENTILES, *([chosen] if chosen else [])}):
        yield f"p{percent} latency", _us(latency_ns(columns, percent))
    if verbose:
        yield "Avg latency", _us(latency_ns(columns, None)) if chosen is None else None
        yield "request/response", _us(client.send_ns + client.receive_ns)
        yield "response wait", _us(client.wait_ns)
        yield from _gpu_cells(result.gpus)


def throughput_per_s(result: Result) -> float:
    """Requests a second; inferences are what Perf Analyzer calls them."""
    throughput = result.summary.metrics["request_throughput"]
    assert isinstance(throughput, float)
    return throughput


def _load_cells(result: Result) -> Iterator[tuple[str, str | None]]:
    """The level; empty where the load has more than one, as a schedule's."""
    option, level = stimulus(result.info.config["load"])
    shown = f"{level:g}" if isinstance(level, float) else f"{level}" if type(level) is int else ""
    yield "Concurrency", shown if "concurrency" in option else None
    yield "Request Rate", None if "concurrency" in option else shown


def _us(amount_ns: float) -> str:
    return f"{round(Unit.MICROSECONDS.of(amount_ns))}"


# -- the server -------------------------------------------------------------------------------------------

SERVER_STAGES = {
    "Server Queue": "queue",
    "Server Compute Input": "compute_input",
    "Server Compute Infer": "compute_infer",
    "Server Compute Output": "compute_output",
    "Server Cache Hit": "cache_hit",
    "Server Cache Miss": "cache_miss",
}
_OF_A_CACHE = ("cache_hit", "cache_miss")


def _server_cells(result: Result, client: ClientTimes) -> Iterator[tuple[str, str | None]]:
    """What Triton says of the measured models; None where nobody tells."""
    served = [each for each in models.of(result).values() if each["part"] == MEASURED]
    spent = {stage: sum(each[stage]["ns"] for each in served) for stage in SERVER_STAGES.values()}
    counts = {stage: sum(each[stage]["count"] for each in served) for stage in SERVER_STAGES.values()}
    requests = sum(each["success"]["count"] for each in served)
    elsewhere_ns = None
    if requests:
        elsewhere_ns = max(client.wait_ns - sum(spent.values()) / requests, 0.0)
    yield "Network+Server Send/Recv", None if elsewhere_ns is None else _us(elsewhere_ns)
    has_cache = any(counts[stage] for stage in _OF_A_CACHE)
    for name, stage in SERVER_STAGES.items():
        is_told = requests and (has_cache or stage not in _OF_A_CACHE)
        # of those that came to the stage, as Triton counts them
        yield name, _us(spent[stage] / counts[stage] if counts[stage] else 0) if is_told else None


# -- GPUs -------------------------------------------------------------------------------------------------


def _gpu_cells(gpus: GPUs | None) -> Iterator[tuple[str, str | None]]:
    """`UUID:value;UUID:value;`, in the units of Triton's metrics page: shares of 1, watts, bytes."""
    for name, tag, statistic in (
        ("Avg GPU Utilization", "gpu_utilization", "avg"),
        ("Avg GPU Power Usage", "gpu_power_usage", "avg"),
        ("Max GPU Memory Usage", "gpu_memory_used", "max"),
        ("Total GPU Memory", "total_gpu_memory", "avg"),
    ):
        triton = GPU_CATALOG[tag].triton
        assert triton is not None
        pairs = [
            (gpu.uuid or gpu.id, getattr(gpu.figures[tag], statistic) / triton.factor)
            for gpu in (gpus.gpus if gpus is not None else ())
            if tag in gpu.figures
        ]
        yield name, "".join(f"{gpu}:{_number(value)};" for gpu, value in pairs) or None


def _number(value: float) -> str:
    """Whole where it is, as bytes are; else with six digits."""
    return f"{value:.0f}" if value == int(value) else f"{value:g}"
