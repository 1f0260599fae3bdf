"""One HTTP/1.1 connection on a non-blocking socket of our own.

Rule 1: a read is stamped on the line after it returns, and nothing is decoded here.
Rule 2: on Linux the kernel says when the last segment of a read arrived (SO_TIMESTAMPNS, wall clock). Two
clock readings next to the read bring that onto the monotonic clock: `lag` is how late this program was, and
the bytes arrived at `now - lag`. Elsewhere the stamp is `now` and the exchange says so.
Rule 3: TLS is done in memory (`ssl.MemoryBIO`), so that rule 2 holds for it as well.
"""

import asyncio
import errno
import socket
import ssl
import struct
import sys

import httptools

from genai_perf.clock import NS_PER_S, monotonic_ns, wall_ns
from genai_perf.types import Exchange, RequestError, Stamp

_READ_BYTES = 65_536
_ANCILLARY_BYTES = 64
_SO_TIMESTAMPNS = 35
"""Linux; the socket module does not name it before Python 3.14."""
_MAX_LAG_NS = 60 * NS_PER_S
"""A lag beyond this, or below zero, is a step of the wall clock and no lag."""
_timespec = struct.Struct("@qq").unpack

_KEPT_HEADERS = frozenset(
    {b"content-type", b"content-encoding", b"content-length", b"transfer-encoding", b"location"}
)


def enable_kernel_stamps(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what it receives; False where it does not know how."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return sock.family != socket.AF_UNIX  # a unix socket takes the option and stamps nothing


class TlsLayer:
    """TLS for bytes that are moved by somebody else."""

    __slots__ = ("_incoming", "_object", "_outgoing")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def handshake(self, sock: socket.socket) -> None:
        """Shake hands over a connected socket. Raises ssl.SSLError, OSError."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await loop.sock_sendall(sock, self._outgoing.read())
                received = await loop.sock_recv(sock, _READ_BYTES)
                if not received:
                    raise ConnectionResetError(errno.ECONNRESET, "closed during the TLS handshake") from None
                self._incoming.write(received)
            except ssl.SSLError:
                await loop.sock_sendall(sock, self._outgoing.read())  # the alert that says why
                raise
            else:
                await loop.sock_sendall(sock, self._outgoing.read())
                return

    def encrypt(self, plain: bytes) -> bytes:
        """The records that carry `plain`."""
        self._object.write(plain)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """What the records complete so far say; raises ssl.SSLError. Empty where none is complete."""
        self._incoming.write(received)
        plain: list[bytes] = []
        try:
            while part := self._object.read(_READ_BYTES):
                plain.append(part)
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return b"".join(plain)

    def replies(self) -> bytes:
        """What the protocol itself wants sent (key updates, close)."""
        return self._outgoing.read()


class Connection:
    """Sends one request at a time and collects its answer; `is_open` says whether it can take another."""

    __slots__ = (
        "_done", "_exchange", "_headers", "_lag_ns", "_last_read_ns", "_loop", "_now_ns", "_origin_ns",
        "_parser", "_pending", "_recvmsg", "_send", "_socket", "_stamp", "_tls", "_until_close", "is_open",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, tls: TlsLayer | None, origin_ns: int) -> None:
        self._socket = sock
        self._recvmsg = sock.recvmsg
        self._send = sock.send
        self._tls = tls
        self._origin_ns = origin_ns
        self._stamp = Stamp.KERNEL if enable_kernel_stamps(sock) else Stamp.USER
        self._loop = asyncio.get_running_loop()
        self._exchange: Exchange | None = None
        self._done: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pending = b""
        self._headers: dict[str, str] = {}
        self._now_ns = self._lag_ns = self._last_read_ns = 0
        self._until_close = False
        self.is_open = True
        self._loop.add_reader(sock.fileno(), self._on_readable)

    def start(self, wire: bytes, exchange: Exchange) -> asyncio.Future[None]:
        """Send `wire` now. The future is done when the answer is complete or has failed."""
        if self._tls is not None:
            wire = self._tls.encrypt(wire)
        self._exchange = exchange
        self._done = done = self._loop.create_future()
        self._headers = exchange.headers
        exchange.stamp = self._stamp
        origin_ns = self._origin_ns
        exchange.start_ns = monotonic_ns() - origin_ns
        try:
            sent = self._send(wire)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._fail_with(exc)
            return done
        self._last_read_ns = exchange.sent_ns = monotonic_ns() - origin_ns
        if sent < len(wire):
            self._pending = wire[sent:]
            self._loop.add_writer(self._socket.fileno(), self._on_writable)
        return done

    def fail(self, kind: str, message: str) -> None:
        """End the exchange in flight as failed and close; nothing happens where none is."""
        exchange = self._exchange
        self.close()
        if exchange is not None:
            exchange.error = RequestError(kind, message)
            self._finish(exchange)

    def close(self) -> None:
        """Close the socket; an exchange in flight is the caller's to end."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    # -- what the event loop calls ---------------------------------------------------------------

    def _on_writable(self) -> None:
        try:
            sent = self._send(self._pending)
        except BlockingIOError:
            return
        except OSError as exc:
            self._fail_with(exc)
            return
        self._pending = self._pending[sent:]
        if not self._pending:
            self._loop.remove_writer(self._socket.fileno())
            if self._exchange is not None:
                self._exchange.sent_ns = monotonic_ns() - self._origin_ns

    def _on_readable(self) -> None:
        try:
            data, ancillary, _, _ = self._recvmsg(_READ_BYTES, _ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as exc:
            self._fail_with(exc)
            return
        now_ns = monotonic_ns()
        lag_ns = 0
        if ancillary:
            seconds, nanoseconds = _timespec(ancillary[0][2])
            lag_ns = wall_ns() - seconds * NS_PER_S - nanoseconds
            if not 0 <= lag_ns <= _MAX_LAG_NS:
                lag_ns = 0
        self._now_ns = now_ns - self._origin_ns
        self._lag_ns = lag_ns
        if not data:
            self._on_eof()
            return
        try:
            if self._tls is not None:
                data = self._tls.decrypt(data)
                if replies := self._tls.replies():
                    self._send(replies)
            if data:
                self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self.fail("protocol", f"the answer is not HTTP/1.x: {exc}")
        except ssl.SSLError as exc:
            self.fail("tls", str(exc))
        except OSError as exc:
            self._fail_with(exc)
        self._last_read_ns = self._now_ns

    def _on_eof(self) -> None:
        exchange = self._exchange
        if exchange is None:
            self.close()
        elif self._until_close:
            self.close()
            self._finish(exchange)
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

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what decoding and framing depend on."""
        name = name.lower()
        if name in _KEPT_HEADERS:
            self._headers[name.decode()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there; an interim one (1xx) is not the answer's."""
        exchange = self._exchange
        if exchange is None:
            return
        exchange.status = self._parser.get_status_code()
        exchange.headers_ns = self._now_ns - self._lag_ns
        headers = self._headers
        self._until_close = "content-length" not in headers and "chunked" not in headers.get(
            "transfer-encoding", ""
        )

    def on_body(self, data: bytes) -> None:
        """Body bytes, without transfer coding."""
        exchange = self._exchange
        if exchange is not None:
            now_ns = self._now_ns
            if exchange.read_ns and exchange.read_ns[-1] == now_ns:
                exchange.data[-1] += data  # several chunks in one read
                return
            exchange.at_ns.append(now_ns - self._lag_ns)
            exchange.read_ns.append(now_ns)
            exchange.after_ns.append(self._last_read_ns)
            exchange.data.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        exchange = self._exchange
        if exchange is None:
            return
        if 100 <= exchange.status < 200:
            exchange.status = 0
            exchange.headers.clear()
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        self._exchange = None
        self._until_close = False
        exchange.end_ns = (
            (self._now_ns - self._lag_ns) if exchange.error is None else monotonic_ns() - self._origin_ns
        )
        done = self._done
        if done is not None and not done.done():
            done.set_result(None)
