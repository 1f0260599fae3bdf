"""A scripted server on loopback: the test says exactly which bytes go out, in which writes, and how it ends.

A script is a function of one accepted connection, run in a thread of its own, so it goes on while the test's
event loop is blocked. It uses plain blocking sockets and knows no HTTP beyond reading a request; answers are
bytes, made by `answer` and `chunked` or written out.

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(answer(b"{}"))

    with Server(script) as server: ...

Leaving the `with` waits until every script has returned. A script that reads to the end of its connection
returns when the client closes it, so a client that leaks a connection fails the test there.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from genai_perf.clock import monotonic_ns

PATIENCE_S = 10.0
"""After this long something hangs that should not."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case; a name that came twice has both values, joined by a comma."""
    body: bytes


class Peer:
    """One accepted connection, as the script sees it."""

    def __init__(self, sock: socket.socket, number: int, server: "Server") -> None:
        self.number = number
        """How many connections came before it."""
        self.socket = sock
        self.server_name: str | None = None
        """The host name in the TLS handshake."""
        self._server = server
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._unread = b""

    # -- reading ---------------------------------------------------------------------------------

    def request(self) -> Received | None:
        """The next request; None when the client has closed or reset the connection."""
        head = self._head()
        if head is None:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            headers[name] = ", ".join([headers[name], value.strip()] if name in headers else [value.strip()])
        size = int(headers.get("content-length", "0"))
        while len(self._unread) < size:
            if not (part := self.read()):
                return None
            self._unread += part
        body, self._unread = self._unread[:size], self._unread[size:]
        method, target, _ = first.split(" ")
        received = Received(method, target, headers, body)
        self._server.requests.append(received)
        return received

    def head(self) -> bool:
        """Read a request's head and leave its body in the socket."""
        return self._head() is not None

    def read(self, size: int = 65_536) -> bytes:
        """What one read gives; empty at the end of the connection, proper or not."""
        try:
            if self._tls is None:
                return self.socket.recv(size)
            while True:
                try:
                    return self._tls.read(size)
                except ssl.SSLWantReadError:
                    if not (received := self.socket.recv(size)):
                        return b""
                    self._incoming.write(received)
        except OSError:  # ssl.SSLZeroReturnError is one
            return b""

    def _head(self) -> bytes | None:
        while b"\r\n\r\n" not in self._unread:
            if not (part := self.read()):
                return None
            self._unread += part
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head

    # -- writing ---------------------------------------------------------------------------------

    def write(self, *parts: bytes) -> list[int]:
        """One write to the kernel for each part; the instants just before each."""
        instants = []
        for part in parts:
            wire = self.encrypt(part) if self._tls is not None else part
            instants.append(monotonic_ns())
            self.socket.sendall(wire)
        return instants

    def write_cut(self, data: bytes, size: int) -> None:
        """Write `data`, under TLS its records, in pieces of `size` bytes."""
        wire = self.encrypt(data) if self._tls is not None else data
        for start in range(0, len(wire), size):
            self.socket.sendall(wire[start : start + size])

    def wait(self) -> None:
        """Go on when the test says so, by `Server.step`."""
        if not self._server.steps.acquire(timeout=PATIENCE_S):
            raise AssertionError(f"connection {self.number} waited for a step that never came")

    # -- TLS -------------------------------------------------------------------------------------

    def encrypt(self, plain: bytes) -> bytes:
        """The records that carry `plain`."""
        assert self._tls is not None
        self._tls.write(plain)
        return self._outgoing.read()

    def start_tls(self, context: ssl.SSLContext) -> None:
        """The server's side of a handshake. Raises ssl.SSLError, OSError."""
        context.sni_callback = lambda tls, name, _: setattr(self, "server_name", name)
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                if not (received := self.socket.recv(65_536)):
                    raise ConnectionResetError("the client left during the handshake") from None
                self._incoming.write(received)
            except ssl.SSLError:
                self.socket.sendall(self._outgoing.read())  # the alert
                raise
            else:
                self.socket.sendall(self._outgoing.read())
                return

    def how_it_ends(self) -> str:
        """Wait for the end of what the client sends: `close_notify`, `closed` or `reset`."""
        assert self._tls is not None
        while True:
            try:
                if not self._tls.read(1024):
                    return "close_notify"
            except ssl.SSLWantReadError:
                try:
                    received = self.socket.recv(65_536)
                except ConnectionResetError:
                    return "reset"
                if not received:
                    return "closed"
                self._incoming.write(received)

    def close_notify(self) -> None:
        """Say in TLS that nothing more comes, and leave the connection open below it."""
        assert self._tls is not None
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self.socket.sendall(self._outgoing.read())

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close; whatever the client still sends is answered with a reset."""
        self.socket.close()

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Server:
    """Listens while it is entered, and runs the script for every connection.

    `listen` is an IPv4 or IPv6 address, or the path of a unix socket.
    """

    def __init__(
        self,
        script: Callable[[Peer], None],
        *,
        listen: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.requests: list[Received] = []
        """Every request read so far, in order of arrival."""
        self.peers: list[Peer] = []
        """Every connection accepted so far."""
        self.port = 0
        """The one the system chose; 0 for a unix socket."""
        self.steps = threading.Semaphore(0)
        self._script = script
        self._listen = listen
        self._tls = tls
        self._receive_buffer = receive_buffer
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    @property
    def url(self) -> str:
        """As a user would give it."""
        if self._listen.startswith("/"):
            return f"unix:{self._listen}"
        host = f"[{self._listen}]" if ":" in self._listen else self._listen
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def step(self) -> None:
        """Let one script that waits go on."""
        self.steps.release()

    def __enter__(self) -> "Server":
        family = socket.AF_INET6 if ":" in self._listen else socket.AF_INET
        if self._listen.startswith("/"):
            family = socket.AF_UNIX
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        if self._receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        self._socket.bind(self._listen if family == socket.AF_UNIX else (self._listen, 0))
        if family != socket.AF_UNIX:
            self.port = self._socket.getsockname()[1]
        self._socket.listen(128)
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(PATIENCE_S)
        self._socket.close()
        for number, thread in enumerate(self._threads):
            thread.join(PATIENCE_S if exc is None else 0)
            if thread.is_alive():
                self.peers[number].socket.shutdown(socket.SHUT_RDWR)
                if exc is None:
                    raise AssertionError(f"the script of connection {number} still waits for the client")
        if exc is None and self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, len(self.peers), self)
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            if self._tls is not None:
                peer.start_tls(self._tls)
            self._script(peer)
        except OSError:
            pass  # the client went away, or did not like our certificate
        except BaseException as exc:  # noqa: BLE001  raised again in the test's own thread
            self._failures.append(exc)
        finally:
            peer.close()


def answer(body: bytes, *headers: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """A whole answer with its length; `headers` are lines."""
    lines = [f"{version} {status}", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def head(*headers: str, status: str = "200 OK", version: str = "HTTP/1.1") -> bytes:
    """The head of an answer."""
    return "\r\n".join([f"{version} {status}", *headers, "", ""]).encode()


def chunk(data: bytes, extension: str = "") -> bytes:
    """One chunk."""
    return b"%x%b\r\n%b\r\n" % (len(data), extension.encode(), data)


LAST_CHUNK = b"0\r\n\r\n"


def chunked(*pieces: bytes, headers: tuple[str, ...] = ()) -> bytes:
    """A whole answer, each piece a chunk."""
    return head("Transfer-Encoding: chunked", *headers) + b"".join(map(chunk, pieces)) + LAST_CHUNK


def event(data: bytes) -> bytes:
    """One server-sent event."""
    return b"data: " + data + b"\n\n"
