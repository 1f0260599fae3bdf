"""Going on with a run that was killed or interrupted: its records are kept, and the rest of its plan is sent.

Rule 1: the run's clock stands still in between. The rest begins at the instant of the last answer that is
kept, so that the pause is part of no latency, no duration and no throughput.
Rule 2: what was in flight has no record, or one that says that the user gave it up. It is sent again, first
of all.
Rule 3: an open loop keeps its rate. A request comes as long after the one before it as the plan says; the
gaps before requests that have their record are left out.

What is in flight when the rest begins has to build up once more, as at the start of any run: that is the only
trace which the interruption leaves in the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from genai_perf.engine.runner import GIVEN_UP
from genai_perf.types import HELD_BACK, Break, Exchange, Phase, RunInfo, Slot

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.engine.job import Job
    from genai_perf.metrics.arrow import Bools, Floats, Ints


class CannotContinue(Exception):
    """The message says why the run has to be made from its beginning."""


@dataclass(frozen=True, slots=True)
class Half:
    """What an interrupted run has measured."""

    info: RunInfo
    records: pa.Table
    """Those that are kept, the warm-up's included."""
    done: frozenset[int]
    """The benchmark slots that have their record."""
    failed: int
    """How many of them failed."""
    began_ns: int
    """When the benchmark began, by the run's clock."""
    stopped_ns: int
    """Where the clock stood still: when the last answer that is kept was there."""

    @property
    def measured_ns(self) -> int:
        """How long the benchmark had run."""
        return self.stopped_ns - self.began_ns

    def ends_here(self, resumed_wall_ns: int) -> Break:
        """The break that the run's records tell of from now on."""
        return Break(len(self.done), self.stopped_ns, resumed_wall_ns)

    def slots_left(
        self,
        due: Iterator[int | None] | Iterator[int] | Iterator[None],
        first: int,
        *,
        requests: int | None,
        duration_ns: float | None,
    ) -> Iterator[Slot]:
        """The benchmark's slots without those that are done; due times count from the rest's beginning.

        `first`, `requests` and `duration_ns` are the whole run's, as `schedule.slots` takes them.
        """
        left_ns = None if duration_ns is None else duration_ns - self.measured_ns
        indexes = (index for index in count(first) if index not in self.done)
        left = islice(zip(indexes, self._due_left(due, first), strict=False), self._count_left(requests))
        for index, due_ns in left:
            if left_ns is not None and due_ns is not None and due_ns >= left_ns:
                return
            yield Slot(index, due_ns, Phase.BENCHMARK)

    def _due_left(
        self, due: Iterator[int | None] | Iterator[int] | Iterator[None], first: int
    ) -> Iterator[int | None]:
        before_ns = left_out_ns = 0
        for index, due_ns in enumerate(due, first):
            if due_ns is not None:
                if index in self.done:
                    left_out_ns += due_ns - before_ns
                before_ns = due_ns
            if index not in self.done:
                yield None if due_ns is None else due_ns - left_out_ns

    def _count_left(self, requests: int | None) -> int | None:
        return None if requests is None else max(0, requests - len(self.done))

    def first_left(self, number: int, first: int) -> int:
        """The index below which the first so many slots lie that are left."""
        left = (index for index in count(first) if index not in self.done)
        return next(islice(left, number - 1, None)) + 1


def half_of(job: Job, info: RunInfo, records: pa.Table) -> Half:
    """What is kept of an interrupted run's journal, for the same job today. Raises CannotContinue."""
    import numpy as np
    import pyarrow as pa

    from genai_perf.metrics import arrow

    if reason := _obstacle(job):
        raise CannotContinue(reason)
    kept, parts = [], []
    for batch in records.to_batches():
        kinds = batch.column("error_kind")
        stays = ~(arrow.equals(kinds, GIVEN_UP.kind) | arrow.equals(kinds, HELD_BACK))
        kept.append(batch if stays.all() else arrow.take(batch, np.flatnonzero(stays)))
        parts.append(_benchmark(kept[-1]))
    if not any(len(index) for index, *_ in parts):
        raise CannotContinue("nothing was measured yet")
    index, start_ns, end_ns, due_ns, failed = (np.concatenate(column) for column in zip(*parts, strict=True))
    began_ns = int(start_ns.min())
    if not np.isnan(due_ns).any():
        is_first_part = start_ns < (info.breaks[0].at_ns if info.breaks else np.inf)
        began_ns = _planned_start(job, index[is_first_part], due_ns[is_first_part].astype(np.int64))
    return Half(
        info=info,
        records=pa.Table.from_batches(kept, records.schema),
        done=frozenset(index.tolist()),
        failed=int(failed.sum()),
        began_ns=began_ns,
        stopped_ns=int(end_ns.max()),
    )


def _benchmark(batch: pa.RecordBatch) -> tuple[Ints, Ints, Ints, Floats, Bools]:
    """Index, start, end, due time and failure of the benchmark's requests."""
    import numpy as np

    from genai_perf.metrics import arrow

    rows = np.flatnonzero(arrow.equals(batch.column("phase"), Phase.BENCHMARK))
    return (
        arrow.numbers(batch.column("index"))[rows],
        arrow.numbers(batch.column("start_ns"))[rows],
        arrow.numbers(batch.column("end_ns"))[rows],
        arrow.optional(batch.column("due_ns"))[rows],
        arrow.valid(batch.column("error_kind"))[rows],
    )


def _obstacle(job: Job) -> str | None:
    load = job.config.load
    if job.workload.starts is not None or job.workload.is_streamed or job.workload.sends:
        return "conversations, traces and replays are not taken up in their middle"
    if load.measurement_interval_ms is not None or load.measurement_request_count is not None:
        return "its measurement windows would not be comparable"
    if load.ramp_up_s or job.load_file.stretches or load.periodic is not None:
        return "its load changes over time"
    return None


def _planned_start(job: Job, index: Ints, due_ns: Ints) -> int:
    """When the plan began, by the run's clock; CannotContinue where the plan is not the one of then."""
    first = job.config.load.warmup_request_count
    plan = islice(job.arrivals(), int(index.max()) - first + 1)
    planned = dict(enumerate(plan, first))
    starts = {
        due - (planned.get(each) or 0) for each, due in zip(index.tolist(), due_ns.tolist(), strict=True)
    }
    if len(starts) != 1:
        raise CannotContinue("its arrivals were planned otherwise")
    return int(starts.pop())


def set_forward(exchange: Exchange, by_ns: int) -> None:
    """Move an exchange on the run's clock; a stamp that is 0 was never taken."""
    for name in ("start_ns", "sent_ns", "headers_ns", "end_ns"):
        if at_ns := getattr(exchange, name):
            setattr(exchange, name, at_ns + by_ns)
    for stamps in (exchange.at_ns, exchange.read_ns, exchange.after_ns):
        stamps[:] = [at_ns + by_ns for at_ns in stamps]
