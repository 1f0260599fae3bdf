"""What GenAI-Perf's pictures of several runs lack: by how much figures differ, and whole distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import CATALOG, Metric, Unit, available
from genai_perf.metrics.stats import percentile
from genai_perf.reports.comparison import Comparison
from genai_perf.reports.plots.distributions import TAGS as LATENCIES
from genai_perf.reports.plots.look import GREY, PALETTE, Picture, dress, figure, log_axis, span
from genai_perf.reports.plots.series import Run, percentile_curve
from genai_perf.reports.plots.several import Member, short

if TYPE_CHECKING:
    from genai_perf.metrics.arrow import Floats

DIFFERENCES = "Differences from the First Run"
_MOST_SHOWN = 200.0
"""Beyond so many percent an interval is cut, so that the others can be read."""


def differences(comparison: Comparison) -> Picture | None:
    """Each difference with its interval; None where there is nothing to compare. In % of the first run."""
    import plotly.graph_objects as go

    rows = [
        row
        for row in comparison.rows
        if row.is_main and any(each is not None and each.interval for each in row.differences)
    ]
    if not rows:
        return None
    others = range(1, len(comparison.runs))
    apart = 0.6 / max(len(others), 1)
    traces = []
    for place in others:
        points: list[tuple[float, float, float, float, bool, str]] = []
        for number, row in enumerate(rows):
            each = row.differences[place]
            if each is not None and each.interval is not None:
                low, at, high = (
                    100 * amount for amount in (each.interval.low, each.amount, each.interval.high)
                )
                y = number + (place - (len(others) + 1) / 2) * apart
                told = f"{at:+,.1f} % ({low:+,.1f} … {high:+,.1f}): {each.verdict}"
                points.append((y, at, low, high, not each.interval.holds_zero, told))
        colour = PALETTE[place % len(PALETTE)]
        traces.append(
            go.Scatter(
                x=[at for _, at, *_ in points],
                y=[y for y, *_ in points],
                error_x={
                    "type": "data",
                    "array": [high - at for _, at, _, high, *_ in points],
                    "arrayminus": [at - low for _, at, low, *_ in points],
                    "thickness": 1.5,
                    "width": 4,
                },
                mode="markers",
                marker={
                    "color": colour,
                    "size": 9,
                    "symbol": ["circle" if clear else "circle-open" for *_, clear, _ in points],
                },
                name=short(comparison.runs[place].label),
                text=[told for *_, told in points],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    drawn = figure(
        DIFFERENCES,
        "bars: 95 % intervals · hollow: not clear, the interval holds zero · arrows: which way is better",
        traces,
        height=150 + (26 + 10 * (len(others) - 1)) * len(rows),
        xaxis={
            "title": {"text": f"Difference from {short(comparison.runs[0].label)} (%; error rates: points)"},
            "range": _range(traces),
            "zeroline": True,
            "zerolinewidth": 2,
            "zerolinecolor": GREY,
            "ticksuffix": " %",
        },
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": [_sign(row.metric) + row.heading.partition(" (")[0] for row in rows],
            "range": [len(rows) - 0.4, -0.6],
            "ticks": "",
        },
        showlegend=True,
    )
    return Picture(DIFFERENCES, drawn, 150 + (26 + 10 * (len(others) - 1)) * len(rows), 900)


def _sign(metric: Metric) -> str:
    """Which way is better, before a figure's name."""
    if metric.unit is Unit.TOKENS:
        return ""
    return {"lower": "← ", "higher": "→ "}.get(metric.better, "")


def _range(traces: Sequence[Any]) -> list[float]:
    """From the lowest end of an interval to the highest, and zero within."""
    ends = [0.0]
    for trace in traces:
        ends += [x - down for x, down in zip(trace.x, trace.error_x.arrayminus)]
        ends += [x + up for x, up in zip(trace.x, trace.error_x.array)]
        ends += list(trace.x)
    low, high = max(min(ends), -_MOST_SHOWN), min(max(ends), _MOST_SHOWN)
    most = max((x for trace in traces for x in trace.x), default=0.0)
    high = max(high, most)
    margin = 0.05 * (high - low) or 1
    return [low - margin, high + margin]


CURVES = "Latency Distributions of the Runs"


def distributions(members: Sequence[Member]) -> Picture | None:
    """Which share of each run's requests took at most how long; None where no run has a latency."""
    import numpy as np
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    by_tag: dict[str, list[tuple[Member, Floats]]] = {}
    for each in members:
        for tag in LATENCIES:
            values = each.run.values(tag)
            if values is None or not _is_shown(each.run, tag):
                continue
            ordered = np.sort(values[~np.isnan(values)])
            if len(ordered):
                by_tag.setdefault(tag, []).append((each, ordered))
    if not by_tag:
        return None
    tags = [tag for tag in LATENCIES if tag in by_tag]
    drawn = make_subplots(rows=1, cols=len(tags), shared_yaxes=True, horizontal_spacing=0.05)
    named: set[str] = set()
    for column, tag in enumerate(tags, start=1):
        metric = CATALOG[tag]
        for each, ordered in by_tag[tag]:
            at, share = percentile_curve(ordered)
            drawn.add_trace(
                go.Scatter(
                    x=at,
                    y=share,
                    mode="lines",
                    line={"color": each.colour, "width": 2},
                    name=each.label,
                    legendgroup=each.label,
                    showlegend=each.label not in named,
                    hovertemplate=f"{each.label}<br>p%{{y:.2f}} %{{x:,.3f}} ms<extra></extra>",
                ),
                row=1,
                col=column,
            )
            named.add(each.label)
        every = [ordered for _, ordered in by_tag[tag]]
        low, high = min(float(each[0]) for each in every), max(float(each[-1]) for each in every)
        is_long = low > 0 and high > 8 * max(percentile(each, 50) for each in every)
        drawn.update_xaxes(
            title_text=f"{metric.title} ({metric.unit.label})",
            **(log_axis(low, high) if is_long else {"range": span(np.array([low, high]))}),
            nticks=4,
            row=1,
            col=column,
        )
    drawn.update_yaxes(title_text="Percentile (% of the requests)", row=1, col=1)
    drawn.update_yaxes(range=[0, 102])
    dress(drawn, CURVES, "further left is faster at that percentile; none is at all where curves cross")
    return Picture(CURVES, drawn, width=350 + 300 * len(tags))


def _is_shown(run: Run, tag: str) -> bool:
    result = run.result
    return available(CATALOG[tag], streaming=result.info.streaming, produces_tokens=result.produces_tokens)
