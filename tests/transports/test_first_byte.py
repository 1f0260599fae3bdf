"""Who waits for the first byte of an answer is told once, when it comes, by every transport."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_wire import calling, serving
from grpc_wire import exchange_of as call_of
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


async def test_a_call_over_grpc_tells_of_its_first_message_once() -> None:
    go_on = asyncio.Event()

    async def talk(messages: Any, context: Any) -> AsyncIterator[bytes]:
        yield b"one"
        await go_on.wait()
        yield b"two"

    told: list[int] = []
    async with serving(talk) as (_, url), calling(url) as sender:
        exchange = call_of(b"go")
        exchange.on_first_byte = lambda: told.append(len(exchange.at_ns))
        sending = asyncio.create_task(sender.send(exchange))
        await until(lambda: bool(told))
        go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            await sending
    assert [1] == told
    assert [b"one", b"two"] == exchange.data
