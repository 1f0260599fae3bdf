"""How the tests drive the gRPC transport, and a real server for it: grpcio's own."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from wire import PATIENCE_S

from genai_perf.clock import Origin
from genai_perf.config.schema import EndpointConfig
from genai_perf.transports.address import Address
from genai_perf.transports.grpc import GrpcTransport
from genai_perf.types import Exchange, Request

SERVICE = "test.Echo"
METHOD = f"{SERVICE}/Talk"


@asynccontextmanager
async def calling(
    *urls: str,
    connections: int = 1,
    method: str = METHOD,
    headers: Mapping[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[GrpcTransport]:
    """The transport, opened; `settings` are fields of EndpointConfig."""
    transport = unopened(*urls, method=method, headers=headers, **settings)
    try:
        await transport.open(connections)
        yield transport
    finally:
        await transport.close()


def unopened(
    *urls: str, method: str = METHOD, headers: Mapping[str, str] | None = None, **settings: Any
) -> GrpcTransport:
    """The transport, for the test to open and to close."""
    addresses = [Address.of(url) for url in urls]
    return GrpcTransport(addresses, method, headers or {}, EndpointConfig(**settings), Origin.now())


def exchange_of(*messages: bytes) -> Exchange:
    """One that is still to be sent."""
    return Exchange(Request(0, b"{}", "model", "conversation", messages=messages))


async def call(transport: GrpcTransport, *messages: bytes) -> Exchange:
    """Send one request and see it ended."""
    exchange = exchange_of(*messages)
    async with asyncio.timeout(PATIENCE_S):
        await transport.send(exchange)
    return exchange


@asynccontextmanager
async def in_flight(
    transport: GrpcTransport, *messages: bytes
) -> AsyncIterator[tuple[Exchange, asyncio.Task[None]]]:
    """One request, sent but not awaited; it has ended when this is left."""
    exchange = exchange_of(*messages)
    task = asyncio.create_task(transport.send(exchange))
    try:
        yield exchange, task
        async with asyncio.timeout(PATIENCE_S):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def serving(
    talk: Any,
    *,
    options: Sequence[tuple[str, Any]] = (),
    credentials: grpc.ServerCredentials | None = None,
    listen: str = "127.0.0.1:0",
    **settings: Any,
) -> AsyncIterator[tuple[grpc.aio.Server, str]]:
    """grpcio's server with one method that takes and gives streams of bytes; and where it listens."""
    server = grpc.aio.server(options=options, **settings)
    handler = grpc.method_handlers_generic_handler(
        SERVICE, {"Talk": grpc.stream_stream_rpc_method_handler(talk)}
    )
    server.add_generic_rpc_handlers((handler,))
    if credentials is None:
        port = server.add_insecure_port(listen)
    else:
        port = server.add_secure_port(listen, credentials)
    await server.start()
    scheme = "grpc" if credentials is None else "grpcs"
    try:
        yield server, listen if listen.startswith("unix:") else f"{scheme}://127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def echo(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
    """Every message comes back."""
    async for message in messages:
        yield message
