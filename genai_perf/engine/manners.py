"""Transports that behave as some clients do: they hold back, hang up, or watch the answer come.

Each stands before another transport and is one itself, so that the runner knows nothing of it.
"""

import asyncio
import random
from collections.abc import Callable

from genai_perf.clock import NS_PER_S
from genai_perf.endpoints import Endpoint, decode_whole
from genai_perf.transports import Transport
from genai_perf.types import HELD_BACK, HUNG_UP, Exchange, RequestError

_HELD_BACK = RequestError(
    HELD_BACK, "still waited when the time was over, as --max-prefill-concurrency says; it was never sent"
)


_GLANCE_S = 0.001
"""How often at most to look whether a request has been sent."""


class PrefillLimit:
    """At most so many requests wait for their first token; the others are not sent yet.

    What comes before that is nothing that was computed: a role, a ping, `response.created`. An answer that is
    not streamed shows no first token; its first byte counts.
    """

    def __init__(
        self,
        transport: Transport,
        limit: int,
        endpoint: Endpoint,
        now_ns: Callable[[], int],
        is_over: Callable[[], bool],
    ) -> None:
        """`is_over` says whether it is too late for those that have waited."""
        self.open = transport.open
        self.close = transport.close
        self._transport = transport
        self._places = asyncio.Semaphore(limit)
        self._endpoint = endpoint
        self._now_ns = now_ns
        self._is_over = is_over

    async def send(self, exchange: Exchange) -> None:
        """Wait for a place, and keep it until the first token, or until there will be none."""
        if not await self._is_let_in(exchange):
            return

        def look(exchange: Exchange) -> None:
            if self._has_token(exchange):
                exchange.on_read = None
                self._places.release()

        exchange.on_read = look
        try:
            await self._transport.send(exchange)
        finally:
            if exchange.on_read is not None:
                exchange.on_read = None
                self._places.release()

    async def _is_let_in(self, exchange: Exchange) -> bool:
        """Wait for a place; False, and the exchange says so, where none was free in time."""
        has_to_wait = self._places.locked()
        try:
            await self._places.acquire()
        except asyncio.CancelledError:
            self._hold_back(exchange)
            raise
        if has_to_wait and self._is_over():
            self._places.release()
            self._hold_back(exchange)
            return False
        return True

    def _hold_back(self, exchange: Exchange) -> None:
        exchange.start_ns = exchange.sent_ns = exchange.end_ns = self._now_ns()
        exchange.error = _HELD_BACK

    def _has_token(self, exchange: Exchange) -> bool:
        if not exchange.request.streaming:
            return True
        answer = decode_whole(self._endpoint, exchange)
        return bool(answer.content or answer.reasoning or answer.tool)


class HangUps:
    """Gives up a share of the requests some time after they were sent."""

    def __init__(
        self,
        transport: Transport,
        share: float,
        after_s: float,
        random_: random.Random,
        now_ns: Callable[[], int],
    ) -> None:
        self.open = transport.open
        self.close = transport.close
        self._transport = transport
        self._share = share
        self._after_s = after_s
        self._random = random_
        self._now_ns = now_ns

    async def send(self, exchange: Exchange) -> None:
        """Send, and hang up where the lot says so and the answer takes longer."""
        if self._random.random() >= self._share:
            await self._transport.send(exchange)
            return
        loop, begun_ns = asyncio.get_running_loop(), self._now_ns()
        try:
            async with asyncio.timeout(None) as limit:
                timer: asyncio.TimerHandle

                def look() -> None:
                    nonlocal timer
                    if exchange.start_ns >= begun_ns:  # what connecting took is no part of the delay
                        since_s = (self._now_ns() - exchange.start_ns) / NS_PER_S
                        limit.reschedule(loop.time() + self._after_s - since_s)
                    else:
                        timer = loop.call_later(max(self._after_s, _GLANCE_S), look)

                timer = loop.call_later(self._after_s, look)
                try:
                    await self._transport.send(exchange)
                finally:
                    timer.cancel()
        except TimeoutError:
            exchange.error = RequestError(
                HUNG_UP,
                f"given up {self._after_s:g} s after it was sent, as --request-cancellation-rate says",
            )


class ResponseWatch:
    """Tells of each request once: when so many responses to it have come, or it has ended with fewer."""

    def __init__(
        self,
        transport: Transport,
        number: int,
        counting: Callable[[], Callable[[Exchange], int]],
        tell: Callable[[bool], None],
    ) -> None:
        """`counting` makes a function that is called after each read of one exchange: how many there are.

        `tell` is given whether there were so many.
        """
        self.open = transport.open
        self.close = transport.close
        self._transport = transport
        self._number = number
        self._counting = counting
        self._tell = tell

    async def send(self, exchange: Exchange) -> None:
        """Send; of one that the user gives up nobody is told."""
        count = self._counting()

        def watch(exchange: Exchange) -> None:
            if count(exchange) >= self._number:
                exchange.on_read = None
                self._tell(True)

        exchange.on_read = watch
        await self._transport.send(exchange)
        if exchange.on_read is not None:
            exchange.on_read = None
            self._tell(False)
