"""What the runs of one session hand on to each other: open connections, and what they were opened with.

A connection goes on where the whole endpoint section is the same: host, path, headers, TLS settings.
"""

import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from genai_perf.config.schema import EndpointConfig
from genai_perf.transports.address import Address

if TYPE_CHECKING:
    import httpx

    from genai_perf.transports.pool import Link

Key = tuple[Address, EndpointConfig]
"""Where connections lead, and how they were made."""


class Kept:
    """Empty at first; what one run gives, the next takes. Belongs to one event loop."""

    def __init__(self) -> None:
        self.stamping: socket.socket | None = None
        """Keeps the kernel stamping while it is open."""
        self._links: dict[Key, list[Link]] = {}
        self._clients: dict[Key, httpx.AsyncClient] = {}
        self._contexts: dict[EndpointConfig, ssl.SSLContext] = {}

    def give(self, key: Key, links: "list[Link]") -> None:
        """Keep idle connections, the one used last at the end."""
        self._links.setdefault(key, []).extend(links)

    def take(self, key: Key) -> "list[Link]":
        """All that are kept under this key; whoever takes them owns them."""
        return self._links.pop(key, [])

    def client(self, key: Key, make: "Callable[[], httpx.AsyncClient]") -> "httpx.AsyncClient":
        """The httpx client of that key, made when it is first asked for; it stays here."""
        if key not in self._clients:
            self._clients[key] = make()
        return self._clients[key]

    def context(self, endpoint: EndpointConfig, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """The TLS context of that endpoint: to load the certificates takes longer than a request."""
        if endpoint not in self._contexts:
            self._contexts[endpoint] = make()
        return self._contexts[endpoint]

    async def close(self) -> None:
        """Close everything."""
        if self.stamping is not None:
            self.stamping.close()
            self.stamping = None
        for links in self._links.values():
            for link in links:
                link.close()
        self._links.clear()
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
