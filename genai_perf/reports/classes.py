"""The table of the kinds of traffic that a run mixed, for the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from genai_perf.metrics.catalog import CATALOG
from genai_perf.reports import Result
from genai_perf.types import BY_PLAN, Stats

if TYPE_CHECKING:
    from rich.table import Table

    from genai_perf.metrics.classes import ClassSummary

SHOWN = (
    ("request_throughput", "avg"),
    ("time_to_first_token", "p50"),
    ("time_to_first_token", "p99"),
    ("inter_token_latency", "avg"),
    ("request_latency", "p99"),
    ("output_token_throughput", "avg"),
    ("request_goodput", "avg"),
    ("good_request_share", "avg"),
)
"""A metric's statistic each: a row, where the run has it. The kinds are the columns."""


_NAME_WIDTH = 36
"""Of the longest statistic."""
_KIND_WIDTHS = range(10, 17)
"""Of a column: as wide as its name, within these; figures need the least of them."""
_BORDER = 3


def tables(result: Result, width: int) -> Iterator[Table]:
    """A column each kind, in as many tables as it takes within so many letters."""
    longest = max(len(kind.name) for kind in result.classes)
    column = min(max(longest, _KIND_WIDTHS[0]), _KIND_WIDTHS[-1]) + _BORDER
    room = max((width - _NAME_WIDTH - _BORDER - 1) // column, 1)
    names = dict(_statistics(result.classes))
    for first in range(0, len(result.classes), room):
        yield _table(result.classes[first : first + room], names)


def _statistics(kinds: Sequence[ClassSummary]) -> Iterator[tuple[tuple[str, str], str]]:
    """What is shown, and its name: all that any kind has."""
    for tag, statistic in SHOWN:
        figures = [kind.metrics[tag] for kind in kinds if tag in kind.metrics]
        if figures:
            heading = CATALOG[tag].heading
            yield (tag, statistic), f"{heading} {statistic}" if isinstance(figures[0], Stats) else heading


def _table(kinds: Sequence[ClassSummary], names: Mapping[tuple[str, str], str]) -> Table:
    from rich.table import Table

    made = Table(title="By kind of traffic")
    made.add_column("Statistic", justify="right")
    for kind in kinds:
        made.add_column(kind.name, justify="right", overflow="fold", max_width=_KIND_WIDTHS[-1])
    made.add_row("Weight", *(f"{kind.weight:g}" for kind in kinds))
    made.add_row("Requests succeeded", *(f"{kind.requests:,}" for kind in kinds))
    made.add_row(
        "Requests failed",
        *(
            f"{sum(count for error, (count, _) in kind.errors.items() if error not in BY_PLAN):,}"
            for kind in kinds
        ),
    )
    for (tag, statistic), name in names.items():
        made.add_row(name, *(_cell(kind.metrics.get(tag), tag, statistic) or "N/A" for kind in kinds))
    return made


def _cell(figure: Stats | float | None, tag: str, statistic: str) -> str:
    if figure is None:
        return ""
    if isinstance(figure, Stats):
        figure = figure.avg if statistic == "avg" else figure.percentiles[statistic]
    return f"{CATALOG[tag].unit.of(figure):,.2f}"
