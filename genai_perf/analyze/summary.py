"""A sweep summed up: `analyze_export_genai_perf.csv` as GenAI-Perf writes it, the same as JSON, and a table.

The CSV has nothing of ours, for scripts that read it: two tables, `0.00` for what was not measured. Only a
scenario that failed has `N/A`, since a request latency of nought would be the best. Why it failed, the
knee and all other figures are in the JSON.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from genai_perf import __version__
from genai_perf.analyze.records import record_type
from genai_perf.analyze.results import Results
from genai_perf.analyze.scenario import Outcome, Scenario
from genai_perf.analyze.scoring import Records
from genai_perf.metrics.gpu import cell as gpu_cell
from genai_perf.metrics.knee import knee_of
from genai_perf.metrics.names import (
    ITL,
    OSL,
    OUTPUT_TOKEN_THROUGHPUT,
    REQUEST_LATENCY,
    REQUEST_THROUGHPUT,
    TTFT,
)
from genai_perf.reports import terminal
from genai_perf.reports.files import ensure, whole_file

if TYPE_CHECKING:
    from rich.table import Table

STEM = "analyze_export_genai_perf"

LOADS = ("concurrency", "request_rate")
"""Parameters that a knee can be found in."""

_COLUMNS: Mapping[str, str] = {
    "p99 Time To First Token (ms)": TTFT.p99.tag,
    "p99 Inter Token Latency (ms)": ITL.p99.tag,
    "p99 Request Latency (ms)": REQUEST_LATENCY.p99.tag,
    "p99 Output Sequence Length (tokens)": OSL.p99.tag,
    "Avg. Output Token Throughput (tokens/sec)": OUTPUT_TOKEN_THROUGHPUT.tag,
    "Request Throughput (requests/sec)": REQUEST_THROUGHPUT.tag,
}

_GPU_COLUMNS: Mapping[str, str] = {
    "p99 GPU Power Usage (W)": "gpu_power_usage_p99",
    "p99 GPU Energy Consumption (MJ)": "energy_consumption_p99",
    "p99 GPU Utilization (%)": "gpu_utilization_p99",
    "p99 GPU Memory Used (GB)": "gpu_memory_used_p99",
    "Avg. GPU Power Limit (W)": "gpu_power_limit_avg",
    "Avg. GPU Total Memory (GB)": "total_gpu_memory_avg",
}


def knees(results: Results) -> frozenset[str]:
    """The names of the scenarios at a knee: one for each combination of what was varied beside the load."""
    measured = results.measured
    load = next((name for name in LOADS if name in measured.parameters), None)
    if load is None:
        return frozenset()
    series: dict[tuple[Any, ...], list[Scenario]] = {}
    for scenario in measured.sort(load):
        others = tuple(value for name, value in scenario.parameters.items() if name != load)
        series.setdefault((scenario.model, *others), []).append(scenario)
    found = {key: knee_of([each.summary() for each in row]) for key, row in series.items()}
    return frozenset(series[key][place].name for key, place in found.items() if place is not None)


def write(
    results: Results, at_knee: Collection[str], directory: Path, latest: Sequence[Scenario] = ()
) -> None:
    """Write both files into `directory`; `latest` are those of the sweep just made. Raises ArtifactError."""
    ordered = best_first(results)
    ensure(directory)
    for suffix, text in ((".csv", render_csv(ordered, latest)), (".json", render_json(ordered, at_knee))):
        with whole_file(directory / f"{STEM}{suffix}") as file:
            file.write(text.encode())


def best_first(results: Results) -> Results:
    """By request throughput; those without come last."""
    return results.sort(REQUEST_THROUGHPUT)


# -- CSV --------------------------------------------------------------------------------------------------


def render_csv(results: Results, latest: Sequence[Scenario] = ()) -> str:
    """Both tables, in the order of `results`; those of `latest`, or else all, say which load is told."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    by_rate = any(_argument(scenario, "--request-rate-range") for scenario in latest or results)
    load = "Request Rate" if by_rate else "Concurrency"
    writer.writerow(["Config Name", load, "ISL", "Num Dataset Entries", *_COLUMNS])
    flag = "--request-rate-range" if by_rate else "--concurrency-range"
    for scenario in results:
        writer.writerow(
            [
                scenario.name,
                _load(scenario, flag),
                _isl(scenario),
                _dataset_entries(scenario),
                *(_cell(scenario, tag) for tag in _COLUMNS.values()),
            ]
        )
    writer.writerow([])
    writer.writerow(["Config Name", "GPU", *_GPU_COLUMNS])
    gpus = dict.fromkeys(gpu for scenario in results for gpu in scenario.gpus)
    rows = [(gpu, scenario, scenario.gpus.get(gpu)) for gpu in gpus for scenario in results]
    rows += [("all", scenario, scenario.all_gpus) for scenario in results]
    for gpu, scenario, records in rows:
        if records:
            cells = [_gpu_cell(records, tag) for tag in _GPU_COLUMNS.values()]
            writer.writerow([scenario.name, gpu, *cells])
    return text.getvalue()


def _gpu_cell(records: Records, tag: str) -> str:
    shown = records[tag].reduced() if tag in records else 0.0
    return gpu_cell(record_type(tag).unit, shown).replace(",", "")


def _cell(scenario: Scenario, tag: str) -> str:
    if scenario.outcome is Outcome.FAILED:
        return "N/A"
    return f"{scenario.metric(tag) or 0.0:.2f}"


def _isl(scenario: Scenario) -> str:
    if scenario.outcome is Outcome.FAILED:
        return "N/A"
    return str(int(scenario.metric("input_sequence_length_p99") or 0))


def _load(scenario: Scenario, flag: str) -> str:
    """As the load engine's command line has it, which is there for GenAI-Perf's scenarios too."""
    text = _argument(scenario, flag) or "1"
    try:
        return f"{float(text):.15g}"
    except ValueError:  # a range after a bare `--`
        return text


def _argument(scenario: Scenario, flag: str) -> str | None:
    arguments = list(scenario.perf_analyzer_config.get("_cli_args", ()))
    place = arguments.index(flag) + 1 if flag in arguments else len(arguments)
    return str(arguments[place]) if place < len(arguments) else None


def _dataset_entries(scenario: Scenario) -> str:
    """What was swept, or else what was configured; the key's place has changed between releases."""
    config = scenario.genai_perf_config
    swept = config.get("_parameters", {})
    for place in (swept, swept.get("input", {}), config.get("input", {})):
        if isinstance(place, Mapping) and "num_dataset_entries" in place:
            return str(place["num_dataset_entries"])
    return "0"


# -- JSON -------------------------------------------------------------------------------------------------


def render_json(results: Results, at_knee: Collection[str]) -> str:
    """Every scenario with all its figures, in the units that people read, in the order of `results`."""
    document = {
        "genai_perf_version": __version__,
        "order": f"{REQUEST_THROUGHPUT.tag}, best first",
        "scenarios": [_scenario(scenario, scenario.name in at_knee) for scenario in results],
    }
    return json.dumps(document, indent=2) + "\n"


def _scenario(scenario: Scenario, is_knee: bool) -> dict[str, Any]:
    figures = {model: dict(_figures(records)) for model, records in scenario.perf.items()}
    failed = sum(count for count, _ in scenario.evidence.errors.values())
    return {
        "name": scenario.name,
        "model": scenario.model,
        "parameters": dict(scenario.parameters),
        "outcome": str(scenario.outcome),
        "error": scenario.error,
        "is_knee": is_knee,
        "requests": scenario.summary().requests,
        "failed_requests": failed,
        "errors": {
            kind: {"count": count, "message": message}
            for kind, (count, message) in scenario.evidence.errors.items()
        },
        "notes": list(scenario.evidence.notes),
        "directory": None if scenario.directory is None else str(scenario.directory),
        "metrics": figures,
        "gpus": {gpu: dict(_figures(records)) for gpu, records in scenario.gpus.items()},
        "all_gpus": dict(_figures(scenario.all_gpus)),
    }


def _figures(records: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for tag, record in records.items():
        value = record.reduced()
        if math.isfinite(value):
            yield tag, {"value": value, "unit": record.unit.label}


# -- console ----------------------------------------------------------------------------------------------

_SHOWN: Mapping[str, str] = {
    "TTFT p99 (ms)": TTFT.p99.tag,
    "ITL p99 (ms)": ITL.p99.tag,
    "latency p99 (ms)": REQUEST_LATENCY.p99.tag,
    "tokens/sec": OUTPUT_TOKEN_THROUGHPUT.tag,
    "requests/sec": REQUEST_THROUGHPUT.tag,
}


def show(
    results: Results,
    at_knee: Collection[str],
    directory: Path,
    *,
    file: TextIO | None = None,
    width: int | None = None,
) -> None:
    """Print the table, best first, with the knee marked and below it why scenarios failed.

    `directory` is where the files are, beside the working directory.
    """
    console = terminal.opened(file, width)
    ordered = best_first(results)
    console.print(_table(ordered, at_knee))
    for line in _lines(ordered, at_knee):
        terminal.say(console, line)
    terminal.say(console, f"Files: {directory / STEM}.csv and .json, and the same in the working directory")


def _table(results: Results, at_knee: Collection[str]) -> Table:
    from rich.table import Table

    figures = {
        title: tag
        for title, tag in _SHOWN.items()
        if any(scenario.metric(tag) is not None for scenario in results)
    }
    table = Table(title="GenAI-Perf | Sweep, best first")
    for name in results.parameters:
        table.add_column(name.replace("_", " "), justify="right", style="cyan")
    for title in ("requests", "failed", *figures):
        table.add_column(title, justify="right", style="green", no_wrap=title != "latency p99 (ms)")
    marks = [_mark(scenario, at_knee) for scenario in results]
    if any(marks):
        table.add_column("")
    for scenario, mark in zip(results, marks, strict=True):
        failed = sum(count for count, _ in scenario.evidence.errors.values())
        values = [scenario.metric(tag) for tag in figures.values()]
        table.add_row(
            *(str(scenario.parameters.get(name, "")) for name in results.parameters),
            f"{scenario.summary().requests:,}",
            f"{failed:,}",
            *("N/A" if value is None else f"{value:,.2f}" for value in values),
            *([mark] if any(marks) else []),
        )
    return table


def _mark(scenario: Scenario, at_knee: Collection[str]) -> str:
    if scenario.name in at_knee:
        return "knee"
    return "" if scenario.outcome is Outcome.MEASURED else str(scenario.outcome)


def _lines(results: Sequence[Scenario], at_knee: Collection[str]) -> Iterator[str]:
    """What stands under the table."""
    if at_knee:
        yield "Knee: beyond it, latency grows by a larger share than throughput."
    for scenario in results:
        if scenario.outcome is Outcome.FAILED:
            yield f"{scenario.label} failed: {scenario.error}"
        elif scenario.outcome is Outcome.INTERRUPTED:
            yield f"{scenario.label} was interrupted; its figures are of a part of it"
