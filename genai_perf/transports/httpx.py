"""The second transport, for what httpx knows and the native one does not: HTTP/2 and proxies.

Stamps are taken by this program when httpx hands the bytes over, so they are as late as the loop is busy, and
the records say so. httpx opens connections as it needs them; what that took is told by its trace and kept
out of the latencies. As with the native transport, it is no failed request when a connection that was kept
turns out to be dead before the answer begins: the request is sent again, all its stamps taken anew. (Not in
HTTP/2, where others share the connection, so that it was not just idle.)
"""

import asyncio
import itertools
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from genai_perf.clock import Origin, monotonic_ns
from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import ServerError
from genai_perf.transports.address import Address
from genai_perf.transports.tls import client_context
from genai_perf.types import Exchange, RequestError, Stamp

_KEPT_HEADERS = ("content-type", "content-encoding", "location")


class HttpxTransport:
    """Sends over one httpx client for each address, the addresses in turn."""

    def __init__(
        self,
        addresses: Sequence[Address],
        api_path: str,
        headers: Mapping[str, str],
        endpoint: EndpointConfig,
        origin: Origin,
    ) -> None:
        self._origin_ns = origin.monotonic_ns
        self._timeout_s = endpoint.request_timeout_s
        self._shares_connections = endpoint.http2
        self._headers = dict(headers)
        if endpoint.connection_reuse == "never":
            self._headers["Connection"] = "close"
        self._targets = [
            (address, _url(address, api_path), _client(address, endpoint)) for address in addresses
        ]
        self._turns = itertools.cycle(self._targets)

    async def open(self, connections: int) -> None:  # noqa: ARG002  httpx opens its own
        """See that every URL is there; any answer at all will do."""
        for address, url, client in self._targets:
            try:
                await client.get(httpx.URL(url, path="/"))
            except (httpx.HTTPError, OSError) as exc:
                error = _translate(exc)
                raise ServerError(
                    f"--url {address.shown}: {error.message}",
                    hint="is the server, or the proxy, running there?",
                ) from exc

    async def send(self, exchange: Exchange) -> None:
        """Send on whatever connection httpx picks."""
        address, url, client = next(self._turns)
        exchange.url = address.shown
        exchange.stamp = Stamp.USER
        while not await self._is_answered(url, client, exchange):
            exchange.error = None

    async def _is_answered(self, url: str, client: httpx.AsyncClient, exchange: Exchange) -> bool:
        """Send once; False when an old connection broke before the answer began."""
        trace = _Trace(exchange, self._now_ns)
        exchange.start_ns = exchange.sent_ns = self._now_ns()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream(
                    "POST",
                    url,
                    content=exchange.request.body,
                    headers=self._headers,
                    extensions={"trace": trace},
                ) as response,
            ):
                exchange.status = response.status_code
                exchange.headers_ns = last_ns = self._now_ns()
                exchange.headers.update(
                    {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
                )
                async for data in response.aiter_raw():
                    now_ns = self._now_ns()
                    exchange.at_ns.append(now_ns)
                    exchange.read_ns.append(now_ns)
                    exchange.after_ns.append(last_ns)
                    exchange.data.append(data)
                    last_ns = now_ns
        except TimeoutError:
            exchange.error = RequestError("timeout", f"no complete answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, OSError) as exc:
            exchange.error = _translate(exc)
        finally:
            exchange.end_ns = self._now_ns()
        is_broken = exchange.error is not None and exchange.error.kind in ("closed", "reset")
        was_idle = not (trace.has_connected or self._shares_connections)
        return not (is_broken and was_idle and exchange.status == 0)

    async def close(self) -> None:
        """Close every connection."""
        for _, _, client in self._targets:
            await client.aclose()

    def _now_ns(self) -> int:
        return monotonic_ns() - self._origin_ns


class _Trace:
    """Takes httpx's own account of a request: how long connecting took, when sending began and ended."""

    def __init__(self, exchange: Exchange, now_ns: Any) -> None:
        self._exchange = exchange
        self._now_ns = now_ns
        self._since_ns = 0
        self.has_connected = False
        """Whether the request had a connection of its own opened."""

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:  # noqa: ARG002  httpcore's signature
        """`event` is like `connection.connect_tcp.started`."""
        exchange, now_ns = self._exchange, self._now_ns()
        _, what, when = event.rsplit(".", 2)
        if when == "started":
            self._since_ns = now_ns
            if what == "send_request_headers":
                exchange.start_ns = exchange.sent_ns = now_ns
        elif when == "complete":
            if what in ("connect_tcp", "connect_unix_socket"):
                self.has_connected = True
                exchange.connect_ns = now_ns - self._since_ns
            elif what == "start_tls":
                exchange.tls_ns = now_ns - self._since_ns
            elif what == "send_request_body":
                exchange.sent_ns = now_ns


def _client(address: Address, endpoint: EndpointConfig) -> httpx.AsyncClient:
    verify: ssl.SSLContext | bool = client_context(endpoint) if address.tls else True
    keeps = endpoint.connection_reuse == "pooled"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None if keeps else 0)
    timeout = httpx.Timeout(None, connect=endpoint.connect_timeout_s)
    if address.url.scheme == "unix":
        transport = httpx.AsyncHTTPTransport(uds=address.url.path, http2=endpoint.http2, limits=limits)
        return httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
    return httpx.AsyncClient(
        verify=verify,
        http2=endpoint.http2,
        http1=not endpoint.http2 or address.tls,
        proxy=endpoint.proxy,
        limits=limits,
        timeout=timeout,
        trust_env=False,
    )


def _url(address: Address, api_path: str) -> str:
    return f"{'https' if address.tls else 'http'}://{address.authority}{address.target(api_path)}"


def _translate(exc: Exception) -> RequestError:
    """The errors of httpx in the words of the native transport."""
    said = str(exc) or type(exc).__name__
    match exc:
        case httpx.ConnectTimeout():
            return RequestError("connect", "no connection in time")
        case httpx.ConnectError() if isinstance(exc.__cause__, Exception) and "SSL" in said.upper():
            return RequestError("tls", said)
        case httpx.ConnectError():
            return RequestError("connect", f"cannot connect: {said}")
        case httpx.ProxyError():
            return RequestError("proxy", said)
        case httpx.RemoteProtocolError():
            return RequestError("closed", said)
        case httpx.ReadError() | httpx.WriteError():
            return RequestError("reset", said)
        case _:
            return RequestError("socket", said)
