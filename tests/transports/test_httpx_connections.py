"""What becomes of a request when the connection that httpx chose turns out to be dead."""

import pytest
from server import Peer, Server, answer
from wire import ask, over_httpx


def answers_once(peer: Peer) -> None:
    """Promises to keep the connection, takes a second request and closes without a word."""
    if peer.request():
        peer.write(answer(b"{}", "Connection: keep-alive"))
        peer.request()


def never_answers(peer: Peer) -> None:
    """Answers what `open` asks on the first connection, and nothing else."""
    if peer.request() and peer.number == 0:
        peer.write(answer(b"{}", "Connection: close"))


async def test_a_request_on_a_kept_connection_that_was_dead_is_sent_again_on_a_new_one() -> None:
    with Server(answers_once) as server:
        async with over_httpx(server.url) as transport:  # `open` has the first answer of the first connection
            exchange = await ask(transport)
    assert (None, 200) == (exchange.error, exchange.status)
    assert exchange.connect_ns is not None
    assert ["GET", "POST", "POST"] == [request.method for request in server.requests]
    assert exchange.start_ns <= exchange.sent_ns <= exchange.headers_ns <= exchange.end_ns


async def test_a_server_that_gives_up_after_a_while_has_failed_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genai_perf.transports.httpx.DEAD_WITHIN_NS", 0)  # any time is a while
    with Server(answers_once) as server:
        async with over_httpx(server.url) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert "closed" == exchange.error.kind


async def test_a_request_that_a_new_connection_left_unanswered_has_failed() -> None:
    with Server(never_answers) as server:
        async with over_httpx(server.url) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert "closed" == exchange.error.kind
    assert ["GET", "POST"] == [request.method for request in server.requests]
