"""The same plot of several runs: a box, a cloud or a map for each, on axes that they share.

Every run has one colour in all pictures, and its name in the legend. The fields of heat maps are the same in
all runs, and so is what their colours mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from math import ceil
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.stats import percentile
from genai_perf.reports.compared import Run as ComparedRun
from genai_perf.reports.plots import points, series
from genai_perf.reports.plots.config_file import Plot, Row
from genai_perf.reports.plots.defaults import HEAT, OUTLIERS, whole_edges
from genai_perf.reports.plots.look import (
    PALETTE,
    Picture,
    dress,
    figure,
    marker_size,
    nothing_to_show,
    plural,
    span,
    token_span,
)
from genai_perf.reports.plots.points import Named
from genai_perf.reports.plots.series import MOST_POINTS, Run, sample

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from genai_perf.metrics.arrow import Floats

MOST_A_ROW = 3
"""Heat maps beside each other, as in GenAI-Perf."""
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Member:
    """A run among those that are compared."""

    label: str
    """What the reader knows it by, as plotly can take it."""
    title: str
    """The same, where some stand beside each other."""
    name: str
    """GenAI-Perf's name of it, for the parquet files."""
    colour: str
    """In all pictures."""
    run: Run


def members(runs: Sequence[ComparedRun]) -> list[Member]:
    """The runs as they are drawn."""
    return [
        Member(
            label=short(each.label),
            title=short(each.label, _LONGEST_NAME // min(len(runs), MOST_A_ROW) + 10),
            name=each.name,
            colour=colour,
            run=series.read(each.result),
        )
        for each, colour in zip(runs, cycle(PALETTE))
    ]


def short(label: str, most: int = _LONGEST_NAME) -> str:
    """A label as long as there is room for, for plotly, which would read tags in it."""
    if len(label) > most:
        half = most // 2 - 1
        label = f"{label[:half]}…{label[-half:]}"
    return escape(label, quote=False)


def drawn(row: Row, shown: Sequence[Member]) -> tuple[Picture, list[Named]]:
    """A row of `config.yaml` as a picture, and the points that it shows."""
    plot = row.plot
    found = [Named(each.name, *points.pair(each.run, plot.x_metric, plot.y_metric)) for each in shown]
    with_points = [(each, of) for each, of in zip(shown, found) if len(of.y)]
    if with_points:
        draw = {"box": _boxes, "heatmap": _heatmaps, "scatter": _scatter}
        picture, height = draw[plot.type](row, with_points)
    else:
        picture, height = _empty(plot), row.height
    return Picture(plot.title, picture, height, row.width, formats=("jpeg", "png")), found


_Points = Sequence[tuple[Member, Named]]


def _empty(plot: Plot) -> Figure:
    reason = "no run has values for it"
    x, y = ({"title": {"text": escape(text, quote=False)}} for text in (plot.x_label, plot.y_label))
    return nothing_to_show(figure(plot.title, reason, [], xaxis=x, yaxis=y), reason)


def _about(plot: Plot, found: _Points, more: str = "") -> str:
    total = sum(len(points.y) for _, points in found)
    thing = "chunk gap" if plot.x_metric == "token_positions" else "request"
    shown = f"showing {MOST_POINTS:,} of " if more and total > MOST_POINTS else ""
    text = f"{plural(len(found), 'run')} · {shown}{plural(total, thing)}"
    at_once = [each.label for each, _ in found if not each.run.result.info.streaming]
    if at_once and "time_to_first_tokens" in (plot.x_metric, plot.y_metric):
        text += " · not streamed, so that it is the request latency"
        text += "" if len(at_once) == len(found) else f": {', '.join(at_once)}"
    return text


def _axis(text: str, metric: str, values: Sequence[Floats]) -> dict[str, Any]:
    import numpy as np

    every = np.concatenate(values)
    axis: dict[str, Any] = {"title": {"text": escape(points.with_unit(text, metric), quote=False)}}
    if points.is_tokens(metric):
        axis["range"] = token_span(float(every.min()), float(every.max()))
    return axis


# -- boxes ------------------------------------------------------------------------------------------------


def _boxes(row: Row, found: _Points) -> tuple[Figure, int]:
    """Quartiles by the reports' definition, of all values; the first run on top."""
    import numpy as np
    import plotly.graph_objects as go

    plot, unit = row.plot, points.unit(row.plot.y_metric)
    traces: list[Any] = []
    for place, (each, of) in enumerate(found):
        ordered = np.sort(of.y)
        low, middle, high = (percentile(ordered, percent) for percent in (25, 50, 75))
        reach = 1.5 * (high - low)
        inside = ordered[(ordered >= low - reach) & (ordered <= high + reach)]
        outside = ordered[(ordered < low - reach) | (ordered > high + reach)]
        most = OUTLIERS // len(found)
        kept = np.linspace(0, len(outside) - 1, min(len(outside), most)).round().astype(np.int64)
        traces.append(
            go.Box(
                y=[place],
                q1=[low],
                median=[middle],
                q3=[high],
                mean=[float(ordered.mean())],
                lowerfence=[float(min(inside[0], low))],
                upperfence=[float(max(inside[-1], high))],
                orientation="h",
                marker_color=each.colour,
                boxpoints=False,
                width=0.5,
                showlegend=False,
                name=each.label,
            )
        )
        if len(outside):
            traces.append(
                go.Scatter(
                    x=outside[kept],
                    y=[place] * len(kept),
                    mode="markers",
                    marker={"color": each.colour, "size": 5, "opacity": 0.5},
                    showlegend=False,
                    hovertemplate=f"{each.label}: %{{x:,.2f}} {unit}<extra></extra>",
                )
            )
    every = np.concatenate([of.y for _, of in found])
    height = max(row.height, 160 + 45 * len(found))
    ticks = [f"{each.label}<br>p50 {np.median(of.y):,.2f} {unit}" for each, of in found]
    return figure(
        plot.title,
        f"{_about(plot, found)} · box: quartiles, dashed: average, dots: beyond 1.5 lengths of the box",
        traces,
        height=height,
        xaxis={
            "title": {"text": escape(points.with_unit(plot.x_label, plot.y_metric), quote=False)},
            "range": span(every),
        },
        yaxis={
            "title": {"text": escape(plot.y_label, quote=False)},
            "tickvals": list(range(len(found))),
            "ticktext": ticks,
            "range": [len(found) - 0.5, -0.5],
            "ticks": "",
            "showgrid": False,
            "zeroline": False,
        },
    ), height


# -- clouds -----------------------------------------------------------------------------------------------


def _scatter(row: Row, found: _Points) -> tuple[Figure, int]:
    """A sample of each run's points; where they are chunks, with the mean at each position."""
    import numpy as np
    import plotly.graph_objects as go

    plot = row.plot
    is_chunks = plot.x_metric == points.POSITIONS
    total = sum(len(of.y) for _, of in found)
    traces: list[Any] = []
    lines: list[Any] = []
    for each, of in found:
        which = sample(len(of.x), max(MOST_POINTS * len(of.x) // total, 1) if total > MOST_POINTS else total)
        traces.append(
            go.Scatter(
                x=of.x[which],
                y=of.y[which],
                mode="markers",
                name=each.label,
                legendgroup=each.label,
                marker={
                    "color": each.colour,
                    "size": marker_size(total),
                    "opacity": 0.25 if is_chunks else 0.4 if total > 200 else 0.8,
                },
                hovertemplate=f"{each.label}<br>%{{x:,}}<br>%{{y:,.2f}}<extra></extra>",
                showlegend=not is_chunks,
            )
        )
        if is_chunks:
            positions = of.x.astype(np.int64)
            chunks = np.bincount(positions)
            at = np.flatnonzero(chunks)
            lines.append(
                go.Scatter(
                    x=at,
                    y=np.bincount(positions, of.y)[at] / chunks[at],
                    mode="lines+markers" if len(at) < 3 else "lines",
                    name=f"{each.label}: mean",
                    legendgroup=each.label,
                    line={"color": each.colour, "width": 2.5},
                    hovertemplate=f"{each.label}<br>mean at %{{x:,}}: %{{y:,.2f}}<extra></extra>",
                )
            )
    y = _axis(plot.y_label, plot.y_metric, [of.y for _, of in found])
    return figure(
        plot.title,
        _about(plot, found, "a sample"),
        [*traces, *lines],
        height=row.height,
        xaxis=_axis(plot.x_label, plot.x_metric, [of.x for _, of in found]),
        yaxis=y if "range" in y else y | {"rangemode": "tozero"},
        showlegend=True,
        legend={"itemsizing": "constant"},
    ), row.height


# -- maps -------------------------------------------------------------------------------------------------


def _heatmaps(row: Row, found: _Points) -> tuple[Figure, int]:
    """One map a run, at most three in a row, of the same fields and the same colours."""
    import numpy as np
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    plot = row.plot
    columns = min(len(found), MOST_A_ROW)
    rows = ceil(len(found) / columns)
    height = row.height if rows == 1 else 120 + 330 * rows
    x_edges = _edges(np.concatenate([of.x for _, of in found]), plot.x_metric)
    y_edges = _edges(np.concatenate([of.y for _, of in found]), plot.y_metric)
    heats = [np.histogram2d(of.x, of.y, bins=(x_edges, y_edges))[0] for _, of in found]
    most = int(max(heat.max() for heat in heats))
    titled = len(found) > 1
    drawn = make_subplots(
        rows=rows,
        cols=columns,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=[each.title for each, _ in found] if titled else None,
        horizontal_spacing=0.03,
        vertical_spacing=0.1 / max(rows - 1, 1),
    )
    for place, ((each, _), heat) in enumerate(zip(found, heats)):
        drawn.add_trace(
            go.Heatmap(
                x=x_edges,
                y=y_edges,
                z=np.where(heat > 0, heat, np.nan).T,
                coloraxis="coloraxis",
                xgap=1,
                ygap=1,
                hovertemplate=f"{each.label}<br>%{{z:,}} requests<br>x %{{x}}<br>y %{{y}}<extra></extra>",
            ),
            row=place // columns + 1,
            col=place % columns + 1,
        )
    wide, tall = x_edges[1] - x_edges[0], y_edges[1] - y_edges[0]
    thing = "Chunk gaps" if plot.x_metric == points.POSITIONS else "Requests"
    dress(
        drawn,
        plot.title,
        f"{_about(plot, found)} · a field is {_sized(wide, plot.x_metric)} x {_sized(tall, plot.y_metric)}",
        height=height,
        coloraxis={
            "colorscale": HEAT,
            "cmin": 0,
            "cmax": most,
            "colorbar": {
                "title": {"text": thing, "side": "right"},
                "outlinewidth": 0,
                "dtick": 1 if most <= 5 else None,
            },
        },
    )
    drawn.update_layout(margin={"t": 100 if titled else 76})
    drawn.update_annotations(font_size=13)
    for place in range(len(found)):
        at = {"row": place // columns + 1, "col": place % columns + 1}
        x, y = _map_axis(x_edges, plot.x_metric), _map_axis(y_edges, plot.y_metric)
        is_last = place + columns >= len(found)
        x_title = escape(points.with_unit(plot.x_label, plot.x_metric), quote=False) if is_last else ""
        y_title = escape(points.with_unit(plot.y_label, plot.y_metric), quote=False)
        drawn.update_xaxes(title_text=x_title, showticklabels=is_last, nticks=6, **x, **at)
        drawn.update_yaxes(title_text=y_title if place % columns == 0 else "", **y, **at)
    return drawn, height


_FIELDS = 40


def _edges(values: Floats, metric: str) -> Floats:
    import numpy as np

    if points.is_tokens(metric):
        return whole_edges(values)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = (0.9 * low, 1.1 * low) if low > 0 else (low - 1, low + 1)
    return np.linspace(low, high, _FIELDS + 1)


def _map_axis(edges: Floats, metric: str) -> dict[str, Any]:
    low, high = float(edges[0]), float(edges[-1])
    return {"range": token_span(low, high) if points.is_tokens(metric) else [low, high]}


def _sized(size: float, metric: str) -> str:
    return f"{size:.3g} {points.unit(metric) or 'positions'}"
