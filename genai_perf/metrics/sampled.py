"""Figures of what was sampled at instants: gauges over a stretch of time, and counters' growth in it. Pure.

Rule 1: a reading stands for the time that is nearer to it than to any other reading, so that readings which
come late or fail shift no average; but for no more than `REACH_NS` to either side. What lies beyond is
unknown, and in no figure. Readings from before and after count only where there is none from within: a GPU
that has just begun, or just ended, to idle says so.

Rule 2: percentiles weigh each reading by that time. Where all weights are equal they are GenAI-Perf's.

Rule 3: a counter that is refreshed more seldom than it is read is known at the instants at which it was seen
to change, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.gpu import Together
from genai_perf.metrics.stats import PERCENTILES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_perf.types import Stats

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

REACH_NS = 2 * NS_PER_S
"""Several times the interval of sampling; a scrape or two may fail."""

LEAST_KNOWN = 0.5
"""The share of a stretch in which a counter must be known to say what it did in all of it; and the greatest
that may lie between two instants at which it is."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From here to there, in ns since the run's origin."""

    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """At least one, so that a single instant can be averaged over."""
        return max(1, self.end_ns - self.start_ns)


@dataclass(frozen=True, slots=True)
class Curve:
    """What a gauge was over a stretch of time, in pieces that do not overlap; gaps are where nobody knows."""

    begin_ns: Floats
    end_ns: Floats
    value: Floats

    def covered_ns(self) -> float:
        """How much time the pieces make up."""
        return float((self.end_ns - self.begin_ns).sum())


def curve(at_ns: Ints, value: Floats, stretch: Stretch) -> Curve:
    """The pieces that readings at rising instants make of the stretch."""
    import numpy as np

    within = (at_ns >= stretch.start_ns) & (at_ns <= stretch.end_ns)
    if within.any():
        at_ns, value = at_ns[within], value[within]
    at = at_ns.astype(np.float64)
    middles = (at[1:] + at[:-1]) / 2
    begin = np.maximum(at - REACH_NS, np.concatenate([at[:1] - REACH_NS, middles]))
    end = np.minimum(at + REACH_NS, np.concatenate([middles, at[-1:] + REACH_NS]))
    begin = np.maximum(begin, stretch.start_ns)
    end = np.minimum(end, stretch.start_ns + stretch.duration_ns)
    kept = end > begin
    return Curve(begin[kept], end[kept], value[kept])


def joined(curves: Sequence[Curve]) -> Curve:
    """One gauge's pieces of several stretches of time, which do not overlap."""
    import numpy as np

    parts = zip(*((each.begin_ns, each.end_ns, each.value) for each in curves), strict=True)
    return Curve(*(np.concatenate(part) for part in parts))


def together(curves: Sequence[Curve], how: Together) -> Curve:
    """Several gauges' sum, mean or maximum, at the times at which all of them are known."""
    import numpy as np

    edges = np.unique(np.concatenate([edge for each in curves for edge in (each.begin_ns, each.end_ns)]))
    begin, end = edges[:-1], edges[1:]
    middle = (begin + end) / 2
    rows = []
    known = np.ones(len(middle), np.bool_)
    for each in curves:
        place = np.searchsorted(each.begin_ns, middle, side="right") - 1
        known &= (place >= 0) & (each.end_ns[place] > middle) if len(each.value) else np.bool_(False)
        rows.append(each.value[place] if len(each.value) else np.zeros(len(middle)))
    table = np.asarray(rows)
    match how:
        case Together.SUM:
            values = table.sum(axis=0)
        case Together.MEAN:
            values = table.mean(axis=0)
        case Together.MAX:
            values = table.max(axis=0, initial=-np.inf)
    return Curve(begin[known], end[known], values[known])


def describe_curve(curve: Curve) -> Stats | None:
    """Every statistic of what the gauge was, weighted by time; None where nothing is known."""
    import numpy as np

    from genai_perf.types import Stats

    weights = curve.end_ns - curve.begin_ns
    total = float(weights.sum())
    if not total:
        return None
    order = np.argsort(curve.value, kind="stable")
    values, weights = curve.value[order], weights[order]
    low, high = float(values[0]), float(values[-1])
    avg = min(max(float((values * weights).sum()) / total, low), high)
    places = np.cumsum(weights) - weights / 2 - weights[0] / 2
    figures = np.interp([percent / 100 * places[-1] for percent in PERCENTILES.values()], places, values)
    return Stats(
        count=len(values),
        avg=avg,
        std=math.sqrt(float((weights * (values - avg) ** 2).sum()) / total),
        min=low,
        max=high,
        percentiles=dict(zip(PERCENTILES, map(float, figures), strict=True)),
    )


def one_value(value: float) -> Stats:
    """The statistics of a metric that is one number: all the same."""
    from genai_perf.types import Stats

    return Stats(
        count=1, avg=value, std=0.0, min=value, max=value, percentiles=dict.fromkeys(PERCENTILES, value)
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a counter grew in a stretch of time."""

    amount: float | None
    """None where it is known in too little of the stretch."""
    refresh_ns: float | None
    """The usual time between two instants at which it changed; None where it was seen to change only once."""


def growth(at_ns: Ints, value: Floats, stretch: Stretch, *, always_grows: bool) -> Growth:
    """The difference of a counter over the stretch; one that fell was reset, and has counted from 0 since.

    `always_grows`: as energy does; then a counter that stands still has not been refreshed. Between instants
    at which it is known it grows evenly, and outside of them at its average pace. It may have grown for
    months: so one that is back at the next reading was misread, and one that fell by less than half was read
    by two whose clocks differ. To call that a reset would add all that it has ever counted.
    """
    import numpy as np

    if always_grows and len(value) > 2:
        is_misread = (value[1:-1] < value[:-2]) & (value[2:] >= value[:-2])
        kept = np.concatenate([[True], ~is_misread, [True]])
        at_ns, value = at_ns[kept], value[kept]
    grown = np.diff(value)
    since_reset = np.where(value[1:] < value[:-1] / 2, value[1:], 0.0) if always_grows else value[1:]
    grown = np.where(grown < 0, since_reset, grown)
    summed = np.concatenate([[0.0], np.cumsum(grown)])
    start, end = stretch.start_ns, stretch.start_ns + stretch.duration_ns
    if not always_grows:
        edges = np.interp([start, end], at_ns, summed)
        return Growth(float(edges[1] - edges[0]), None)
    fresh = np.concatenate([grown[:1] > 0, grown > 0])  # the first as the second: was that refreshed for it?
    at, summed = at_ns[fresh].astype(np.float64), summed[fresh]
    if len(at) < 2:
        return Growth(None, None)
    refresh_ns = float(np.median(np.diff(at)))
    known_ns = min(end, at[-1]) - max(start, at[0])
    enough_ns = LEAST_KNOWN * stretch.duration_ns
    if known_ns < enough_ns or refresh_ns > enough_ns:
        return Growth(None, refresh_ns)
    edges = np.interp([start, end], at, summed)
    pace = (edges[1] - edges[0]) / known_ns
    return Growth(float(pace * stretch.duration_ns), refresh_ns)
