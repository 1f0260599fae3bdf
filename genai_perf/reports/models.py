"""What Triton's own counters say of its models during the run, for the console, the CSV and the JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.server_statistics import BESIDE, CALLED, COUNTS, MEASURED, STEP
from genai_perf.reports import Result

if TYPE_CHECKING:
    from rich.table import Table

TIMES = {
    "success": "request",
    "queue": "queue",
    "compute_input": "compute input",
    "compute_infer": "compute infer",
    "compute_output": "compute output",
}
"""The stages whose times are told, and what tables call them. `success` is the whole of a request."""

_CACHE = {"cache_hit": "cache hit", "cache_miss": "cache miss"}
"""Told of a model with a response cache."""

_ROOMY = 100
"""Columns of a console from which on there is room for blanks beside the figures."""

HEADINGS = (
    "Model",
    "Inferences",
    "Executions",
    "Failed",
    *(f"{name.capitalize()} avg (ms)" for name in TIMES.values()),
)


def of(result: Result) -> Mapping[str, Mapping[str, Any]]:
    """The counters by model; empty where none were read."""
    return result.end.server_statistics if result.end is not None else {}


def details(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """For the JSON: the counters by model, times as an average and in total."""
    return {
        name: {
            "part": row["part"],
            **({} if row["decoupled"] is None else {"decoupled": row["decoupled"]}),
            **{count: row[count] for count in COUNTS},
            "success_count": row["success"]["count"],
            "fail_count": row["fail"]["count"],
            **{
                stage: {"unit": "ms", "avg": _average_ms(row, stage), "total": Unit.MS.of(row[stage]["ns"])}
                for stage in (*TIMES, *(stage for stage in _CACHE if row[stage]["count"]))
            },
        }
        for name, row in models.items()
    }


def csv_rows(models: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    """A section of its own under the others."""
    yield []
    yield list(HEADINGS)
    for name, row in models.items():
        yield [name, *_cells(row)]


def table(models: Mapping[str, Mapping[str, Any]], width: int) -> Table:
    """For a console of that width: figures are never cut, models' names are folded."""
    from rich.table import Table

    parts = {row["part"] for row in models.values()}
    caption = "Times are averages of its own clocks."
    if any(row["decoupled"] for row in models.values()):
        caption += " A decoupled model's cover the call that takes a request, not what it streams after it."
    caption += f" ({CALLED}): as --bls-composing-models says." * (CALLED in parts)
    caption += f" ({STEP}): of the ensemble." * (STEP in parts)
    caption += f" ({BESIDE}): called by another model, or by other clients." * (BESIDE in parts)
    made = Table(title="What Triton says of its models", caption=caption, padding=(0, width >= _ROOMY))
    made.add_column(HEADINGS[0], overflow="fold", vertical="top")
    for heading in HEADINGS[1:]:
        made.add_column("\n".join(heading.replace(" avg", "").split()), justify="right", no_wrap=True)
    for name, row in models.items():
        part = "" if row["part"] == MEASURED else f" ({row['part']})"
        made.add_row(name + part, *_cells(row))
    return made


def _cells(row: Mapping[str, Any]) -> list[str]:
    counts = (row["inference_count"], row["execution_count"], row["fail"]["count"])
    return [*(f"{count:,}" for count in counts), *(_shown(_average_ms(row, stage)) for stage in TIMES)]


def _shown(average_ms: float | None) -> str:
    return "N/A" if average_ms is None else f"{average_ms:,.2f}"


def _average_ms(row: Mapping[str, Any], stage: str) -> float | None:
    """Per request; None where it took place for none."""
    count = row[stage]["count"]
    return Unit.MS.of(row[stage]["ns"] / count) if count else None
