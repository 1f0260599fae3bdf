"""Who waits for the first byte of an answer is told once, when it comes, by every transport."""

import asyncio
import threading

import pytest
from server import LAST_CHUNK, Peer, Server, answer, chunk, event, head
from wire import PATIENCE_S, exchange_of, native, over_httpx, until

TRANSPORTS = {"native": native, "httpx": over_httpx}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_it_is_told_once_and_while_the_answer_goes_on(transport: str) -> None:
    go_on = threading.Event()

    def slowly(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.method != "POST":
                peer.write(answer(b"{}"))
                continue
            peer.write(head("Transfer-Encoding: chunked") + chunk(event(b"one")))
            go_on.wait(PATIENCE_S)
            peer.write(chunk(event(b"two")) + LAST_CHUNK)

    told: list[int] = []
    with Server(slowly) as server:
        async with TRANSPORTS[transport](server.url) as sender:
            exchange = exchange_of()
            exchange.on_first_byte = lambda: told.append(len(exchange.at_ns))
            sending = asyncio.create_task(sender.send(exchange))
            await until(lambda: bool(told))
            assert not sending.done()
            go_on.set()
            await sending
    assert [1] == told
    assert exchange.error is None
    assert len(exchange.at_ns) > 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_answer_that_never_begins_tells_nobody(transport: str) -> None:
    def hangs_up(peer: Peer) -> None:
        while (request := peer.request()) is not None and request.method != "POST":
            peer.write(answer(b"{}"))

    told: list[int] = []
    with Server(hangs_up) as server:
        async with TRANSPORTS[transport](server.url) as sender:
            exchange = exchange_of()
            exchange.on_first_byte = lambda: told.append(1)
            await sender.send(exchange)
    assert [] == told
    assert exchange.error is not None
