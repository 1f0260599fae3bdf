"""GenAI-Perf's five pictures, with what lies beside them: `config.yaml` and the points as parquet.

Titles, labels and file names are GenAI-Perf's, and where tokens are produced all five are there: without
`--streaming` the first token comes with the whole answer, as in the JSON, and the picture says so. GenAI-Perf
drew nothing for embeddings; they have their latency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.metrics.stats import percentile
from genai_perf.reports.plots import config_file
from genai_perf.reports.plots import points as values
from genai_perf.reports.plots.config_file import CONFIG, Plot, Row
from genai_perf.reports.plots.look import (
    BLUE,
    ORANGE,
    Picture,
    figure,
    marker_size,
    nothing_to_show,
    plural,
    span,
    stem,
    token_span,
)
from genai_perf.reports.plots.series import Run, sample, shown_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from genai_perf.metrics.arrow import Floats

# fmt: off
PLOTS = {
    "plot1": Plot("Time to First Token", "box", "", "time_to_first_tokens", "Time to First Token (ms)", ""),
    "plot2": Plot("Request Latency", "box", "", "request_latencies", "Request Latency (ms)", ""),
    "plot3": Plot("Distribution of Input Sequence Lengths to Output Sequence Lengths", "heatmap",
                  "input_sequence_lengths", "output_sequence_lengths",
                  "Input Sequence Length", "Output Sequence Length"),
    "plot4": Plot("Time to First Token vs Input Sequence Lengths", "scatter",
                  "input_sequence_lengths", "time_to_first_tokens",
                  "Input Sequence Length", "Time to First Token (ms)"),
    "plot5": Plot("Token-to-Token Latency vs Output Token Position", "scatter",
                  "token_positions", "inter_token_latencies",
                  "Output Token Position", "Token-to-Token Latency (ms)"),
}
# fmt: on
"""By their keys in `config.yaml`, which `compare` reads again."""


@dataclass(frozen=True, slots=True)
class Points:
    """A plot and all its values, `x` and `y` in parallel; those of a box are the same."""

    plot: Plot
    x: Floats
    y: Floats


def points(run: Run) -> dict[str, Points]:
    """The plots that a run like this has, by key; without requests that count there are no values in them."""
    return {
        key: Points(plot, *values.pair(run, plot.x_metric, plot.y_metric))
        for key, plot in plots_of(run.result.produces_tokens).items()
    }


def plots_of(produces_tokens: bool) -> dict[str, Plot]:
    """The plots that runs like these have, by key."""
    return {
        key: plot
        for key, plot in PLOTS.items()
        if produces_tokens or (plot.x_metric, plot.y_metric) == ("", "request_latencies")
    }


# -- figures ------------------------------------------------------------------------------------------


def pictures(run: Run, found: dict[str, Points]) -> Iterator[Picture]:
    """The figures of what `points` has found."""
    draw = {"box": _box, "heatmap": lambda _run, points: _heatmap(points), "scatter": _scatter}
    for each in found.values():
        drawn = draw[each.plot.type](run, each) if len(each.y) else _empty(run, each)
        yield Picture(each.plot.title, drawn, formats=("jpeg", "png"))


def _empty(run: Run, points: Points) -> Figure:
    requests = len(run.columns)
    reason = f"none of {plural(requests, 'request')} has a value" if requests else "no request succeeded"
    if requests and points.plot.x_metric == "token_positions":
        reason = "every answer came in one piece: no token after another to time"
    return nothing_to_show(
        figure(
            points.plot.title,
            reason,
            [],
            xaxis={"title": {"text": points.plot.x_label}},
            yaxis={"title": {"text": points.plot.y_label}},
        ),
        reason,
    )


def _at_once(run: Run, plot: Plot) -> str:
    """What a time to first token is without a stream."""
    if run.result.info.streaming or plot.y_metric != "time_to_first_tokens":
        return ""
    return " · not streamed: it is the request latency"


def _box(run: Run, points: Points) -> Figure:
    """Quartiles by the reports' definition, of all values; plotly's own are others."""
    import numpy as np
    import plotly.graph_objects as go

    ordered = np.sort(points.y)
    low, middle, high = (percentile(ordered, percent) for percent in (25, 50, 75))
    reach = 1.5 * (high - low)
    inside = ordered[(ordered >= low - reach) & (ordered <= high + reach)]
    outside = ordered[(ordered < low - reach) | (ordered > high + reach)]
    # by rank, so that the fastest and the slowest are among them
    shown = outside[np.linspace(0, len(outside) - 1, min(len(outside), OUTLIERS)).round().astype(np.int64)]
    part = f"{len(shown):,} of " if len(shown) < len(outside) else ""
    name = "requests"
    box = go.Box(
        y=[name],
        q1=[low],
        median=[middle],
        q3=[high],
        mean=[float(ordered.mean())],
        lowerfence=[float(min(inside[0], low))],
        upperfence=[float(max(inside[-1], high))],
        orientation="h",
        marker_color=BLUE,
        boxpoints=False,
        width=0.5,
        showlegend=False,
    )
    dots = go.Scatter(
        x=shown,
        y=[name] * len(shown),
        mode="markers",
        marker={"color": BLUE, "size": 5, "opacity": 0.5},
        name=f"{part}{plural(len(outside), 'outlier')}: beyond 1.5 lengths of the box",
        showlegend=True,
        hovertemplate="%{x:,.2f} ms<extra></extra>",
    )
    about = (
        f"{plural(len(ordered), 'request')} · p50 {middle:,.2f} · avg {ordered.mean():,.2f} (dashed)"
        f" · p99 {percentile(ordered, 99):,.2f} ms"
    )
    about += _at_once(run, points.plot)
    return figure(
        points.plot.title,
        about,
        [box, dots] if len(outside) else [box],
        xaxis={"title": {"text": points.plot.x_label}, "range": span(ordered)},
        yaxis={
            "title": {"text": points.plot.y_label},
            "showticklabels": False,
            "ticks": "",
            "showgrid": False,
        },
    )


OUTLIERS = 500


def _heatmap(points: Points) -> Figure:
    import numpy as np
    import plotly.graph_objects as go

    x_edges, y_edges = whole_edges(points.x), whole_edges(points.y)
    requests, _, _ = np.histogram2d(points.x, points.y, bins=(x_edges, y_edges))
    most = int(requests.max())
    heat = go.Heatmap(
        x=x_edges,
        y=y_edges,
        z=np.where(requests > 0, requests, np.nan).T,
        colorscale=HEAT,
        zmin=0,
        zmax=most,
        colorbar={
            "title": {"text": "Requests", "side": "right"},
            "outlinewidth": 0,
            "dtick": 1 if most <= 5 else None,
        },
        xgap=1,
        ygap=1,
        hovertemplate="%{z:,} requests<br>input %{x}<br>output %{y}<extra></extra>",
    )
    wide, tall = x_edges[1] - x_edges[0], y_edges[1] - y_edges[0]
    return figure(
        points.plot.title,
        f"{plural(len(points.x), 'request')} · a field is {wide:g} x {tall:g} tokens",
        [heat],
        xaxis={
            "title": {"text": f"{points.plot.x_label} (tokens)"},
            "range": token_span(x_edges[0], x_edges[-1]),
        },
        yaxis={
            "title": {"text": f"{points.plot.y_label} (tokens)"},
            "range": token_span(y_edges[0], y_edges[-1]),
        },
    )


HEAT = [[0, "#bcd7f0"], [0.5, "#3b82c4"], [1, "#6a3d9a"]]
"""Light enough for dark pages at its darkest, and the other way round."""
_FIELDS = 40


def whole_edges(values: Floats) -> Floats:
    """Edges of fields that are whole tokens wide; where it is one, each count is the middle of its own."""
    import numpy as np

    low, high = float(values.min()), float(values.max())
    step = float(np.ceil((high - low + 1) / _FIELDS))
    fields = int((high - low) // step) + 1
    return np.asarray(low - 0.5 + step * np.arange(fields + 1), np.float64)


def _scatter(run: Run, points: Points) -> Figure:
    import numpy as np
    import plotly.graph_objects as go

    is_chunks = points.plot.x_metric == "token_positions"
    which = sample(len(points.x))
    dots = go.Scatter(
        x=points.x[which],
        y=points.y[which],
        mode="markers",
        name="gap" if is_chunks else "request",
        marker={
            "color": BLUE,
            "size": marker_size(len(points.x)),
            "opacity": 0.35 if len(points.x) > 200 else 0.8,
        },
        hovertemplate=f"{'position' if is_chunks else 'input'} %{{x:,}}<br>%{{y:,.2f}} ms<extra></extra>",
    )
    about = shown_of(len(points.x), "chunk gap" if is_chunks else "request")
    traces = [dots]
    if is_chunks:
        positions = points.x.astype(np.int64)
        chunks = np.bincount(positions)
        at = np.flatnonzero(chunks)
        mean = np.bincount(positions, points.y)[at] / chunks[at]
        traces.append(
            go.Scatter(x=at, y=mean, mode="lines", name="mean of all at a position", line={"color": ORANGE})
        )
        about += _tokens_a_chunk(run)
    about += _at_once(run, points.plot)
    return figure(
        points.plot.title,
        about,
        traces,
        xaxis={
            "title": {"text": points.plot.x_label + ("" if is_chunks else " (tokens)")},
            "range": token_span(points.x.min(), points.x.max()),
        },
        yaxis={"title": {"text": points.plot.y_label}, "rangemode": "tozero"},
        showlegend=is_chunks,
    )


def _tokens_a_chunk(run: Run) -> str:
    """What a position is, where it is not a token."""
    import numpy as np

    tokens = run.columns.output_tokens
    if tokens is None:
        return ""
    each = float(np.nansum(tokens) / run.columns.events.sum())
    return f" · a chunk is {each:.2f} tokens on average" if abs(each - 1) >= 0.005 else ""


# -- files --------------------------------------------------------------------------------------------


def write_points(found: dict[str, Points], directory: Path, name: str) -> None:
    """A parquet file for each plot, one row: the values under their labels, and the run's name."""
    for each in found.values():
        run = values.Named(name, each.x, each.y)
        path = directory / f"{stem(each.plot.title)}.gzip"
        values.write(path, each.plot.x_label, each.plot.y_label, [run])


def write_config(found: dict[str, Points], directory: Path, export: Path) -> None:
    """`config.yaml`, which says what each plot is made of."""
    rows = {key: Row(each.plot, (str(export),), directory) for key, each in found.items()}
    config_file.write(rows, directory / CONFIG)
