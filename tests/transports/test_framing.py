"""However an HTTP/1.x answer is framed, and however its bytes are cut, the body is the same."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from server import LAST_CHUNK, Peer, Server, answer, chunk, chunked, event, head
from wire import ask, assert_in_order, body_of, in_flight, native, until

from genai_perf import endpoints
from genai_perf.endpoints import decode_whole

BODY = b'{"choices": [{"message": {"content": "one two"}}]}'
PIECES = [BODY[:10], BODY[10:11], BODY[11:]]

FRAMED = {
    "with a length": answer(BODY),
    "with a length, HTTP/1.0 and keep-alive": answer(BODY, "Connection: keep-alive", version="HTTP/1.0"),
    "with a length and names in capitals": b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: %d\r\n\r\n" % len(BODY)
    + BODY,
    "in chunks": chunked(*PIECES),
    "in chunks, named in capitals": head("Transfer-Encoding: Chunked")
    + b"".join(map(chunk, PIECES))
    + LAST_CHUNK,
    "in chunks with extensions": head("Transfer-Encoding: chunked")
    + b"".join(chunk(piece, ';name="a;b"') for piece in PIECES)
    + LAST_CHUNK,
    "in chunks with trailers": head("Transfer-Encoding: chunked")
    + chunk(BODY)
    + b"0\r\nContent-Type: image/png\r\nContent-Encoding: gzip\r\n\r\n",
    "after interim answers": head(status="100 Continue")
    + head("Link: </style.css>", status="103 Early Hints")
    + answer(BODY),
}
"""Answers after which the connection can be used again."""

ENDED_BY_CLOSE = {
    "HTTP/1.0 without a length": head(version="HTTP/1.0") + BODY,
    "HTTP/1.1 without a length": head() + BODY,
    "HTTP/1.1 without a length after an interim answer": head(status="100 Continue") + head() + BODY,
    "HTTP/1.0 with a length": answer(BODY, version="HTTP/1.0"),
    "Connection: close with a length": answer(BODY, "Connection: close"),
    "Connection: close in chunks": chunked(*PIECES, headers=("Connection: close",)),
}

CUTS = [1, 7, 1_000_000]


def always(wire: bytes, cut: int = 1_000_000) -> Callable[[Peer], None]:
    """A script that gives the same answer to every request."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write_cut(wire, cut)

    return script


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("wire", FRAMED.values(), ids=FRAMED)
async def test_a_framed_answer_is_whole_and_its_connection_is_used_again(wire: bytes, cut: int) -> None:
    with Server(always(wire, cut)) as server:
        async with native(server.url) as transport:
            for _ in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert 200 == exchange.status
                assert BODY == body_of(exchange)
        assert 1 == len(server.peers)
        assert 3 == len(server.requests)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("wire", ENDED_BY_CLOSE.values(), ids=ENDED_BY_CLOSE)
async def test_an_answer_that_ends_its_connection_is_whole(wire: bytes, cut: int) -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write_cut(wire, cut)

    with Server(script) as server:
        async with native(server.url) as transport:
            for _ in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert BODY == body_of(exchange)
        assert 3 == len(server.requests)


async def test_trailers_do_not_pass_for_headers() -> None:
    wire = FRAMED["in chunks with trailers"]
    with Server(always(wire)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert {"transfer-encoding": "chunked"} == exchange.headers


async def test_the_headers_that_decoding_depends_on_are_kept_in_lower_case() -> None:
    wire = answer(BODY, "Content-Type: application/json; charset=utf-8", "X-Other: 1", "content-encoding:")
    with Server(always(wire, 1)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    expected = {
        "content-type": "application/json; charset=utf-8",
        "content-encoding": "",
        "content-length": str(len(BODY)),
    }
    assert expected == exchange.headers


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_without_a_body_is_complete_at_once(status: str) -> None:
    with Server(always(head(status=status))) as server:
        async with native(server.url) as transport:
            for _ in range(2):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert int(status[:3]) == exchange.status
                assert [] == exchange.data
        assert 1 == len(server.peers)


async def test_only_the_final_answer_counts_for_the_head_and_its_stamp() -> None:
    written_ns: list[int] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.write(head("Content-Type: text/plain", status="103 Early Hints"))
        peer.wait()
        written_ns.extend(peer.write(answer(BODY)))
        peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            async with in_flight(transport) as (exchange, _):
                await until(lambda: bool(server.requests))
                server.step()
            origin_ns = transport._origin_ns
    assert written_ns[0] <= origin_ns + exchange.headers_ns
    assert 200 == exchange.status
    assert "content-type" not in exchange.headers


async def test_an_interim_answer_and_then_the_end_is_a_failure() -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write(head(status="100 Continue"))

    with Server(script) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert "closed" == exchange.error.kind
    assert 0 == exchange.status


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_a_refusal_is_an_exchange_with_its_status_and_body(status: int) -> None:
    wire = answer(b'{"error": "no"}', status=f"{status} No")
    with Server(always(wire)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
            assert exchange.error is None
            assert status == exchange.status
            assert b'{"error": "no"}' == body_of(exchange)


# -- content coding ------------------------------------------------------------------------------------


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


CODED = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("coding", CODED)
async def test_a_coded_answer_stays_coded_and_is_read_all_the_same(coding: str, cut: int) -> None:
    coded = CODED[coding](BODY)
    with Server(always(answer(coded, f"Content-Encoding: {coding}"), cut)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert coded == body_of(exchange)
    read = decode_whole(endpoints.get("chat"), exchange)
    assert read.error is None
    assert ["one two"] == read.content


async def test_deflate_without_the_zlib_wrapping_is_read_too() -> None:
    """Some servers understand `deflate` so, and every browser puts up with it."""
    wire = answer(raw_deflate(BODY), "Content-Encoding: deflate")
    with Server(always(wire, 7)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert ["one two"] == decode_whole(endpoints.get("chat"), exchange).content


@pytest.mark.parametrize("cut", CUTS)
async def test_a_coded_stream_of_events_gives_the_same_tokens_however_it_is_cut(cut: int) -> None:
    words = [f"word{number} " for number in range(20)]
    deflate = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    chunks = [chunk(deflate.compress(token_event(word)) + deflate.flush(zlib.Z_SYNC_FLUSH)) for word in words]
    chunks.append(chunk(deflate.compress(event(b"[DONE]")) + deflate.flush()))
    wire = (
        head("Transfer-Encoding: chunked", "Content-Type: text/event-stream", "Content-Encoding: gzip")
        + b"".join(chunks)
        + LAST_CHUNK
    )
    with Server(always(wire, cut)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport, streaming=True)
    assert_in_order(exchange)
    read = decode_whole(endpoints.get("chat"), exchange)
    assert words == read.content
    assert read.content_reads == sorted(read.content_reads)
    assert read.content_reads[-1] < len(exchange.at_ns)


# -- streams -------------------------------------------------------------------------------------------


def token_event(text: str) -> bytes:
    return event(b'{"choices": [{"delta": {"content": "%b"}}]}' % text.encode())


def stream(words: list[str]) -> bytes:
    pieces = [token_event(word) for word in words] + [event(b"[DONE]")]
    return chunked(*pieces, headers=("Content-Type: text/event-stream",))


@pytest.mark.parametrize("cut", CUTS)
async def test_a_stream_gives_the_same_tokens_however_it_is_cut(cut: int) -> None:
    words = [f"word{number} " for number in range(50)]
    with Server(always(stream(words), cut)) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport, streaming=True)
    assert_in_order(exchange)
    assert words == decode_whole(endpoints.get("chat"), exchange).content


async def test_many_events_in_one_write_are_one_read_with_one_stamp() -> None:
    words = [f"word{number} " for number in range(50)]
    with Server(always(stream(words))) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport, streaming=True)
    assert 1 == len(exchange.data)
    read = decode_whole(endpoints.get("chat"), exchange)
    assert words == read.content
    assert [0] * 50 == read.content_reads
    assert list(range(50)) == read.content_shared


async def test_each_event_that_is_read_by_itself_has_a_stamp_of_its_own() -> None:
    words = [f"word{number} " for number in range(5)]

    def script(peer: Peer) -> None:
        peer.request()
        peer.write(head("Transfer-Encoding: chunked", "Content-Type: text/event-stream"))
        for word in words:
            peer.wait()
            peer.write(chunk(token_event(word)))
        peer.wait()
        peer.write(LAST_CHUNK)
        peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            async with in_flight(transport, streaming=True) as (exchange, _):
                for number in range(len(words)):
                    server.step()
                    await until(lambda number=number: len(exchange.data) > number)
                server.step()
            assert_in_order(exchange)
            assert len(words) == len(exchange.at_ns) == len(set(exchange.at_ns))
            for read_ns, after_ns in zip(exchange.read_ns, exchange.after_ns[1:], strict=False):
                assert (
                    after_ns <= read_ns
                )  # the read before left the socket empty, and it began before it ended
    assert words == decode_whole(endpoints.get("chat"), exchange).content
