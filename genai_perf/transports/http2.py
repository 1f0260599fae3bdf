"""The client's side of HTTP/2 (RFC 9113) with one stream at a time: frames, settings, flow control.

Bytes go in by `feed` and out by the `send` it was given; no socket and no clock is known here. A part of
a message body is handed on as soon as it is there, in the middle of its frame if need be: whoever stamps it
does so by the read that brought it.

What this program never does is left out: several streams at once, priorities (RFC 9113 has done away with
them), pushed streams (refused in our settings, so that one is an error of the server's).
"""

import struct
from collections.abc import Callable
from typing import Protocol

from genai_perf.transports.header_blocks import HeaderBlocks, Headers, HeadersError

WINDOW_BYTES = 2**30
"""How far a server may send ahead: a load generator that reads slowly would measure itself."""
_DEFAULT_WINDOW_BYTES = 65_535
_MOST_WINDOW_BYTES = 2**31 - 1
FRAME_BYTES = 16_384
"""The longest frame we take, HTTP/2's default."""
_MOST_BLOCK_BYTES = 2**20
"""Of compressed headers: a server that sends more has lost its way."""
_LAST_STREAM = 2**31 - 1

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE = range(6)
_PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(6, 10)
_END_STREAM = _ACK = 0x1
_END_HEADERS, _PADDED, _HAS_PRIORITY = 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 0x1, 0x2, 0x4, 0x5

_HEAD = struct.Struct(">IBI")
"""Length (3 bytes) and type, flags, stream."""
_HEAD_BYTES = 9
_SETTING = struct.Struct(">HI")
_U32 = struct.Struct(">I")

ERRORS = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
"""By code."""
CANCEL = ERRORS.index("CANCEL")


def error_name(code: int) -> str:
    """As the standard calls it."""
    return ERRORS[code] if code < len(ERRORS) else f"error {code}"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame, ready to be sent."""
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


class Http2Error(Exception):
    """The server has broken a rule of HTTP/2; the connection is of no more use."""


class Listener(Protocol):
    """Who is told what came."""

    def on_settings(self) -> None:
        """The server has said what it takes, for the first time or again."""

    def on_headers(self, headers: Headers, ends: bool) -> None:
        """Of the stream in flight; `ends`: nothing more comes on it."""

    def on_data(self, part: bytes) -> None:
        """A part of the stream's body."""

    def on_end(self) -> None:
        """The stream's body is complete."""

    def on_reset(self, code: int) -> None:
        """The server has given the stream up."""

    def on_go_away(self, last_stream: int, code: int, text: bytes) -> None:
        """No stream after `last_stream` will be looked at."""


class Http2:
    """One connection; `stream` is the number of the stream in flight or last."""

    __slots__ = (
        "_block", "_block_ends", "_blocks", "_data_ends", "_data_left", "_frame_bytes", "_initial_window",
        "_is_receiving", "_last_kind", "_listener", "_rest", "_send", "_stream_unread", "_stream_window",
        "_unread", "_unsent", "_window", "stream",
    )  # fmt: skip

    def __init__(self, headers: Headers, send: Callable[[bytes], object], listener: Listener) -> None:
        """`headers`: those of every request; `send`: what takes bytes for the server."""
        self._blocks = HeaderBlocks(headers)
        self._send = send
        self._listener = listener
        self._rest = b""
        """Of a frame that is not complete."""
        self._last_kind = -1
        self._block: list[bytes] | None = None
        """Of headers that go on in a CONTINUATION."""
        self._block_ends = False
        self._data_left = 0
        """Bytes still to come of the DATA frame that was last begun."""
        self._data_ends = False
        self.stream = -1
        self._is_receiving = False
        self._unsent = memoryview(b"")
        self._frame_bytes = FRAME_BYTES
        self._window = _DEFAULT_WINDOW_BYTES
        self._initial_window = _DEFAULT_WINDOW_BYTES
        self._stream_window = 0
        self._unread = 0
        """Bytes by which the connection's window at the server has shrunk."""
        self._stream_unread = 0

    # -- what goes out ---------------------------------------------------------------------------

    def hello(self) -> bytes:
        """What a connection begins with."""
        settings = _SETTING.pack(_ENABLE_PUSH, 0) + _SETTING.pack(_INITIAL_WINDOW_SIZE, WINDOW_BYTES)
        return (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + frame(_SETTINGS, 0, 0, settings)
            + frame(_WINDOW_UPDATE, 0, 0, _U32.pack(WINDOW_BYTES - _DEFAULT_WINDOW_BYTES))
        )

    def start(self, body: bytes) -> bytes:
        """A new stream that sends `body`: the bytes that may go out now. The rest follows by `send`."""
        self.stream += 2
        self._is_receiving = True
        self._stream_window = self._initial_window
        self._stream_unread = 0
        block = self._blocks.ours()
        self._unsent = memoryview(body)
        if len(block) <= self._frame_bytes:
            flags = _END_HEADERS if body else _END_HEADERS | _END_STREAM
            return frame(_HEADERS, flags, self.stream, block) + self._next_data()
        size = self._frame_bytes
        frames = [frame(_HEADERS, 0 if body else _END_STREAM, self.stream, block[:size])]
        for first in range(size, len(block), size):
            flags = _END_HEADERS if first + size >= len(block) else 0
            frames.append(frame(_CONTINUATION, flags, self.stream, block[first : first + size]))
        return b"".join(frames) + self._next_data()

    @property
    def is_sent(self) -> bool:
        """Whether all of the stream's body has gone out."""
        return not self._unsent

    @property
    def is_spent(self) -> bool:
        """Whether no stream is left to begin."""
        return self.stream + 2 > _LAST_STREAM

    @property
    def ended_in_data(self) -> bool:
        """Whether the last byte fed belonged to a body."""
        return self._last_kind == _DATA and not self._rest

    def give_up(self, code: int = CANCEL) -> bytes:
        """What tells the server that nobody waits for the stream any more."""
        self._is_receiving = False
        self._unsent = memoryview(b"")
        return frame(_RST_STREAM, 0, self.stream, _U32.pack(code))

    def farewell(self) -> bytes:
        """What tells the server that the connection ends."""
        return frame(_GOAWAY, 0, 0, bytes(8))

    def _next_data(self) -> bytes:
        """The DATA frames that both windows have room for."""
        frames: list[bytes | memoryview] = []
        while self._unsent and (room := min(self._window, self._stream_window)) > 0:
            part = self._unsent[: min(room, self._frame_bytes)]
            self._unsent = self._unsent[len(part) :]
            self._window -= len(part)
            self._stream_window -= len(part)
            flags = 0 if self._unsent else _END_STREAM
            frames += (_HEAD.pack(len(part) << 8 | _DATA, flags, self.stream), part)
        return b"".join(frames)

    # -- what comes in ---------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Take what came. Raises Http2Error, and what the listener raises."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, end = 0, len(data)
        kind = self._last_kind
        if self._data_left:
            at, kind = self._go_on(data, 0), _DATA
        while end - at >= _HEAD_BYTES:
            length, flags, stream = _HEAD.unpack_from(data, at)
            kind = length & 0xFF
            length >>= 8
            first = at + _HEAD_BYTES
            if length > FRAME_BYTES:
                raise Http2Error(f"a frame of {length} bytes, more than was agreed on")
            if kind == _DATA and not flags & _PADDED and self._block is None:
                self._count(length, stream)
                self._data_left = length
                self._data_ends = bool(flags & _END_STREAM)
                at = self._go_on(data, first)
                continue
            if end - first < length:
                break
            at = first + length
            if self._block is not None and kind != _CONTINUATION:
                raise Http2Error("a frame in the middle of headers")
            if (take := _TAKE.get(kind)) is not None:
                take(self, stream & _LAST_STREAM, flags, data[first:at])
        self._rest = data[at:]
        self._last_kind = kind

    def _go_on(self, data: bytes, at: int) -> int:
        """Hand on what is there of the current DATA frame; gives where it ends."""
        part = data[at : at + self._data_left]
        self._data_left -= len(part)
        if part:
            self._listener.on_data(part)
        if self._data_ends and not self._data_left:
            self._end()
        return at + len(part)

    def _end(self) -> None:
        self._is_receiving = False
        self._listener.on_end()

    def _check_current(self, stream: int) -> None:
        """No stream is left before it has ended, so that nothing may come for another one."""
        if stream & _LAST_STREAM != self.stream or not self._is_receiving:
            raise Http2Error(f"part of an answer on stream {stream & _LAST_STREAM}, where none is due")

    def _check_begun(self, stream: int) -> None:
        if stream > self.stream or stream % 2 == 0:
            raise Http2Error(f"a frame for stream {stream}, which nobody has begun")

    def _count(self, size: int, stream: int) -> None:
        """Open the windows at the server again when half of one is used up."""
        self._check_current(stream)
        self._unread += size
        if self._unread >= WINDOW_BYTES // 2:
            self._send(frame(_WINDOW_UPDATE, 0, 0, _U32.pack(self._unread)))
            self._unread = 0
        self._stream_unread += size
        if self._stream_unread >= WINDOW_BYTES // 2:
            self._send(frame(_WINDOW_UPDATE, 0, self.stream, _U32.pack(self._stream_unread)))
            self._stream_unread = 0

    # -- frames that come whole ------------------------------------------------------------------

    def _take_data(self, stream: int, flags: int, payload: bytes) -> None:
        """One with padding."""
        self._count(len(payload), stream)
        if part := _unpadded(payload, flags):
            self._listener.on_data(part)
        if flags & _END_STREAM:
            self._end()

    def _take_headers(self, stream: int, flags: int, payload: bytes) -> None:
        payload = _unpadded(payload, flags)
        if flags & _HAS_PRIORITY:
            if len(payload) < 5:
                raise Http2Error("headers that are too short")
            payload = payload[5:]
        self._check_current(stream)
        self._block = [payload]
        self._block_ends = bool(flags & _END_STREAM)
        if flags & _END_HEADERS:
            self._take_block(stream)

    def _take_continuation(self, stream: int, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise Http2Error("headers that go on without having begun")
        self._block.append(payload)
        if sum(map(len, self._block)) > _MOST_BLOCK_BYTES:
            raise Http2Error(f"headers of more than {_MOST_BLOCK_BYTES} bytes")
        if flags & _END_HEADERS:
            self._take_block(stream)

    def _take_block(self, stream: int) -> None:
        self._check_current(stream)
        assert self._block is not None
        block = b"".join(self._block)
        self._block = None
        try:
            headers = self._blocks.decode(block)
        except HeadersError as exc:
            raise Http2Error(f"headers that cannot be decoded: {exc}") from exc
        self._listener.on_headers(headers, self._block_ends)
        if self._block_ends:
            self._end()

    def _take_reset(self, stream: int, flags: int, payload: bytes) -> None:  # noqa: ARG002
        self._check_begun(stream)
        if stream != self.stream:
            return  # it said so after the end of an answer that was complete
        self._unsent = memoryview(b"")
        if self._is_receiving:
            self._is_receiving = False
            self._listener.on_reset(_number(payload))

    def _take_settings(self, stream: int, flags: int, payload: bytes) -> None:
        if stream or len(payload) % _SETTING.size:
            raise Http2Error("settings that are none")
        if flags & _ACK:
            return
        for name, value in _SETTING.iter_unpack(payload):
            if name == _INITIAL_WINDOW_SIZE:
                if value > _MOST_WINDOW_BYTES:
                    raise Http2Error(f"an initial window of {value} bytes")
                self._stream_window += value - self._initial_window
                self._initial_window = value
            elif name == _MAX_FRAME_SIZE:
                if not FRAME_BYTES <= value < 2**24:
                    raise Http2Error(f"frames of at most {value} bytes")
                self._frame_bytes = value
            elif name == _HEADER_TABLE_SIZE:
                self._blocks.limit_table(value)
        self._send(frame(_SETTINGS, _ACK, 0))
        self._go_on_sending()
        self._listener.on_settings()

    def _take_push(self, stream: int, flags: int, payload: bytes) -> None:  # noqa: ARG002
        raise Http2Error("a pushed stream, which nobody allowed")

    def _take_ping(self, stream: int, flags: int, payload: bytes) -> None:
        if stream or len(payload) != 8:
            raise Http2Error("a ping that is none")
        if not flags & _ACK:
            self._send(frame(_PING, _ACK, 0, payload))

    def _take_go_away(self, stream: int, flags: int, payload: bytes) -> None:  # noqa: ARG002
        if len(payload) < 8:
            raise Http2Error("a farewell that is too short")
        last_stream = _number(payload[:4]) & _LAST_STREAM
        self._listener.on_go_away(last_stream, _number(payload[4:8]), payload[8:])

    def _take_window_update(self, stream: int, flags: int, payload: bytes) -> None:  # noqa: ARG002
        increment = _number(payload) & _LAST_STREAM
        if not increment:
            raise Http2Error("a window that grows by nothing")
        if not stream:
            self._window += increment
        elif stream == self.stream:
            self._stream_window += increment
        else:
            self._check_begun(stream)
        if max(self._window, self._stream_window) > _MOST_WINDOW_BYTES:
            raise Http2Error("a window that is too large")
        self._go_on_sending()

    def _go_on_sending(self) -> None:
        if self._unsent and (frames := self._next_data()):
            self._send(frames)


_TAKE: dict[int, Callable[[Http2, int, int, bytes], None]] = {
    _DATA: Http2._take_data,  # noqa: SLF001
    _HEADERS: Http2._take_headers,  # noqa: SLF001
    _RST_STREAM: Http2._take_reset,  # noqa: SLF001
    _SETTINGS: Http2._take_settings,  # noqa: SLF001
    _PUSH_PROMISE: Http2._take_push,  # noqa: SLF001
    _PING: Http2._take_ping,  # noqa: SLF001
    _GOAWAY: Http2._take_go_away,  # noqa: SLF001
    _WINDOW_UPDATE: Http2._take_window_update,  # noqa: SLF001
    _CONTINUATION: Http2._take_continuation,  # noqa: SLF001
}
"""By type; what is not known is passed over, as the standard wants it."""


def _unpadded(payload: bytes, flags: int) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error("more padding than frame")
    return payload[1 : len(payload) - payload[0]]


def _number(payload: bytes) -> int:
    if len(payload) != 4:
        raise Http2Error("a frame of the wrong size")
    number: int = _U32.unpack(payload)[0]
    return number
