"""A sweep: what more load brought and what it cost, with the knee, and the latencies against the load.

A sweep of one parameter is one series; of several, one series for each setting of the others. Scenarios that
measured nothing are left out, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from math import log10
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import CATALOG
from genai_perf.metrics.knee import knee_of
from genai_perf.reports.plots.look import BLUE, ORANGE, PALETTE, RED, Picture, figure, log_axis, plural
from genai_perf.types import Stats, Summary

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Series = Mapping[str, Sequence[tuple[float, Summary]]]
"""The runs of a sweep: (load, summary) in the order of the load, by the name of their series."""

TRADE = "Throughput against Latency"
_PERCENTS = {"p50": "solid", "p90": "dash", "p99": "dot"}
_COLOURS = dict(zip(_PERCENTS, (BLUE, ORANGE, RED)))
_MOST_LABELS = 12


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the figures are drawn from."""

    series: Series
    """Without the scenarios that measured nothing."""
    parameter: str
    """What was swept, in words: `Concurrency`, `Request rate (requests/s)`."""
    left_out: int
    """How many scenarios measured nothing."""

    @property
    def count(self) -> int:
        """How many scenarios are drawn."""
        return sum(map(len, self.series.values()))

    def has(self, tag: str) -> bool:
        """Whether any scenario has this metric."""
        return any(tag in summary.metrics for points in self.series.values() for _, summary in points)

    def about(self, more: str = "") -> str:
        """What every picture says of its scenarios."""
        failed = f", {self.left_out:,} measured nothing" if self.left_out else ""
        return f"{plural(self.count, 'scenario')}{failed}{more}"


def sweep(series: Series, parameter: str) -> Sweep:
    """The runs of a sweep, sorted by load, without those that measured nothing."""
    kept = {
        name: sorted((each for each in points if each[1].requests), key=lambda each: each[0])
        for name, points in series.items()
    }
    total = sum(map(len, series.values()))
    kept = {escape(name, quote=False): points for name, points in kept.items() if points}
    return Sweep(kept, parameter, total - sum(map(len, kept.values())))


def pictures(drawn: Sweep) -> Iterator[Picture]:
    """Throughput against latency, then each latency there is against the load, and the throughput."""
    if not drawn.count:
        return
    yield Picture(TRADE, _trade(drawn), height=520, width=900)
    tags = ["time_to_first_token", "inter_token_latency", "request_latency"]
    if not drawn.has("inter_token_latency"):
        del tags[0]  # not streamed: it is the request latency once more
    for tag in tags:
        if drawn.has(tag):
            title = f"{CATALOG[tag].title} against {_word(drawn)}"
            yield Picture(title, _against_load(drawn, tag, title), width=900)
    title = f"Throughput against {_word(drawn)}"
    yield Picture(title, _throughput(drawn, title), width=900)


# -- throughput against latency -----------------------------------------------------------------------


def _trade(drawn: Sweep) -> Figure:
    tag = _throughput_tag(drawn)
    traces: list[Any] = []
    knees: list[str] = []
    curves = [_curve(points, name, tag, _latency_tag(drawn)) for name, points in drawn.series.items()]
    labelled = _labelled(curves)
    for curve, labels, colour in zip(curves, labelled, cycle(PALETTE)):
        traces += _lines(curve, labels, colour, alone=len(curves) == 1)
        if curve.knee is not None:
            traces.append(_ring(curve, curve.knee, shown=not knees))
            knees.append(curve.loads[curve.knee])
    knee = f" · knee: {drawn.parameter} {knees[0]}" if len(knees) == len(drawn.series) == 1 else ""
    if len(drawn.series) > 1:
        knee = f" · {len(knees):,} of {len(drawn.series):,} series have a knee"
    elif not knees:
        knee = " · no knee within the sweep"
    return figure(
        TRADE,
        drawn.about(knee),
        traces,
        height=520,
        xaxis={
            "title": {"text": f"{CATALOG[_latency_tag(drawn)].title} (ms)"},
            **_scale(_latencies(curves)),
        },
        yaxis={"title": {"text": f"{CATALOG[tag].title} ({CATALOG[tag].unit.label})"}, "rangemode": "tozero"},
        showlegend=True,
    )


@dataclass(frozen=True, slots=True)
class _Curve:
    """One series as throughput over latency, in the units of the reports; its lists run in parallel."""

    name: str
    loads: list[str]
    throughput: list[float]
    average: list[float]
    p99: list[float]
    knee: int | None


def _latencies(curves: Sequence[_Curve]) -> list[float]:
    """All that the axis has to hold."""
    return [latency for curve in curves for latency in (*curve.average, *curve.p99)]


def _curve(points: Sequence[tuple[float, Summary]], name: str, tag: str, latency_tag: str) -> _Curve:
    """Without the runs that were too short to have a throughput."""
    found = [
        (load, summary, latency, throughput)
        for load, summary in points
        if isinstance(latency := summary.metrics.get(latency_tag), Stats)
        and (throughput := _per_s(summary, tag)) is not None
    ]
    unit = CATALOG["request_latency"].unit
    return _Curve(
        name=name,
        loads=[_number(load) for load, *_ in found],
        throughput=[throughput for *_, throughput in found],
        average=[unit.of(latency.avg) for *_, latency, _ in found],
        p99=[unit.of(latency.percentiles["p99"]) for *_, latency, _ in found],
        knee=knee_of([summary for _, summary, *_ in found]),
    )


def _lines(curve: _Curve, labelled: set[int], colour: str, *, alone: bool) -> Iterator[Any]:
    """By average latency, which the knee is of; with the p99 beside it where it is the only series."""
    import plotly.graph_objects as go

    places = range(len(curve.loads))
    yield go.Scatter(
        x=curve.average,
        y=curve.throughput,
        mode="lines+markers+text",
        line={"color": colour, "width": 2},
        marker={"size": 8},
        text=[curve.loads[place] if place in labelled else "" for place in places],
        textposition=["bottom right" if place == curve.knee else "top left" for place in places],
        textfont={"size": 11},
        cliponaxis=False,
        customdata=curve.loads,
        name=f"{curve.name}: average" if curve.name else "average",
        hovertemplate="%{customdata}: %{y:,.2f} at %{x:,.2f} ms on average<extra></extra>",
    )
    if alone:
        yield go.Scatter(
            x=curve.p99,
            y=curve.throughput,
            mode="lines+markers",
            line={"color": colour, "width": 1.5, "dash": "dot"},
            marker={"size": 5, "symbol": "circle-open"},
            opacity=0.6,
            customdata=curve.loads,
            name="p99",
            hovertemplate="%{customdata}: %{y:,.2f} at %{x:,.2f} ms p99<extra></extra>",
        )


def _ring(curve: _Curve, knee: int, *, shown: bool) -> Any:
    import plotly.graph_objects as go

    return go.Scatter(
        x=[curve.average[knee]],
        y=[curve.throughput[knee]],
        mode="markers",
        marker={"symbol": "circle-open", "size": 20, "color": RED, "line": {"width": 3}},
        name="knee: greatest throughput / latency",
        legendgroup="knee",
        showlegend=shown,
        hovertemplate=f"knee at {curve.loads[knee]}: %{{y:,.2f}} at %{{x:,.2f}} ms<extra></extra>",
    )


_LABEL_SIZE = (0.07, 0.05)
"""Room for a load's number, as shares of the axes."""


def _labelled(curves: Sequence[_Curve]) -> list[set[int]]:
    """Which points of each curve carry their load as a text: the knees, the ends, then what has room."""
    latencies = _latencies(curves)
    is_log = _scale(latencies).get("type") == "log"
    right = max(latencies, default=1)
    left = min(latencies, default=1) if is_log else 0
    top = max((y for curve in curves for y in curve.throughput), default=1) or 1
    width = log10(right / left) if is_log else right or 1
    wanted = [(curve.knee, number) for number, curve in enumerate(curves) if curve.knee is not None]
    for number, curve in enumerate(curves):
        last = len(curve.loads) - 1
        wanted += [(place, number) for place in (0, last, *range(1, last)) if place <= last]
    taken: list[tuple[float, float]] = []
    labelled: list[set[int]] = [set() for _ in curves]
    for place, number in wanted:
        x, y = curves[number].average[place], curves[number].throughput[place] / top
        x = log10(x / left) / width if is_log else x / width
        if all(abs(x - x2) >= _LABEL_SIZE[0] or abs(y - y2) >= _LABEL_SIZE[1] for x2, y2 in taken):
            taken.append((x, y))
            labelled[number].add(place)
    return labelled


# -- against the load ---------------------------------------------------------------------------------


def _against_load(drawn: Sweep, tag: str, title: str) -> Figure:
    """The percentiles; what the measurement leaves open hangs from each as an error bar."""
    import plotly.graph_objects as go

    unit = CATALOG[tag].unit
    traces = []
    several = len(drawn.series) > 1
    for place, (name, points) in enumerate(drawn.series.items()):
        known = [
            (load, stats) for load, summary in points if isinstance(stats := summary.metrics.get(tag), Stats)
        ]
        for percent, dash in _PERCENTS.items():
            if several and percent == "p90":
                continue
            below = [unit.of((stats.uncertainty or {}).get(percent, 0.0)) for _, stats in known]
            traces.append(
                go.Scatter(
                    x=[load for load, _ in known],
                    y=[unit.of(stats.percentiles[percent]) for _, stats in known],
                    mode="lines+markers",
                    line={
                        "color": PALETTE[place % len(PALETTE)] if several else _COLOURS[percent],
                        "dash": dash if several else "solid",
                        "width": 2,
                    },
                    marker={"size": 7},
                    error_y=_bars(tag, below),
                    name=f"{name}: {percent}" if several else percent,
                    hovertemplate=f"{percent} %{{y:,.2f}} ms at %{{x:,}}<extra></extra>",
                )
            )
    return figure(
        title,
        drawn.about(" · percentiles of each run's requests"),
        traces,
        xaxis=_load_axis(drawn),
        yaxis={"title": {"text": f"{CATALOG[tag].title} ({unit.label})"}, **_scale(_ys(traces))},
        showlegend=True,
    )


def _bars(tag: str, distance: Sequence[float]) -> dict[str, Any]:
    """The truth of a latency can only lie below its figure, that of a gap on either side."""
    bars: dict[str, Any] = {"type": "data", "arrayminus": list(distance), "thickness": 1, "width": 3}
    bars["array"] = list(distance) if tag == "inter_token_latency" else [0.0] * len(distance)
    bars["visible"] = any(distance)
    return bars


def _throughput(drawn: Sweep, title: str) -> Figure:
    import plotly.graph_objects as go

    tag = _throughput_tag(drawn)
    traces = []
    for place, (name, points) in enumerate(drawn.series.items()):
        traces.append(
            go.Scatter(
                x=[load for load, _ in points],
                y=[_per_s(summary, tag) for _, summary in points],
                mode="lines+markers",
                line={"color": PALETTE[place % len(PALETTE)], "width": 2},
                marker={"size": 7},
                name=name,
                hovertemplate=f"%{{y:,.2f}} {CATALOG[tag].unit.label} at %{{x:,}}<extra></extra>",
            )
        )
    failed = sum(
        count for points in drawn.series.values() for _, each in points for count, _ in each.errors.values()
    )
    return figure(
        title,
        drawn.about(
            f" · {plural(failed, 'request')} failed, and in no figure" if failed else " · no request failed"
        ),
        traces,
        xaxis=_load_axis(drawn),
        yaxis={"title": {"text": f"{CATALOG[tag].title} ({CATALOG[tag].unit.label})"}, "rangemode": "tozero"},
        showlegend=len(drawn.series) > 1,
    )


def _load_axis(drawn: Sweep) -> dict[str, Any]:
    """Logarithmic where the loads are powers of something, with a tick at each of them."""
    loads = sorted({load for points in drawn.series.values() for load, _ in points})
    axis: dict[str, Any] = {"title": {"text": drawn.parameter}}
    if _is_geometric(loads):
        axis |= {"type": "log"}
    if len(loads) <= _MOST_LABELS:
        axis |= {"tickvals": loads, "ticktext": [_number(load) for load in loads]}
    return axis


def _is_geometric(loads: Sequence[float]) -> bool:
    return (
        len(loads) > 2
        and loads[0] > 0
        and loads[-1] >= 8 * loads[0]
        and loads[1] - loads[0] < loads[-1] / len(loads) / 2
    )


def _scale(values: Sequence[float]) -> dict[str, Any]:
    """Logarithmic over more than a factor of thirty; else linear, from zero."""
    positive = [value for value in values if value > 0]
    if positive and max(positive) > 30 * min(positive):
        return log_axis(min(positive), max(positive))
    return {"rangemode": "tozero"}


def _ys(traces: Sequence[Any]) -> list[float]:
    return [value for trace in traces for value in trace.y]


# -- figures of a summary -----------------------------------------------------------------------------


def _throughput_tag(drawn: Sweep) -> str:
    return "output_token_throughput" if drawn.has("output_token_throughput") else "request_throughput"


def _latency_tag(drawn: Sweep) -> str:
    """What the knee is judged by: an open loop's users wait from when their request was due."""
    due = "request_latency_from_due"
    return due if drawn.has(due) else "request_latency"


def _per_s(summary: Summary, tag: str) -> float | None:
    figure = summary.metrics.get(tag)
    return figure if isinstance(figure, float) else None


def _number(load: float) -> str:
    return f"{load:,g}" if load == int(load) and load < 1e6 else f"{load:g}"


def _word(drawn: Sweep) -> str:
    """The parameter without its unit, for a title."""
    return drawn.parameter.partition(" (")[0].title()
