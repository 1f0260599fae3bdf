"""A comparison written down: the table on stdout, `comparison.csv` and `comparison.json`.

The CSV has a line for each figure of each run, in the units of the reports, for whoever reads it with a
program; the JSON has that and everything else the table says.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from genai_perf.reports.compared import Run
from genai_perf.reports.comparison import METHOD, Comparison, Difference, Row, Verdict
from genai_perf.reports.files import whole_file

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STEM = "comparison"
PIPED_WIDTH = 120


def write(comparison: Comparison, directory: Path) -> None:
    """Writes both files. Raises ArtifactError."""
    for suffix, text in ((".csv", render_csv(comparison)), (".json", render_json(comparison))):
        with whole_file(directory / f"{STEM}{suffix}") as file:
            file.write(text.encode())


# -- CSV and JSON -----------------------------------------------------------------------------------------

_HEADINGS = (
    "Metric",
    "Statistic",
    "Unit",
    "Run",
    "Value",
    "Uncertainty",
    "Difference (%)",
    "From (%)",
    "To (%)",
    "Of it measuring (%)",
    "Verdict",
)


def render_csv(comparison: Comparison) -> str:
    """A line for each figure of each run; empty cells where there is nothing to say."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_HEADINGS)
    for row in comparison.rows:
        for place, run in enumerate(comparison.runs):
            cell = _cell(row, place)
            if cell is not None:
                lead = (row.metric.tag, row.statistic, row.metric.unit.label, run.label)
                writer.writerow([*lead, *("" if value is None else value for value in cell.values())])
    return text.getvalue()


def render_json(comparison: Comparison) -> str:
    """Everything, with the test in words; differences are in % of the first run."""
    runs = comparison.runs
    document = {
        "runs": [_told(run) for run in runs],
        "settings": [{"name": each.name, **_by_run(runs, each.values)} for each in comparison.settings],
        "method": METHOD,
        "notes": list(comparison.notes),
        "metrics": [
            {
                "metric": row.metric.tag,
                "statistic": row.statistic,
                "unit": row.metric.unit.label,
                "better": row.metric.better or None,
                **_by_run(runs, [_cell(row, place) for place in range(len(runs))]),
            }
            for row in comparison.rows
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _by_run(runs: Sequence[Run], values: Sequence[Any]) -> dict[str, Any]:
    return {"runs": {run.label: value for run, value in zip(runs, values, strict=True)}}


def _told(run: Run) -> dict[str, Any]:
    result = run.result
    return {
        "run": run.label,
        "path": str(run.path),
        "command": result.info.command,
        "requests": result.summary.requests,
        "failed": _failed(run),
        "exactness_is_known": run.is_ours,
    }


def _failed(run: Run) -> int:
    return int(run.result.columns.failed) if run.result.columns is not None else 0


def _cell(row: Row, place: int) -> dict[str, Any] | None:
    """What one run has of a row, in the units of the reports."""
    value, open_, between = row.values[place], row.uncertainty[place], row.differences[place]
    if value is None:
        return None
    interval = between.interval if between is not None else None
    return {
        "value": round(row.metric.unit.of(value), _DIGITS),
        "uncertainty": None if open_ is None else round(row.metric.unit.of(open_), _DIGITS),
        "difference_percent": None if between is None else _percent(between.amount),
        "from_percent": None if interval is None else _percent(interval.low),
        "to_percent": None if interval is None else _percent(interval.high),
        "of_it_measuring_percent": None if interval is None else _percent(interval.measuring),
        "verdict": None if between is None else str(between.verdict),
    }


_DIGITS = 6
"""After the point: whole nanoseconds."""


def _percent(share: float) -> float:
    return round(100 * share, 4)


# -- console ----------------------------------------------------------------------------------------------


def show(
    comparison: Comparison,
    directory: Path,
    *,
    verbose: bool = False,
    file: TextIO | None = None,
    width: int | None = None,
) -> None:
    """Prints what differs in the settings, the table, and what it means.

    `directory` is where the files are, `verbose` adds the figures that are in the files alone; `width` is the
    terminal's unless it is given.
    """
    from rich.console import Console

    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    if width is None and not console.is_terminal:
        console.width = PIPED_WIDTH
    for line in _above(comparison):
        console.print(_printable(line, console), soft_wrap=not console.is_terminal)
    rows = [row for row in comparison.rows if verbose or row.is_main]
    for others in _chunks(comparison, console.width):
        console.print(_table(comparison, rows, others))
    for line in (*_below(comparison), f"Files: {directory}"):
        console.print(_printable(line, console), soft_wrap=not console.is_terminal)


def paragraphs(comparison: Comparison) -> Iterator[str]:
    """What stands above and below the table, for a page."""
    yield from _above(comparison)
    yield from _below(comparison)


def _above(comparison: Comparison) -> Iterator[str]:
    for run in comparison.runs:
        summary = run.result.summary
        yield f"{run.label}: {summary.requests:,} requests succeeded, {_failed(run):,} failed ({run.path})"
    if len(comparison.runs) < 2:
        return
    if not comparison.settings:
        yield "Settings: the same in all runs"
        return
    yield "Settings that differ:"
    for each in comparison.settings:
        values = ", ".join(f"{value} ({run.label})" for value, run in zip(each.values, comparison.runs))
        yield f"  {each.name}: {values}"


_NAME_WIDTH, _LEAST_NAME_WIDTH = 38, 28
"""Room for a figure's name; the less is for tables of many runs."""
_LABEL_WIDTH = 12
"""Where the label of a run is folded in those."""
_RUN_WIDTH = 36
"""What a further run needs there: value, difference and verdict."""


def _chunks(comparison: Comparison, width: int) -> Iterator[list[int]]:
    """Which runs stand in a table beside the first: as many as there is room for."""
    others = list(range(1, len(comparison.runs)))
    if len(others) <= 1:
        yield others
        return
    room = max((width - _LEAST_NAME_WIDTH - _LABEL_WIDTH - 7) // _RUN_WIDTH, 1)
    for place in range(0, len(others), room):
        yield others[place : place + room]


def _table(comparison: Comparison, rows: Sequence[Row], others: Sequence[int]) -> Table:
    """The first run and some others; of a pair, with the intervals."""
    from rich.table import Table

    is_pair = len(comparison.runs) <= 2
    table = Table(title="GenAI-Perf | Comparison" if others else "GenAI-Perf | One run")
    name_width = _NAME_WIDTH if is_pair else _LEAST_NAME_WIDTH
    table.add_column("Statistic", justify="right", style="cyan", max_width=name_width)
    most = None if is_pair else _LABEL_WIDTH
    for place in (0, *others):
        label = comparison.runs[place].label
        table.add_column(label, justify="right", style="green", overflow="fold", max_width=most)
        if place:
            table.add_column("difference", justify="right" if is_pair else "left", no_wrap=True)
        if place and is_pair:
            table.add_column("95 % interval", justify="right", no_wrap=True)
            table.add_column("", no_wrap=True)
    for row in rows:
        cells = [row.heading, _value(row, 0)]
        for place in others:
            between = row.differences[place]
            word = str(between.verdict) if between is not None else ""
            told = [_amount(row, between), _interval(between), word]
            cells += [_value(row, place), *(told if is_pair else [f"{told[0]:>9}  {word}"])]
        table.add_row(*cells)
    return table


def _value(row: Row, place: int) -> str:
    value = row.values[place]
    return "N/A" if value is None else f"{row.metric.unit.of(value):,.2f}"


def _amount(row: Row, between: Difference | None) -> str:
    if between is None:
        return "N/A"
    return f"{100 * between.amount:+,.1f} {'points' if row.is_points else '%'}"


def _interval(between: Difference | None) -> str:
    if between is None or between.interval is None:
        return ""
    low, high = 100 * between.interval.low, 100 * between.interval.high
    return f"{low:+,.1f} … {high:+,.1f}"


def _below(comparison: Comparison) -> Iterator[str]:
    if len(comparison.runs) > 1:
        yield f"Differences are from {comparison.runs[0].label}. {METHOD[0].upper()}{METHOD[1:]}"
        said = {each.verdict for row in comparison.rows for each in row.differences if each is not None}
        if Verdict.DOUBTFUL in said:
            yield "in doubt: more than the runs vary, but not more than measuring may have shifted both."
        if Verdict.FEW in said:
            yield "too few: averages and medians need 10 requests of a run, rates 11, a p90 50, a p99 500."
    yield from (f"Note: {note}" for note in comparison.notes)


def _printable(line: str, console: Console) -> str:
    """The line without what a terminal would act on, in letters that the output can take."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in line)
    return clean.encode(console.encoding, "backslashreplace").decode(console.encoding)
