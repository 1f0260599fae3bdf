"""What a source's series did while requests were measured: levels, growth of counters, distributions. Pure.

Rule 1: a counter's growth is the difference between two answers of its source: the last one that was there
before the first request, and the last one of all, after the last request. Where either is missing it is
unknown, and not guessed.
Rule 2: a counter that falls has begun anew, with its server: what it shows then has been added since. What
was lost with the restart is unknown, so the growth is the least it can have been.
Rule 3: a counter that was not there before the first request, while its source was, stood at 0: many servers
show a series once they have something to say.
Rule 4: of a histogram it is known into which bucket each value fell. A percentile is estimated as evenly
spread in its bucket; the bucket's edges are its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S

if TYPE_CHECKING:
    from genai_perf.telemetry.store import Series, Telemetry


@dataclass(frozen=True, slots=True)
class Window:
    """What was measured: from the first request's start to the last one's end (ns since the origin)."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end_ns - self.start_ns) / NS_PER_S


@dataclass(frozen=True, slots=True)
class Borders:
    """Between which two answers of a source counters are subtracted: the instants at which it was asked."""

    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Level:
    """A gauge, over the readings in the window."""

    avg: float
    min: float
    max: float
    last: float

    @classmethod
    def joined(cls, levels: Sequence[tuple[Level, Window]]) -> Level:
        """Of one window after the other, by how long each is."""
        seconds = math.fsum(window.seconds for _, window in levels)
        total = math.fsum(level.avg * window.seconds for level, window in levels)
        return cls(
            total / seconds if seconds else levels[-1][0].avg,
            min(level.min for level, _ in levels),
            max(level.max for level, _ in levels),
            levels[-1][0].last,
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """A counter's difference."""

    amount: float
    resets: int = 0
    """How often it began anew; the amount is the least it can be, then."""

    def __add__(self, other: Growth) -> Growth:
        """Of two counters together."""
        return Growth(self.amount + other.amount, self.resets + other.resets)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A percentile by a histogram; `high` is infinite in the last bucket."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """The values that a histogram or a summary has taken in."""

    count: float
    total: float
    buckets: Mapping[float, float]
    """How many were not above each upper edge; empty where that is not known."""
    resets: int = 0

    @property
    def mean(self) -> float | None:
        """Exact, as far as the server's sum is; None without values."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> Estimate | None:
        """None where there are no buckets, or no values.

        The bounds hold for percentiles that interpolate between two neighbours, as ours do.
        """
        if not self.buckets or self.count <= 0:
            return None
        place = percent / 100 * (self.count - 1)
        low, _, _ = self._bucket(math.floor(place) + 1)
        _, high, _ = self._bucket(math.ceil(place) + 1)
        lower, upper, share = self._bucket(percent / 100 * self.count)
        value = lower + share * (upper - lower) if math.isfinite(upper) else lower
        return Estimate(min(max(value, low), high), low, high)

    def _bucket(self, rank: float) -> tuple[float, float, float]:
        """The edges of the bucket in which the value of that rank (from 1) lies, and how far up in it."""
        edges = sorted(self.buckets)
        below, lower = 0.0, min(0.0, edges[0])
        for edge in edges:
            up_to = self.buckets[edge]
            if up_to >= rank and up_to > below:
                return lower, edge, (rank - below) / (up_to - below)
            below, lower = up_to, edge
        return lower, math.inf, 0.0  # beyond the last bucket that the server shows

    def __add__(self, other: Distribution) -> Distribution:
        """Of two series together; without buckets where theirs differ."""
        same = self.buckets.keys() == other.buckets.keys()
        return Distribution(
            self.count + other.count,
            self.total + other.total,
            {edge: self.buckets[edge] + other.buckets[edge] for edge in self.buckets} if same else {},
            self.resets + other.resets,
        )

    def scaled(self, base: float) -> Distribution:
        """The same in other units, of which one of the present ones is `base`."""
        buckets = {edge * base: count for edge, count in self.buckets.items()}
        return replace(self, total=self.total * base, buckets=buckets)


def borders(telemetry: Telemetry, window: Window) -> dict[str, Borders | None]:
    """Of every source; None where it did not answer before the first request, or not after the last."""
    found: dict[str, Borders | None] = dict.fromkeys(telemetry.sources)
    for source, answers in telemetry.answered().items():
        before = [asked_ns for asked_ns, by_ns in answers if by_ns <= window.start_ns]
        after = [asked_ns for asked_ns, _ in answers if asked_ns >= window.end_ns]
        if before and after:
            found[source] = Borders(before[-1], after[-1])
    return found


def level(series: Iterable[Series], window: Window, *, is_sum: bool = True) -> Level | None:
    """Of gauges of one source, together: their sum at each instant, or their mean."""
    totals: dict[int, list[float]] = {}
    for one in series:
        for at_ns, value in zip(one.at_ns.tolist(), one.value.tolist(), strict=True):
            if window.start_ns <= at_ns <= window.end_ns and not math.isnan(value):
                totals.setdefault(at_ns, []).append(value)
    values = [math.fsum(parts) / (1 if is_sum else len(parts)) for _, parts in sorted(totals.items())]
    if not values:
        return None
    return Level(math.fsum(values) / len(values), min(values), max(values), values[-1])


def growth(series: Iterable[Series], between: Borders) -> Growth:
    """Of counters of one source, together."""
    together = Growth(0.0)
    for one in series:
        together += _growth(one, between)
    return together


def _growth(one: Series, between: Borders) -> Growth:
    known = [
        value
        for at_ns, value in zip(one.at_ns.tolist(), one.value.tolist(), strict=True)
        if between.first_ns <= at_ns <= between.last_ns
    ]
    was_there = bool(len(one.at_ns)) and one.at_ns[0] <= between.first_ns
    before = known[0] if was_there and known else 0.0
    amount, resets = 0.0, 0
    for value in known:
        if value < before:
            before, resets = 0.0, resets + 1
        amount += value - before
        before = value
    return Growth(amount, resets)


def distribution(family: str, series: Sequence[Series], between: Borders) -> Distribution | None:
    """Of the histogram or summary with that name, all its label sets of one source together."""
    counts = [one for one in series if one.name == f"{family}_count"]
    sums = [one for one in series if one.name == f"{family}_sum"]
    if not counts or not sums:
        return None
    by_edge: dict[float, list[Series]] = {}
    for one in series:
        if one.name == f"{family}_bucket" and "le" in one.labels:
            by_edge.setdefault(float(one.labels["le"]), []).append(one)
    count = growth(counts, between)
    return Distribution(
        count.amount,
        growth(sums, between).amount,
        {edge: growth(members, between).amount for edge, members in sorted(by_edge.items())},
        count.resets,
    )
