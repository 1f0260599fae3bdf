"""What one run leaves open for the next of its session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from certificates import Authority
from server import Peer, Server, answer
from wire import ask, assert_in_order, native, over_httpx, until

from genai_perf.clock import monotonic_ns
from genai_perf.transports.kept import Kept

BODY = b'{"ok": true}'


def keeps(peer: Peer) -> None:
    while peer.request():
        peer.write(answer(BODY))


@asynccontextmanager
async def session() -> AsyncIterator[Kept]:
    kept = Kept()
    try:
        yield kept
    finally:
        await kept.close()


async def test_the_next_run_goes_on_with_the_connections_of_the_last() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            for _ in range(3):
                async with native(server.url, connections=4, kept=kept) as transport:
                    await asyncio.gather(*[ask(transport) for _ in range(4)])
            assert 4 == len(server.peers)
    assert 12 == len(server.requests)


async def test_the_instants_of_a_run_count_from_its_own_origin() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            async with native(server.url, kept=kept) as transport:
                await ask(transport)
            async with native(server.url, kept=kept) as transport:
                exchange = await ask(transport)
                now_ns = monotonic_ns() - transport._origin_ns
    assert_in_order(exchange)
    assert exchange.connect_ns is None
    assert 0 < exchange.start_ns < exchange.at_ns[0] <= exchange.end_ns < now_ns


async def test_a_run_begins_with_as_many_as_it_wants_whatever_was_left() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            for connections, accepted in ((6, 6), (2, 6), (5, 9)):
                async with native(server.url, connections=connections, kept=kept) as transport:
                    await until(lambda accepted=accepted: len(server.peers) == accepted)
                    assert [connections] == [len(pool.idle) for pool in transport._pools]


async def test_connections_are_shared_out_among_several_servers() -> None:
    with Server(keeps) as one, Server(keeps) as other:
        async with session() as kept:
            for _ in range(2):
                async with native(one.url, other.url, connections=5, kept=kept) as transport:
                    assert [3, 2] == [len(pool.idle) for pool in transport._pools]
                    await asyncio.gather(*[ask(transport) for _ in range(4)])
        assert (3, 2) == (len(one.peers), len(other.peers))


def says_goodbye(peer: Peer) -> None:
    """Promises to keep the connection, and closes it between two runs."""
    if peer.request():
        peer.write(answer(BODY, "Connection: keep-alive"))
        peer.wait()


def resets(peer: Peer) -> None:
    if peer.request():
        peer.write(answer(BODY, "Connection: keep-alive"))
        peer.wait()
        peer.reset()


@pytest.mark.parametrize("script", [says_goodbye, resets])
async def test_what_the_server_has_closed_between_two_runs_is_opened_anew(
    script: Callable[[Peer], None],
) -> None:
    with Server(script) as server:
        async with session() as kept:
            for number in range(3):
                async with native(server.url, kept=kept) as transport:
                    assert_in_order(await ask(transport))
                server.step()
                await until(lambda number=number: len(server.peers) == number + 1)


async def test_another_endpoint_section_has_connections_of_its_own() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            for settings in ({}, {"path": "v2"}, {"request_timeout_s": 9.0}, {}):
                async with native(server.url, kept=kept, **settings) as transport:
                    await ask(transport)
    assert 3 == len(server.peers)


async def test_a_run_that_opens_a_connection_for_each_request_keeps_none() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            for _ in range(2):
                async with native(server.url, kept=kept, connection_reuse="never") as transport:
                    await ask(transport)
            await until(lambda: len(server.peers) == 4)  # one each to know that the server is there


async def test_under_tls_a_connection_goes_on_as_well(authority: Authority) -> None:
    with Server(keeps, tls=authority.server_context("127.0.0.1")) as server:
        async with session() as kept:
            for _ in range(3):
                async with native(
                    server.url, connections=2, kept=kept, tls_ca_file=authority.file
                ) as transport:
                    exchanges = await asyncio.gather(*[ask(transport) for _ in range(2)])
                    assert [None, None] == [exchange.error for exchange in exchanges]
    assert 2 == len(server.peers)


async def test_httpx_goes_on_with_its_clients() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            for _ in range(3):
                async with over_httpx(server.url, kept=kept) as transport:
                    assert (await ask(transport)).error is None
    assert 1 == len(server.peers)


async def test_the_kernel_goes_on_stamping_until_the_session_ends() -> None:
    with Server(keeps) as server:
        async with session() as kept:
            async with native(server.url, kept=kept):
                stamping = kept.stamping
            async with native(server.url, kept=kept):
                assert stamping is kept.stamping
            assert stamping is None or stamping.fileno() >= 0
        assert stamping is None or stamping.fileno() == -1
