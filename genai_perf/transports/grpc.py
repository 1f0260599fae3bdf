"""The native transport for gRPC: one call at a time on pooled HTTP/2 connections of our own.

Why not `grpcio`: it gives no kernel stamps, and its Python layers alone cost more than the wire is to cost.
`connect_ns` includes the exchange of HTTP/2 settings, without which a gRPC connection is not up.
"""

import socket
from collections.abc import Mapping, Sequence
from functools import cache

from genai_perf.clock import NS_PER_S, Origin, WallOffset
from genai_perf.config.schema import EndpointConfig
from genai_perf.transports.address import Address
from genai_perf.transports.grpc_connection import GrpcConnection
from genai_perf.transports.grpc_messages import metadata, prefixed, timeout_text
from genai_perf.transports.kept import Kept
from genai_perf.transports.pool import Dialect, PooledTransport
from genai_perf.transports.tls import TlsLayer
from genai_perf.types import Request

IS_IT_GRPC = "is that the server's gRPC port? Triton's is 8001 unless it was told otherwise"


class GrpcTransport(PooledTransport):
    """The pool, speaking gRPC."""

    def __init__(
        self,
        addresses: Sequence[Address],
        method: str,
        headers: Mapping[str, str],
        settings: EndpointConfig,
        origin: Origin,
        kept: Kept | None = None,
    ) -> None:
        """`method` is like `inference.GRPCInferenceService/ModelStreamInfer`; `headers` become metadata."""
        super().__init__(
            addresses,
            lambda address: _dialect(address, method, headers, settings),
            settings,
            origin,
            hint=IS_IT_GRPC,
            alpn=("h2",),
            kept=kept,
        )


def _dialect(address: Address, method: str, headers: Mapping[str, str], settings: EndpointConfig) -> Dialect:
    given = {name.lower(): value for name, value in headers.items()}
    authority = given.pop("host", address.authority)
    fields = {
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-accept-encoding": "identity, gzip, deflate",
        "grpc-timeout": timeout_text(int(settings.request_timeout_s * NS_PER_S)),
        **given,
    }
    compression = None if settings.grpc_compression == "none" else settings.grpc_compression
    if compression is not None:
        fields["grpc-encoding"] = compression
    head = [
        (b":method", b"POST"),
        (b":scheme", b"https" if address.tls else b"http"),
        (b":path", address.target(method).encode()),
        (b":authority", authority.encode()),
        *metadata(fields),
    ]

    @cache  # compressed once, and not while it is measured; what is not compressed is cheap to put together
    def compressed(messages: tuple[bytes, ...]) -> bytes:
        return prefixed(messages, compression)

    def wire(request: Request) -> bytes:
        return prefixed(request.messages) if compression is None else compressed(request.messages)

    async def connect(
        sock: socket.socket, tls: TlsLayer | None, origin_ns: int, wall_offset: WallOffset
    ) -> GrpcConnection:
        connection = GrpcConnection(sock, tls, origin_ns, wall_offset, head)
        await connection.greet()
        return connection

    return Dialect(wire, connect)
