"""The native transport: HTTP/1.1 on pooled connections of our own."""

import socket
from collections.abc import Mapping, Sequence

from genai_perf.clock import Origin, WallOffset
from genai_perf.config.schema import EndpointConfig
from genai_perf.transports.address import Address
from genai_perf.transports.connection import Connection
from genai_perf.transports.kept import Kept
from genai_perf.transports.pool import Dialect, PooledTransport
from genai_perf.transports.tls import TlsLayer
from genai_perf.types import Request


class HttpTransport(PooledTransport):
    """The pool, speaking HTTP/1.1."""

    def __init__(
        self,
        addresses: Sequence[Address],
        api_path: str,
        headers: Mapping[str, str],
        endpoint: EndpointConfig,
        origin: Origin,
        kept: Kept | None = None,
    ) -> None:
        keeps = endpoint.connection_reuse == "pooled"
        super().__init__(
            addresses,
            lambda address: _dialect(address, api_path, headers, keeps),
            endpoint,
            origin,
            hint="is the server running there? `--url embedded` starts one",
            kept=kept,
        )


def _dialect(address: Address, api_path: str, headers: Mapping[str, str], keeps: bool) -> Dialect:
    has_host = any(name.lower() == "host" for name in headers)
    lines = {**({} if has_host else {"Host": address.authority}), **headers}
    if not keeps:
        lines["Connection"] = "close"
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    head = f"POST {address.target(api_path)} HTTP/1.1\r\n{text}Content-Length: ".encode("latin-1")

    def wire(request: Request) -> bytes:
        return b"%b%d\r\n\r\n%b" % (head, len(request.body), request.body)

    return Dialect(wire, _connected)


async def _connected(
    sock: socket.socket, tls: TlsLayer | None, origin_ns: int, wall_offset: WallOffset
) -> Connection:
    return Connection(sock, tls, origin_ns, wall_offset)
