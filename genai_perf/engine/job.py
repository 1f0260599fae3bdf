"""What a run needs to know, and what follows from it before the first request."""

import math
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from genai_perf import schedule
from genai_perf.config.schema import Config
from genai_perf.endpoints import Endpoint
from genai_perf.engine.continuing import Half
from genai_perf.engine.fed import Feed
from genai_perf.schedule import LoadFile
from genai_perf.types import Workload

_PRECONNECT_RATE_S = 0.1
"""An open loop starts with the connections that this much of its rate would take."""
_MOST_PRECONNECTED = 1024


@dataclass(frozen=True, slots=True)
class Job:
    """What a run needs to know."""

    config: Config
    endpoint: Endpoint
    workload: Workload
    load_file: LoadFile = field(default_factory=LoadFile)
    """What the file says that the load options name, if they name one."""
    before_benchmark: Callable[[], Awaitable[None]] | None = None
    """Awaited when the warm-up is over and nothing has been measured yet."""
    ended: Callable[[], None] | None = None
    """Called when the last answer is there, and signals are no longer the run's."""
    half: Half | None = None
    """What was measured before an interruption; the run is the rest then."""
    feed: Feed | None = None
    """Where the requests and their due times come from, where the workload does not hold them."""

    def arrivals(self) -> Iterator[int] | Iterator[None]:
        """The due times of the whole benchmark (ns after its start), the same each time."""
        return schedule.arrivals(self.config, self.load_file, expected=self.slots_planned())

    @property
    def duration_s(self) -> float | None:
        """How long to send; None where something else ends the run."""
        given = self.config.load.duration_s
        lasts = self.load_file.seconds
        return lasts if given is None else given if lasts is None else min(given, lasts)

    @property
    def concurrency(self) -> int | None:
        """The most that may be in flight; None for an open loop without a cap."""
        if self.load_file.stretches and not self.config.is_open_loop:
            return max(number for _, number in schedule.places(self.load_file.stretches))
        return self.config.concurrency

    def slots_planned(self) -> int | None:
        """How many benchmark slots there will be, where their number, or a rate and a duration, say so."""
        counted = self.slot_count
        if not self.config.has_rate or self.duration_s is None:
            return counted
        rate = schedule.rate_of(self.config.load, self.load_file)
        by_time = math.ceil(schedule.arrivals_until(rate, self.duration_s) - 1e-9)
        return by_time if counted is None else min(by_time, counted)

    @property
    def requests_expected(self) -> int | None:
        """How many benchmark requests there will be at most, where that is known."""
        if self.workload.starts is None or self.config.load.request_count is not None:
            return self.config.request_count
        return len(self.workload.requests) if self.duration_s is None else None

    @property
    def slot_count(self) -> int | None:
        """How many slots end the run: requests, or each conversation once; None when something else does."""
        if self.workload.starts is None or self.config.load.request_count is not None:
            return self.config.request_count
        return len(self.workload.starts) if self.duration_s is None else None


def connections_wanted(job: Job) -> int:
    """How many connections to open before the clock starts."""
    config = job.config
    if not config.is_open_loop:
        # conversations are silent most of the time, so that many of them share a connection
        most = _MOST_PRECONNECTED if job.workload.starts is not None else sys.maxsize
        return min(job.concurrency or 1, config.request_count or sys.maxsize, most)
    rate_per_s = config.load.request_rate or max((each.end for each in job.load_file.stretches), default=0)
    if job.feed is not None:
        rate_per_s = job.feed.rate_per_s
    expected = math.ceil(rate_per_s * _PRECONNECT_RATE_S)
    return min(max(1, expected), job.concurrency or _MOST_PRECONNECTED, _MOST_PRECONNECTED)
