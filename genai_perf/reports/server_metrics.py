"""What the reports say of the server's own metrics: its figures, ours, and the difference.

Where the server only tells into which bucket of a histogram values fell, its figure is that bucket, and the
difference is by how much ours lies outside of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from genai_perf.telemetry.dialects import Kind
from genai_perf.telemetry.server_metrics import Page, Row, ServerMetrics
from genai_perf.telemetry.windowed import Distribution, Growth, Level

if TYPE_CHECKING:
    from rich.table import Table

_PERCENTS = (50, 90, 99)
_SHOWN = ("avg", "p50", "p99", "total")
"""In the console, where there is something of ours beside it; the file has all."""
_SHOWN_ALONE = ("avg", "p99", "max", "total")


def table(server: ServerMetrics) -> Table | None:
    """What the server says, what we saw, the difference; None where it says nothing that we know."""
    from rich.table import Table

    if not server.rows:
        return None
    table = Table(title=f"What the server says | {server.servers}")
    table.add_column("Statistic", justify="right", style="cyan")
    table.add_column("", justify="left")
    for heading in ("server", "we saw", "difference"):
        table.add_column(heading, justify="right", style="green", no_wrap=True)
    before = None
    for row in server.rows:
        if row.statistic not in (_SHOWN if row.ours is not None else _SHOWN_ALONE):
            continue
        if before is not None and row.quantity.kind is not before.kind:
            table.add_section()
        heading = row.quantity.heading if row.quantity is not before else ""
        ours = "" if row.ours is None else _amount(row, row.ours)
        table.add_row(heading, row.statistic, _server(row), ours, _difference(row))
        before = row.quantity
    if notes := dict.fromkeys(f"{row.quantity.title}: {row.note}" for row in server.rows if row.note):
        table.caption = "; ".join(notes)
    return table


def line(server: ServerMetrics) -> str | None:
    """The averages and totals of that, in a sentence; None where there is nothing of ours beside them.

    Where we differ in what the server calls otherwise, it says so.
    """
    parts = []
    for row in server.rows:
        if row.ours is None or row.difference is None or row.statistic not in ("avg", "total"):
            continue
        unit = "" if row.statistic == "total" else f" {row.quantity.unit.label}"
        why = f"; {row.note}" if row.note and row.difference else ""
        name = row.quantity.title.lower()
        parts.append(f"{name} {_amount(row, row.server)}{unit} ({_difference(row)}{why})")
    return f"{server.servers} says, and by how much we differ: {', '.join(parts)}" if parts else None


def _server(row: Row) -> str:
    if row.low == row.high:
        return _amount(row, row.server)
    if math.isinf(row.high):
        return f"over {_amount(row, row.low)}"
    return f"{_amount(row, row.low)} to {_amount(row, row.high)}"


def _difference(row: Row) -> str:
    difference = row.difference
    if difference is None:
        return ""
    if not difference:
        return "none" if row.low == row.high else "within"
    return ("+" if difference > 0 else "") + _amount(row, difference)


def _amount(row: Row, amount: float) -> str:
    digits = 0 if row.quantity.kind is Kind.COUNT else 2
    return f"{row.quantity.unit.of(amount):,.{digits}f}"


def document(server: ServerMetrics) -> dict[str, Any]:
    """The block of the JSON; bounds that are not known are null, other figures in the server's own units."""
    compared: dict[str, dict[str, Any]] = {}
    for row in server.rows:
        unit = row.quantity.unit
        entry = compared.setdefault(row.quantity.tag, {"unit": unit.label, "note": row.note})
        entry[row.statistic] = {
            "server": unit.of(row.server),
            "low": unit.of(row.low),
            "high": None if math.isinf(row.high) else unit.of(row.high),
            "ours": None if row.ours is None else unit.of(row.ours),
            "difference": None if row.difference is None else unit.of(row.difference),
        }
    return {
        "window": {"start_ns": server.window.start_ns, "end_ns": server.window.end_ns},
        "comparison": compared,
        "pages": [_page(page, server.window.seconds) for page in server.pages],
    }


def _page(page: Page, seconds: float) -> dict[str, Any]:
    return {
        "source": page.source,
        "server": page.server or None,
        **asdict(page.health),
        "gauges": _entries(page.levels, _level),
        "counters": _entries(page.counters, lambda growth: _growth(growth, seconds)),
        "histograms": _entries(page.distributions, _distribution),
    }


def _entries(found: Mapping[str, Any], entry: Any) -> dict[str, Any]:
    return {series: entry(figure) for series, figure in found.items()}


def _level(level: Level) -> dict[str, Any]:
    return {name: _finite(value) for name, value in asdict(level).items()}


def _growth(growth: Growth, seconds: float) -> dict[str, Any]:
    rate = growth.amount / seconds if seconds else None
    return {"difference": _finite(growth.amount), "per_s": _finite(rate), "resets": growth.resets}


def _distribution(found: Distribution) -> dict[str, Any]:
    return {
        "count": found.count,
        "mean": _finite(found.mean),
        **{
            f"p{percent}": {name: _finite(value) for name, value in asdict(estimate).items()}
            for percent in _PERCENTS
            if (estimate := found.percentile(percent)) is not None
        },
        "resets": found.resets,
    }


def _finite(value: float | None) -> float | None:
    """JSON knows no infinity."""
    return value if value is not None and math.isfinite(value) else None
