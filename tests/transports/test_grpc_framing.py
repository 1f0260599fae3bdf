"""The gRPC transport against servers that are scripted byte by byte: good answers, and their stamps."""

import asyncio
import gzip
import sys
import threading
from collections.abc import Callable

import pytest
from grpc_wire import call, calling, exchange_of, in_flight
from http2_frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEAD,
    PADDED,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Peer,
    always,
    answer,
    data,
    frame,
    headers,
    message,
    settings,
    trailers,
    u32,
)
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from server import PATIENCE_S, Peer, Server
from wire import assert_in_order, until

from genai_perf.types import Exchange, Stamp

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's stamps")


# -- answers, however they are framed ------------------------------------------------------------------

WORDS = [b"one", b"", b"three" * 60]
FRAMED: dict[str, Callable[[int], bytes]] = {
    "a frame for each message": lambda stream: answer(stream, *WORDS),
    "all in one frame": lambda stream: headers(stream) + data(stream, *WORDS) + trailers(stream),
    "a frame for each byte": lambda stream: (
        headers(stream)
        + b"".join(frame(DATA, 0, stream, bytes([byte])) for byte in b"".join(map(message, WORDS)))
        + trailers(stream)
    ),
    "padded": lambda stream: (
        headers(stream)
        + b"".join(frame(DATA, PADDED, stream, b"\x04" + message(word) + bytes(4)) for word in WORDS)
        + trailers(stream)
    ),
    "compressed, some of it": lambda stream: (
        headers(stream, {**HEAD, "grpc-encoding": "gzip"})
        + frame(DATA, 0, stream, message(gzip.compress(WORDS[0]), compressed=True))
        + frame(DATA, 0, stream, message(WORDS[1]))
        + frame(DATA, 0, stream, message(gzip.compress(WORDS[2]), compressed=True))
        + trailers(stream)
    ),
    "with interim headers": lambda stream: headers(stream, {":status": "103"}) + answer(stream, *WORDS),
    "between pings and settings": lambda stream: (
        frame(PING, 0, 0, b"12345678")
        + headers(stream)
        + settings({3: 1})
        + data(stream, WORDS[0])
        + frame(PING, 0, 0, b"12345678")
        + data(stream, *WORDS[1:])
        + frame(WINDOW_UPDATE, 0, 0, u32(5))
        + trailers(stream)
        + frame(RST_STREAM, 0, stream, u32(0))
    ),
}


@pytest.mark.parametrize("cut", [1, 7, 1_000_000])
@pytest.mark.parametrize("wire_of", FRAMED.values(), ids=FRAMED)
async def test_an_answer_is_whole_and_its_connection_is_used_again(
    wire_of: Callable[[int], bytes], cut: int
) -> None:
    def script(peer: Peer) -> None:
        for stream in Http2Peer(peer).requests():
            peer.write_cut(wire_of(stream), cut)

    with Server(script) as server:
        async with calling(server.url) as transport:
            for _ in range(3):
                exchange = await call(transport, b"x")
                assert_in_order(exchange)
                assert list(WORDS) == exchange.data
                assert (200, "0") == (exchange.status, exchange.headers["grpc-status"])
        assert 1 == len(server.peers)


@how(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(FRAMED)), st.lists(st.integers(1, 60), max_size=12))
def test_however_an_answer_is_cut_the_exchange_is_the_same(name: str, cuts: list[int]) -> None:
    def script(peer: Peer) -> None:
        for stream in Http2Peer(peer).requests():
            wire = FRAMED[name](stream)
            for size in cuts:
                peer.write(wire[:size])
                wire = wire[size:]
            peer.write(wire)

    async def ask() -> Exchange:
        async with calling(server.url) as transport:
            return await call(transport, b"x")

    with Server(script) as server:
        exchange = asyncio.run(ask())
    assert_in_order(exchange)
    assert list(WORDS) == exchange.data


# -- stamps --------------------------------------------------------------------------------------------


@linux
async def test_a_message_behind_which_nothing_came_has_a_stamp_beyond_doubt() -> None:
    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            http2.write(headers(stream))
            peer.wait()
            http2.write(data(stream, b"alone"))
            peer.wait()
            http2.write(data(stream, b"first", b"second") + data(stream, b"third"))
            peer.wait()
            http2.write(data(stream, b"by itself"))
            peer.wait()
            whole = data(stream, b"parted")
            http2.write(data(stream, b"before a part") + whole[:-2])
            peer.wait()
            http2.write(whole[-2:])
            peer.wait()
            http2.write(data(stream, b"last") + trailers(stream))

    with Server(script) as server:
        async with calling(server.url) as transport:
            async with in_flight(transport, b"x") as (exchange, _):
                await until(lambda: exchange.headers_ns > 0)
                for known in (1, 4, 5, 6, 7, 8):
                    server.step()
                    await until(lambda known=known: len(exchange.data) >= known)
            assert_in_order(exchange)
    assert Stamp.KERNEL is exchange.stamp
    is_sure = [after == at for after, at in zip(exchange.after_ns, exchange.at_ns, strict=True)]
    # alone | first second third | by itself | before a part, and that | parted | last, and trailers
    assert [True, False, False, True, True, False, True, False] == is_sure
    assert exchange.at_ns[1] == exchange.at_ns[3]


@linux
async def test_the_kernel_says_when_a_message_came_and_not_when_it_was_read() -> None:
    written_ns: list[int] = []
    has_written = threading.Event()

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            http2.write(headers(stream))
            peer.wait()
            written_ns.extend(http2.write(data(stream, b"one")))
            has_written.set()
            peer.wait()
            http2.write(trailers(stream))

    with Server(script) as server:
        async with calling(server.url) as transport:
            origin_ns = transport._origin_ns
            async with in_flight(transport, b"x") as (exchange, _):
                await until(lambda: exchange.headers_ns > 0)
                server.step()
                assert has_written.wait(PATIENCE_S)  # the loop stands still
                await until(lambda: bool(exchange.data))
                server.step()
    assert written_ns[0] - origin_ns <= exchange.at_ns[0] < exchange.read_ns[0]


async def test_messages_that_come_in_one_read_are_told_of_together() -> None:
    told: list[int] = []
    with Server(always(lambda stream: answer(stream, *WORDS))) as server:
        async with calling(server.url) as transport:
            exchange = exchange_of(b"x")
            exchange.on_read = lambda exchange: told.append(len(exchange.data))
            await transport.send(exchange)
    assert len(set(exchange.read_ns)) == len(told)
    assert len(WORDS) == told[-1]


# -- what the request looks like -----------------------------------------------------------------------


async def test_the_request_is_one_stream_with_all_its_messages() -> None:
    found: list[Http2Peer] = []

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        found.append(http2)
        for stream in http2.requests():
            http2.write(frame(PING, 0, 0, b"12345678"), answer(stream))

    with Server(script) as server:
        async with calling(server.url) as transport:
            for messages in ((b"one", b"two"), (b"three",)):
                assert_in_order(await call(transport, *messages))
    frames = [each for each in found[0].frames if each.stream]
    bodies = [(each.stream, each.payload, each.flags & END_STREAM) for each in frames if each.kind == DATA]
    assert [(1, message(b"one") + message(b"two"), 1), (3, message(b"three"), 1)] == bodies
    others = [(each.kind, each.flags, each.payload) for each in found[0].frames if not each.stream]
    assert (SETTINGS, ACK, b"") in others
    assert (PING, ACK, b"12345678") in others
    assert (GOAWAY, 0, bytes(8)) == others[-1]


async def test_a_compressed_request_says_so_and_is_compressed() -> None:
    bodies: list[bytes] = []

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            bodies.append(http2.frames[-1].payload)
            http2.write(answer(stream))

    with Server(script) as server:
        async with calling(server.url, grpc_compression="gzip") as transport:
            for _ in range(2):
                assert_in_order(await call(transport, b"x" * 10_000))
    assert bodies[0] == bodies[1]
    assert message(b"", compressed=True)[:1] == bodies[0][:1]
    assert b"x" * 10_000 == gzip.decompress(bodies[0][5:])


async def test_a_server_with_small_windows_is_sent_no_more_than_it_takes() -> None:
    body = bytes(range(256)) * 40
    windows = {4: 100}
    held: list[int] = []

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer, windows)
        taken = 0
        while found := http2.next_frame():
            if found.kind == DATA:
                taken += len(found.payload)
                held.append(len(found.payload))
                if not found.flags & END_STREAM:
                    http2.write(frame(WINDOW_UPDATE, 0, found.stream, u32(len(found.payload))))
                else:
                    http2.write(answer(found.stream, b"%d" % taken))
                    taken = 0

    with Server(script) as server:
        async with calling(server.url) as transport:
            for _ in range(2):
                exchange = await call(transport, body)
                assert_in_order(exchange)
                assert [b"%d" % (len(body) + 5)] == exchange.data
    assert max(held) <= 100
