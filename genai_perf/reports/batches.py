"""The batches of a periodic concurrency, for the console and the JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.batches import TAGS, BatchSummary
from genai_perf.metrics.catalog import CATALOG, Unit
from genai_perf.reports import Result
from genai_perf.types import Stats

if TYPE_CHECKING:
    from rich.table import Table

MOST_SHOWN = 40
"""Rows of the table; the JSON has all."""
_EARLIER = "inter_chunk_latency_of_earlier"


def document(result: Result) -> list[dict[str, Any]]:
    """An entry for each batch."""
    return [
        {
            "batch": each.number,
            "requests": each.requests,
            "start_ns": each.start_ns,
            **{tag: _figures(stats) for tag, stats in _stats(each).items()},
        }
        for each in result.batches
    ]


def _stats(batch: BatchSummary) -> dict[str, Stats]:
    found = {**batch.metrics, _EARLIER: batch.earlier}
    return {tag: figure for tag, figure in found.items() if isinstance(figure, Stats)}


def _figures(stats: Stats) -> dict[str, Any]:
    unit = Unit.MS
    return {
        "unit": unit.label,
        "avg": unit.of(stats.avg),
        "min": unit.of(stats.min),
        "max": unit.of(stats.max),
        "count": stats.count,
    }


def table(result: Result) -> Table:
    """A row for each batch; the last columns are of the earlier ones while it waited for its first tokens."""
    from rich.table import Table

    left_out = len(result.batches) - MOST_SHOWN
    made = Table(
        title="By batch (ms)",
        caption=f"{left_out:,} more are in the JSON" if left_out > 0 else None,
    )
    for heading in ("Batch", "sent at (s)", "requests", *_headings()):
        made.add_column(heading, justify="right")
    for each in result.batches[:MOST_SHOWN]:
        stats = _stats(each)
        cells = [stats.get(tag) for tag in (*TAGS, _EARLIER)]
        made.add_row(
            f"{each.number:,}",
            f"{each.start_ns / NS_PER_S:,.3f}",
            f"{each.requests:,}",
            *(
                "N/A" if figure is None else f"{Unit.MS.of(getattr(figure, name)):,.2f}"
                for figure in cells
                for name in ("avg", "max")
            ),
        )
    return made


def _headings() -> Iterator[str]:
    for name in (*(CATALOG[tag].title for tag in TAGS), "Meanwhile, Inter Chunk Latency of the earlier"):
        yield f"{name} avg"
        yield "max"
