"""Where the runner takes its requests from: a slot is a conversation, and most have one turn."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import msgspec

from genai_perf.endpoints import Endpoint
from genai_perf.types import Answer, Exchange, Request, Slot, TrafficClass, Workload
from genai_perf.workload.bodies import encode


def of(workload: Workload, endpoint: Endpoint, seed: str) -> "Script":
    """What a run says. `seed` draws the kind of traffic of each slot, where several are mixed."""
    if workload.classes:
        return Mixed(workload, endpoint, seed)
    if workload.starts is not None:
        return Conversations(workload, workload.requests, endpoint)
    return Rows(workload.requests)


class Script(Protocol):
    """A seam: what to say at each slot, and how a conversation goes on."""

    has_turns: bool
    """Whether `next_turn` is to be asked at all."""

    @property
    def broken_off(self) -> int:
        """Conversations that had turns left when one of theirs failed."""

    def take(self, slot: Slot) -> Request | None:
        """What this slot begins with; None where that has to be waited for."""

    async def wait(self, slot: Slot) -> Request:
        """The same, when it is there."""

    async def next_turn(self, exchange: Exchange) -> Request | None:
        """What the user says after this answer; None when the conversation is over."""


class Rows:
    """Requests by themselves, over and over in their order."""

    has_turns = False
    broken_off = 0

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests

    def take(self, slot: Slot) -> Request:
        """The next row."""
        return self._requests[slot.index % len(self._requests)]

    async def wait(self, slot: Slot) -> Request:
        """Every row is there."""
        return self.take(slot)

    async def next_turn(self, exchange: Exchange) -> None:  # noqa: ARG002  the seam's signature
        """A row has no second turn."""
        return


class Conversations:
    """Whole conversations by turns, over and over. What was said so far goes with each turn.

    A conversation of which a turn has failed is over: its user has nothing to answer to.
    """

    has_turns = True

    def __init__(
        self, workload: Workload | TrafficClass, requests: Sequence[Request], endpoint: Endpoint
    ) -> None:
        assert endpoint.follow is not None
        assert workload.starts is not None
        self.broken_off = 0
        self._requests = requests
        self._starts = workload.starts
        self._keeps_answers = workload.history == "server"
        self._follow = endpoint.follow
        self._decode = endpoint.decode

    def take(self, slot: Slot) -> Request:
        """The first turn of the next conversation. One that comes again has a name of its own."""
        lap, place = divmod(slot.index, len(self._starts))
        first = self._requests[self._starts[place]]
        return replace(first, conversation=f"{first.conversation}:{lap + 1}") if lap else first

    async def wait(self, slot: Slot) -> Request:
        """Every conversation is there."""
        return self.take(slot)

    async def next_turn(self, exchange: Exchange) -> Request | None:
        """The next turn with what was said before it."""
        said = exchange.request
        row = said.index + 1
        if row == len(self._requests) or self._requests[row].turn != said.turn + 1:
            return None
        turn = replace(self._requests[row], conversation=said.conversation)
        answer = await self._read(exchange)
        if answer.error is not None:
            self.broken_off += 1
            return None
        if not self._keeps_answers:
            return turn  # the file's answers stand in it
        body = self._follow(
            msgspec.json.decode(said.body), "".join(answer.content), msgspec.json.decode(turn.body)
        )
        return replace(turn, body=encode(body), input_tokens=None)

    async def _read(self, exchange: Exchange) -> Answer:
        decoding = self._decode(exchange)
        while True:
            try:
                next(decoding)
            except StopIteration as finished:
                answer: Answer = finished.value
                return answer
            await asyncio.sleep(0)  # a long answer must not hold up the others


class Mixed:
    """Several kinds of traffic, drawn by their weights, each over and over in its own order."""

    def __init__(self, workload: Workload, endpoint: Endpoint, seed: str) -> None:
        self._names = [kind.name for kind in workload.classes]
        self._scripts: dict[str, Script] = {
            kind.name: Rows(workload.requests[kind.rows.start : kind.rows.stop])
            if kind.starts is None
            else Conversations(kind, workload.requests, endpoint)
            for kind in workload.classes
        }
        self._weights = [kind.weight for kind in workload.classes]
        self._random = random.Random(seed)
        self._drawn: list[tuple[str, int]] = []
        """The kind of each slot, and how many of that kind came before it."""
        self._counts = dict.fromkeys(self._names, 0)
        self.has_turns = any(script.has_turns for script in self._scripts.values())

    @property
    def broken_off(self) -> int:
        """Of all kinds."""
        return sum(script.broken_off for script in self._scripts.values())

    def take(self, slot: Slot) -> Request | None:
        """The next of the kind that is drawn for this slot."""
        while len(self._drawn) <= slot.index:
            (name,) = self._random.choices(self._names, self._weights)
            self._drawn.append((name, self._counts[name]))
            self._counts[name] += 1
        name, number = self._drawn[slot.index]
        return self._scripts[name].take(Slot(number, None))

    async def wait(self, slot: Slot) -> Request:
        """Every kind is there."""
        request = self.take(slot)
        assert request is not None
        return request

    async def next_turn(self, exchange: Exchange) -> Request | None:
        """As its kind goes on."""
        script = self._scripts[exchange.request.traffic_class]
        return await script.next_turn(exchange) if script.has_turns else None
