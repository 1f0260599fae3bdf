"""Connections of our own, kept open between requests, with one request at a time on each.

A connection that the server closed while it was idle is no failed request: where it breaks before the first
byte of an answer, the request is sent again on another, and all its stamps are taken anew. (llama.cpp's
server promises keep-alive after a stream and then closes.)

The runs of a session go on with each other's connections (`Kept`). Each begins with as many as it would have
opened by itself, so that it does not matter which run came before.
"""

import asyncio
import itertools
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from genai_perf.clock import NS_PER_S, Origin, WallOffset, monotonic_ns
from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import ServerError
from genai_perf.transports import DEAD_WITHIN_NS
from genai_perf.transports.address import Address, reason
from genai_perf.transports.kept import Kept, Key
from genai_perf.transports.stamps import keep_stamping
from genai_perf.transports.tls import TlsLayer, client_context, explain, hint_for
from genai_perf.types import Exchange, Request, RequestError

_NO_REQUEST = Request(-1, b"", "", "")
"""Stands in an exchange that only opens a connection."""

_OPENING_AT_ONCE = 64
"""Connections opened side by side; fewer than any server's accept queue."""
_SWEEP_S = 0.25
"""How often requests that have run out of time are looked for."""


class Link(Protocol):
    """A connection, as the pool sees it."""

    is_silent: bool
    """Whether nothing of an answer has come since the last start."""

    @property
    def is_open(self) -> bool:
        """Whether it can take another request."""

    def start(self, wire: bytes, exchange: Exchange) -> asyncio.Future[None]:
        """Send `wire` now. The future is done when the answer is complete or has failed."""

    def fail(self, kind: str, message: str) -> None:
        """End the exchange in flight as failed and close; nothing happens where none is."""

    def notice_reset(self) -> None:
        """End a request whose connection the peer has reset without the event loop telling so."""

    def rebase(self, origin_ns: int, wall_offset: WallOffset) -> None:
        """Count from another run's origin, between two requests.

        Reads first what has come meanwhile: where the peer has closed, `is_open` says so afterwards.
        """

    def close(self) -> None:
        """Close the socket; an exchange in flight is the caller's to end."""


class NotSpoken(Exception):
    """The peer does not speak our protocol; the message says what it does instead."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is spoken with one address."""

    wire: Callable[[Request], bytes]
    """What a request is sent as."""
    connect: Callable[[socket.socket, TlsLayer | None, int, WallOffset], Awaitable[Link]]
    """A connected socket, its TLS, the run's origin (ns) and the clocks' distance to a connection that is
    ready for requests. Raises NotSpoken, OSError, ssl.SSLError; the socket stays the caller's then."""


class PooledTransport:
    """Sends over a pool of connections for each address, the addresses in turn."""

    def __init__(
        self,
        addresses: Sequence[Address],
        dialect: Callable[[Address], Dialect],
        endpoint: EndpointConfig,
        origin: Origin,
        *,
        hint: str,
        alpn: Sequence[str] = (),
        kept: Kept | None = None,
    ) -> None:
        """`hint` is for a user whose server is not there; `alpn`: the protocols to offer in a TLS handshake.

        `kept` is the session's, which closes it; without one every connection ends with the run.
        """
        self._kept = kept if kept is not None else Kept()
        self._is_alone = kept is None
        self._hint = hint
        self._origin_ns = origin.monotonic_ns
        self._wall_offset = WallOffset()
        self._timeout_ns = int(endpoint.request_timeout_s * NS_PER_S)
        self._connect_timeout_s = endpoint.connect_timeout_s
        self._keeps = endpoint.connection_reuse == "pooled"
        has_tls = any(address.tls for address in addresses)
        tls = self._kept.context(endpoint, lambda: client_context(endpoint, alpn)) if has_tls else None
        self._pools = [
            _Pool((address, endpoint), dialect(address), tls if address.tls else None)
            for address in addresses
        ]
        self._turns = itertools.cycle(self._pools)
        self._in_flight: dict[Link, Exchange] = {}
        self._is_closed = False
        self._sweeper: asyncio.TimerHandle | None = None

    async def open(self, connections: int) -> None:
        """Connect before the clock starts; at least once to each URL, to know that it is there."""
        if self._kept.stamping is None:
            self._kept.stamping = await keep_stamping()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
        shares = self._shares(connections)
        for pool, share in zip(self._pools, shares, strict=True):
            pool.idle = self._still_open(self._kept.take(pool.key), share)
        await _all_or_none([self._open_first(pool) for pool in self._pools if not pool.idle])
        if self._keeps:
            gate = asyncio.Semaphore(_OPENING_AT_ONCE)
            missing = [
                pool
                for pool, share in zip(self._pools, shares, strict=True)
                for _ in range(share - len(pool.idle))
            ]
            await asyncio.gather(*[self._open_another(pool, gate) for pool in missing])

    def _shares(self, connections: int) -> list[int]:
        """With how many connections each pool begins."""
        each, more = divmod(max(connections, len(self._pools)), len(self._pools))
        return [each + (place < more) for place in range(len(self._pools))]

    def _still_open(self, links: list[Link], share: int) -> list[Link]:
        """So many of a former run's connections, those used last; the rest is closed."""
        for link in links:
            link.rebase(self._origin_ns, self._wall_offset)
        found = [link for link in links if link.is_open]
        surplus = max(0, len(found) - share)
        for link in found[:surplus]:
            link.close()
        return found[surplus:]

    async def _open_first(self, pool: "_Pool") -> None:
        exchange = Exchange(_NO_REQUEST)
        connection = await self._connect(pool, exchange)
        if connection is None:
            assert exchange.error is not None
            raise ServerError(
                f"--url {pool.address.shown}: {exchange.error.message}",
                hint=hint_for(exchange.error, self._hint),
            )
        self._put_back(pool, connection)

    async def _open_another(self, pool: "_Pool", gate: asyncio.Semaphore) -> None:
        """One that cannot be had now is tried again by the request that needs it, and is its failure then."""
        async with gate:
            connection = await self._connect(pool, Exchange(_NO_REQUEST))
        if connection is not None:
            self._put_back(pool, connection)

    def _put_back(self, pool: "_Pool", connection: Link) -> None:
        """Keep a connection for the next request, unless there will be none."""
        if self._keeps and not self._is_closed:
            pool.idle.append(connection)
        else:
            connection.close()

    async def send(self, exchange: Exchange) -> None:
        """Send on an idle connection, or a new one."""
        pool = next(self._turns)
        exchange.url = pool.address.shown
        wire = pool.dialect.wire(exchange.request)
        while True:
            connection = pool.take_idle()
            was_idle = connection is not None
            if connection is None:
                connection = await self._connect(pool, exchange)
                if connection is None:
                    return
            self._in_flight[connection] = exchange
            try:
                await connection.start(wire, exchange)
            except asyncio.CancelledError:
                connection.close()
                exchange.end_ns = monotonic_ns() - self._origin_ns
                raise
            finally:
                del self._in_flight[connection]
            if connection.is_open:
                self._put_back(pool, connection)
            if not (was_idle and _was_never_seen(exchange, connection)):
                return
            exchange.error = None

    async def close(self) -> None:
        """Close the idle connections, or give them back; those in use close with their requests."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for pool in self._pools:
            self._kept.give(pool.key, [link for link in pool.idle if link.is_open])
            pool.idle = []
        if self._is_alone:
            await self._kept.close()

    def _sweep(self) -> None:
        """End what has run out of time. A timer for each request would cost more than all the rest of it."""
        self._wall_offset.refresh()
        now_ns = monotonic_ns() - self._origin_ns
        for connection, exchange in list(self._in_flight.items()):
            connection.notice_reset()
            if connection.is_open and now_ns - exchange.start_ns > self._timeout_ns:
                last_ns = (
                    exchange.read_ns[-1] if exchange.read_ns else exchange.headers_ns or exchange.start_ns
                )
                connection.fail(
                    "timeout",
                    f"no complete answer within {self._timeout_ns / NS_PER_S:g} s; "
                    f"nothing came for the last {(now_ns - last_ns) / NS_PER_S:.1f} s",
                )
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)

    async def _connect(self, pool: "_Pool", exchange: Exchange) -> Link | None:
        """A new connection; None, and `exchange.error` set, when there is none to be had."""
        exchange.start_ns = exchange.sent_ns = monotonic_ns() - self._origin_ns
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                sock = await _connected_socket(pool.address, exchange)
                layer = None
                if pool.tls is not None:
                    before_ns = monotonic_ns()
                    layer = TlsLayer(pool.tls, pool.address.url.host)
                    await layer.handshake(sock)
                    exchange.tls_ns = monotonic_ns() - before_ns
                before_ns = monotonic_ns()
                link = await pool.dialect.connect(sock, layer, self._origin_ns, self._wall_offset)
                exchange.connect_ns = (exchange.connect_ns or 0) + monotonic_ns() - before_ns
                return link
        except TimeoutError:
            exchange.error = RequestError("connect", f"no connection within {self._connect_timeout_s:g} s")
        except ssl.SSLError as exc:
            exchange.error = RequestError("tls", explain(exc))
        except NotSpoken as exc:
            exchange.error = RequestError("protocol", str(exc))
        except OSError as exc:
            exchange.error = RequestError("connect", f"cannot connect: {reason(exc)}")
        except asyncio.CancelledError:
            exchange.end_ns = monotonic_ns() - self._origin_ns
            if sock is not None:
                sock.close()
            raise
        if sock is not None:
            sock.close()
        exchange.end_ns = monotonic_ns() - self._origin_ns
        return None


class _Pool:
    """The connections to one address."""

    __slots__ = ("address", "dialect", "idle", "key", "tls")

    def __init__(self, key: Key, dialect: Dialect, tls: ssl.SSLContext | None) -> None:
        self.key = key
        self.address = key[0]
        self.dialect = dialect
        self.tls = tls
        self.idle: list[Link] = []

    def take_idle(self) -> Link | None:
        """The connection used last, which is the least likely to have been closed for idleness."""
        while self.idle:
            connection = self.idle.pop()
            if connection.is_open:
                return connection
        return None


def _was_never_seen(exchange: Exchange, connection: Link) -> bool:
    """Whether the connection was dead before the request: it broke at once, without a byte of an answer."""
    broke = exchange.error is not None and exchange.error.kind in ("closed", "reset")
    return broke and connection.is_silent and exchange.end_ns - exchange.start_ns < DEAD_WITHIN_NS


async def _all_or_none(connecting: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them; when one fails, end the others and raise what it raised."""
    tasks = [asyncio.ensure_future(one) for one in connecting]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _connected_socket(address: Address, exchange: Exchange) -> socket.socket:
    """A connected TCP or unix socket; notes what name resolution and connecting took. Raises OSError."""
    loop = asyncio.get_running_loop()
    before_ns = monotonic_ns()
    candidates: list[tuple[socket.AddressFamily, int, int, Any]]
    if address.url.scheme == "unix":
        candidates = [(socket.AF_UNIX, socket.SOCK_STREAM, 0, address.url.path)]
    elif address.is_literal:
        family = socket.AF_INET6 if ":" in address.url.host else socket.AF_INET
        candidates = [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, (address.url.host, address.url.port))]
    else:
        found = await loop.getaddrinfo(address.url.host, address.url.port, type=socket.SOCK_STREAM)
        candidates = [(family, kind, protocol, where) for family, kind, protocol, _, where in found]
        exchange.dns_ns = monotonic_ns() - before_ns
    failed: OSError | None = None
    for family, kind, protocol, where in candidates:
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        before_ns = monotonic_ns()
        try:
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, where)
        except OSError as exc:
            sock.close()
            failed = exc
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            exchange.connect_ns = monotonic_ns() - before_ns
            return sock
    raise failed or OSError("the name resolves to no address")
