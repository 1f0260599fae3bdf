"""One HTTP/1.1 connection on a wire of our own.

A connection that anything odd happened on is closed: bytes nobody asked for, an answer that came before its
request was sent. The next request must not meet the rest of it.
"""

import asyncio
import socket
from typing import Any

import httptools

from genai_perf.clock import WallOffset
from genai_perf.transports.tls import TlsLayer
from genai_perf.transports.wire import Wire, breakage
from genai_perf.types import Exchange, RequestError

_KEPT_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"location"}
)


class Connection:
    """Sends one request at a time and collects its answer; `is_open` says whether it can take another."""

    __slots__ = (
        "_chunks", "_done", "_exchange", "_headers", "_loop", "_parser", "_until_close", "_wire", "is_silent",
        "on_body",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, tls: TlsLayer | None, origin_ns: int, wall_offset: WallOffset
    ) -> None:
        self._wire = Wire(
            sock,
            tls,
            origin_ns,
            wall_offset,
            on_bytes=self._on_bytes,
            on_sent=self._on_sent,
            on_end=self._on_wire_end,
        )
        self._loop = asyncio.get_running_loop()
        self._exchange: Exchange | None = None
        self._done: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append
        """What the parser calls with body bytes, without transfer coding."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._until_close = False
        self.is_silent = True
        """Whether no byte of an answer has come since the last start."""

    @property
    def is_open(self) -> bool:
        """Whether it can take another request."""
        return self._wire.is_open

    def start(self, wire: bytes, exchange: Exchange) -> asyncio.Future[None]:
        """Send `wire` now. The future is done when the answer is complete or has failed."""
        self._exchange = exchange
        self._done = done = self._loop.create_future()
        self._headers = exchange.headers
        self.is_silent = True
        exchange.start_ns = self._wire.start(wire)
        exchange.sent_ns = self._wire.elapsed_ns()
        exchange.stamp = self._wire.stamp
        return done

    def fail(self, kind: str, message: str) -> None:
        """End the exchange in flight as failed and close; nothing happens where none is."""
        exchange = self._exchange
        self.close()
        if exchange is not None:
            exchange.error = RequestError(kind, message)
            self._finish(exchange)

    def rebase(self, origin_ns: int, wall_offset: WallOffset) -> None:
        """Count from another run's origin, between two requests.

        Reads first what has come since the last answer: where the server has closed meanwhile, so does this.
        """
        self._wire.rebase(origin_ns, wall_offset)

    def notice_reset(self) -> None:
        """End a request whose connection the peer has reset without the event loop telling so."""
        self._wire.notice_reset()

    def close(self) -> None:
        """Close the socket; an exchange in flight is the caller's to end."""
        self._wire.close()
        self._parser = None  # it holds this connection's callbacks: a cycle that nobody would collect

    # -- what the wire calls ---------------------------------------------------------------------

    def _on_bytes(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()
            return
        exchange.stamp = self._wire.stamp
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.fail("protocol", f"the answer is not HTTP/1.x: {exc}")
        except httptools.HttpParserUpgrade:
            self.fail("protocol", "the server switched to another protocol, which nobody asked for")
        if self._chunks:
            self._collect()

    def _collect(self) -> None:
        """Give the exchange what the parser found in this read; nobody gets what lies behind its answer."""
        exchange, chunks = self._exchange, self._chunks
        if exchange is not None:
            wire = self._wire
            exchange.at_ns.append(wire.at_ns)
            exchange.read_ns.append(wire.now_ns)
            exchange.after_ns.append(wire.empty_ns)
            exchange.data.append(chunks[0] if len(chunks) == 1 else b"".join(chunks))
            if exchange.on_read is not None:
                exchange.on_read(exchange)
        chunks.clear()

    def _on_sent(self) -> None:
        if self._exchange is not None:
            self._exchange.sent_ns = self._wire.elapsed_ns()

    def _on_wire_end(self, exc: Exception | None) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()
        elif exc is not None:
            self.fail(*breakage(exc, "without an answer" if exchange.status == 0 else "in mid-answer"))
        elif self._until_close:
            self._wire.at_ns = self._wire.now_ns
            self.close()
            self._finish(exchange)
        elif exchange.status == 0:
            self.fail("closed", "the server closed the connection without an answer")
        else:
            received = sum(map(len, exchange.data))
            self.fail(
                "closed", f"the server closed the connection in mid-answer, after {received} bytes of it"
            )

    # -- what the parser calls -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A message where no answer is due spoils the connection."""
        self.is_silent = False
        if self._exchange is None:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what decoding and framing depend on; what comes after the body (a trailer) changes neither."""
        name = name.lower()
        if name in _KEPT_HEADERS and self._exchange is not None and self._exchange.status == 0:
            self._headers[name.decode()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there; an interim one (1xx) is not the answer's."""
        exchange = self._exchange
        if exchange is None:
            return
        exchange.status = self._parser.get_status_code()
        exchange.headers_ns = self._wire.at_ns
        headers = self._headers
        self._until_close = (
            "content-length" not in headers and "chunked" not in headers.get("transfer-encoding", "").lower()
        )

    def on_message_complete(self) -> None:
        """The answer is whole."""
        exchange = self._exchange
        if exchange is None:
            return
        if 100 <= exchange.status < 200:
            exchange.status = exchange.headers_ns = 0
            exchange.headers.clear()
            self._until_close = False
            return
        if not self._wire.is_sent or not self._parser.should_keep_alive():
            self.close()
        self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        if self._chunks:
            self._collect()
        self._exchange = None
        self._until_close = False
        exchange.end_ns = self._wire.at_ns if exchange.error is None else self._wire.elapsed_ns()
        done = self._done
        if done is not None and not done.done():
            done.set_result(None)
