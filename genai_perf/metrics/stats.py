"""One metric's values over a run, as `Stats`.

Percentiles interpolate linearly and the standard deviation is the population's, as GenAI-Perf's are
(numpy's defaults). All figures are taken from the sorted values, so that the order of the requests
cannot change even the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_perf.types import Stats

    Numbers = NDArray[np.floating[Any] | np.integer[Any]]

PERCENTILES = {f"p{p:g}": float(p) for p in (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)}
"""Name to percent."""

_SLICE = 1 << 20
"""Values per step where a temporary copy is made; keeps tens of millions of gaps affordable."""


@dataclass(frozen=True, slots=True)
class Values:
    """One metric's values, in base units; NaN where a request has none.

    The truth lies in `[value - below, value + above]`; None is nothing.
    """

    value: Numbers
    below: Numbers | None = None
    above: Numbers | None = None


def describe(values: Values) -> Stats | None:
    """Every statistic of these values, with its uncertainty where they have one; None without a value.

    The statistics grow with each value, so those of all lower bounds and of all upper bounds enclose
    the true ones; the uncertainty is the greater of the two distances. Durations cannot be negative,
    so neither can their lower bounds.
    """
    import numpy as np

    from genai_perf.types import Stats  # here, so that the tables load without msgspec

    ordered = _ordered(values.value)
    if not len(ordered):
        return None
    figures = _figures(ordered)
    std = _std(ordered, figures["avg"])
    count = len(ordered)
    del ordered
    uncertainty: dict[str, float] | None = None
    if values.below is not None or values.above is not None:
        uncertainty = dict.fromkeys(figures, 0.0)
        if values.below is not None and values.below.any():
            lower = np.minimum(values.value, np.maximum(values.value - values.below, 0))
            _widen(uncertainty, figures, _figures(_ordered(lower)))
            del lower
        if values.above is not None and values.above.any():
            _widen(uncertainty, figures, _figures(_ordered(values.value + values.above)))
    return Stats(
        count=count,
        avg=figures["avg"],
        std=std,
        min=figures["min"],
        max=figures["max"],
        percentiles={name: figures[name] for name in PERCENTILES},
        uncertainty=uncertainty,
    )


def percentile(ordered: Numbers, percent: float) -> float:
    """Percentile of sorted values: x[h] at h = percent/100 * (n - 1), interpolated between neighbours."""
    place = percent / 100 * (len(ordered) - 1)
    below = math.floor(place)
    low = float(ordered[below])
    high = float(ordered[min(below + 1, len(ordered) - 1)])
    return min(low + (place - below) * (high - low), high)


def _ordered(values: Numbers) -> Numbers:
    """A sorted copy without the missing ones."""
    import numpy as np

    if values.dtype.kind == "f":
        values = values[~np.isnan(values)]
    ordered: Numbers = np.sort(values)
    return ordered


def _figures(ordered: Numbers) -> dict[str, float]:
    low, high = float(ordered[0]), float(ordered[-1])
    return {
        "avg": min(max(float(ordered.mean()), low), high),
        "min": low,
        "max": high,
        **{name: percentile(ordered, percent) for name, percent in PERCENTILES.items()},
    }


def _std(values: Numbers, mean: float) -> float:
    squares = 0.0
    for start in range(0, len(values), _SLICE):
        distance = values[start : start + _SLICE] - mean
        squares += float((distance * distance).sum())
    return math.sqrt(squares / len(values))


def _widen(uncertainty: dict[str, float], figures: dict[str, float], bounds: dict[str, float]) -> None:
    for name, figure in figures.items():
        uncertainty[name] = max(uncertainty[name], abs(figure - bounds[name]))
