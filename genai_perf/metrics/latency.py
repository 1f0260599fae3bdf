"""The request latency as Perf Analyzer judges levels by it, and where it went: send, wait and receive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_perf.metrics import arrow
from genai_perf.metrics.catalog import request_latency
from genai_perf.metrics.stats import percentile

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.columns import Columns


def latency_ns(columns: Columns, percent: int | None) -> float:
    """That percentile of the request latency, of at least one; the mean where it is None."""
    import numpy as np

    values = np.sort(request_latency(columns).value)
    return float(values.mean()) if percent is None else percentile(values, percent)


@dataclass(frozen=True, slots=True)
class ClientTimes:
    """Means over the requests that count (ns); together they are the mean request latency."""

    send_ns: float
    """From the start until the kernel had taken the last byte of the request."""
    wait_ns: float
    """From there to the first byte of the answer; less than 0 where that came before all was sent."""
    receive_ns: float
    """From there to the last visible text: of a streamed answer, all the time in which it was made."""


def client_times(columns: Columns, records: pa.Table) -> ClientTimes:
    """`records` is the table that the columns were read from; there is at least one request that counts."""
    import numpy as np

    stamped = np.concatenate([arrow.optional(chunk) for chunk in records["first_byte_ns"].chunks])
    first_byte_ns = stamped[columns.row]
    # other programs' exports have no stamp of the first byte: their first text is the first that is known
    first_byte_ns = np.where(np.isnan(first_byte_ns), columns.first_ns, first_byte_ns)
    return ClientTimes(
        send_ns=float(columns.send_ns.mean()),
        wait_ns=float((first_byte_ns - columns.start_ns - columns.send_ns).mean()),
        receive_ns=float((columns.last_ns - first_byte_ns).mean()),
    )
