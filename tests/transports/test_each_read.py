"""Who watches an answer come is told of each read until he has seen enough, by every transport."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_wire import calling, serving
from grpc_wire import exchange_of as call_of
from server import LAST_CHUNK, Peer, Server, answer, chunk, event, head
from wire import PATIENCE_S, exchange_of, native, over_httpx, until

from genai_perf.endpoints.reading import counting_events, counting_messages
from genai_perf.types import Exchange

TRANSPORTS = {"native": native, "httpx": over_httpx}


class Watcher:
    """Notes how many reads there were each time, and stops when it has seen enough."""

    def __init__(self, enough: int) -> None:
        self.seen: list[int] = []
        self._enough = enough

    def __call__(self, exchange: Exchange) -> None:
        self.seen.append(len(exchange.at_ns))
        if len(self.seen) == self._enough:
            exchange.on_read = None


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_one_who_waits_for_the_beginning_is_told_once_and_while_the_answer_goes_on(
    transport: str,
) -> None:
    go_on = threading.Event()

    def slowly(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.method != "POST":
                peer.write(answer(b"{}"))
                continue
            peer.write(head("Transfer-Encoding: chunked") + chunk(event(b"one")))
            go_on.wait(PATIENCE_S)
            peer.write(chunk(event(b"two")) + LAST_CHUNK)

    watcher = Watcher(1)
    with Server(slowly) as server:
        async with TRANSPORTS[transport](server.url) as sender:
            exchange = exchange_of()
            exchange.on_read = watcher
            sending = asyncio.create_task(sender.send(exchange))
            await until(lambda: bool(watcher.seen))
            assert not sending.done()
            go_on.set()
            await sending
    assert [1] == watcher.seen
    assert exchange.error is None
    assert len(exchange.at_ns) > 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_answer_that_never_begins_tells_nobody(transport: str) -> None:
    def hangs_up(peer: Peer) -> None:
        while (request := peer.request()) is not None and request.method != "POST":
            peer.write(answer(b"{}"))

    watcher = Watcher(1)
    with Server(hangs_up) as server:
        async with TRANSPORTS[transport](server.url) as sender:
            exchange = exchange_of()
            exchange.on_read = watcher
            await sender.send(exchange)
    assert [] == watcher.seen
    assert exchange.error is not None


@pytest.mark.parametrize("coding", ["", "gzip"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_events_of_an_answer_are_counted_as_they_come_however_they_are_cut(
    transport: str, coding: str
) -> None:
    import zlib

    pieces = [b"data: o", b"ne\n\n: a comment\n\n", b"data: two\r\n\r", b"\ndata: three\n\ndata: [DONE]\n\n"]
    expected = [0, 1, 2, 3]
    steps = [threading.Event() for _ in pieces]
    deflater = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)

    def coded(piece: bytes) -> bytes:
        return deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH) if coding else piece

    def slowly(peer: Peer) -> None:
        while (request := peer.request()) is not None:
            if request.method != "POST":
                peer.write(answer(b"{}"))
                continue
            fields = ["Transfer-Encoding: chunked"] + ([f"Content-Encoding: {coding}"] if coding else [])
            peer.write(head(*fields))
            for piece, step in zip(pieces, steps, strict=True):
                peer.write(chunk(coded(piece)))
                step.wait(PATIENCE_S)
            peer.write(LAST_CHUNK)

    counted: list[int] = []
    count = counting_events()
    with Server(slowly) as server:
        async with TRANSPORTS[transport](server.url) as sender:
            exchange = exchange_of()
            exchange.on_read = lambda exchange: counted.append(count(exchange))
            sending = asyncio.create_task(sender.send(exchange))
            for number, step in enumerate(steps, start=1):
                await until(lambda number=number: len(counted) == number)
                step.set()
            await sending
    assert expected == counted


async def test_a_call_over_grpc_tells_of_each_read_and_its_messages_are_counted() -> None:
    go_on = asyncio.Event()

    async def talk(messages: Any, context: Any) -> AsyncIterator[bytes]:
        yield b"one"
        await go_on.wait()
        yield b"two"

    counted: list[int] = []
    count = counting_messages()
    async with serving(talk) as (_, url), calling(url) as sender:
        exchange = call_of(b"go")
        exchange.on_read = lambda exchange: counted.append(count(exchange))
        sending = asyncio.create_task(sender.send(exchange))
        await until(lambda: 1 in counted)
        assert not sending.done()
        go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            await sending
    assert 2 == counted[-1]
    assert counted == sorted(counted)
    assert [b"one", b"two"] == exchange.data
