"""How exact the figures are: what is known about the measurement's own error.

Three things stand between the truth and a figure, and each is in the records:

* an arrival that shared its read with a later one is stamped too late by at most its *slack*: the time since
  its socket was last found empty, and, but for one event in a thousand, no longer than bytes wait to be read;
* a request left some time while the kernel took its bytes, the *send duration*;
* where this program takes the stamps itself, an arrival is stamped when it was read; where the kernel
  does, the *read lag* only says how busy this program was.

The first two bound every latency (`Stats.uncertainty`). *Send lateness* bounds nothing: it is the plan
that was missed, and it is inside every figure "from due".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import CATALOG, Unit
from genai_perf.metrics.stats import percentile
from genai_perf.types import Stats, Summary

if TYPE_CHECKING:
    from genai_perf.metrics.columns import Columns
    from genai_perf.metrics.stats import Numbers

BUCKETS_NS = (*(step * 10**power for power in range(3, 10) for step in (1, 2, 5)), 10**10)
"""Upper edges of the histograms: 1, 2, 5, 10 … µs, up to 10 s. The same in every run, so that
histograms of several can be added."""


def exactness(columns: Columns) -> dict[str, Any]:
    """JSON-ready; durations in ns, as the names say. Without requests the shares are None."""
    requests, events = len(columns), len(columns.lag_ns)
    return {
        "kernel_stamped_share": columns.kernel_stamps / requests if requests else None,
        "events": events,
        "longest_wait_ns": columns.longest_wait_ns,
        "events_with_slack_share": columns.events_with_slack / events if events else None,
        "events_sharing_a_read_share": columns.events_sharing_a_read / events if events else None,
        "read_lag": _distribution(columns.lag_ns),
        "send_duration": _distribution(columns.send_ns),
        "send_lateness": _distribution(columns.lateness_ns),
    }


def sentence(summary: Summary) -> str:
    """One line for under the table: how far from the truth the figures may be, and by what evidence."""
    tags = ["time_to_first_token", "inter_token_latency", "request_latency"]
    if summary.metrics.get(tags[0]) == summary.metrics.get(tags[2]):
        del tags[0]  # not streamed
    bounds = [
        f"{CATALOG[tag].title.lower()} {_ms(stats.uncertainty['p99'])}"
        for tag in tags
        if isinstance(stats := summary.metrics.get(tag), Stats) and stats.uncertainty is not None
    ]
    if not bounds:
        return ""
    exact = summary.exactness
    evidence = [
        f"{name.replace('_', ' ')} p99 {_ms(exact[name]['p99_ns'])}"
        for name in ("read_lag", "send_lateness")
        if exact[name] is not None
    ]
    stamps = f"arrivals stamped by {_stampers(exact['kernel_stamped_share'])}"
    return f"measuring shifts p99 by at most: {', '.join(bounds)} ({'; '.join([stamps, *evidence])})"


def _ms(duration_ns: float) -> str:
    duration_ms = Unit.MS.of(duration_ns)
    return f"{duration_ms:,.3f} ms" if duration_ms >= 0.0005 else "<0.001 ms"


def _stampers(kernel_share: float) -> str:
    if kernel_share == 1:
        return "the kernel"
    if kernel_share == 0:
        return "this program"
    return f"the kernel for {kernel_share:.1%} of the requests, else by this program"


def _distribution(durations_ns: Numbers) -> dict[str, Any] | None:
    import numpy as np

    if not len(durations_ns):
        return None
    ordered = np.sort(durations_ns)
    up_to = np.searchsorted(ordered, BUCKETS_NS, side="right")
    return {
        "count": len(ordered),
        "p50_ns": percentile(ordered, 50),
        "p99_ns": percentile(ordered, 99),
        "max_ns": float(ordered[-1]),
        "histogram": {
            "up_to_ns": list(BUCKETS_NS),
            "counts": np.diff(up_to, prepend=0).tolist(),
            "more": len(ordered) - int(up_to[-1]),
        },
    }
