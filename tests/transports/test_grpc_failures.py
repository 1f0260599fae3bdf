"""The gRPC transport against servers that are scripted byte by byte: what goes wrong."""

import asyncio
from collections.abc import Callable

import pytest
from grpc_wire import call, calling, exchange_of, in_flight
from http2_frames import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEADERS,
    RST_STREAM,
    Http2Peer,
    always,
    answer,
    data,
    frame,
    headers,
    message,
    trailers,
    u32,
)
from server import Peer, Server
from server import answer as http_answer
from wire import assert_in_order, silent_server, until

from genai_perf.exceptions import ServerError
from genai_perf.types import Exchange


def seen(exchange: Exchange) -> tuple[str, str]:
    assert exchange.error is not None
    return exchange.error.kind, exchange.error.message


# -- answers that are none -----------------------------------------------------------------------------

FAILED: dict[str, tuple[Callable[[int], bytes], str, str]] = {
    "refused": (
        lambda s: frame(RST_STREAM, 0, s, u32(7)),
        "reset",
        "the server reset the stream: REFUSED_STREAM",
    ),
    "given up": (
        lambda s: headers(s) + frame(RST_STREAM, 0, s, u32(2)),
        "reset",
        "the server reset the stream: INTERNAL_ERROR",
    ),
    "given up for a reason of its own": (
        lambda s: frame(RST_STREAM, 0, s, u32(77)),
        "reset",
        "the server reset the stream: error 77",
    ),
    "a web server": (
        lambda s: (
            headers(s, {":status": "503", "content-type": "text/plain"})
            + frame(DATA, END_STREAM, s, b"no backend")
        ),
        "http_503",
        "no backend",
    ),
    "a web server without words": (
        lambda s: trailers(s, {":status": "404"}),
        "http_404",
        "HTTP 404, not gRPC",
    ),
    "a page": (
        lambda s: (
            headers(s, {":status": "200", "content-type": "text/html"})
            + frame(DATA, END_STREAM, s, b"<p>" + b"x" * 500)
        ),
        "protocol",
        "the answer is text/html, not gRPC: <p>" + "x" * 197,
    ),
    "no status": (
        lambda s: headers(s) + frame(DATA, END_STREAM, s, message(b"x")),
        "protocol",
        "the answer ended without a grpc-status",
    ),
    "a status nobody knows": (
        lambda s: headers(s) + trailers(s, {"grpc-status": "99"}),
        "grpc_99",
        "the server gives no reason",
    ),
    "a status with a reason": (
        lambda s: trailers(s, {**HEAD, "grpc-status": "14", "grpc-message": "zu m%C3%BCde %ff"}),
        "grpc_unavailable",
        "zu müde \ufffd",
    ),
    "half a message": (
        lambda s: headers(s) + frame(DATA, 0, s, message(b"whole") + message(b"half")[:6]) + trailers(s),
        "protocol",
        "the answer ended in the middle of a message",
    ),
}
"""After which the connection is as good as before."""


@pytest.mark.parametrize(("wire_of", "kind", "text"), FAILED.values(), ids=FAILED)
async def test_a_failed_call_says_why_and_leaves_the_connection_alone(
    wire_of: Callable[[int], bytes], kind: str, text: str
) -> None:
    with Server(always(wire_of)) as server:
        async with calling(server.url) as transport:
            for _ in range(2):
                exchange = await call(transport, b"x")
                assert (kind, text) == seen(exchange)
                assert exchange.start_ns <= exchange.end_ns
        assert 1 == len(server.peers)


COMPRESSED = message(b"x", compressed=True)
NOT_HTTP2 = "the answer is not HTTP/2: "
NOT_GRPC = "the answer is not gRPC: "
SPOILED: dict[str, tuple[Callable[[int], bytes], str]] = {
    "no frames": (
        lambda s: headers(s) + b"x" * 50,
        NOT_HTTP2 + "a frame of 7895160 bytes, more than was agreed on",
    ),
    "no headers": (lambda s: data(s, b"x"), NOT_HTTP2 + "a body without headers"),
    "no status line": (lambda s: headers(s, {"content-type": "x"}), NOT_HTTP2 + "headers without a status"),
    "two heads": (lambda s: headers(s) + headers(s), NOT_HTTP2 + "headers in the middle of an answer"),
    "no prefix": (
        lambda s: headers(s) + frame(DATA, 0, s, b"hello"),
        NOT_GRPC + "a message that begins with the byte 0x68",
    ),
    "too long": (
        lambda s: headers(s) + frame(DATA, 0, s, b"\x00\xff\xff\xff\xff"),
        NOT_GRPC + "a message of 4294967295 bytes, more than 2147483647",
    ),
    "compressed by nobody knows what": (
        lambda s: headers(s, {**HEAD, "grpc-encoding": "br"}) + frame(DATA, 0, s, COMPRESSED),
        NOT_GRPC + "a message that is compressed, by 'br', which nobody asked for",
    ),
}
"""After which nobody knows what else comes."""


@pytest.mark.parametrize(("wire_of", "text"), SPOILED.values(), ids=SPOILED)
async def test_a_broken_answer_fails_and_its_connection_is_closed(
    wire_of: Callable[[int], bytes], text: str
) -> None:
    def script(peer: Peer) -> None:
        always(wire_of if peer.number == 0 else lambda stream: answer(stream, b"good"))(peer)

    with Server(script) as server:
        async with calling(server.url) as transport:
            assert ("protocol", text) == seen(await call(transport, b"x"))
            exchange = await call(transport, b"x")
            assert_in_order(exchange)
            assert [b"good"] == exchange.data
        assert 2 == len(server.peers)


async def test_an_answer_before_the_request_was_sent_ends_the_connection() -> None:
    """What is unsent nobody wants any more; the next request must not meet the rest of it."""

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer, {4: 10})
        found = http2.until(HEADERS)
        assert found is not None
        http2.write(trailers(found.stream, {**HEAD, "grpc-status": "8", "grpc-message": "too long"}))
        while http2.next_frame():
            pass

    with Server(script) as server:
        async with calling(server.url) as transport:
            for _ in range(2):
                assert ("grpc_resource_exhausted", "too long") == seen(await call(transport, bytes(1000)))
        assert 2 == len(server.peers)


# -- connections that end ------------------------------------------------------------------------------


async def test_a_farewell_that_does_not_know_the_call_sends_it_again_elsewhere() -> None:
    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            if peer.number == 0 and stream > 1:
                http2.write(frame(GOAWAY, 0, 0, u32(1) + u32(0)))
            else:
                http2.write(answer(stream, b"%d" % peer.number))

    with Server(script) as server:
        async with calling(server.url) as transport:
            assert [b"0"] == (await call(transport, b"x")).data
            exchange = await call(transport, b"x")
            assert_in_order(exchange)
            assert [b"1"] == exchange.data
            assert exchange.connect_ns is not None


async def test_a_farewell_with_a_reason_is_told_when_the_connection_closes_in_mid_answer() -> None:
    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            http2.write(headers(stream) + data(stream, b"a part"))
            http2.write(frame(GOAWAY, 0, 0, u32(stream) + u32(11) + b"too_many_pings"))
            return

    with Server(script) as server:
        async with calling(server.url) as transport:
            exchange = await call(transport, b"x")
    reason = "the server closed the connection in mid-answer: ENHANCE_YOUR_CALM (too_many_pings)"
    assert ("closed", reason) == seen(exchange)
    assert [b"a part"] == exchange.data


@pytest.mark.parametrize("end", [Peer.close, Peer.reset])
async def test_a_connection_that_is_found_dead_is_replaced(end: Callable[[Peer], None]) -> None:
    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            if peer.number == 0 and stream > 1:
                end(peer)
                return
            http2.write(answer(stream, b"%d" % peer.number))

    with Server(script) as server:
        async with calling(server.url) as transport:
            assert [b"0"] == (await call(transport, b"x")).data
            exchange = await call(transport, b"x")
            assert_in_order(exchange)
            assert [b"1"] == exchange.data


@pytest.mark.parametrize(
    ("end", "kind", "text"),
    [
        (Peer.close, "closed", "the server closed the connection in mid-answer"),
        (Peer.reset, "reset", "the server reset the connection in mid-answer"),
    ],
)
async def test_a_connection_that_ends_in_mid_answer_has_failed_the_call(
    end: Callable[[Peer], None], kind: str, text: str
) -> None:
    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        for stream in http2.requests():
            http2.write(headers(stream) + data(stream, b"a part"))
            peer.wait()
            end(peer)
            return

    with Server(script) as server:
        async with calling(server.url) as transport, in_flight(transport, b"x") as (exchange, _):
            await until(lambda: bool(exchange.data))
            server.step()
    assert (kind, text) == seen(exchange)
    assert [b"a part"] == exchange.data


async def test_a_request_without_an_answer_times_out() -> None:
    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        assert next(http2.requests())
        found = http2.until(RST_STREAM)
        assert found is not None
        assert u32(8) == found.payload  # CANCEL

    with Server(script) as server:
        async with calling(server.url, request_timeout_s=0.3) as transport:
            kind, text = seen(await call(transport, b"x"))
    assert "timeout" == kind
    assert text.startswith("no complete answer within 0.3 s; nothing came for the last ")


async def test_a_cancelled_call_tells_the_server() -> None:
    codes: list[bytes] = []

    def script(peer: Peer) -> None:
        http2 = Http2Peer(peer)
        http2.write(headers(next(http2.requests())))
        if found := http2.until(RST_STREAM):
            codes.append(found.payload)

    with Server(script) as server:
        async with calling(server.url) as transport:
            exchange = exchange_of(b"x")
            task = asyncio.create_task(transport.send(exchange))
            await until(lambda: exchange.headers_ns > 0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert [u32(8)] == codes


# -- servers that speak something else -----------------------------------------------------------------


def speaks_http1(peer: Peer) -> None:
    peer.read()
    peer.write(http_answer(b"what?", status="400 Bad Request"))


def speaks_gibberish(peer: Peer) -> None:
    peer.write(b"220 smtp.example ESMTP ready, how may I help?\r\n")


def says_nothing(peer: Peer) -> None:
    peer.read()


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (speaks_http1, "the server speaks HTTP/1.1, not HTTP/2 there; is that its gRPC port?"),
        (speaks_gibberish, "the server speaks something else than HTTP/2 there; is that its gRPC port?"),
        (says_nothing, "cannot connect: the server closed the connection at once"),
    ],
)
async def test_a_server_that_does_not_speak_it_is_found_out_before_the_run(
    script: Callable[[Peer], None], text: str
) -> None:
    with Server(script) as server, pytest.raises(ServerError) as raised:
        async with calling(server.url):
            pass
    assert f"--url {server.url}: {text}" == raised.value.message


async def test_a_server_that_never_says_its_settings_is_waited_for_as_long_as_for_a_connection() -> None:
    def script(peer: Peer) -> None:
        while peer.read():
            pass

    with Server(script) as server, pytest.raises(ServerError) as raised:
        async with calling(server.url, connect_timeout_s=0.2):
            pass
    assert f"--url {server.url}: no connection within 0.2 s" == raised.value.message


async def test_a_server_that_takes_no_connection_is_not_waited_for_longer() -> None:
    with silent_server() as url, pytest.raises(ServerError) as raised:
        async with calling(url, connect_timeout_s=0.2):
            pass
    assert f"--url {url}: no connection within 0.2 s" == raised.value.message
