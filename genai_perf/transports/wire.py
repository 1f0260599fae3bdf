"""A connected socket of our own: what comes in is stamped, what goes out waits its turn.

Rule 1: a read is stamped on the line after it returns, and nothing is decoded here.
Rule 2: on Linux the kernel says when the last segment of a read arrived (SO_TIMESTAMPNS, wall clock), and
`WallOffset` brings that onto the monotonic clock. Elsewhere, and where the kernel has none for a read, the
stamp is when the read returned, and `stamp` says so.
Rule 3: TLS is done in memory (`ssl.MemoryBIO`), so that rule 2 holds for it as well.
Rule 4: a stamp is never too early and never before the one before it, whatever the wall clock does.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from genai_perf.clock import NS_PER_MS, NS_PER_S, WallOffset, monotonic_ns
from genai_perf.transports.stamps import ANCILLARY_BYTES, enable_kernel_stamps, timespec
from genai_perf.transports.tls import TlsLayer, explain
from genai_perf.types import Stamp

_READ_BYTES = 65_536
_BUFFER = memoryview(bytearray(_READ_BYTES))
"""What every read goes into, and is copied from at once: malloc would tidy its heap for each that is new."""
_BUFFERS = (_BUFFER,)


class Wire:
    """Moves bytes for its owner, which is told of what came (`on_bytes`) and how it ended (`on_end`)."""

    __slots__ = (
        "_can_stamp", "_loop", "_on_bytes", "_on_end", "_on_sent", "_origin_ns", "_pending", "_receive",
        "_send", "_send_error", "_socket", "_tls", "_wall_offset", "at_ns", "empty_ns", "is_open", "now_ns",
        "stamp",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        tls: TlsLayer | None,
        origin_ns: int,
        wall_offset: WallOffset,
        *,
        on_bytes: Callable[[bytes], None],
        on_sent: Callable[[], None],
        on_end: Callable[[Exception | None], None],
    ) -> None:
        """`on_sent` is called when the kernel has taken what had to wait.

        `on_end` gets None where the peer closed properly, else an OSError or ssl.SSLError; it is to close.
        """
        self._socket = sock
        self._receive = sock.recvmsg_into
        self._send = sock.send
        self._tls = tls
        self._origin_ns = origin_ns
        self._wall_offset = wall_offset
        self._on_bytes = on_bytes
        self._on_sent = on_sent
        self._on_end = on_end
        self._can_stamp = enable_kernel_stamps(sock)
        self._loop = asyncio.get_running_loop()
        self._pending = memoryview(b"")
        self._send_error: OSError | None = None
        self.stamp = Stamp.KERNEL if self._can_stamp else Stamp.USER
        """Who stamped the reads since `start`."""
        self.now_ns = 0
        """When the last read returned."""
        self.at_ns = 0
        """When its bytes arrived."""
        self.empty_ns = 0
        """An instant at which nothing was left to read."""
        self.is_open = True
        self._loop.add_reader(sock.fileno(), self._on_readable)

    def rebase(self, origin_ns: int, wall_offset: WallOffset) -> None:
        """Count from another run's origin, between two exchanges; reads first what has come meanwhile."""
        read_ns = -1
        while self.is_open and read_ns != self.now_ns:
            read_ns = self.now_ns
            self._on_readable()
        self._origin_ns = origin_ns
        self._wall_offset = wall_offset
        self.at_ns = self.empty_ns = self.now_ns = 0

    def start(self, data: bytes) -> int:
        """Send what begins an exchange, and forget what came before. Gives the instant just before (ns)."""
        if self._tls is not None:
            data = self._tls.encrypt(data)
        self.stamp = Stamp.KERNEL if self._can_stamp else Stamp.USER
        self.at_ns = self.empty_ns = start_ns = monotonic_ns() - self._origin_ns
        self._put(data)
        return start_ns

    def elapsed_ns(self) -> int:
        """Nanoseconds since the run's origin."""
        return monotonic_ns() - self._origin_ns

    @property
    def is_sent(self) -> bool:
        """Whether the kernel has taken all that was to be sent."""
        return not self._pending

    def send(self, data: bytes) -> None:
        """Send, behind what is still unsent."""
        if self.is_open and self._send_error is None:
            self._put(self._tls.encrypt(data) if self._tls is not None else data)

    def _put(self, data: bytes) -> None:
        if self._pending:
            self._pending = memoryview(bytes(self._pending) + data)
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._on_send_error(exc)
            return
        if sent < len(data):
            self._pending = memoryview(data)[sent:]
            self._loop.add_writer(self._socket.fileno(), self._on_writable)

    def close(self) -> None:
        """Close the socket; nobody is told of anything after that."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            if self._tls is not None and not self._pending:
                with suppress(OSError):
                    self._send(self._tls.farewell())
            self._socket.close()
            # they hold their owner, which holds this: a cycle that nobody would collect
            self._on_bytes, self._on_sent, self._on_end = _ignore, _ignore, _ignore

    def notice_reset(self) -> None:
        """See the end of a connection that the peer has reset without the event loop telling so.

        Where a reset arrives in the same round of the loop as bytes do, libuv calls once for both and never
        again (POLLERR ends its watch, and uvloop goes along). To ask after each read would cost a system
        call a token, so the transport asks now and then.
        """
        if self.is_open and (code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            self._read_to_the_end(OSError(code, os.strerror(code)))

    def take_early(self) -> None:
        """Hand over what came together with the end of the TLS handshake."""
        if self._tls is not None:
            self._take(b"")

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
            self._on_sent()

    def _on_send_error(self, exc: OSError) -> None:
        """A peer that takes no more may have said why: what it sent is read before the end is.

        Not at once, because what is being read right now may be what wanted to send.
        """
        self._send_error = exc
        self._pending = memoryview(b"")
        self._loop.remove_writer(self._socket.fileno())
        self._loop.call_soon(self._read_to_the_end, exc)

    def _read_to_the_end(self, exc: OSError) -> None:
        """Read what is left of a connection that the peer has reset, and its end."""
        self._send_error = exc
        read_ns = -1
        while self.is_open and read_ns != self.now_ns:
            read_ns = self.now_ns
            self._on_readable()
        if self.is_open:
            self._on_end(exc)

    def _on_readable(self) -> None:
        try:
            received, ancillary, _, _ = self._receive(_BUFFERS, ANCILLARY_BYTES)
        except BlockingIOError:
            return
        except OSError as exc:
            self._on_end(exc)
            return
        at_ns = now_ns = self.now_ns = monotonic_ns() - self._origin_ns
        if not received:
            self._on_end(self._send_error)
            return
        data = _BUFFER[:received].tobytes()
        if ancillary:
            seconds, nanoseconds = timespec(ancillary[0][2])
            at_ns = seconds * NS_PER_S + nanoseconds - self._wall_offset.ns - self._origin_ns
            if not self.empty_ns <= at_ns <= now_ns:
                at_ns = self._plausible_ns(at_ns)
        else:
            self.stamp = Stamp.USER
        if at_ns > self.at_ns:
            self.at_ns = at_ns
        is_drained = received < _READ_BYTES
        if self._tls is None:
            self._on_bytes(data)
        else:
            self._take(data)
        if is_drained:
            self.empty_ns = now_ns

    def _plausible_ns(self, at_ns: int) -> int:
        """A stamp between the last look at the socket and now.

        A little before the last look: the bytes came between that read and its clock reading. A lot: somebody
        has set the wall clock, and until the offset is measured anew our own stamp is the better one.
        """
        return self.empty_ns if 0 < self.empty_ns - at_ns < NS_PER_MS else self.now_ns

    def _take(self, received: bytes) -> None:
        """Decrypt, and send what TLS itself has to say, behind what is still unsent."""
        assert self._tls is not None
        try:
            plain = self._tls.decrypt(received)
        except ssl.SSLError as exc:
            self._on_end(exc)
            return
        if replies := self._tls.replies():
            self._put(replies)
        if plain:
            self._on_bytes(plain)
        if self._tls.has_ended and self.is_open:
            self._on_end(self._send_error)


def breakage(exc: Exception, where: str) -> tuple[str, str]:
    """Kind and message of a request's error whose wire ended with `exc`; `where` is like `in mid-answer`."""
    if isinstance(exc, ssl.SSLError):
        return "tls", explain(exc)
    if isinstance(exc, (ConnectionResetError, BrokenPipeError)):
        return "reset", f"the server reset the connection {where}"
    return "socket", f"{getattr(exc, 'strerror', None) or exc}"


def _ignore(*told: object) -> None:
    """What a closed wire calls."""
