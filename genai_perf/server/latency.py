"""The latency model: what is waited for, and how long. Pure; every number may be a virtual one.

A request arrives and takes a place, or waits for one (`Places`). Its first token is due `first_wait_ns` after
that, each further one `next_wait_ns` after the one before was due. Waits add up from one deadline to the
next, never from when something was done, so that lateness does not accumulate.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from math import exp
from random import Random
from typing import Generic, TypeVar


@dataclass(frozen=True, slots=True)
class LatencyModel:
    """How long a server with these constants takes."""

    ttft_ns: int
    """From the place being free to the first token, for an empty prompt."""
    ttft_per_input_token_ns: int = 0
    itl_ns: int = 0
    """Between two tokens of a request that is decoded alone."""
    itl_per_request_ns: int = 0
    """What every other request being decoded adds to that."""
    jitter: float = 0.0
    """Sigma of the log-normal factor (mean 1) on every wait; 0 for none."""
    seed: int = 0

    def first_wait_ns(self, input_tokens: int, random: Random | None = None) -> int:
        """From taking a place to the first token."""
        return self._spread(self.ttft_ns + self.ttft_per_input_token_ns * input_tokens, random)

    def next_wait_ns(self, active: int, random: Random | None = None) -> int:
        """From one token to the next, while `active` requests (this one among them) are being decoded."""
        return self._spread(self.itl_ns + self.itl_per_request_ns * (active - 1), random)

    def random_for(self, number: int) -> Random | None:
        """The source of jitter of that request, the same in every run; None without jitter."""
        return Random(f"jitter/{self.seed}/{number}") if self.jitter else None

    def _spread(self, wait_ns: int, random: Random | None) -> int:
        if random is None:
            return wait_ns
        # exp(N(-s²/2, s)) has mean 1, so jitter widens the distribution and leaves its average where it was
        return round(wait_ns * exp(random.gauss(-self.jitter * self.jitter / 2, self.jitter)))


Item = TypeVar("Item", bound=Hashable)


class Places(Generic[Item]):
    """The places of those being decoded, and the first-in-first-out queue behind them."""

    __slots__ = ("_waiting", "active", "places")

    def __init__(self, places: int) -> None:
        self.places = places
        self.active = 0
        """How many places are taken."""
        self._waiting: OrderedDict[Item, None] = OrderedDict()

    def take(self, item: Item) -> bool:
        """Whether a place was free and is now taken; otherwise the item waits in the queue."""
        if self.active < self.places:
            self.active += 1
            return True
        self._waiting[item] = None
        return False

    def free(self) -> Item | None:
        """Give a place back. It goes to the item that has waited longest, which is returned."""
        if self._waiting:
            return self._waiting.popitem(last=False)[0]
        self.active -= 1
        return None

    def forget(self, item: Item) -> bool:
        """Whether the item was waiting; it does so no longer."""
        if item not in self._waiting:
            return False
        del self._waiting[item]
        return True

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)


class Fate(StrEnum):
    """What the server is going to do with a request."""

    ANSWER = "answer"
    ERROR = "error"
    """Refuse it at once, with an HTTP status."""
    STALL = "stall"
    """Stop half-way and keep the connection open."""
    RESET = "reset"
    """Cut the connection half-way, with a TCP reset."""


@dataclass(frozen=True, slots=True)
class Failures:
    """Which shares of all requests fail, each in one way."""

    error_rate: float = 0.0
    stall_rate: float = 0.0
    reset_rate: float = 0.0
    seed: int = 0

    def fate(self, number: int) -> Fate:
        """Of the request with that running number; the same in every run."""
        if not (self.error_rate or self.stall_rate or self.reset_rate):
            return Fate.ANSWER
        draw = Random(f"fate/{self.seed}/{number}").random()
        for share, fate in (
            (self.error_rate, Fate.ERROR),
            (self.stall_rate, Fate.STALL),
            (self.reset_rate, Fate.RESET),
        ):
            if draw < share:
                return fate
            draw -= share
        return Fate.ANSWER

    def tokens_before(self, number: int, tokens: int) -> int:
        """How many of `tokens` a failing answer brings first: at least 1 and not all, where it can."""
        return 1 + Random(f"cut/{self.seed}/{number}").randrange(tokens - 1) if tokens > 1 else 0
