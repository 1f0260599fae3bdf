"""How the tests drive a transport."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

from genai_perf.clock import Origin
from genai_perf.config.schema import EndpointConfig
from genai_perf.transports.address import Address
from genai_perf.transports.http import HttpTransport
from genai_perf.transports.httpx import HttpxTransport
from genai_perf.transports.kept import Kept
from genai_perf.types import Exchange, Request

PATIENCE_S = 10.0
PATH = "v1/chat/completions"


@asynccontextmanager
async def native(
    *urls: str,
    connections: int = 1,
    headers: Mapping[str, str] | None = None,
    kept: Kept | None = None,
    **settings: Any,
) -> AsyncIterator[HttpTransport]:
    """The native transport, opened; `settings` are fields of EndpointConfig."""
    transport = unopened(*urls, headers=headers, kept=kept, **settings)
    try:
        await transport.open(connections)
        yield transport
    finally:
        await transport.close()


def unopened(
    *urls: str, headers: Mapping[str, str] | None = None, kept: Kept | None = None, **settings: Any
) -> HttpTransport:
    """The native transport, for the test to open and to close."""
    addresses = [Address.of(url) for url in urls]
    return HttpTransport(addresses, PATH, headers or {}, EndpointConfig(**settings), Origin.now(), kept)


@asynccontextmanager
async def over_httpx(
    *urls: str,
    connections: int = 1,
    headers: Mapping[str, str] | None = None,
    kept: Kept | None = None,
    **settings: Any,
) -> AsyncIterator[HttpxTransport]:
    """The httpx transport, opened; `settings` are fields of EndpointConfig."""
    addresses = [Address.of(url) for url in urls]
    endpoint = EndpointConfig(transport="httpx", **settings)
    transport = HttpxTransport(addresses, PATH, headers or {}, endpoint, Origin.now(), kept)
    try:
        await transport.open(connections)
        yield transport
    finally:
        await transport.close()


def exchange_of(body: bytes = b"{}", *, streaming: bool = False) -> Exchange:
    """One that is still to be sent."""
    return Exchange(Request(0, body, "model", "conversation", streaming=streaming))


async def ask(
    transport: HttpTransport | HttpxTransport, body: bytes = b"{}", *, streaming: bool = False
) -> Exchange:
    """Send one request and see it ended."""
    exchange = exchange_of(body, streaming=streaming)
    async with asyncio.timeout(PATIENCE_S):
        await transport.send(exchange)
    return exchange


@asynccontextmanager
async def in_flight(
    transport: HttpTransport | HttpxTransport, body: bytes = b"{}", *, streaming: bool = False
) -> AsyncIterator[tuple[Exchange, asyncio.Task[None]]]:
    """One request, sent but not awaited; it has ended when this is left."""
    exchange = exchange_of(body, streaming=streaming)
    task = asyncio.create_task(transport.send(exchange))
    try:
        yield exchange, task
        async with asyncio.timeout(PATIENCE_S):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  what is waited for fills lists, and sets no event
            await asyncio.sleep(0.001)


def unused_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that takes no connection and refuses none: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while True:
            sock = stack.enter_context(socket.socket())
            sock.settimeout(0.2)
            try:
                sock.connect(listener.getsockname())
            except TimeoutError:
                break
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def body_of(exchange: Exchange) -> bytes:
    """The body as it came."""
    return b"".join(exchange.data)


def assert_in_order(exchange: Exchange) -> None:
    """What holds for the stamps of every good exchange."""
    assert exchange.error is None
    assert exchange.start_ns <= exchange.sent_ns
    assert exchange.start_ns <= exchange.headers_ns <= exchange.end_ns
    reads = list(zip(exchange.after_ns, exchange.at_ns, exchange.read_ns, strict=True))
    assert len(reads) == len(exchange.data)
    for after_ns, at_ns, read_ns in reads:
        assert exchange.start_ns <= after_ns <= at_ns <= read_ns
    for stamps in (exchange.after_ns, exchange.at_ns, exchange.read_ns):
        assert stamps == sorted(stamps)
    if reads:
        assert exchange.headers_ns <= exchange.at_ns[0]
        assert exchange.at_ns[-1] <= exchange.end_ns
