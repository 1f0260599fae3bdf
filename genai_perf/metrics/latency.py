"""The request latency as Perf Analyzer judges levels by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_perf.metrics.catalog import request_latency
from genai_perf.metrics.stats import percentile

if TYPE_CHECKING:
    from genai_perf.metrics.columns import Columns


def latency_ns(columns: Columns, percent: int | None) -> float:
    """That percentile of the request latency, of at least one; the mean where it is None."""
    import numpy as np

    values = np.sort(request_latency(columns).value)
    return float(values.mean()) if percent is None else percentile(values, percent)
