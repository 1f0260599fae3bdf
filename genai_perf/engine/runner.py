"""The loop: takes slots in order, waits for their due times, holds the concurrency.

A slot is a conversation, of one turn mostly; its place stays taken until the last answer, thinking included.

Rule 1: a worker takes a slot, waits until it is due, sends, and takes the next one.
Rule 2: at most one worker, the leader, waits for a due time. When it sends, the lead passes to another: a new
worker while there are places, else the first that comes back.
Rule 3: a slot is never dropped and its due time never moved. One that waits for a place is sent late, and its
record says so. Only the end of a duration leaves out those that still wait for one, and counts them.

With due times this is an open loop (with a cap, if places are limited); without, every slot is due at once
and the same rules keep all places busy: a closed loop. Where slots come while the run goes on, those of a
trace or of the next batch, the leader waits for them likewise.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from genai_perf.engine.script import Script
from genai_perf.engine.timer import Timer
from genai_perf.transports import Transport
from genai_perf.types import Exchange, Request, RequestError, Slot

Keep = Callable[[Slot, int | None, Exchange], None]
"""Takes a finished exchange with its slot and its due time, counted from the run's origin."""

GIVEN_UP = RequestError("cancelled", "given up by the user before its answer was complete")


@runtime_checkable
class Coming(Protocol):
    """A seam: slots of which some are still to come.

    Not quite an iterator: it stops where none is there *yet*, and goes on after `more`.
    """

    def __iter__(self) -> Iterator[Slot]:
        """Itself."""

    def __next__(self) -> Slot:
        """The next one that is there."""

    async def more(self) -> bool:
        """Wait until there is another one; False where there will be none, or after `wake`."""

    def wake(self) -> None:
        """Let whoever waits return."""


class Runner:
    """Sends one phase after the other over one transport."""

    def __init__(self, script: Script, transport: Transport, timer: Timer, keep: Keep) -> None:
        self.in_flight = 0
        self.sent = 0
        self.slots_taken = 0
        self.next_due_ns: int | None = None
        """What is waited for; None where the next request is not a matter of time."""
        self.unsent = 0
        """Slots that were due and still waited for a place when a duration was over."""
        self.cut_off = 0
        """Conversations that had turns left then."""
        self.unready = 0
        """Slots that were not there yet when they were due."""
        self._script = script
        self._transport = transport
        self._timer = timer
        self._keep = keep
        self._workers: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._given_up = GIVEN_UP
        self._has_leader = False
        self._phase_ns = 0
        self._until_ns: float | None = None
        self._ends_ns: float | None = None
        self._places = math.inf
        self._shaping: asyncio.Task[None] | None = None
        self._slots: Iterator[Slot] | Coming = iter(())

    async def run(
        self,
        slots: Iterator[Slot] | Coming,
        places: int | Iterator[tuple[int, int]] | None,
        *,
        from_ns: int,
        duration_ns: float | None = None,
    ) -> None:
        """Send a phase whose due times count from `from_ns`; return when its last answer is there.

        `places` may change: (instant, number from then on), the first at 0. No slot is taken any more after
        `duration_ns`. (Without a limit on places none waits for one, and the slots end by their due times.)
        """
        self._slots = slots
        changes = None if places is None or isinstance(places, int) else places
        number = next(changes)[1] if changes is not None else places
        assert number is None or isinstance(number, int)
        self._places = math.inf if number is None else number
        self._phase_ns = from_ns
        self._ends_ns = None if duration_ns is None else from_ns + duration_ns
        self._until_ns = None if places is None else self._ends_ns
        async with asyncio.TaskGroup() as group:
            if changes is not None:
                self._shaping = group.create_task(self._shape(changes, group))
            if self._places:
                self._lead_with_a_new_worker(group)
        if self._until_ns is not None and not self._stopping:
            left = next(slots, None)
            if left is not None and left.due_ns is not None:
                self.unsent += 1 + sum(1 for _ in slots)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be sent in this phase."""
        return self._stopping or (self._ends_ns is not None and self._timer.now_ns() >= self._ends_ns)

    def stop(self) -> None:
        """Take no more slots; what is in flight is awaited."""
        self._stopping = True
        if self._shaping is not None:
            self._shaping.cancel()
        if isinstance(self._slots, Coming):
            self._slots.wake()
        self._timer.wake()

    def abort(self, error: RequestError = GIVEN_UP) -> None:
        """Stop, and give up what is in flight: it is kept with that error."""
        self.stop()
        self._given_up = error
        for worker in self._workers:
            worker.cancel()

    async def _shape(self, changes: Iterator[tuple[int, int]], group: asyncio.TaskGroup) -> None:
        """Let the number of places change as planned. Those that are too many leave after their answer."""
        for at_ns, number in changes:
            await self._timer.until(self._phase_ns + at_ns)
            self._places = number
            if not self._has_leader and len(self._workers) < number:
                self._lead_with_a_new_worker(group)

    def _lead_with_a_new_worker(self, group: asyncio.TaskGroup) -> None:
        self._has_leader = True
        worker = group.create_task(self._work(group))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)  # for one that is given up before it began

    async def _work(self, group: asyncio.TaskGroup) -> None:
        try:
            await self._take_slots(group)
        finally:
            worker = asyncio.current_task()
            assert worker is not None
            self._workers.discard(worker)  # and not when its callbacks run: its place is free now

    async def _take_slots(self, group: asyncio.TaskGroup) -> None:
        while (slot := self._next_slot() or await self._coming_slot()) is not None:
            due_ns = None
            if slot.due_ns is not None:
                due_ns = self._phase_ns + slot.due_ns
                self.next_due_ns = due_ns
                await self._timer.until(due_ns)
                self.next_due_ns = None
                if self._stopping:
                    return
            if len(self._workers) < self._places:
                self._lead_with_a_new_worker(group)
            else:
                self._has_leader = False

            self.slots_taken += 1
            request = self._script.take(slot)
            if request is None:
                request = await self._script.wait(slot)
            exchange = await self._send(slot, due_ns, request)
            if self._script.has_turns:
                await self._converse(slot, exchange)

            if self._has_leader or len(self._workers) > self._places:
                return
            self._has_leader = True

    def _next_slot(self) -> Slot | None:
        """The next one; None, and no more changes of places, when there is none or the time is over."""
        slot = None
        if not self._stopping and (self._until_ns is None or self._timer.now_ns() < self._until_ns):
            slot = next(self._slots, None)
        if slot is None and self._shaping is not None:
            self._shaping.cancel()
        return slot

    async def _coming_slot(self) -> Slot | None:
        """The next one, where it is still to come; None where there is none."""
        if self._stopping or not isinstance(self._slots, Coming) or not await self._slots.more():
            return None
        slot = self._next_slot()
        if slot is not None and slot.due_ns is not None:
            self.unready += self._phase_ns + slot.due_ns < self._timer.now_ns()
        return slot

    async def _converse(self, slot: Slot, exchange: Exchange) -> None:
        """The further turns of a conversation, each when its user has thought."""
        while not self._stopping and (request := await self._script.next_turn(exchange)) is not None:
            thinking_ns = exchange.request.delay_ns
            due_ns = exchange.end_ns + thinking_ns if thinking_ns else None
            if due_ns is not None:
                await self._timer.until(due_ns)
            if self.is_over:
                self.cut_off += 1
                return
            exchange = await self._send(slot, due_ns, request)

    async def _send(self, slot: Slot, due_ns: int | None, request: Request) -> Exchange:
        exchange = Exchange(request)
        self.in_flight += 1
        self.sent += 1
        try:
            await self._transport.send(exchange)
        except asyncio.CancelledError:
            exchange.error = exchange.error or self._given_up
            raise
        finally:
            self.in_flight -= 1
            self._keep(slot, due_ns, exchange)
        return exchange
