"""Transports that behave as some clients do: they hold back, or hang up.

Each stands before another transport and is one itself, so that the runner knows nothing of it.
"""

import asyncio
import random

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
        exchange.on_first_byte = self._places.release
        try:
            await self._transport.send(exchange)
        finally:
            if not exchange.at_ns:
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
