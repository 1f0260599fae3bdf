"""One HTTP/1.1 connection on a non-blocking socket of our own.

Rule 1: a read is stamped on the line after it returns, and nothing is decoded here.
Rule 2: on Linux the kernel says when the last segment of a read arrived (SO_TIMESTAMPNS, wall clock), and
`WallOffset` brings that onto the monotonic clock. Elsewhere, and where the kernel has none for a read, the
stamp is when the read returned, and the exchange says so.
Rule 3: TLS is done in memory (`ssl.MemoryBIO`), so that rule 2 holds for it as well.
Rule 4: a stamp is never too early and never before the one before it, whatever the wall clock does.
Rule 5: a connection that anything odd happened on is closed: bytes nobody asked for, an answer that came
before its request was sent. The next request must not meet the rest of it.
"""

import asyncio
import os
import socket
import ssl
from contextlib import suppress
from typing import Any

import httptools

from genai_perf.clock import NS_PER_MS, NS_PER_S, WallOffset, monotonic_ns
from genai_perf.transports.stamps import ANCILLARY_BYTES, enable_kernel_stamps, timespec
from genai_perf.transports.tls import TlsLayer, explain
from genai_perf.types import Exchange, RequestError, Stamp

_READ_BYTES = 65_536

_KEPT_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"location"}
)


class Connection:
    """Sends one request at a time and collects its answer; `is_open` says whether it can take another."""

    __slots__ = (
        "_at_ns", "_chunks", "_done", "_empty_ns", "_exchange", "_headers", "_loop", "_now_ns", "_origin_ns",
        "_parser", "_pending", "_recvmsg", "_send", "_send_error", "_socket", "_stamp", "_tls",
        "_until_close", "_wall_offset", "is_open", "is_silent", "on_body",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, tls: TlsLayer | None, origin_ns: int, wall_offset: WallOffset
    ) -> None:
        self._socket = sock
        self._recvmsg = sock.recvmsg
        self._send = sock.send
        self._tls = tls
        self._origin_ns = origin_ns
        self._wall_offset = wall_offset
        self._stamp = Stamp.KERNEL if enable_kernel_stamps(sock) else Stamp.USER
        self._loop = asyncio.get_running_loop()
        self._exchange: Exchange | None = None
        self._done: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append
        """What the parser calls with body bytes, without transfer coding."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._pending = memoryview(b"")
        self._send_error: OSError | None = None
        self._headers: dict[str, str] = {}
        self._now_ns = 0
        self._at_ns = 0
        """When the bytes of the last read arrived."""
        self._empty_ns = 0
        """An instant at which nothing was left to read."""
        self._until_close = False
        self.is_open = True
        self.is_silent = True
        """Whether no byte of an answer has come since the last start."""
        self._loop.add_reader(sock.fileno(), self._on_readable)

    def start(self, wire: bytes, exchange: Exchange) -> asyncio.Future[None]:
        """Send `wire` now. The future is done when the answer is complete or has failed."""
        if self._tls is not None:
            wire = self._tls.encrypt(wire)
        self._exchange = exchange
        self._done = done = self._loop.create_future()
        self._headers = exchange.headers
        exchange.stamp = self._stamp
        self.is_silent = True
        origin_ns = self._origin_ns
        start_ns = monotonic_ns() - origin_ns
        exchange.start_ns = exchange.sent_ns = self._at_ns = self._empty_ns = start_ns
        try:
            sent = self._send(wire)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._on_send_error(exc)
            return done
        exchange.sent_ns = monotonic_ns() - origin_ns
        if sent < len(wire):
            self._pending = memoryview(wire)[sent:]
            self._loop.add_writer(self._socket.fileno(), self._on_writable)
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
        self._on_readable()
        self._origin_ns = origin_ns
        self._wall_offset = wall_offset

    def close(self) -> None:
        """Close the socket; an exchange in flight is the caller's to end."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            if self._tls is not None and not self._pending:
                with suppress(OSError):
                    self._send(self._tls.farewell())
            self._socket.close()
            self._parser = None  # it holds this connection's callbacks: a cycle that nobody would collect

    # -- what the event loop calls ---------------------------------------------------------------

    def _on_writable(self) -> None:
        try:
            sent = self._send(self._pending)
        except BlockingIOError:
            return
        except OSError as exc:
            self._on_send_error(exc)
            return
        self._pending = self._pending[sent:]
        if not self._pending:
            self._loop.remove_writer(self._socket.fileno())
            if self._exchange is not None:
                self._exchange.sent_ns = monotonic_ns() - self._origin_ns

    def _on_send_error(self, exc: OSError) -> None:
        """A peer that takes no more may have said why (413, 401): what it sent is read before the end is."""
        if not isinstance(exc, ConnectionError):
            self._fail_with(exc)
            return
        self._pending = memoryview(b"")
        self._loop.remove_writer(self._socket.fileno())
        self._read_to_the_end(exc)

    def _on_readable(self) -> None:
        try:
            data, ancillary, _, _ = self._recvmsg(_READ_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as exc:
            self._fail_with(exc)
            return
        at_ns = now_ns = self._now_ns = monotonic_ns() - self._origin_ns
        if not data:
            self._on_eof()
            return
        exchange = self._exchange
        if ancillary:
            seconds, nanoseconds = timespec(ancillary[0][2])
            at_ns = seconds * NS_PER_S + nanoseconds - self._wall_offset.ns - self._origin_ns
            if not self._empty_ns <= at_ns <= now_ns:
                at_ns = self._plausible_ns(at_ns)
        elif exchange is not None:
            exchange.stamp = Stamp.USER
        if at_ns > self._at_ns:
            self._at_ns = at_ns
        is_drained = len(data) < _READ_BYTES
        self._parse(data)
        if self._chunks:
            self._collect()
        if is_drained:
            self._empty_ns = now_ns

    def _collect(self) -> None:
        """Give the exchange what the parser found in this read; nobody gets what lies behind its answer."""
        exchange, chunks = self._exchange, self._chunks
        if exchange is not None:
            exchange.at_ns.append(self._at_ns)
            exchange.read_ns.append(self._now_ns)
            exchange.after_ns.append(self._empty_ns)
            exchange.data.append(chunks[0] if len(chunks) == 1 else b"".join(chunks))
            if exchange.on_first_byte is not None and len(exchange.at_ns) == 1:
                exchange.on_first_byte()
        chunks.clear()

    def _plausible_ns(self, at_ns: int) -> int:
        """A stamp between the last look at the socket and now.

        A little before the last look: the bytes came between that read and its clock reading. A lot: somebody
        has set the wall clock, and until the offset is measured anew our own stamp is the better one.
        """
        return self._empty_ns if 0 < self._empty_ns - at_ns < NS_PER_MS else self._now_ns

    def _parse(self, data: bytes) -> None:
        try:
            if self._tls is not None:
                data = self._take_records(data)
            if data:
                if self._exchange is None:
                    self.close()
                else:
                    self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.fail("protocol", f"the answer is not HTTP/1.x: {exc}")
        except httptools.HttpParserUpgrade:
            self.fail("protocol", "the server switched to another protocol, which nobody asked for")
        except ssl.SSLError as exc:
            self.fail("tls", explain(exc))
        except OSError as exc:
            self._fail_with(exc)
        else:
            if self._tls is not None and self._tls.has_ended and self.is_open:
                self._on_eof()

    def notice_reset(self) -> None:
        """End a request whose connection the peer has reset without the event loop telling so.

        Where a reset arrives in the same round of the loop as bytes do, libuv calls once for both and never
        again (POLLERR ends its watch, and uvloop goes along). To ask after each read would cost a system
        call a token, so the transport asks now and then.
        """
        if self.is_open and (code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            self._read_to_the_end(OSError(code, os.strerror(code)))

    def _read_to_the_end(self, exc: OSError) -> None:
        """Read what is left of a connection that the peer has reset, and its end."""
        self._send_error = exc
        self._until_close = False  # a body that goes on to the end of the connection does not end like this
        read_ns = -1
        while self.is_open and read_ns != self._now_ns:
            read_ns = self._now_ns
            self._on_readable()
        if self.is_open:
            self._fail_with(self._send_error)

    def _take_records(self, received: bytes) -> bytes:
        """Decrypt, and send what TLS itself has to say, behind what is still unsent."""
        assert self._tls is not None
        plain = self._tls.decrypt(received)
        if replies := self._tls.replies():
            if self._pending:
                self._pending = memoryview(bytes(self._pending) + replies)
            else:
                self._send(replies)
        return plain

    def _on_eof(self) -> None:
        if self._chunks:
            self._collect()
        exchange = self._exchange
        if exchange is None:
            self.close()
        elif self._until_close:
            self._at_ns = self._now_ns
            self.close()
            self._finish(exchange)
        elif self._send_error is not None:
            self._fail_with(self._send_error)
        elif exchange.status == 0:
            self.fail("closed", "the server closed the connection without an answer")
        else:
            received = sum(map(len, exchange.data))
            self.fail(
                "closed", f"the server closed the connection in mid-answer, after {received} bytes of it"
            )

    def _fail_with(self, exc: OSError) -> None:
        if self._exchange is None:
            self.close()
        elif isinstance(exc, (ConnectionResetError, BrokenPipeError)):
            where = "without an answer" if self._exchange.status == 0 else "in mid-answer"
            self.fail("reset", f"the server reset the connection {where}")
        else:
            self.fail("socket", f"{exc.strerror or exc}")

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
        exchange.headers_ns = self._at_ns
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
        if self._pending or not self._parser.should_keep_alive():
            self.close()
        self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        if self._chunks:
            self._collect()
        self._exchange = None
        self._until_close = False
        exchange.end_ns = self._at_ns if exchange.error is None else monotonic_ns() - self._origin_ns
        done = self._done
        if done is not None and not done.done():
            done.set_result(None)
