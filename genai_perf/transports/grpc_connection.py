"""One gRPC connection: HTTP/2 on a wire of our own, with one call at a time.

Every message gets the stamps of the read that completed it. Where the kernel stamped that read and nothing
came behind the message in it, the stamp is the message's very own, and `after_ns` is set to `at_ns`: there is
no doubt about it. Else `after_ns` is when the socket was last seen empty, as everywhere.
"""

import asyncio
import socket
import ssl

from genai_perf.clock import WallOffset
from genai_perf.transports.grpc_messages import MessageError, Messages, message_text, status_name
from genai_perf.transports.header_blocks import Headers
from genai_perf.transports.http2 import Http2, Http2Error, error_name
from genai_perf.transports.pool import NotSpoken
from genai_perf.transports.tls import TlsLayer
from genai_perf.transports.wire import Wire, breakage
from genai_perf.types import Exchange, RequestError, Stamp

_KEPT_HEADERS = frozenset({b"content-type", b"grpc-encoding", b"grpc-status", b"grpc-message"})
_SNIPPET = 200


class GrpcConnection:
    """Sends one request at a time and collects its answer; `is_open` says whether it can take another."""

    __slots__ = (
        "_done", "_exchange", "_http2", "_is_leaving", "_is_sending", "_messages", "_other", "_ready",
        "_said", "_wire", "is_silent",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        tls: TlsLayer | None,
        origin_ns: int,
        wall_offset: WallOffset,
        headers: Headers,
    ) -> None:
        self._wire = Wire(
            sock,
            tls,
            origin_ns,
            wall_offset,
            on_bytes=self._on_bytes,
            on_sent=self._note_sent,
            on_end=self._on_wire_end,
        )
        self._http2 = Http2(headers, self._wire.send, self)
        self._messages = Messages()
        self._exchange: Exchange | None = None
        self._done: asyncio.Future[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._is_sending = False
        """Whether a part of the request still waits, for the kernel or for the server's windows."""
        self._is_leaving = False
        """Whether the server takes no further stream."""
        self._said = ""
        """The server's reason for that."""
        self._other: bytes | None = None
        """What comes instead of messages."""
        self.is_silent = True
        """Whether nothing of an answer has come since the last start."""

    @property
    def is_open(self) -> bool:
        """Whether it can take another request."""
        return self._wire.is_open

    async def greet(self) -> None:
        """Exchange the settings without which nothing may be sent. Raises NotSpoken, OSError."""
        self._ready = asyncio.get_running_loop().create_future()
        try:
            self._wire.send(self._http2.hello())
            self._wire.take_early()
            await self._ready
        except BaseException:
            self.close()
            raise
        finally:
            self._ready = None

    def start(self, wire: bytes, exchange: Exchange) -> asyncio.Future[None]:
        """Send the messages in `wire`. The future is done when the answer is complete or has failed."""
        frames = self._http2.start(wire)
        self._exchange = exchange
        self._done = done = asyncio.get_running_loop().create_future()
        self._messages.clear()
        self._other = None
        self.is_silent = True
        exchange.start_ns = exchange.sent_ns = self._wire.start(frames)
        exchange.stamp = self._wire.stamp
        self._is_sending = True
        self._note_sent()
        return done

    def fail(self, kind: str, message: str) -> None:
        """End the exchange in flight as failed and close; nothing happens where none is."""
        self.close()
        if self._exchange is not None:
            self._finish(RequestError(kind, message))

    def notice_reset(self) -> None:
        """End a request whose connection the peer has reset without the event loop telling so."""
        self._wire.notice_reset()

    def rebase(self, origin_ns: int, wall_offset: WallOffset) -> None:
        """Count from another run's origin, between two requests; reads first what has come meanwhile."""
        self._wire.rebase(origin_ns, wall_offset)

    def close(self) -> None:
        """Close the socket; an exchange in flight is the caller's to end."""
        if self._wire.is_open:
            last = self._http2.farewell()
            self._wire.send(self._http2.give_up() + last if self._exchange is not None else last)
            self._wire.close()

    # -- what the wire calls ---------------------------------------------------------------------

    def _on_bytes(self, data: bytes) -> None:
        wire, exchange = self._wire, self._exchange
        known = len(exchange.data) if exchange is not None else 0
        failed: tuple[str, str] | None = None
        try:
            self._http2.feed(data)
        except Http2Error as exc:
            failed = "protocol", f"the answer is not HTTP/2: {exc}"
            if self._ready is not None:
                self._refuse(data)
        except MessageError as exc:
            failed = "protocol", f"the answer is not gRPC: {exc}"
        if exchange is not None:
            exchange.stamp = wire.stamp
            if new := len(exchange.data) - known:
                exchange.at_ns += [wire.at_ns] * new
                exchange.read_ns += [wire.now_ns] * new
                exchange.after_ns += [wire.empty_ns] * new
                if (
                    wire.stamp is Stamp.KERNEL
                    and self._http2.ended_in_data
                    and not self._messages.has_part
                    and failed is None
                ):
                    exchange.after_ns[-1] = wire.at_ns
                if exchange.on_read is not None:
                    exchange.on_read(exchange)
            if self._is_sending:
                self._note_sent()
        if failed is not None:
            self.fail(*failed)

    def _note_sent(self) -> None:
        if self._http2.is_sent and self._wire.is_sent and self._exchange is not None:
            self._is_sending = False
            self._exchange.sent_ns = self._wire.elapsed_ns()

    def _on_wire_end(self, exc: Exception | None) -> None:
        if self._ready is not None:
            if not self._ready.done():
                self._ready.set_exception(exc or ConnectionError("the server closed the connection at once"))
            return
        where = "without an answer" if self.is_silent else "in mid-answer"
        if exc is None or (self._said and not isinstance(exc, ssl.SSLError)):
            why = f": {self._said}" if self._said else ""
            self.fail("closed", f"the server closed the connection {where}{why}")
        else:
            self.fail(*breakage(exc, where))

    def _refuse(self, data: bytes) -> None:
        assert self._ready is not None
        what = "HTTP/1.1, not HTTP/2" if data.startswith(b"HTTP/1") else "something else than HTTP/2"
        if not self._ready.done():
            self._ready.set_exception(NotSpoken(f"the server speaks {what} there; is that its gRPC port?"))

    # -- what HTTP/2 calls -----------------------------------------------------------------------

    def on_settings(self) -> None:
        """The connection is ready."""
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    def on_headers(self, headers: Headers, ends: bool) -> None:
        """The head of an answer, its trailers, or both in one."""
        exchange = self._exchange
        if exchange is None:
            return
        self.is_silent = False
        fields = dict(headers)
        if not exchange.status:
            status = _number(fields.get(b":status", b""))
            if 100 <= status < 200 and not ends:
                return
            exchange.status = status
            exchange.headers_ns = self._wire.at_ns
        elif not ends:
            raise Http2Error("headers in the middle of an answer")
        exchange.headers |= {
            name.decode(): message_text(value) if name == b"grpc-message" else value.decode("latin-1")
            for name, value in fields.items()
            if name in _KEPT_HEADERS
        }
        self._messages.encoding = exchange.headers.get("grpc-encoding", "identity")
        if exchange.status != 200 or not _is_grpc(exchange):
            self._other = self._other or b""

    def on_data(self, part: bytes) -> None:
        """Messages, or a part of one."""
        exchange = self._exchange
        if exchange is None:
            return
        self.is_silent = False
        if not exchange.status:
            raise Http2Error("a body without headers")
        if self._other is None:
            self._messages.feed(part, exchange.data)
        elif len(self._other) < _SNIPPET:
            self._other += part

    def on_end(self) -> None:
        """The answer is complete."""
        if self._exchange is not None:
            self._finish(self._verdict(self._exchange))

    def on_reset(self, code: int) -> None:
        """The server has given the call up."""
        self.is_silent = False
        self._finish(RequestError("reset", f"the server reset the stream: {error_name(code)}"))

    def on_go_away(self, last_stream: int, code: int, text: bytes) -> None:
        """No new streams; the one in flight goes on if the server has taken it."""
        self._is_leaving = True
        said = f" ({text.decode('utf-8', 'replace')})" if text else ""
        self._said = f"{error_name(code)}{said}"
        if self._exchange is None:
            self.close()
        elif last_stream < self._http2.stream:
            self.fail("closed", f"the server closed the connection without an answer: {self._said}")

    def _verdict(self, exchange: Exchange) -> RequestError | None:
        """What is wrong with an answer that is complete."""
        headers = exchange.headers
        if self._other is not None:
            text = self._other[:_SNIPPET].decode("utf-8", "replace")
            if exchange.status != 200:
                return RequestError(f"http_{exchange.status}", text or f"HTTP {exchange.status}, not gRPC")
            found = headers.get("content-type", "no content type")
            return RequestError("protocol", f"the answer is {found}, not gRPC: {text}")
        status = headers.get("grpc-status")
        if status is None:
            return RequestError("protocol", "the answer ended without a grpc-status")
        if status != "0":
            said = headers.get("grpc-message") or "the server gives no reason"
            return RequestError(f"grpc_{status_name(status)}", said)
        if self._messages.has_part:
            return RequestError("protocol", "the answer ended in the middle of a message")
        return None

    def _finish(self, error: RequestError | None) -> None:
        exchange, done = self._exchange, self._done
        self._exchange = None
        if exchange is None:
            return
        exchange.error = error
        exchange.end_ns = self._wire.at_ns if error is None else self._wire.elapsed_ns()
        if self._is_leaving or self._http2.is_spent or not self._http2.is_sent:
            self.close()  # what is unsent, nobody wants any more
        if done is not None and not done.done():
            done.set_result(None)


def _number(status: bytes) -> int:
    if not status.isdigit():
        raise Http2Error("headers without a status")
    return int(status)


def _is_grpc(exchange: Exchange) -> bool:
    return exchange.headers.get("content-type", "").startswith("application/grpc")
