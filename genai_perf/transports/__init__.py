"""How requests reach a server. A transport fills an `Exchange` with stamps and bytes and never decodes."""

from typing import Protocol

from genai_perf.clock import NS_PER_S
from genai_perf.types import Exchange

DEAD_WITHIN_NS = NS_PER_S
"""A kept connection that breaks sooner than this after the request was dead before it: the request is sent
again. One that breaks later took the server's work with it, and the request has failed."""


class Transport(Protocol):
    """A seam: the native transport, the httpx one, and the tests' own on virtual time."""

    async def open(self, connections: int) -> None:
        """Connect before the clock starts; ServerError when no URL can be reached."""

    async def send(self, exchange: Exchange) -> None:
        """Send `exchange.request` and fill in what came back.

        Returns when the answer is complete or has failed; a failure is `exchange.error`, never an exception.
        When cancelled, what had arrived until then stays in the exchange.
        """

    async def close(self) -> None:
        """Close every connection."""
