"""The only module that reads time.

All instants in this program are `int` nanoseconds on one monotonic clock, relative to the origin of
the run. The wall clock is read once a run, to say when it happened, and once per batch of reads, to
bring kernel stamps (which are wall-clock) onto the monotonic clock.
"""

import os
import time
from dataclasses import dataclass
from typing import Any

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


class WallOffset:
    """How far the wall clock is ahead of the monotonic one: what brings the kernel's stamps onto the latter.

    Both clocks are slewed alike, so the difference stays the same until somebody sets the wall clock;
    `refresh` now and then is enough, and no read needs a second clock.
    """

    __slots__ = ("ns",)

    _TRIES = 5

    def __init__(self) -> None:
        self.ns = 0
        self.refresh()

    def refresh(self) -> None:
        """Measure it anew: the wall clock between two readings of the monotonic one, at their closest."""
        readings = []
        for _ in range(self._TRIES):
            before_ns, now_ns, after_ns = monotonic_ns(), wall_ns(), monotonic_ns()
            readings.append((after_ns - before_ns, now_ns - (before_ns + after_ns) // 2))
        self.ns = min(readings)[1]


class TimerFd:
    """A Linux timerfd on CLOCK_MONOTONIC: a descriptor that is readable once its instant has come.

    The event loops' own timers are rounded to a millisecond; this one, on a loop's `add_reader`, is late by
    some ten microseconds. Python has it from 3.13 on: `os.timerfd_create`. Raises OSError.
    """

    _CLOCK_MONOTONIC = 1
    _TFD_TIMER_ABSTIME = 1

    def __init__(self) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        # TFD_NONBLOCK and TFD_CLOEXEC are O_NONBLOCK and O_CLOEXEC by definition
        self._fd: int = libc.timerfd_create(self._CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        # struct itimerspec: the interval stays zero, the value is what is set
        self._spec = (ctypes.c_long * 4)()
        self._reference = ctypes.byref(self._spec)
        self._settime: Any = libc.timerfd_settime
        self._errno = ctypes.get_errno

    def fileno(self) -> int:
        """For the loop's `add_reader`."""
        return self._fd

    def set(self, due_ns: int) -> None:
        """Fire at that instant of `monotonic_ns`; at once when it has passed. One set before is forgotten."""
        self._spec[2], self._spec[3] = divmod(max(1, due_ns), NS_PER_S)
        if self._settime(self._fd, self._TFD_TIMER_ABSTIME, self._reference, None) < 0:
            raise OSError(self._errno(), "timerfd_settime")

    def clear(self) -> bool:
        """Make it unreadable again; False when it was set anew after it had been seen to fire."""
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)
