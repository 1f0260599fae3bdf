"""HTTP/1.1 as the server speaks it: one `Connection` per client, `httptools` for the framing.

Rule 1. One request at a time: those pipelined behind it wait their turn, and reading pauses when many do.
Rule 2. Bytes go straight to the socket when nothing is buffered before them, since uvloop would keep them
        until the end of its round; what the socket does not take goes through the transport, in order.
Rule 3. An end of file means that the client is gone: nobody waits for the rest, as with a real model server.
Rule 4. The handler runs outside the parser's callbacks, so that a bug in it is a traceback, no bad request.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from time import gmtime, strftime
from typing import cast

import httptools

from genai_perf.clock import NS_PER_S, monotonic_ns, wall_ns

MAX_BODY_BYTES = 64 << 20
MAX_HEAD_BYTES = 64 << 10
MAX_PIPELINED = 16

_KEPT_HEADERS = frozenset({b"authorization", b"content-encoding", b"x-request-id"})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, whole."""

    received_ns: int
    """When the read that completed it returned."""
    method: str
    path: str
    """Without the query."""
    headers: dict[str, str]
    """The few that matter here, names in lower case."""
    body: bytes
    version: str
    keep_alive: bool
    problem: tuple[int, str] | None = None
    """The HTTP status and message it must be refused with, where it is no proper request."""


class Connection(asyncio.Protocol):
    """A client's connection. The handler answers `current` with `respond`, or with `write` and `finish`."""

    def __init__(
        self, handle: Callable[["Connection", HttpRequest], None], others: set["Connection"]
    ) -> None:
        self._handle = handle
        self._others = others
        self._waiting: deque[HttpRequest] = deque()
        self._advancing = False
        self._closed_for_reading = False
        """The client's last request has been read; what follows it is ignored."""
        self._oversize: tuple[int, str] | None = None
        self._reading = True
        self._writable = True
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.current: HttpRequest | None = None
        """The request being answered."""
        self.on_gone: Callable[[], None] | None = None
        """Called once if the client goes away while `current` is being answered."""
        self.free_ns = 0
        """When the answer before `current` was finished."""

    # What the handler calls

    def respond(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        """A whole JSON response."""
        self.write(self.response(status, body, *headers))
        self.finish()

    def response(self, status: int, body: bytes, *headers: tuple[str, str]) -> bytes:
        """The bytes of a whole JSON response to `current`."""
        head = self.head(
            status, ("content-type", "application/json"), ("content-length", str(len(body))), *headers
        )
        return head if self.current is not None and self.current.method == "HEAD" else head + body

    def head(self, status: int, *headers: tuple[str, str], close: bool = False) -> bytes:
        """Status line and headers of the response to `current`; `close` where `finish` is going to."""
        lines = [_status_line(status), _date(wall_ns() // NS_PER_S)]
        lines += [f"{name}: {value}\r\n" for name, value in headers]
        request = self.current
        if close or (request is not None and not request.keep_alive):
            lines.append("connection: close\r\n")
        elif request is not None and request.version == "1.0":
            lines.append("connection: keep-alive\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1")

    def write(self, data: bytes) -> None:
        """Send it, or as much as the socket takes now and the rest as soon as it does."""
        if self._transport.is_closing():
            return
        if self._descriptor >= 0 and not self._transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._transport.abort()
                return
            if sent == len(data):
                return
            data = data[sent:]
        self._transport.write(data)

    def finish(self, *, close: bool = False) -> None:
        """The answer to `current` is complete; on to the next, or the end."""
        request, self.current, self.on_gone = self.current, None, None
        self.free_ns = monotonic_ns()
        if close or (request is not None and not request.keep_alive):
            self._transport.close()
        else:
            self._advance()

    def reset(self) -> None:
        """End the connection with a TCP reset (SO_LINGER 0); what is on its way may be lost."""
        self.current, self.on_gone = None, None
        if self._socket is not None and self._socket.family != socket.AF_UNIX:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's inherits from nothing
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        plain = transport.get_extra_info("ssl_object") is None and self._socket is not None
        self._descriptor = self._socket.fileno() if plain and self._socket is not None else -1
        self._others.add(self)
        self._begin_message()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._read_ns = monotonic_ns()
        self._feed(data)
        self._advance()

    def pause_writing(self) -> None:
        """Nothing more is read from a client that does not read."""
        self._writable = False
        self._read_or_pause()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._writable = True
        self._read_or_pause()

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self._descriptor = -1
        self._parser = None  # it points back here
        self._others.discard(self)
        self._waiting.clear()
        gone, self.current, self.on_gone = self.on_gone, None, None
        if gone is not None:
            gone()

    def close(self) -> None:
        """Close now, whatever is under way."""
        self._transport.abort()

    # What the parser calls

    def on_url(self, url: bytes) -> None:
        """May come in parts."""
        self._target += url
        self._count_head(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._count_head(name + value)
        name = name.lower()
        if name in _KEPT_HEADERS:
            self._headers[name.decode("latin-1")] = value.decode("latin-1")
        elif name == b"expect" and value.lower() == b"100-continue":
            self._expects = True
        elif (name == b"content-length" and value != b"0") or name == b"transfer-encoding":
            self._has_body = True

    def on_headers_complete(self) -> None:
        """Tell a client that waits for it to go on."""
        if self._expects and self.current is None and not self._waiting:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """May come in parts."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._oversize = (413, f"The request's body is longer than {MAX_BODY_BYTES} bytes.")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request."""
        assert self._parser is not None
        if self._oversize is not None:
            return
        if self._has_body and self._parser.should_upgrade():  # llhttp does not read the body of such a one
            self._refuse(
                400, "This server speaks HTTP/1.1 only: do not offer to upgrade where there is a body."
            )
            return
        keep_alive = self._parser.should_keep_alive()
        self._waiting.append(
            HttpRequest(
                self._read_ns,
                self._parser.get_method().decode("latin-1"),
                self._target.partition(b"?")[0].decode("latin-1"),
                self._headers,
                self._body[0] if len(self._body) == 1 else b"".join(self._body),
                self._parser.get_http_version(),
                keep_alive,
            )
        )
        self._closed_for_reading = not keep_alive
        self._begin_message()

    # Inside

    def _begin_message(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._has_body = False
        """The head announces one."""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._expects = False

    def _count_head(self, part: bytes) -> None:
        self._head_bytes += len(part)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._oversize = (431, f"The request's head is longer than {MAX_HEAD_BYTES} bytes.")

    def _feed(self, data: bytes) -> None:
        while data and not self._closed_for_reading and self._parser is not None:
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # An offer to change the protocol; answering is how a server declines it (RFC 9110, 7.8).
                data = data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError as error:
                if not self._closed_for_reading:
                    self._refuse(400, f"This is not an HTTP/1.1 request: {error}")
                break
        if self._oversize is not None and not self._closed_for_reading:
            self._refuse(*self._oversize)

    def _refuse(self, status: int, message: str) -> None:
        self._closed_for_reading = True
        self._waiting.append(
            HttpRequest(self._read_ns, "", "", {}, b"", "1.1", keep_alive=False, problem=(status, message))
        )

    def _advance(self) -> None:
        """Hand over the next request. Not recursive, though handlers call `finish`, which calls this."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self.current is None and self._waiting and not self._transport.is_closing():
                self.current = self._waiting.popleft()
                self._handle(self, self.current)
        finally:
            self._advancing = False
        self._read_or_pause()

    def _read_or_pause(self) -> None:
        wanted = self._writable and len(self._waiting) < MAX_PIPELINED
        if wanted != self._reading and not self._transport.is_closing():
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    return f"HTTP/1.1 {status} {phrase}\r\nserver: genai-perf\r\n"


@lru_cache(maxsize=2)
def _date(seconds: int) -> str:
    return strftime("date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(seconds))
