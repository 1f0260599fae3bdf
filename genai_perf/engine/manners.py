"""Transports that behave as some clients do: they hold back, hang up, or watch the answer come.

Each stands before another transport and is one itself, so that the runner knows nothing of it.
"""

import asyncio
import random
from collections.abc import Callable

from genai_perf.transports import Transport
from genai_perf.types import HUNG_UP, Exchange, RequestError


class PrefillLimit:
    """At most so many requests wait for the first byte of their answer; the others are not sent yet."""

    def __init__(self, transport: Transport, limit: int) -> None:
        self.open = transport.open
        self.close = transport.close
        self._transport = transport
        self._places = asyncio.Semaphore(limit)

    async def send(self, exchange: Exchange) -> None:
        """Wait for a place, and keep it until the answer begins, or until there will be none."""
        await self._places.acquire()
        exchange.on_read = self._let_another
        try:
            await self._transport.send(exchange)
        finally:
            if not exchange.at_ns:
                self._places.release()

    def _let_another(self, exchange: Exchange) -> None:
        exchange.on_read = None
        self._places.release()


class HangUps:
    """Gives up a share of the requests some time after they were sent."""

    def __init__(self, transport: Transport, share: float, after_s: float, random_: random.Random) -> None:
        self.open = transport.open
        self.close = transport.close
        self._transport = transport
        self._share = share
        self._after_s = after_s
        self._random = random_

    async def send(self, exchange: Exchange) -> None:
        """Send, and hang up where the lot says so and the answer takes longer."""
        if self._random.random() >= self._share:
            await self._transport.send(exchange)
            return
        try:
            async with asyncio.timeout(self._after_s):
                await self._transport.send(exchange)
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
