"""What is kept of every event of a run, those of all requests in one pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genai_perf.metrics import arrow
from genai_perf.metrics.stats import Values, percentile

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from genai_perf.metrics.arrow import Bools, Ints

_NEARLY_ALL = 99.9


@dataclass(slots=True)
class Pools:
    """Allocated once, filled batch by batch; the first `pairs` gaps and the first `lags` lags are filled."""

    gap_ns: Ints
    earlier_slack_ns: NDArray[Any]
    later_slack_ns: NDArray[Any]
    lag_ns: NDArray[Any]
    pairs: int = 0
    lags: int = 0

    @classmethod
    def for_table(cls, records: pa.Table) -> Pools:
        """Room for all events there are: pages that are never touched cost nothing."""
        import numpy as np

        def room(name: str) -> NDArray[Any]:
            column = records.column(name)
            entries = sum(_entries(chunk) for chunk in column.chunks)
            return np.empty(entries, column.type.value_type.to_pandas_dtype())

        slack = "content_slack_ns"
        return cls(room("content_ns"), room(slack), room(slack), room("content_lag_ns"))

    def add(self, at_ns: Ints, slack_ns: Any, lag_ns: Any, is_first: Bools, keep: Bools) -> None:
        """The events of one batch; `is_first` marks those that begin a request, `keep` those that count."""
        import numpy as np

        pair = np.flatnonzero(keep[1:] & ~is_first[1:])
        pairs, self.pairs = slice(self.pairs, self.pairs + len(pair)), self.pairs + len(pair)
        self.gap_ns[pairs] = at_ns[pair + 1] - at_ns[pair]
        self.earlier_slack_ns[pairs] = slack_ns[pair]
        self.later_slack_ns[pairs] = slack_ns[pair + 1]
        kept = lag_ns if keep.all() else lag_ns[keep]
        lags, self.lags = slice(self.lags, self.lags + len(kept)), self.lags + len(kept)
        self.lag_ns[lags] = kept

    def longest_wait_ns(self) -> float | None:
        """How long bytes waited to be read, but for one event in a thousand; None without events.

        By the kernel's stamps. An event that shares its read with a later one waited no longer than others
        do, which is a far closer bound on its arrival than the last look at its socket: on an idle
        connection that was a whole gap between tokens ago.
        """
        import numpy as np

        return percentile(np.sort(self.lag_ns[: self.lags]), _NEARLY_ALL) if self.lags else None

    def gaps(self) -> Values:
        """The truth may be less if the later event came earlier, and more if the earlier one did."""
        below, above = self.later_slack_ns[: self.pairs], self.earlier_slack_ns[: self.pairs]
        return Values(self.gap_ns[: self.pairs], below, above)


def _entries(column: pa.Array) -> int:
    """How many entries all lists of a column have together."""
    _, offsets = arrow.lists(column)
    return int(offsets[-1])
