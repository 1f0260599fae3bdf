"""Where more load stops paying: the knee of a sweep.

The knee is the point of greatest *power*, throughput divided by latency. Below it, a step in load gains a
larger share of throughput than it costs in latency; beyond it, the reverse. (Kleinrock, "Power and
deterministic rules of thumb for probabilistic problems in computer communications", 1979; as the
definition of the knee: Jain, "Congestion avoidance in computer networks with a connectionless network
layer", 1988.) For a closed loop against a server with K places and nothing else it is a concurrency of K.

Why not the greatest distance to the chord, the other usual definition: that moves when a sweep goes further
into overload, because its end points scale both axes. Power is a property of the point alone.
"""

from collections.abc import Sequence
from math import isfinite

from genai_perf.types import Stats, Summary

LEAST_FALL = 0.05
"""By what share the power must fall on either side of a knee; less is noise, or a curve without one."""


def knee(throughput: Sequence[float | None], latency: Sequence[float | None]) -> int | None:
    """The place of the knee among points in the order of their load; None where the sweep shows none.

    There is none when power falls from the first point on (saturated below the sweep), grows to the last
    one (saturation not reached), or stays flat. The units do not matter. Points without a positive, finite
    throughput and latency are passed over.
    """
    power = {
        place: per_s / latency_of
        for place, (per_s, latency_of) in enumerate(zip(throughput, latency, strict=True))
        if per_s is not None and latency_of is not None and _counts(per_s) and _counts(latency_of)
    }
    if not power:
        return None
    top = max(power, key=power.__getitem__)  # the first of equals: the least load that gives as much
    fallen = power[top] * (1 - LEAST_FALL)
    before = any(value <= fallen for place, value in power.items() if place < top)
    after = any(value <= fallen for place, value in power.items() if place > top)
    return top if before and after else None


def knee_of(summaries: Sequence[Summary]) -> int | None:
    """The place of the knee among the runs of a sweep, in the order of their load; as `knee`.

    By request throughput and average request latency, which Little's law ties together; in an open loop the
    latency counts from when requests were due.
    """
    return knee(
        [_figure(summary, "request_throughput") for summary in summaries],
        [
            _figure(summary, "request_latency_from_due") or _figure(summary, "request_latency")
            for summary in summaries
        ],
    )


def _counts(value: float) -> bool:
    return isfinite(value) and value > 0


def _figure(summary: Summary, tag: str) -> float | None:
    figure = summary.metrics.get(tag)
    return figure.avg if isinstance(figure, Stats) else figure
