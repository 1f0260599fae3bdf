"""The simulated model: who is being decoded, who waits, and when each token is due.

It reads no clock. `at` calls a step back at its deadline and says what instant it is then; so in a test the
instants may be virtual.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from random import Random

from genai_perf.server.answers import Frame
from genai_perf.server.latency import LatencyModel, Places

Step = Callable[[int], int | None]
"""What is done at a deadline: the present instant in, the next deadline out, or None when there is none."""


class Ending(StrEnum):
    """How decoding ended."""

    OK = "ok"
    CUT = "cut"
    """At `Generation.cut_at`, as was asked for."""
    GONE = "gone"
    """Cancelled: nobody is there any more."""


@dataclass(slots=True, eq=False)
class Generation:
    """One request on its way through the model. `ended` is called once, unless it is cancelled."""

    frame: Frame
    tokens: int
    """How many steps it takes, at least 1."""
    input_tokens: int
    write: Callable[[bytes], None]
    ended: Callable[["Generation", Ending, int], None]
    """(this, how, the present instant)."""
    cut_at: int = -1
    """The step that sends a quarter of its bytes, too few for a whole token, and is the last; -1 for none."""
    random: Random | None = None
    """Source of its jitter."""

    submitted_ns: int = 0
    """When it asked for a place."""
    admitted_ns: int | None = None
    """When it got its place."""
    due_ns: int = 0
    """Of the next token."""
    done: int = 0
    """Tokens decoded so far."""
    sent_ns: list[int] = field(default_factory=list)
    """When each write was handed over; one a token when streaming, one in all when not."""
    over: bool = False


class Decoder:
    """Decodes as many generations at a time as there are places; the others wait in order of arrival."""

    def __init__(self, model: LatencyModel, places: int, at: Callable[[int, Step], None]) -> None:
        self._model = model
        self._places: Places[Generation] = Places(places)
        self._at = at
        self.steps = 0
        """Tokens decoded."""
        self.late_ns = 0
        """By how much the steps were late, all together."""
        self.latest_ns = 0
        """By how much the latest was."""

    @property
    def active(self) -> int:
        """How many are being decoded."""
        return self._places.active

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return self._places.waiting

    def submit(self, generation: Generation, now_ns: int) -> None:
        """Decode it as soon as there is a place."""
        generation.submitted_ns = now_ns
        if self._places.take(generation):
            self._admit(generation, now_ns)

    def cancel(self, generation: Generation, now_ns: int) -> None:
        """Stop decoding it, or waiting for that."""
        if generation.over:
            return
        generation.over = True
        if not self._places.forget(generation):
            self._give_place_on(now_ns)

    def _admit(self, generation: Generation, at_ns: int) -> None:
        # A place may have been free since before this one came: `_end` tells when it was, not when we saw it.
        generation.admitted_ns = at_ns = max(at_ns, generation.submitted_ns)
        generation.due_ns = at_ns + self._model.first_wait_ns(generation.input_tokens, generation.random)
        self._at(generation.due_ns, partial(self._step, generation))

    def _give_place_on(self, at_ns: int) -> None:
        following = self._places.free()
        if following is not None:
            self._admit(following, at_ns)

    def _step(self, generation: Generation, now_ns: int) -> int | None:
        """Bring one token."""
        if generation.over:
            return None
        due_ns = generation.due_ns
        late_ns = now_ns - due_ns
        self.late_ns += late_ns
        if late_ns > self.latest_ns:
            self.latest_ns = late_ns
        data = generation.frame(generation.done)
        if generation.done == generation.cut_at:
            # The last frame of a stream holds what ends it as well: half of that can be a whole token.
            generation.write(data[: len(data) // 4 or 1])
            self._end(generation, Ending.CUT, now_ns)
            return None
        if data:
            generation.sent_ns.append(now_ns)
            generation.write(data)
        self.steps += 1
        generation.done += 1
        if generation.done == generation.tokens:
            self._end(generation, Ending.OK, now_ns)
            return None
        wait_ns = self._model.next_wait_ns(self._places.active, generation.random)
        # Without a gap everything is always due; whoever was served last is due last, so that all get on.
        generation.due_ns = due_ns + wait_ns if wait_ns else now_ns
        return generation.due_ns

    def _end(self, generation: Generation, ending: Ending, now_ns: int) -> None:
        generation.over = True
        # The place is free from when the last token was due, so that lateness is not handed down the queue.
        self._give_place_on(generation.due_ns)
        generation.ended(generation, ending, now_ns)
