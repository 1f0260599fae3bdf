"""Requests that come with their due times: those of a trace, while the run goes on, or all of a plan."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Protocol

from genai_perf.clock import NS_PER_S
from genai_perf.exceptions import GenAIPerfError
from genai_perf.types import Exchange, Phase, Request, Slot, Workload

_JUDGED = 1024
"""Requests whose rate is that of a plan."""


class Feed(Protocol):
    """A seam: requests in the order of their due times (`Planned`, `workload/traces/feed.py`, tests')."""

    failure: GenAIPerfError | None
    """What ended it before its end, behind the requests that have come until then."""

    @property
    def rate_per_s(self) -> float:
        """Of the requests that are there; 0 where they do not say."""

    @property
    def next(self) -> Request | None:
        """The first of those that are there, which stays; None where none is there."""

    def take(self) -> Request:
        """The first of those that are there."""

    async def wait(self) -> bool:
        """Until there is one, or there will be none any more, or `wake`; whether there is one."""

    def wake(self) -> None:
        """Let whoever waits return."""


class Planned:
    """The feed of a workload that says by itself what is sent when: everything is there already."""

    failure: GenAIPerfError | None = None

    def __init__(self, workload: Workload, speed_up: float) -> None:
        self._requests = workload.requests
        self._sends = iter(workload.sends)
        self._speed_up = speed_up
        spans_ns = [send.due_ns / speed_up for send in workload.sends[:_JUDGED]]
        seconds = (max(spans_ns) - min(spans_ns)) / NS_PER_S
        self.rate_per_s = len(spans_ns) / seconds if seconds else float(len(spans_ns))
        self.next: Request | None = None
        self._go_on()

    def take(self) -> Request:
        """The first of those that are left."""
        taken = self.next
        assert taken is not None
        self._go_on()
        return taken

    async def wait(self) -> bool:
        """Whether there is one; there is nothing to wait for."""
        return self.next is not None

    def wake(self) -> None:
        """Nobody waits."""

    def _go_on(self) -> None:
        send = next(self._sends, None)
        if send is None:
            self.next = None
            return
        self.next = replace(
            self._requests[send.row],
            due_ns=round(send.due_ns / self._speed_up),
            conversation=send.conversation,
            turn=send.turn,
            traffic_class=send.traffic_class,
        )


class Fed:
    """The script of a feed: each request has one slot, and is sent once."""

    has_turns = False
    broken_off = 0

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._taken: dict[int, Request] = {}
        """Those whose slot is waited for."""
        self._numbers = count()

    def slots(
        self, phase: Phase, *, requests: int | None = None, duration_ns: float | None = None
    ) -> "FedSlots":
        """The slots of one phase, as `schedule.slots` has them: so many, or those due within the duration."""
        return FedSlots(self._feed, self._taken, self._numbers, phase, requests, duration_ns)

    def take(self, slot: Slot) -> Request:
        """The request that the slot came with."""
        return self._taken.pop(slot.index)

    async def wait(self, slot: Slot) -> Request:
        """It is there: what has to be waited for is the slot, which has its due time from the request."""
        return self.take(slot)

    async def next_turn(self, exchange: Exchange) -> None:  # noqa: ARG002  the seam's signature
        """Each request is one by itself."""
        return


class FedSlots:
    """Slots that are made as requests come (a `Coming`).

    They are due as long after the phase began as after its first request.
    """

    def __init__(
        self,
        feed: Feed,
        taken: dict[int, Request],
        numbers: Iterator[int],
        phase: Phase,
        requests: int | None,
        duration_ns: float | None,
    ) -> None:
        self._feed = feed
        self._taken = taken
        self._numbers = numbers
        self._phase = phase
        self._left = math.inf if requests is None else requests
        self._duration_ns = math.inf if duration_ns is None else duration_ns
        self._first_ns: int | None = None

    def __iter__(self) -> "FedSlots":
        return self

    def __next__(self) -> Slot:
        """The next one that is there."""
        request = self._next()
        if request is None:
            raise StopIteration
        self._left -= 1
        slot = Slot(next(self._numbers), self._due_ns(request), self._phase)
        self._taken[slot.index] = self._feed.take()
        return slot

    async def more(self) -> bool:
        """Wait until there is another one; False where there will be none, or after `wake`."""
        return self._left > 0 and await self._feed.wait() and self._next() is not None

    def wake(self) -> None:
        """Let whoever waits return."""
        self._feed.wake()

    def _next(self) -> Request | None:
        request = self._feed.next
        if request is None or self._left <= 0 or self._due_ns(request) >= self._duration_ns:
            return None
        return request

    def _due_ns(self, request: Request) -> int:
        assert request.due_ns is not None
        if self._first_ns is None:
            self._first_ns = request.due_ns
        return request.due_ns - self._first_ns
