"""HTTP/2 by hand: frames as bytes, and the server's side of a connection that a test writes out itself."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import hpack
from server import Peer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 1, 1, 4, 8, 32
TRAILERS = {"grpc-status": "0"}
HEAD = {":status": "200", "content-type": "application/grpc"}


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def settings(values: Mapping[int, int] | None = None) -> bytes:
    payload = b"".join(struct.pack(">HI", *pair) for pair in (values or {}).items())
    return frame(SETTINGS, 0, 0, payload)


def u32(number: int) -> bytes:
    return struct.pack(">I", number)


def message(data: bytes, *, compressed: bool = False) -> bytes:
    """With gRPC's prefix."""
    return struct.pack(">BI", compressed, len(data)) + data


def block(fields: Mapping[str, str]) -> bytes:
    """Headers that leave the compression's table as it is."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return encoder.encode(list(fields.items()), huffman=False)


def headers(stream: int, fields: Mapping[str, str] = HEAD, *, ends: bool = False) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block(fields))


def data(stream: int, *messages: bytes) -> bytes:
    """One frame with these messages."""
    return frame(DATA, 0, stream, b"".join(map(message, messages)))


def trailers(stream: int, fields: Mapping[str, str] = TRAILERS) -> bytes:
    return headers(stream, fields, ends=True)


def answer(stream: int, *messages: bytes) -> bytes:
    """A whole one."""
    return headers(stream) + b"".join(data(stream, each) for each in messages) + trailers(stream)


@dataclass(slots=True)
class Frame:
    """One that the client sent."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class Http2Peer:
    """The server's side: says its settings, reads frames, and keeps them all."""

    def __init__(self, peer: Peer, own_settings: Mapping[int, int] | None = None) -> None:
        self._peer = peer
        self._unread = b""
        self.frames: list[Frame] = []
        """Everything the client has sent."""
        assert self._read(len(PREFACE)) == PREFACE
        peer.write(settings(own_settings))

    def _read(self, size: int) -> bytes | None:
        while len(self._unread) < size:
            if not (received := self._peer.read()):
                return None
            self._unread += received
        found, self._unread = self._unread[:size], self._unread[size:]
        return found

    def next_frame(self) -> Frame | None:
        """None when the client has closed."""
        head = self._read(9)
        if head is None:
            return None
        length, flags, stream = struct.unpack(">IBI", head)
        payload = self._read(length >> 8)
        if payload is None:
            return None
        self.frames.append(Frame(length & 0xFF, flags, stream, payload))
        return self.frames[-1]

    def until(self, kind: int, flags: int = 0) -> Frame | None:
        """The next frame of that kind that has these flags."""
        while found := self.next_frame():
            if found.kind == kind and found.flags & flags == flags:
                return found
        return None

    def requests(self) -> Iterator[int]:
        """The stream of each request, when all of it is there."""
        while found := self.next_frame():
            if found.kind in (DATA, HEADERS) and found.flags & END_STREAM:
                yield found.stream

    def write(self, *parts: bytes) -> list[int]:
        return self._peer.write(*parts)


def always(wire_of: Callable[[int], bytes]) -> Callable[[Peer], None]:
    """A script that gives every request the answer made for its stream."""

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            http2.write(wire_of(stream))

    return script
