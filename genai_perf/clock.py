"""The only module that reads time.

All instants in this program are `int` nanoseconds on one monotonic clock, relative to the origin of
the run. The wall clock is read once a run, to say when it happened, and once per batch of reads, to
bring kernel stamps (which are wall-clock) onto the monotonic clock.
"""

import time
from dataclasses import dataclass

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

monotonic_ns = time.perf_counter_ns
"""CLOCK_MONOTONIC on Linux. The absolute instant; subtract an origin before storing it."""

wall_ns = time.time_ns
"""Nanoseconds since the epoch; steps when the machine's clock is set."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The instant that a run counts from, on both clocks."""

    monotonic_ns: int
    wall_ns: int

    @classmethod
    def now(cls) -> "Origin":
        """Read both clocks, as close together as two calls can be."""
        return cls(monotonic_ns(), wall_ns())

    def elapsed_ns(self) -> int:
        """Nanoseconds since the origin."""
        return monotonic_ns() - self.monotonic_ns
