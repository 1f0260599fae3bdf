"""The table of the kinds of traffic that a run mixed, for the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_perf.metrics.catalog import CATALOG
from genai_perf.reports import Result
from genai_perf.types import BY_PLAN, Stats

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = (
    ("request_throughput", "avg"),
    ("time_to_first_token", "p50"),
    ("time_to_first_token", "p99"),
    ("inter_token_latency", "avg"),
    ("request_latency", "p99"),
    ("output_token_throughput", "avg"),
    ("good_request_share", "avg"),
)
"""A metric's statistic each: a row of the table, where the run has it. The kinds are its columns."""


def table(result: Result) -> Table:
    """A column each kind: there are few of those, and they have names of any length."""
    from rich.table import Table

    made = Table(title="By kind of traffic")
    made.add_column("Statistic", justify="right")
    for kind in result.classes:
        made.add_column(kind.name, justify="right", overflow="fold")
    made.add_row("Weight", *(f"{kind.weight:g}" for kind in result.classes))
    made.add_row("Requests succeeded", *(f"{kind.requests:,}" for kind in result.classes))
    made.add_row(
        "Requests failed",
        *(
            f"{sum(count for error, (count, _) in kind.errors.items() if error not in BY_PLAN):,}"
            for kind in result.classes
        ),
    )
    for tag, statistic in SHOWN:
        cells = [_cell(kind.metrics.get(tag), tag, statistic) for kind in result.classes]
        if any(cells):
            of_each = isinstance(
                next(kind.metrics[tag] for kind in result.classes if tag in kind.metrics), Stats
            )
            name = f"{CATALOG[tag].heading} {statistic}" if of_each else CATALOG[tag].heading
            made.add_row(name, *(cell or "N/A" for cell in cells))
    return made


def _cell(figure: Stats | float | None, tag: str, statistic: str) -> str:
    if figure is None:
        return ""
    if isinstance(figure, Stats):
        figure = figure.avg if statistic == "avg" else figure.percentiles[statistic]
    return f"{CATALOG[tag].unit.of(figure):,.2f}"
