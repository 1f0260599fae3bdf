"""Whether a figure of two runs differs by more than the runs vary, as far as one run each can tell.

Rule 1. A run is cut, in the order of time, into 20 stretches of equally many requests. Stretches, not single
        requests, are resampled: neighbours share a batch and a queue, and taken one by one they would
        promise more than they know.
Rule 2. Each of 2,000 resamplings draws as many stretches as there are, with replacement, and computes the
        figure anew. The interval holds 95 % of the differences between the resamplings of the two runs; it is
        widened for few stretches as Student's t is over the normal distribution (Hesterberg 2015, 5.3: the
        expanded percentile interval).
Rule 3. On either side it is widened further by what measuring leaves open in both runs.
Rule 4. What is not in it: whatever changes from one run to the next. Only repeated runs can show that.

Resampling does not look at every request 2,000 times: values are first counted in 2,000 bins of equal rank,
each stretch for itself. With up to so many values every one has a bin of its own, and nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_perf.metrics.arrow import Floats

    Places = NDArray[np.int64]

STRETCHES = 20
DRAWS = 2_000
FEWEST = 10
"""Requests of a run below which nothing is said."""
BEYOND = 5
"""Requests that must lie beyond a percentile for it to be resampled: 500 for a p99, 50 for a p90."""

_BINS = 2_000
_STUDENT = {9: 2.262, 10: 2.228, 11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145, 15: 2.131, 16: 2.120, 17: 2.110,
            18: 2.101, 19: 2.093}  # fmt: skip
"""Student's t at 97.5 %, by degrees of freedom: one less than there are stretches."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A run's figure, and what it is in each resampling."""

    value: float
    draws: Floats
    stretches: int
    uncertainty: float = 0.0
    """How far from the truth measuring may have put it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """What the difference of two figures may be, in the unit of the difference."""

    low: float
    high: float
    """The ends, 95 %."""
    measuring: float
    """How much of either side is what measuring leaves open; the rest is how the runs vary."""

    @property
    def holds_zero(self) -> bool:
        """Whether the two may be the same."""
        return self.low <= 0 <= self.high

    @property
    def is_variation(self) -> bool:
        """Whether the runs' variation alone may be the difference."""
        return self.low + self.measuring <= 0 <= self.high - self.measuring


def requests_needed(percent: float) -> int:
    """How many requests a run needs for this percentile to be compared; 0 < percent < 100."""
    return max(FEWEST, round(BEYOND * 100 / min(percent, 100 - percent)))


def stretch_of(count: int) -> Places:
    """In which stretch each of so many requests is, in the order of time."""
    import numpy as np

    return np.arange(count) * stretches(count) // max(count, 1)


def stretches(count: int) -> int:
    """How many stretches so many requests are cut into."""
    return min(count, STRETCHES)


def drawn(count: int, seed: int) -> Floats:
    """How often each of `count` stretches is in each resampling; a row each. Two runs need two seeds."""
    import numpy as np

    random = np.random.default_rng([seed, count])
    return random.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)


def averages(values: Floats, seed: int) -> Floats:
    """The mean in each resampling. `values` are in the order of time."""
    import numpy as np

    place = stretch_of(len(values))
    counts = drawn(stretches(len(values)), seed)
    means: Floats = (counts @ np.bincount(place, values)) / (counts @ np.bincount(place))
    return means


def rates(amounts: Floats, lasted: Floats, first: tuple[float, float], seed: int) -> Floats:
    """All amounts over all the time, in each resampling: an amount and a duration for each stretch.

    `first` is the amount of the first completion and the time until then, in which nothing could end; both
    are in every resampling once.
    """
    counts = drawn(len(amounts), seed)
    amount, before = first
    found: Floats = (amount + counts @ amounts) / (before + counts @ lasted)
    return found


def percentiles(values: Floats, percents: Sequence[float], seed: int) -> list[Floats]:
    """Each percentile in each resampling, by the reports' definition. `values` are in the order of time."""
    import numpy as np

    count, parts = len(values), stretches(len(values))
    order = np.argsort(values, kind="stable")
    edges = np.linspace(0, count, min(count, _BINS) + 1).astype(np.int64)
    bins = len(edges) - 1
    bin_of = np.repeat(np.arange(bins), np.diff(edges))
    ordered = values[order]
    low, high = ordered[edges[:-1]], ordered[edges[1:] - 1]
    place = stretch_of(count)[order]
    heights = np.bincount(place * bins + bin_of, minlength=parts * bins).reshape(parts, bins)
    reached = np.cumsum(drawn(parts, seed) @ heights, axis=1)

    def at(rank: Floats) -> Floats:
        """The value at a rank, counted from 0; a bin's values lie evenly between its ends."""
        found = (reached > rank[:, None]).argmax(axis=1)
        row = np.arange(len(rank))
        until = reached[row, found]
        since = np.where(found > 0, reached[row, np.maximum(found - 1, 0)], 0)
        inside = (rank - since + 0.5) / (until - since)
        value: Floats = low[found] + inside * (high[found] - low[found])
        return value

    results = []
    for percent in percents:
        exact = percent / 100 * (reached[:, -1] - 1)
        below = np.floor(exact)
        first, second = at(below), at(np.minimum(below + 1, reached[:, -1] - 1))
        results.append(first + (exact - below) * (second - first))
    return results


def of_ratio(first: Sample, second: Sample) -> Interval | None:
    """What `second / first - 1` may be; None where the first may be nothing."""
    if first.value <= 0 or first.draws.min() <= 0:
        return None
    ratio = second.value / first.value
    widening = (second.uncertainty + first.uncertainty * ratio) / first.value
    return _interval(second.draws / first.draws - 1, first, second, widening)


def of_difference(first: Sample, second: Sample) -> Interval:
    """What `second - first` may be."""
    widening = first.uncertainty + second.uncertainty
    return _interval(second.draws - first.draws, first, second, widening)


def _interval(differences: Floats, first: Sample, second: Sample, widening: float) -> Interval:
    import numpy as np

    parts = min(first.stretches, second.stretches)
    student = _STUDENT[max(parts, FEWEST) - 1]
    tail = NormalDist().cdf(-((parts / (parts - 1)) ** 0.5) * student)
    low, high = np.quantile(differences, [tail, 1 - tail])
    return Interval(float(low) - widening, float(high) + widening, widening)


def drifts(values: Floats) -> bool:
    """Whether neighbouring stretches are more alike than chance makes them: the interval is too narrow then.

    By the correlation of each stretch's median with the next one's; beyond two of its standard errors.
    """
    import numpy as np

    if len(values) < FEWEST:
        return False
    parts = stretches(len(values))
    middles = np.array([np.median(part) for part in np.array_split(values, parts)])
    around = middles - middles.mean()
    total = float(around @ around)
    return total > 0 and float(around[1:] @ around[:-1]) / total > 2 / parts**0.5
