"""Doing things at absolute instants, within some ten microseconds.

The event loops' own timers are rounded to a millisecond. On Linux the earliest deadline of a heap arms a
timerfd (absolute, CLOCK_MONOTONIC) that the loop watches like a socket; whatever is due when it fires is
served in one go. Elsewhere `call_at` takes its place, with the loop's own precision.
"""

import asyncio
import sys
from collections.abc import Callable
from heapq import heappop, heappush, heapreplace

from genai_perf.clock import NS_PER_S, TimerFd, monotonic_ns

SLICE_NS = 500_000
"""How long one go may take, so that sockets are read while more is due than can be served."""


class Deadlines:
    """A heap of deadlines on the running loop. `close` it, or the timer's file descriptor leaks.

    A job is a function of the present instant. It returns its next deadline, or None when it has no more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[int, int, Callable[[int], int | None]]] = []
        self._count = 0
        self._serving = False
        """`_serve` is running, or is to run without a timer."""
        self._timer = TimerFd() if sys.platform == "linux" else None
        self._handle: asyncio.TimerHandle | None = None
        self._armed_ns = 0
        """What the timer is set to; 0 when it is not."""
        if self._timer is not None:
            loop.add_reader(self._timer.fileno(), self._fired)

    def at(self, due_ns: int, job: Callable[[int], int | None]) -> None:
        """Run `job` at that instant (of `monotonic_ns`), or in the loop's next round when it has passed.

        A job that adds another adds it for no sooner an instant than its own.
        """
        self._count += 1
        heappush(self._heap, (due_ns, self._count, job))
        if self._serving:
            return
        if due_ns <= monotonic_ns():
            self._serving = True
            self._loop.call_soon(self._serve)
        elif not self._armed_ns or due_ns < self._armed_ns:
            self._arm(due_ns)

    def close(self) -> None:
        """Forget all deadlines and give the timer back."""
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()
        if self._timer is not None:
            self._loop.remove_reader(self._timer.fileno())
            self._timer.close()
            self._timer = None

    def _fired(self) -> None:
        self._armed_ns = 0
        if self._timer is not None:
            self._timer.clear()
        if not self._serving:
            self._serve()

    def _serve(self) -> None:
        heap = self._heap
        self._serving = True
        now_ns = monotonic_ns()
        end_ns = now_ns + SLICE_NS
        while heap and heap[0][0] <= now_ns < end_ns:
            _, _, job = heap[0]
            next_ns = job(now_ns)
            # What a job adds is due no sooner than itself (see `at`), so its own entry is still the smallest.
            if next_ns is None:
                heappop(heap)
            else:
                self._count += 1
                heapreplace(heap, (next_ns, self._count, job))
            now_ns = monotonic_ns()
        if heap and heap[0][0] <= now_ns:
            self._loop.call_soon(self._serve)
            return
        self._serving = False
        if heap and heap[0][0] != self._armed_ns:
            self._arm(heap[0][0])

    def _arm(self, due_ns: int) -> None:
        self._armed_ns = due_ns
        if self._timer is not None:
            self._timer.set(due_ns)
            return
        if self._handle is not None:
            self._handle.cancel()
        wait_s = (due_ns - monotonic_ns()) / NS_PER_S
        self._handle = self._loop.call_at(self._loop.time() + wait_s, self._fired)
