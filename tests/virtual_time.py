"""Virtual time for the engine: a minute of load runs in milliseconds, and every instant is exact.

After trio's MockClock: the loop's clock stands still while anything can run, and jumps to the next timer when
nothing can. Instants are whole nanoseconds, so that what is due at one instant happens at one instant.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from exchanges import chunk, stream

from genai_perf.types import Exchange, RequestError

T = TypeVar("T")
NS_PER_S = 1_000_000_000


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps. Signals still reach it; waiting for nothing is an error."""

    def __init__(self) -> None:
        self.now_ns = 0
        super().__init__(_JumpingSelector(self))
        self._clock_resolution = 1e-10  # a tenth of our nanosecond, so that no timer runs one too early

    def time(self) -> float:
        return self.now_ns / NS_PER_S


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: what it would wait for has happened when it returns."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._clock = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("stalled: everything waits, and nothing will happen")
        self._clock.now_ns = max(self._clock.now_ns + 1, round((self._clock.time() + timeout) * NS_PER_S))
        return ready


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time, beginning at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now_ns() -> int:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now_ns


async def sleep_until(at_ns: int) -> None:
    """Return at that instant; at once, and without giving way, when it is past."""
    if at_ns > now_ns():
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        handle = loop.call_at(at_ns / NS_PER_S, lambda: waiter.done() or waiter.set_result(None))
        try:
            await waiter
        finally:
            handle.cancel()


class VirtualTimer:
    """`engine.timer.Timer` on virtual time."""

    def __init__(self) -> None:
        self.now_ns = now_ns
        self._waiting: list[asyncio.Future[None]] = []

    async def until(self, at_ns: int) -> None:
        if at_ns <= now_ns():
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        handle = loop.call_at(at_ns / NS_PER_S, lambda: waiter.done() or waiter.set_result(None))
        try:
            await waiter
        finally:
            handle.cancel()
            self._waiting.remove(waiter)

    def wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        assert not self._waiting


@dataclass
class Plan:
    """What the server does with one request."""

    takes_ns: int = 0
    error: RequestError | None = None
    status: int = 200
    body: bytes = stream(chunk("Hello"))


@dataclass
class VirtualTransport:
    """A server that answers by plan: the n-th request sent by the n-th, those after the last by the last."""

    plans: Iterable[Plan] = ()
    plan: Callable[[Exchange], Plan] | None = None
    """What to do by request, instead of by order."""
    opened: int | None = None
    closed: bool = False
    in_flight: int = 0
    most_in_flight: int = 0
    sends: list[tuple[int, int]] = field(default_factory=list)
    """(instant, row of the request), in order."""
    levels: list[tuple[int, int]] = field(default_factory=list)
    """(instant, how many were in flight from then on)."""

    def __post_init__(self) -> None:
        self._plans = iter(self.plans)
        self._last = Plan()

    async def open(self, connections: int) -> None:
        self.opened = connections

    async def send(self, exchange: Exchange) -> None:
        plan = self.plan(exchange) if self.plan else next(self._plans, self._last)
        self._last = plan
        exchange.start_ns = exchange.sent_ns = now_ns()
        self.sends.append((now_ns(), exchange.request.index))
        self._count(1)
        try:
            await sleep_until(now_ns() + plan.takes_ns)
            if plan.error is None:
                exchange.status = plan.status
                exchange.headers = {"content-type": "text/event-stream"}
                exchange.headers_ns = now_ns()
                exchange.at_ns, exchange.read_ns, exchange.after_ns = [now_ns()], [now_ns()], [now_ns()]
                exchange.data = [plan.body]
            exchange.error = plan.error
        finally:
            exchange.end_ns = now_ns()
            self._count(-1)

    async def close(self) -> None:
        self.closed = True

    def _count(self, change: int) -> None:
        self.in_flight += change
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.levels.append((now_ns(), self.in_flight))
