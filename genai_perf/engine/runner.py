"""The loop: takes slots in order, waits for their due times, holds the concurrency.

A slot is a conversation, of one turn mostly; its place stays taken until the last answer, thinking included.

Rule 1: a worker takes a slot, waits until it is due, sends, and takes the next one.
Rule 2: at most one worker, the leader, waits for a due time. When it sends, the lead passes to another: a new
worker while there are places, else the first that comes back.
Rule 3: a slot is never dropped and its due time never moved. One that waits for a place is sent late, and its
record says so. Only the end of a duration leaves out those that still wait for one, and counts them.

With due times this is an open loop (with a cap, if places are limited); without, every slot is due at once
and the same rules keep all places busy: a closed loop.
"""

import asyncio
import math
from collections.abc import Callable, Iterator

from genai_perf.engine.script import Script
from genai_perf.engine.timer import Timer
from genai_perf.transports import Transport
from genai_perf.types import Exchange, Request, RequestError, Slot

Keep = Callable[[Slot, int | None, Exchange], None]
"""Takes a finished exchange with its slot and its due time, counted from the run's origin."""


class Runner:
    """Sends one phase after the other over one transport."""

    def __init__(self, script: Script, transport: Transport, timer: Timer, keep: Keep) -> None:
        self.in_flight = 0
        self.sent = 0
        self.next_due_ns: int | None = None
        """What is waited for; None where the next request is not a matter of time."""
        self.unsent = 0
        """What was left when a duration was over: slots that were due and still waited for a place, and the
        further turns of conversations."""
        self._script = script
        self._transport = transport
        self._timer = timer
        self._keep = keep
        self._workers: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._has_leader = False
        self._phase_ns = 0
        self._until_ns: float | None = None
        self._ends_ns: float | None = None
        self._places = math.inf
        self._slots: Iterator[Slot] = iter(())

    async def run(
        self, slots: Iterator[Slot], places: int | None, *, from_ns: int, duration_ns: float | None = None
    ) -> None:
        """Send a phase whose due times count from `from_ns`; return when its last answer is there.

        No slot is taken any more after `duration_ns`. (Without a limit on places none waits for one, and the
        slots end by their due times.)
        """
        self._slots = slots
        self._places = math.inf if places is None else places
        self._phase_ns = from_ns
        self._ends_ns = None if duration_ns is None else from_ns + duration_ns
        self._until_ns = None if places is None else self._ends_ns
        async with asyncio.TaskGroup() as group:
            self._lead_with_a_new_worker(group)
        if self._until_ns is not None and not self._stopping:
            left = next(slots, None)
            if left is not None and left.due_ns is not None:
                self.unsent += 1 + sum(1 for _ in slots)

    def stop(self) -> None:
        """Take no more slots; what is in flight is awaited."""
        self._stopping = True
        self._timer.wake()

    def abort(self) -> None:
        """Stop, and give up what is in flight: it is kept with the error `cancelled`."""
        self.stop()
        for worker in self._workers:
            worker.cancel()

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
        while not self._stopping and len(self._workers) <= self._places:
            if self._until_ns is not None and self._timer.now_ns() >= self._until_ns:
                return
            slot = next(self._slots, None)
            if slot is None:
                return
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

            request = self._script.take(slot)
            if request is None:
                request = await self._script.wait(slot)
            exchange = await self._send(slot, due_ns, request)
            if self._script.has_turns:
                await self._converse(slot, exchange)

            if self._has_leader:
                return
            self._has_leader = True

    async def _converse(self, slot: Slot, exchange: Exchange) -> None:
        """The further turns of a conversation, each when its user has thought."""
        while not self._stopping and (request := await self._script.next_turn(exchange)) is not None:
            thinking_ns = exchange.request.delay_ns
            due_ns = exchange.end_ns + thinking_ns if thinking_ns else None
            if due_ns is not None:
                await self._timer.until(due_ns)
            if self._stopping or (self._ends_ns is not None and self._timer.now_ns() >= self._ends_ns):
                self.unsent += 1
                return
            exchange = await self._send(slot, due_ns, request)

    async def _send(self, slot: Slot, due_ns: int | None, request: Request) -> Exchange:
        exchange = Exchange(request)
        self.in_flight += 1
        self.sent += 1
        try:
            await self._transport.send(exchange)
        except asyncio.CancelledError:
            exchange.error = RequestError("cancelled", "given up by the user before its answer was complete")
            raise
        finally:
            self.in_flight -= 1
            self._keep(slot, due_ns, exchange)
        return exchange
