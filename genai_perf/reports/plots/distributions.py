"""How the latencies are distributed: which share of the requests took at most how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from genai_perf.metrics.catalog import CATALOG, available
from genai_perf.metrics.stats import percentile
from genai_perf.reports.plots.look import BLUE, ORANGE, Picture, dress, log_axis, plural, span
from genai_perf.reports.plots.series import Run, percentile_curve

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from genai_perf.metrics.arrow import Floats

TITLE = "Latency Distributions"
TAGS = ("time_to_first_token", "inter_token_latency", "request_latency")
_MARKED = (50, 90, 99)
_LONG_TAIL = 8
"""Where the slowest is so many times slower than the median, the axis is logarithmic."""


def pictures(run: Run) -> Iterator[Picture]:
    """The one picture; none without a request that succeeded."""
    tags = [tag for tag in TAGS if _has(run, tag)]
    if tags:
        yield Picture(TITLE, _figure(run, tags), width=350 + 300 * len(tags))


def _has(run: Run, tag: str) -> bool:
    result = run.result
    values = run.values(tag)
    return (
        available(CATALOG[tag], streaming=result.info.streaming, produces_tokens=result.produces_tokens)
        and values is not None
        and bool((values == values).any())
    )


def _figure(run: Run, tags: list[str]) -> Figure:
    import numpy as np
    from plotly.subplots import make_subplots

    drawn = make_subplots(rows=1, cols=len(tags), shared_yaxes=True, horizontal_spacing=0.06)
    figures = []
    for column, tag in enumerate(tags, start=1):
        metric = CATALOG[tag]
        values = run.values(tag)
        assert values is not None
        ordered = np.sort(values[~np.isnan(values)])
        due = run.values(f"{tag}_from_due") if f"{tag}_from_due" in CATALOG else None
        _add(drawn, column, ordered, BLUE, " from start" if due is not None else "", shown=due is not None)
        if due is not None:
            _add(drawn, column, np.sort(due[~np.isnan(due)]), ORANGE, " from due", shown=True)
        slowest = max(float(each.max()) for each in (ordered, due) if each is not None)
        middle = percentile(ordered, 50)
        is_long = bool(ordered[0] > 0 and slowest > _LONG_TAIL * middle)
        drawn.update_xaxes(
            title_text=f"{metric.title} ({metric.unit.label})",
            **(log_axis(float(ordered[0]), slowest) if is_long else {"range": span(ordered)}),
            nticks=4,
            row=1,
            col=column,
        )
        figures.append(f"{_SHORT[tag]} p50 {middle:,.2f}, p99 {percentile(ordered, 99):,.2f} ms")
    drawn.update_yaxes(title_text="Percentile (% of the requests)", row=1, col=1)
    drawn.update_yaxes(range=[0, 102])
    return dress(drawn, TITLE, f"{plural(len(run.columns), 'request')} · {' · '.join(figures)}")


_SHORT = {"time_to_first_token": "TTFT", "inter_token_latency": "ITL", "request_latency": "latency"}


def _add(drawn: Figure, column: int, ordered: Floats, colour: str, word: str, *, shown: bool) -> None:
    """The curve, with dots at the percentiles people ask for."""
    import plotly.graph_objects as go

    at, share = percentile_curve(ordered)
    name = word.strip() or "requests"
    drawn.add_trace(
        go.Scatter(
            x=at,
            y=share,
            mode="lines",
            line={"color": colour, "width": 2},
            name=name,
            legendgroup=name,
            showlegend=shown and column == 1,
            hovertemplate=f"p%{{y:.2f}} %{{x:,.3f}} ms{word}<extra></extra>",
        ),
        row=1,
        col=column,
    )
    drawn.add_trace(
        go.Scatter(
            x=[percentile(ordered, percent) for percent in _MARKED],
            y=list(_MARKED),
            mode="markers",
            marker={"color": colour, "size": 8},
            name="p50, p90, p99",
            legendgroup="percentiles",
            showlegend=column == 1 and word != " from due",
            hovertemplate=f"p%{{y}} %{{x:,.3f}} ms{word}<extra></extra>",
        ),
        row=1,
        col=column,
    )
