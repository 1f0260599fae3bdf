"""How all pictures look: one palette, one set of axes, and colours that read on dark and on light.

Backgrounds are transparent and grids are half grey, so that a page can be either; only the text is dark,
which a page may override and an image, which is always on white, keeps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#3b82c4", "#e08a2e", "#2a9d6f", "#d1495b", "#8e6bbf", "#8a8f98"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, RED, "#2aa7b5", "#b5892a", GREY)
WIDTH, HEIGHT = 700, 450
"""GenAI-Perf's, in px."""
WIDE = 1200
"""Its width of a picture of several runs."""

_GRID = "rgba(128,128,128,0.25)"
_LINE = "rgba(128,128,128,0.6)"
_TEXT = "#20252c"


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure and what its files are called."""

    title: str
    figure: Figure
    height: int = HEIGHT
    width: int = WIDTH
    """Of the image; on a page it fits itself to the window."""
    formats: tuple[str, ...] = ("png",)
    """Of the images that are made of it."""

    @property
    def stem(self) -> str:
        """What its files are called."""
        return stem(self.title)


def stem(title: str) -> str:
    """GenAI-Perf's rule for file names: the title in lower case, its words joined by `_`.

    What a file system, a link or a page would take for something else parts words as a blank does.
    """
    return "_".join(re.sub(r"[^\w\s().,+=@-]", " ", title.lower()).split()).strip("._")


def figure(title: str, about: str, traces: Sequence[Any], *, height: int = HEIGHT, **layout: Any) -> Figure:
    """A figure with one pair of axes unless `layout` has more; `about` is the line under the title."""
    import plotly.graph_objects as go

    return dress(go.Figure(list(traces)), title, about, height=height, **layout)


def dress(drawn: Figure, title: str, about: str, *, height: int = HEIGHT, **layout: Any) -> Figure:
    """Put title, fonts, margins and legend on a figure, and grids on all its axes."""
    drawn.update_layout(
        template="none",
        title={
            "text": escape(title, quote=False),
            "subtitle": {"text": escape(about, quote=False), "font": {"size": 12}},
            "x": 0.01,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 14},
            "font": {"size": 16},
        },
        font={"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 12, "color": _TEXT},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=list(PALETTE),
        height=height,
        margin={"l": 70, "r": 30, "t": 76, "b": 60},
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "x": 0.5,
            "xanchor": "center",
            "traceorder": "normal",
        },
        hovermode="closest",
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": BLUE},
        separators=".,",
    )
    axis = {
        "automargin": True,
        "gridcolor": _GRID,
        "linecolor": _LINE,
        "zerolinecolor": _GRID,
        "showline": True,
        "ticks": "outside",
        "tickcolor": _LINE,
        "separatethousands": True,
        "exponentformat": "none",
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    drawn.update_xaxes(axis)
    drawn.update_yaxes(axis)
    drawn.update_layout(layout)
    if any(trace.showlegend for trace in drawn.data):
        drawn.update_layout(margin={"b": 96})
    return drawn


def span(values: Any) -> list[float] | None:
    """An axis range around values that are all the same, where plotly's would be off scale; else None."""
    low, high = float(values.min()), float(values.max())
    if high > low:
        return None
    return [0.9 * low, 1.1 * low] if low > 0 else [low - 1, low + 1]


def log_axis(low: float, high: float) -> dict[str, Any]:
    """A logarithmic axis with ticks at 1, 2 and 5 of each power of ten, or at 1 alone where they are many."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}


def token_span(low: float, high: float) -> list[float]:
    """A range for counts of tokens: a little below to a little above, and wide enough for whole ticks."""
    missing = max(_LEAST_TOKENS - (high - low), 1, 0.03 * (high - low)) / 2
    return [low - missing, high + missing]


_LEAST_TOKENS = 8


def marker_size(points: int) -> int:
    """A few points are large, thousands small (px)."""
    return 9 if points <= 50 else 6 if points <= 500 else 4


def plural(count: int, thing: str) -> str:
    """`1 request`, `2,000 requests`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def nothing_to_show(drawn: Figure, reason: str) -> Figure:
    """Say in the middle of an empty figure why it is empty."""
    drawn.add_annotation(
        text=escape(reason, quote=False),
        x=0.5,
        y=0.5,
        xref="paper",
        yref="paper",
        showarrow=False,
        font_size=14,
    )
    drawn.update_xaxes(range=[0, 1], showticklabels=False)
    drawn.update_yaxes(range=[0, 1], showticklabels=False)
    return drawn
