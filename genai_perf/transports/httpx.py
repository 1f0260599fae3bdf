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
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

from genai_perf.clock import Origin, monotonic_ns
from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import ServerError, UsageError
from genai_perf.transports import DEAD_WITHIN_NS
from genai_perf.transports.address import Address, reason
from genai_perf.transports.kept import Kept
from genai_perf.transports.tls import client_context, explain, hint_for
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
        kept: Kept | None = None,
    ) -> None:
        """`kept` is the session's, which closes it; without one every connection ends with the run."""
        self._kept = kept if kept is not None else Kept()
        self._is_alone = kept is None
        self._origin_ns = origin.monotonic_ns
        self._timeout_s = endpoint.request_timeout_s
        self._connect_timeout_s = endpoint.connect_timeout_s
        self._shares_connections = endpoint.http2
        self._headers = dict(headers)
        if endpoint.connection_reuse == "never" and not endpoint.http2:  # HTTP/2 has no such header
            self._headers["Connection"] = "close"
        self._targets = [
            (
                address,
                address.http_url(api_path),
                self._kept.client((address, endpoint), partial(_client, address, endpoint)),
            )
            for address in addresses
        ]
        self._turns = itertools.cycle(self._targets)

    async def open(self, connections: int) -> None:  # noqa: ARG002  httpx opens its own
        """See that every URL is there: a connection is enough, whatever is said on it."""
        for address, url, client in self._targets:
            try:
                async with asyncio.timeout(2 * self._connect_timeout_s):
                    await client.get(httpx.URL(url, path="/"), headers=self._headers)
            except TimeoutError:
                continue  # connecting has a limit of its own, half of this, so it was the answer that is slow
            except (httpx.HTTPError, OSError) as exc:
                error = _translate(exc, self._connect_timeout_s)
                if error.kind in ("connect", "tls", "proxy"):
                    raise ServerError(
                        f"--url {address.shown}: {error.message}",
                        hint=hint_for(error, "is the server, or the proxy, running there?"),
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
                    if exchange.on_read is not None:
                        exchange.on_read(exchange)
                    last_ns = now_ns
                exchange.end_ns = self._now_ns()
        except TimeoutError:
            exchange.error = RequestError("timeout", f"no complete answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, OSError) as exc:
            exchange.error = _translate(exc, self._connect_timeout_s)
        finally:
            if exchange.error is not None or exchange.end_ns < exchange.start_ns:
                exchange.end_ns = self._now_ns()
        is_broken = exchange.error is not None and exchange.error.kind in ("closed", "reset")
        was_idle = not (trace.has_connected or self._shares_connections)
        was_dead = exchange.end_ns - exchange.start_ns < DEAD_WITHIN_NS
        return not (is_broken and was_idle and was_dead and exchange.status == 0)

    async def close(self) -> None:
        """Close every connection, unless the session's next run may go on with it."""
        if self._is_alone:
            await self._kept.close()

    def _now_ns(self) -> int:
        return monotonic_ns() - self._origin_ns


class _Trace:
    """Takes httpx's own account of a request: how long connecting took, when sending began and ended."""

    def __init__(self, exchange: Exchange, now_ns: Callable[[], int]) -> None:
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
            elif what == "start_tls":  # twice where the proxy is spoken to in TLS as well
                exchange.tls_ns = (exchange.tls_ns or 0) + now_ns - self._since_ns
            elif what == "send_request_body":
                exchange.sent_ns = now_ns


def _client(address: Address, endpoint: EndpointConfig) -> httpx.AsyncClient:
    """A client that sends what it is given and nothing of its own."""
    keeps = endpoint.connection_reuse == "pooled"
    try:
        transport = httpx.AsyncHTTPTransport(
            verify=client_context(endpoint) if address.tls else True,
            http1=not endpoint.http2 or address.tls,  # without TLS nobody negotiates: the user's word counts
            http2=endpoint.http2,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None if keeps else 0),
            uds=address.url.path if address.url.scheme == "unix" else None,
            proxy=endpoint.proxy,
        )
    except ImportError as exc:
        raise UsageError(
            "--proxy: SOCKS needs a package that is not installed", hint="pip install 'httpx[socks]'"
        ) from exc
    timeout = httpx.Timeout(None, connect=endpoint.connect_timeout_s)
    client = httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False)
    for name in list(client.headers):
        del client.headers[name]  # among them the codings httpx can undo, which would change the answer
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


_CLOSED = ("Server disconnected", "peer closed connection", "<ConnectionTerminated")
"""How messages begin that tell of a connection's end; the other protocol errors tell of wrong bytes."""


def _translate(exc: Exception, connect_timeout_s: float) -> RequestError:
    """The errors of httpx in the words of the native transport.

    What httpx says of a request it cannot send is left out: it quotes headers.
    """
    said = str(exc) or type(exc).__name__
    systems = None
    for cause in _causes(exc):
        if isinstance(cause, ssl.SSLError):
            return RequestError("tls", explain(cause))
        if isinstance(cause, OSError) and cause.errno is not None:
            systems = systems or cause
    match exc:
        case httpx.ConnectTimeout():
            return RequestError("connect", f"no connection within {connect_timeout_s:g} s")
        case httpx.ConnectError():
            return RequestError("connect", f"cannot connect: {reason(systems) if systems else said}")
        case httpx.ProxyError():
            return RequestError("proxy", f"the proxy refuses: {said}")
        case httpx.RemoteProtocolError() if said.startswith(_CLOSED):
            return RequestError("closed", f"the server closed the connection: {said}")
        case httpx.RemoteProtocolError() if said.startswith("<StreamReset"):
            return RequestError("reset", f"the server reset the stream: {said}")
        case httpx.RemoteProtocolError():
            return RequestError("protocol", f"the answer is not HTTP: {said}")
        case httpx.LocalProtocolError():
            return RequestError("protocol", "the connection took a turn that HTTP does not know")
        case httpx.ReadError() | httpx.WriteError():
            return RequestError("reset", "the server reset the connection")
        case _:
            return RequestError("socket", said)


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """`exc`, and everything it was raised from."""
    yield exc
    if isinstance(exc, BaseExceptionGroup):
        for one in exc.exceptions:
            yield from _causes(one)
    cause = exc.__cause__ or exc.__context__
    if cause is not None:
        yield from _causes(cause)
