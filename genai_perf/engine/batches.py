"""Periodic concurrency: batches of requests, each followed by the next when all of it has had its responses.

Here are its slots; `ResponseWatch` (`manners.py`) says when a request has had them. Perf Analyzer ends the
run where a request ends before that. Here it counts as if it had had them, so that no batch waits in vain.
"""

import asyncio

from genai_perf.config.values import PeriodicRange
from genai_perf.types import Slot


class Batches:
    """Slots without due times that come a batch at a time (a `Coming`)."""

    def __init__(self, plan: PeriodicRange) -> None:
        self.cut_short = 0
        """How many requests ended without having had all their responses."""
        self._plan = plan
        self._next = 0
        """The index of the slot that is taken next."""
        self._until = plan.start
        """One past the last slot of the latest batch."""
        self._waited_for = plan.start
        """How many requests of that batch, sent or about to be, have not had their responses."""
        self._changed = asyncio.Event()

    def tell(self, has_all: bool) -> None:
        """One request of the latest batch has had its responses, or has ended without having them all."""
        self.cut_short += not has_all
        self._waited_for -= 1
        if not self._waited_for and self._until < self._plan.end:
            self._until += self._plan.step
            self._waited_for = self._plan.step
            self._changed.set()

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Slot:
        """The next one of the latest batch."""
        if self._next == self._until:
            raise StopIteration
        slot = Slot(self._next, None)
        self._next += 1
        return slot

    async def more(self) -> bool:
        """Wait for another batch; False where there will be none, or after `wake`."""
        if self._next == self._plan.end:
            return False
        if self._next == self._until:
            self._changed.clear()
            await self._changed.wait()
        return self._next < self._until

    def wake(self) -> None:
        """Let whoever waits return."""
        self._changed.set()
