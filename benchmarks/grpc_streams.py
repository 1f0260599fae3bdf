"""gRPC streams: a server that can, the least that a client can do, grpcio's own client, and the program.

    python grpc_streams.py serve PORT RESPONSES    answers every call with so many responses, one write each
    python grpc_streams.py bare PORT CALLS SECONDS    CALLS at a time; counts responses and stamps reads, no more
    python grpc_streams.py aio PORT CALLS SECONDS     the same through grpc.aio, which stamps responses
    python grpc_streams.py request                   writes the request, as dynamic_grpc's rows want it

Clients print a line of JSON. (Not named grpc.py: a script's directory comes first on its path, and the package
of that name would not be found.)
"""

import asyncio
import json
import resource
import struct
import sys
import time
from collections import deque
from functools import cache

import uvloop

METHOD = "bench.Streams/Words"
REQUEST = b"x" * 600
RESPONSE = b"y" * 90
"""About what a token takes in KServe's protocol."""

_HEAD = struct.Struct(">IBI")
_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


@cache
def block(*fields: tuple[str, str]) -> bytes:
    """Headers that leave the other side's table alone."""
    import hpack

    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return encoder.encode(fields)


def message(data: bytes) -> bytes:
    return struct.pack(">BI", 0, len(data)) + data


class Frames(asyncio.Protocol):
    """Takes what comes apart into frames, and calls `take` with each."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        at, end = 0, len(data)
        while end - at >= 9:
            length, flags, stream = _HEAD.unpack_from(data, at)
            kind, length = length & 0xFF, length >> 8
            if end - at - 9 < length:
                break
            self.take(kind, flags, stream, length)
            at += 9 + length
        self.rest = data[at:]


# -- the server ---------------------------------------------------------------------------------------


class Responder(Frames):
    """One connection. Streams that are to be answered wait in `turns`, which all connections share."""

    def __init__(self, turns: "deque[tuple[Responder, int, int]]", responses: int) -> None:
        super().__init__()
        self.turns = turns
        self.responses = responses
        self.has_preface = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        transport.write(frame(_SETTINGS, 0, 0))

    def data_received(self, data: bytes) -> None:
        if not self.has_preface:
            data, self.has_preface = data[len(_PREFACE) :], True
        super().data_received(data)

    def take(self, kind: int, flags: int, stream: int, length: int) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self.transport.write(frame(_SETTINGS, _ACK, 0))
        elif kind == _DATA:
            self.transport.write(frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", length)))
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            head = block((":status", "200"), ("content-type", "application/grpc"))
            self.transport.write(frame(_HEADERS, _END_HEADERS, stream, head))
            self.turns.append((self, stream, self.responses))


async def serve(port: int, responses: int) -> None:
    turns: deque[tuple[Responder, int, int]] = deque()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Responder(turns, responses), "127.0.0.1", port)
    answer, trailers = message(RESPONSE), block(("grpc-status", "0"))
    while True:
        # one response to each stream, then a look at what came: no stream is ahead of the others
        for _ in range(len(turns)):
            responder, stream, left = turns.popleft()
            transport = responder.transport
            if transport.is_closing():
                continue
            if not left:
                transport.write(frame(_HEADERS, _END_HEADERS | _END_STREAM, stream, trailers))
                continue
            if not transport.get_write_buffer_size():
                transport.write(frame(_DATA, 0, stream, answer))
                left -= 1
            turns.append((responder, stream, left))
        await asyncio.sleep(0 if turns else 0.001)


# -- the least ----------------------------------------------------------------------------------------


class Bare(Frames):
    """One connection, which makes call after call."""

    def __init__(self, until: float, done: asyncio.Semaphore) -> None:
        super().__init__()
        self.until = until
        self.done = done
        self.stream = -1
        self.responses = 0
        self.reads: list[int] = []

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        window = struct.pack(">HI", 4, 2**30)
        update = struct.pack(">I", 2**30)
        transport.write(_PREFACE + frame(_SETTINGS, 0, 0, window) + frame(_WINDOW_UPDATE, 0, 0, update))
        self.call()

    def call(self) -> None:
        self.stream += 2
        head = block((":method", "POST"), (":scheme", "http"), (":path", f"/{METHOD}"), ("te", "trailers"))
        self.transport.write(
            frame(_HEADERS, _END_HEADERS, self.stream, head)
            + frame(_DATA, _END_STREAM, self.stream, message(REQUEST))
        )

    def data_received(self, data: bytes) -> None:
        self.reads.append(time.perf_counter_ns())
        super().data_received(data)

    def take(self, kind: int, flags: int, *_: int) -> None:
        if kind == _DATA:
            self.responses += 1
        if flags & _END_STREAM and kind in (_DATA, _HEADERS):
            if time.perf_counter() < self.until:
                self.call()
            else:
                self.transport.close()
                self.done.release()


async def bare(port: int, calls: int, seconds: float) -> tuple[int, int]:
    loop = asyncio.get_running_loop()
    done = asyncio.Semaphore(0)
    until = time.perf_counter() + seconds
    made = [
        (await loop.create_connection(lambda: Bare(until, done), "127.0.0.1", port))[1] for _ in range(calls)
    ]
    for _ in made:
        await done.acquire()
    return sum(each.responses for each in made), sum(len(each.reads) for each in made)


# -- grpcio -------------------------------------------------------------------------------------------


async def aio(port: int, calls: int, seconds: float) -> tuple[int, int]:
    import grpc

    until = time.perf_counter() + seconds
    stamps: list[int] = []

    async def worker() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # a connection for each, as the others have
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            method = channel.unary_stream(f"/{METHOD}")
            while time.perf_counter() < until:
                stamps.extend([time.perf_counter_ns() async for _ in method(REQUEST)])

    await asyncio.gather(*[worker() for _ in range(calls)])
    return len(stamps), len(stamps)


def main(kind: str, port: int, number: int, seconds: float) -> None:
    started = time.perf_counter()
    responses, reads = uvloop.run({"bare": bare, "aio": aio}[kind](port, number, seconds))
    elapsed_s = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = used.ru_utime + used.ru_stime
    figures = {
        "responses_per_s": responses / elapsed_s,
        "responses_per_cpu_s": responses / cpu_s,
        "responses_a_read": responses / reads,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1] == "request":
        sys.stdout.buffer.write(struct.pack("=I", len(REQUEST)) + REQUEST)
    elif sys.argv[1] == "serve":
        uvloop.run(serve(int(sys.argv[2]), int(sys.argv[3])))
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
