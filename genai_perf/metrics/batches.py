"""The figures of each batch of a periodic concurrency, and of what it did to those already running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_perf.config.values import PeriodicRange
from genai_perf.metrics import arrow
from genai_perf.metrics.columns import Columns
from genai_perf.metrics.compute import measure
from genai_perf.metrics.stats import Values, describe
from genai_perf.types import Stats

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.arrow import Ints

TAGS = ("time_to_first_token", "inter_token_latency")


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """One batch, of its requests that count."""

    number: int
    """From 1."""
    requests: int
    start_ns: int
    """When its first request was sent, after the first of the run."""
    metrics: Mapping[str, Stats | float]
    """By tag, of `TAGS` those that the run has."""
    earlier: Stats | None
    """Inter-chunk latency (ns) of the requests of earlier batches while this one had not had all its first
    tokens: every gap that had begun by then and was not over when the batch was sent. None without any."""


def by_batch(
    columns: Columns, records: pa.Table, plan: PeriodicRange, tags: Sequence[str]
) -> Iterator[BatchSummary]:
    """Every batch of which a request counts, in order. `tags` are the metrics that the run has."""
    import numpy as np

    if not len(columns):
        return
    index = arrow.numbers(records["index"].combine_chunks())[columns.row]
    batch = np.array([plan.batch_of(each) for each in index.tolist()])
    gaps = _Gaps.of(arrow.take(records.select(["content_ns"]), columns.row), batch)
    run_ns = int(columns.start_ns.min())
    for number in np.unique(batch).tolist():
        mine = columns.of(np.flatnonzero(batch == number))
        start_ns = int(mine.start_ns.min())
        yield BatchSummary(
            number=number + 1,
            requests=len(mine),
            start_ns=start_ns - run_ns,
            metrics=measure(mine, [tag for tag in TAGS if tag in tags]),
            earlier=gaps.of_earlier(number, start_ns, int(mine.first_ns.max())),
        )


@dataclass(frozen=True, slots=True)
class _Gaps:
    """Between the content events of each request, in the order in which they begin."""

    begin_ns: Ints
    end_ns: Ints
    batch: Ints
    longest_ns: int

    @classmethod
    def of(cls, records: pa.Table, batch: Ints) -> _Gaps:
        import numpy as np

        at_ns, offsets = arrow.lists(records["content_ns"].combine_chunks())
        owner = np.repeat(batch, np.diff(offsets))
        request = np.repeat(np.arange(len(batch)), np.diff(offsets))
        inside = request[1:] == request[:-1]
        begin_ns, end_ns = at_ns[:-1][inside], at_ns[1:][inside]
        order = np.argsort(begin_ns, kind="stable")
        longest_ns = int((end_ns - begin_ns).max()) if len(begin_ns) else 0
        return cls(begin_ns[order], end_ns[order], owner[1:][inside][order], longest_ns)

    def of_earlier(self, batch: int, from_ns: int, to_ns: int) -> Stats | None:
        """The gaps of earlier batches that lie in that time, be it in part."""
        import numpy as np

        first, last = np.searchsorted(self.begin_ns, [from_ns - self.longest_ns, to_ns])
        some = slice(int(first), int(last))
        begin_ns, end_ns = self.begin_ns[some], self.end_ns[some]
        meant = (self.batch[some] < batch) & (end_ns > from_ns)
        return describe(Values((end_ns - begin_ns)[meant]))
