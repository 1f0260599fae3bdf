"""A run over time: what was in flight, what came back, what failed, and how long things took then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import CATALOG, Metric, available
from genai_perf.reports.plots.look import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    Picture,
    dress,
    marker_size,
    nothing_to_show,
    plural,
)
from genai_perf.reports.plots.series import (
    Run,
    bin_edges,
    binned_percentiles,
    counts,
    in_flight,
    output_tokens,
    per_second,
    sample,
    shown_of,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from genai_perf.metrics.arrow import Floats, Ints

TIMELINE = "Timeline"
LATENCIES = "Latency over Time"
TIME_LABEL = "Time since the first request (s)"

_PANEL_PX = 165
_MOST_KINDS = 4
_FAILURES = (RED, ORANGE, PURPLE, GREY)


def pictures(run: Run) -> Iterator[Picture]:
    """The timeline, and the latencies where a request succeeded."""
    timeline = _timeline(run)
    yield Picture(TIMELINE, timeline, height=timeline.layout.height, width=900)
    if len(run.columns):
        latencies = _latencies(run)
        yield Picture(LATENCIES, latencies, height=latencies.layout.height, width=900)


# -- the timeline -------------------------------------------------------------------------------------


def _timeline(run: Run) -> Figure:
    """Panels over one another: in flight, output tokens, requests, and failures if there were any."""
    import plotly.graph_objects as go

    edges = bin_edges(run)
    if not len(run.start_ns) and not len(run.failed_ns):
        return nothing_to_show(dress(go.Figure(), TIMELINE, _outcome(run)), "no request was recorded")
    panels: list[tuple[str, list[Any]]] = [("Requests<br>in flight", _levels(run, edges))]
    tokens = output_tokens(run, edges) if len(run.columns) else None
    if tokens is not None:
        panels.append(
            ("Output<br>tokens/s", [_area(run, edges, per_second(tokens, edges), GREEN, "tokens/s")])
        )
    if len(run.columns):
        ended = per_second(counts(run.columns.last_ns, edges), edges)
        panels.append(("Requests/s<br>completed", [_area(run, edges, ended, PURPLE, "requests/s")]))
    if len(run.failed_ns):
        panels.append(("Requests/s<br>failed", _failures(run, edges)))
    drawn = _stacked(panels)
    width_s = float(run.seconds(edges[1])) if len(edges) > 1 else 0.0
    dress(
        drawn,
        TIMELINE,
        f"{_outcome(run)} · a step is {_duration(width_s)}",
        height=150 + _PANEL_PX * len(panels),
        margin={"t": 80 if run.warmup_ns is None else 96, "b": 100},
    )
    drawn.update_xaxes(range=[0, float(run.seconds(run.last_ns))], showgrid=True)
    drawn.update_yaxes(rangemode="tozero", nticks=5)
    drawn.update_yaxes(range=[0, 1.08 * max(most for trace in panels[0][1] for most in trace.y)], row=1)
    if run.warmup_ns is not None:
        _shade_warmup(drawn, *(float(run.seconds(at_ns)) for at_ns in run.warmup_ns))
    return drawn


def _levels(run: Run, edges: Ints) -> list[Any]:
    mean, most = in_flight(run.start_ns, run.end_ns, edges)
    return [
        _area(run, edges, mean, BLUE, "in flight, mean of a step", shown=True),
        _steps(run, edges, most, ORANGE, "most at an instant"),
    ]


def _failures(run: Run, edges: Ints) -> list[Any]:
    """Stacked by kind, the most frequent ones by name."""
    import numpy as np

    frequent = np.argsort(-np.bincount(run.failed_kind, minlength=len(run.kinds)), kind="stable")
    named = [
        int(kind) for kind in frequent[: _MOST_KINDS if len(frequent) <= _MOST_KINDS else _MOST_KINDS - 1]
    ]
    groups = [(run.kinds[kind], run.failed_kind == kind) for kind in named]
    if len(named) < len(run.kinds):
        groups.append(("other failures", ~np.isin(run.failed_kind, named)))
    traces = []
    for (name, chosen), colour in zip(groups, _FAILURES):
        rate = per_second(counts(run.failed_ns[chosen], edges), edges)
        label = f"failed: {escape(name, quote=False)} ({int(chosen.sum()):,})"
        trace = _area(run, edges, rate, colour, label, shown=True)
        trace.update(stackgroup="failed", fill="tonexty")
        traces.append(trace)
    return traces


def _area(run: Run, edges: Ints, values: Floats, colour: str, name: str, *, shown: bool = False) -> Any:
    trace = _steps(run, edges, values, colour, name, shown=shown)
    trace.update(fill="tozeroy", fillcolor=_faint(colour))
    return trace


def _steps(run: Run, edges: Ints, values: Any, colour: str, name: str, *, shown: bool = True) -> Any:
    """Each bin's value from its left edge to its right."""
    import numpy as np
    import plotly.graph_objects as go

    return go.Scatter(
        x=run.seconds(edges),
        y=np.append(values, values[-1:]),
        mode="lines",
        line={"color": colour, "width": 1.5, "shape": "hv"},
        name=name,
        showlegend=shown,
        hovertemplate=f"%{{y:,.2f}} {name}<br>from %{{x:,.3f}} s<extra></extra>",
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _stacked(panels: Sequence[tuple[str, list[Any]]]) -> Figure:
    """One panel over the other, on one time axis."""
    from plotly.subplots import make_subplots

    rows = len(panels)
    drawn = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.16 / max(rows, 2))
    for row, (label, traces) in enumerate(panels, start=1):
        for trace in traces:
            drawn.add_trace(trace, row=row, col=1)
        drawn.update_yaxes(title_text=label, row=row, col=1)
    drawn.update_xaxes(title_text=TIME_LABEL, row=rows, col=1)
    return drawn


def _shade_warmup(drawn: Figure, start_s: float, end_s: float) -> None:
    drawn.add_vrect(
        x0=start_s,
        x1=end_s,
        fillcolor="rgba(128,128,128,0.18)",
        line_width=0,
        layer="below",
        row="all",
        col=1,
    )
    drawn.add_annotation(
        text="warm-up",
        x=start_s,
        xanchor="left",
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        font_size=11,
    )


def _outcome(run: Run) -> str:
    """How many requests, and what became of them."""
    failed = f"{len(run.failed_ns):,} failed" if len(run.failed_ns) else "none failed"
    return f"{plural(len(run.columns), 'request')} succeeded, {failed}"


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


# -- latencies ----------------------------------------------------------------------------------------


def _latencies(run: Run) -> Figure:
    """A point a request where it began, with the percentiles; in an open loop also from when it was due."""
    result = run.result
    tags = [
        tag
        for tag in ("time_to_first_token", "request_latency")
        if available(CATALOG[tag], streaming=result.info.streaming, produces_tokens=result.produces_tokens)
    ]
    drawn = _stacked(
        [(_label(CATALOG[tag]), list(_points_and_lines(run, tag, is_first=tag == tags[0]))) for tag in tags]
    )
    about = shown_of(len(run.columns), "request")
    if run.columns.due_ns is not None:
        about += " · from due: what a user waits; from start: what the server takes"
    dress(drawn, LATENCIES, about, height=170 + 240 * len(tags), margin={"t": 80, "b": 100})
    last_s = float(run.seconds(run.last_ns))
    drawn.update_xaxes(range=[-0.01 * last_s, last_s])
    drawn.update_yaxes(rangemode="tozero")
    return drawn


def _label(metric: Metric) -> str:
    return f"{metric.title} ({metric.unit.label})"


def _points_and_lines(run: Run, tag: str, *, is_first: bool) -> Iterator[Any]:
    """From due below, wide and pale, from start above: where no request was late, both are seen."""
    due_ns = run.columns.due_ns
    if due_ns is not None:
        yield from _one(
            run, f"{tag}_from_due", run.seconds(due_ns), (ORANGE, RED), " from due", is_first, wide=True
        )
    word = "" if due_ns is None else " from start"
    yield from _one(run, tag, run.seconds(run.columns.start_ns), (BLUE, PURPLE), word, is_first)


def _one(
    run: Run, tag: str, at_s: Floats, colours: tuple[str, str], word: str, shown: bool, *, wide: bool = False
) -> Iterator[Any]:
    import plotly.graph_objects as go

    values = run.values(tag)
    if values is None:
        return
    which = sample(len(values))
    yield go.Scatter(
        x=at_s[which],
        y=values[which],
        mode="markers",
        cliponaxis=False,
        marker={
            "color": colours[0],
            "size": marker_size(len(values)) + (3 if wide else 0),
            "opacity": 0.25 if len(values) > 200 else 0.7,
        },
        name=f"a request{word}",
        legendgroup=f"points{word}",
        showlegend=shown,
        hovertemplate=f"%{{y:,.2f}} ms{word}<br>at %{{x:,.3f}} s<extra></extra>",
    )
    centres, lines = binned_percentiles(at_s, values, (50, 99))
    for percent, line, dash in zip((50, 99), lines, ("solid", "dot")):
        if len(centres):
            yield go.Scatter(
                x=centres,
                y=line,
                mode="lines",
                line={"color": colours[1], "width": 4 if wide else 1.5, "dash": dash},
                opacity=0.5 if wide else 1,
                name=f"p{percent}{word}",
                legendgroup=f"p{percent}{word}",
                showlegend=shown,
                hovertemplate=f"p{percent}{word} %{{y:,.2f}} ms<extra></extra>",
            )
