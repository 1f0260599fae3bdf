"""A reset that arrives together with bytes: the loop is told of both at once, and not a second time."""

import threading

import pytest
from server import PATIENCE_S, Peer, Server, answer, chunk, event, head
from wire import ask, body_of, in_flight, native, until

BODY = b'{"ok": true}'
STREAM = head("Content-Type: text/event-stream", "Transfer-Encoding: chunked")
MID_ANSWER = "the server reset the connection in mid-answer"


@pytest.mark.parametrize(
    ("written", "received"),
    [
        (STREAM + chunk(event(b"one")), event(b"one")),
        (head() + b"until the end", b"until the end"),
        (head("Content-Length: 100") + b"some of it", b"some of it"),
    ],
)
async def test_what_came_before_a_reset_is_kept_and_the_request_fails_at_once(
    written: bytes, received: bytes
) -> None:
    has_reset = threading.Event()

    def script(peer: Peer) -> None:
        if peer.request():
            peer.wait()
            peer.write(written)
            peer.reset()
            has_reset.set()

    with Server(script) as server:
        async with native(server.url, connection_reuse="never") as transport:
            async with in_flight(transport) as (exchange, task):
                await until(lambda: bool(server.requests))
                server.step()
                assert has_reset.wait(PATIENCE_S)  # the loop stands still, and sees nothing of it until then
            assert task.done()
    assert exchange.error is not None
    assert ("reset", MID_ANSWER) == (exchange.error.kind, exchange.error.message)
    assert received == body_of(exchange)


async def test_a_reset_right_behind_a_whole_answer_fails_neither_it_nor_the_next_request() -> None:
    has_reset = threading.Event()

    def script(peer: Peer) -> None:
        if peer.number == 0 and peer.request():
            peer.wait()
            peer.write(answer(BODY))
            peer.reset()
            has_reset.set()
        while peer.number and peer.request():
            peer.write(answer(BODY))

    with Server(script) as server:
        async with native(server.url) as transport:
            async with in_flight(transport) as (first, _):
                await until(lambda: bool(server.requests))
                server.step()
                assert has_reset.wait(PATIENCE_S)
            second = await ask(transport)
    assert [None, None] == [first.error, second.error]
    assert [BODY, BODY] == [body_of(first), body_of(second)]
