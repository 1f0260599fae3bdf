"""Which connection a request goes over, what happens when one breaks, and what is left at the end."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from server import Peer, Server, answer, chunk, event, head
from wire import (
    PATH,
    ask,
    assert_in_order,
    body_of,
    exchange_of,
    in_flight,
    native,
    silent_server,
    unopened,
    until,
    unused_port,
)

from genai_perf.clock import monotonic_ns
from genai_perf.exceptions import ServerError
from genai_perf.types import Stamp

BODY = b'{"ok": true}'


def keeps(peer: Peer) -> None:
    """Answers every request."""
    while peer.request():
        peer.write(answer(BODY))


def keeps_one_each(peer: Peer) -> None:
    """Promises to keep the connection and closes it after each answer."""
    if peer.request():
        peer.write(answer(BODY, "Connection: keep-alive"))


# -- reuse ---------------------------------------------------------------------------------------------


async def test_one_connection_serves_request_after_request() -> None:
    with Server(keeps) as server:
        async with native(server.url) as transport:
            for _ in range(5):
                assert_in_order(await ask(transport))
    assert 1 == len(server.peers)
    assert 5 == len(server.requests)


async def test_as_many_connections_are_opened_before_the_run_as_were_wanted() -> None:
    with Server(keeps) as server:
        async with native(server.url, connections=8) as transport:
            await until(lambda: len(server.peers) == 8)
            exchanges = await asyncio.gather(*[ask(transport) for _ in range(8)])
            assert [None] * 8 == [exchange.connect_ns for exchange in exchanges]
    assert 8 == len(server.peers)


async def test_a_request_that_finds_no_idle_connection_opens_one_and_says_how_long_that_took() -> None:
    with Server(keeps) as server:
        async with native(server.url, connections=1) as transport:
            exchanges = await asyncio.gather(*[ask(transport) for _ in range(3)])
    assert 3 == len(server.peers)
    opened = [exchange for exchange in exchanges if exchange.connect_ns is not None]
    assert 2 == len(opened)
    for exchange in opened:
        assert_in_order(exchange)
        assert exchange.dns_ns is None
        assert exchange.tls_ns is None


async def test_connection_reuse_never_opens_a_connection_for_every_request() -> None:
    with Server(keeps) as server:
        async with native(server.url, connections=4, connection_reuse="never") as transport:
            await until(lambda: len(server.peers) == 1)  # to see that the server is there
            for _ in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert exchange.connect_ns is not None
    assert 4 == len(server.peers)
    assert ["close"] * 3 == [request.headers["connection"] for request in server.requests]


async def test_opening_a_connection_is_not_part_of_the_request() -> None:
    """`start_ns` is taken when the connection is up: what it took to open it stands beside the latency."""
    with Server(keeps) as server:
        async with native(server.url, connection_reuse="never") as transport:
            before_ns = monotonic_ns() - transport._origin_ns
            exchange = await ask(transport)
            assert exchange.connect_ns is not None
            assert before_ns + exchange.connect_ns < exchange.start_ns
            assert_in_order(exchange)


async def test_several_servers_take_turns() -> None:
    with Server(keeps) as one, Server(keeps) as two, Server(keeps) as three:
        async with native(one.url, two.url, three.url, connections=5) as transport:
            urls = [(await ask(transport)).url for _ in range(7)]
    assert [one.url, two.url, three.url, one.url, two.url, three.url, one.url] == urls
    assert [3, 2, 2] == [len(server.requests) for server in (one, two, three)]
    assert [2, 2, 1] == [len(server.peers) for server in (one, two, three)]


# -- what is sent --------------------------------------------------------------------------------------


async def test_the_request_is_what_was_asked_for() -> None:
    with Server(keeps) as server:
        url = f"localhost:{server.port}/api/"
        async with native(url, headers={"Authorization": "Bearer secret", "X-A": "b"}) as transport:
            exchange = await ask(transport, b'{"a": 1}')
    assert url == exchange.url
    (request,) = server.requests
    assert "POST" == request.method
    assert f"/api/{PATH}" == request.target
    assert b'{"a": 1}' == request.body
    assert {
        "host": f"localhost:{server.port}",
        "authorization": "Bearer secret",
        "x-a": "b",
        "content-length": "8",
    } == request.headers


async def test_a_host_header_of_the_users_own_replaces_ours() -> None:
    with Server(keeps) as server:
        async with native(server.url, headers={"host": "model.example"}) as transport:
            await ask(transport)
    assert "model.example" == server.requests[0].headers["host"]


async def test_a_large_request_reaches_a_server_that_is_slow_to_read() -> None:
    body = os.urandom(4_000_000)

    def script(peer: Peer) -> None:
        peer.wait()
        while peer.request():
            peer.write(answer(BODY))

    with Server(script, receive_buffer=4096) as server:
        async with native(server.url) as transport:
            async with in_flight(transport, body) as (exchange, _):
                await until(lambda: exchange.sent_ns > 0)
                part_sent_ns = exchange.sent_ns
                server.step()
            assert_in_order(exchange)
            assert part_sent_ns < exchange.sent_ns <= exchange.headers_ns
            assert body == server.requests[0].body
            assert_in_order(await ask(transport))
    assert 1 == len(server.peers)


@pytest.mark.parametrize(
    "framed", [answer, lambda body: head("Transfer-Encoding: chunked") + chunk(body) + chunk(b"")]
)
async def test_a_large_answer_is_read_to_its_end(framed: Callable[[bytes], bytes]) -> None:
    body = os.urandom(5_000_000)

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(framed(body))

    with Server(script) as server:
        async with native(server.url) as transport:
            for _ in range(2):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert body == body_of(exchange)
    assert 1 == len(server.peers)


async def test_after_a_full_read_the_bytes_left_behind_may_have_arrived_long_before() -> None:
    """`after_ns` only moves on when a read has emptied the socket."""
    body = os.urandom(300_000)

    def script(peer: Peer) -> None:
        peer.request()
        peer.write(answer(body))
        peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert body == body_of(exchange)
    full = [number for number, data in enumerate(exchange.data[:-1]) if len(data) == 65_536]
    assert full
    for number in full:
        assert exchange.after_ns[number] == exchange.after_ns[number + 1]


async def test_an_answer_that_comes_before_the_request_was_sent_ends_the_connection() -> None:
    """The rest of the request must not pass for the next one."""
    body = os.urandom(8_000_000)

    def script(peer: Peer) -> None:
        if peer.number == 0:
            peer.head()
            peer.write(answer(b"too large", status="413 Content Too Large"))
            peer.wait()
        keeps(peer)

    with Server(script, receive_buffer=4096) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport, body)
            assert exchange.error is None
            assert 413 == exchange.status
            assert BODY == body_of(await ask(transport))
        server.step()
    assert 2 == len(server.peers)


async def test_a_server_that_refuses_a_request_and_closes_is_heard() -> None:
    body = os.urandom(8_000_000)

    def script(peer: Peer) -> None:
        peer.head()
        peer.write(answer(b"too large", "Connection: close", status="413 Content Too Large"))

    with Server(script, receive_buffer=4096) as server:
        async with native(server.url) as transport:
            for _ in range(3):
                exchange = await ask(transport, body)
                assert exchange.error is None
                assert 413 == exchange.status


# -- connections that broke while they were idle -------------------------------------------------------


def reset_after_each(peer: Peer) -> None:
    if peer.request():
        peer.write(answer(BODY, "Connection: keep-alive"))
        peer.wait()
        peer.reset()


def closed_when_used_again(peer: Peer) -> None:
    if peer.request():
        peer.write(answer(BODY))
    if peer.number % 2 == 0:
        peer.head()  # takes the next request, and closes without a word
    else:
        keeps(peer)


def reset_when_used_again(peer: Peer) -> None:
    if peer.request():
        peer.write(answer(BODY))
    if peer.number % 2 == 0:
        peer.head()
        peer.reset()
    else:
        keeps(peer)


@pytest.mark.parametrize("script", [keeps_one_each, closed_when_used_again, reset_when_used_again])
async def test_a_kept_connection_that_breaks_is_no_failure_and_the_request_is_sent_again(
    script: Callable[[Peer], None],
) -> None:
    with Server(script) as server:
        async with native(server.url) as transport:
            for _ in range(6):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert BODY == body_of(exchange)
                assert 1 == len(exchange.data)


async def test_a_request_sent_again_counts_from_the_second_time() -> None:
    def script(peer: Peer) -> None:
        if peer.number == 0:
            peer.request()
            peer.write(answer(BODY))
            peer.head()
            peer.wait()
        else:
            keeps(peer)

    with Server(script) as server:
        async with native(server.url) as transport:
            await ask(transport)
            async with in_flight(transport) as (exchange, _):
                await until(lambda: exchange.sent_ns > 0)
                broken_ns = monotonic_ns() - transport._origin_ns
                server.step()
            assert_in_order(exchange)
            assert exchange.connect_ns is not None
            assert broken_ns + exchange.connect_ns < exchange.start_ns
    assert 2 == len(server.requests)  # the one that was lost is not even read


@pytest.mark.parametrize("script", [closed_when_used_again, reset_when_used_again])
async def test_a_server_that_gives_up_after_a_while_has_failed_the_request(
    script: Callable[[Peer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genai_perf.transports.pool.DEAD_WITHIN_NS", 0)  # any time is a while
    with Server(script) as server:
        async with native(server.url) as transport:
            await ask(transport)
            failed = (await ask(transport)).error
            assert failed is not None
            assert failed.kind in ("closed", "reset")
            assert (await ask(transport)).error is None


async def test_a_connection_reset_while_idle_is_replaced() -> None:
    with Server(reset_after_each) as server:
        async with native(server.url) as transport:
            for number in range(3):
                assert_in_order(await ask(transport))
                server.step()
                await until(lambda number=number: len(server.peers) == number + 1)
        for _ in range(3):
            server.step()


async def test_a_new_connection_that_breaks_is_a_failure() -> None:
    """Only an idle one may have been closed for its idleness."""

    def script(peer: Peer) -> None:
        peer.request()

    with Server(script) as server:
        async with native(server.url, connection_reuse="never") as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert ("closed", 0) == (exchange.error.kind, exchange.status)
    assert "the server closed the connection without an answer" == exchange.error.message
    assert 1 == len(server.requests)


@pytest.mark.parametrize("part", [b"HT", b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n"])
async def test_a_connection_that_breaks_in_the_head_is_a_failure(part: bytes) -> None:
    """The server had begun to answer, so the request was not lost."""

    def script(peer: Peer) -> None:
        if peer.request():
            peer.write(part)

    with Server(script) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert "closed" == exchange.error.kind
    assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "extra", [b"HT", b"garbage", answer(b"nobody asked"), head(status="408 Request Timeout")]
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_bytes_that_nobody_asked_for_never_reach_the_next_request(extra: bytes, at_once: bool) -> None:
    def script(peer: Peer) -> None:
        if not peer.request():
            return
        if at_once:
            peer.write(answer(BODY) + extra)
        else:
            peer.write(answer(BODY))
            peer.wait()
            peer.write(extra)
        peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            for number in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert BODY == body_of(exchange)
                assert {"content-length": str(len(BODY))} == exchange.headers
                if not at_once:
                    server.step()
                    await until(lambda: not idle_connections(transport))
                assert number + 1 == len(server.peers)


def idle_connections(transport: object) -> list[object]:
    return [
        connection
        for pool in transport._pools  # type: ignore[attr-defined]
        for connection in pool.idle
        if connection.is_open
    ]


# -- connections that break during an answer -----------------------------------------------------------

STREAM_HEAD = head("Transfer-Encoding: chunked", "Content-Type: text/event-stream")
FIRST = chunk(event(b"one"))
CLOSED_IN_MID_ANSWER = "the server closed the connection in mid-answer"


@pytest.mark.parametrize(
    ("written", "resets", "kind", "message"),
    [
        (b"", False, "closed", "the server closed the connection without an answer"),
        (b"", True, "reset", "the server reset the connection without an answer"),
        (STREAM_HEAD + FIRST, False, "closed", f"{CLOSED_IN_MID_ANSWER}, after 11 bytes of it"),
        (STREAM_HEAD + FIRST, True, "reset", "the server reset the connection in mid-answer"),
        (answer(b"four")[:-1], False, "closed", f"{CLOSED_IN_MID_ANSWER}, after 3 bytes of it"),
        (head() + b"until the end", True, "reset", "the server reset the connection in mid-answer"),
        (head("Transfer-Encoding: Chunked") + FIRST[:9], False, "closed", None),
    ],
)  # fmt: skip
async def test_an_answer_that_breaks_off_is_a_failure_and_keeps_what_had_come(
    written: bytes, resets: bool, kind: str, message: str | None
) -> None:
    def script(peer: Peer) -> None:
        if not peer.request():
            return
        peer.write(written)
        peer.wait()
        if resets:
            peer.reset()

    with Server(script) as server:
        async with native(server.url, connection_reuse="never") as transport:
            async with in_flight(transport) as (exchange, _):
                await until(lambda: exchange.status == 200 if written else bool(server.requests))
                server.step()
            assert exchange.error is not None
            assert kind == exchange.error.kind
            assert message in (None, exchange.error.message)
            arrived = written.partition(b"\r\n\r\n")[2]
            assert bool(arrived) == bool(exchange.at_ns)
            assert exchange.end_ns >= max(exchange.read_ns, default=exchange.start_ns)


@pytest.mark.parametrize(
    "garbage",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x01\x00\x02\x02F", b"<html>no</html>", b"HTTP/9 200 OK\r\n\r\n"],
)
async def test_what_is_not_http_is_a_failure_that_says_so(garbage: bytes) -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write(garbage)
            peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            for _ in range(2):
                exchange = await ask(transport)
                assert exchange.error is not None
                assert "protocol" == exchange.error.kind
                assert exchange.error.message.startswith("the answer is not HTTP/1.x: ")
                assert 0 == exchange.status
    assert 2 == len(server.peers)


async def test_a_switch_of_protocols_is_a_failure() -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write(head("Upgrade: h2c", "Connection: Upgrade", status="101 Switching Protocols"))
            peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert "protocol" == exchange.error.kind


# -- stalls, timeouts, cancellation --------------------------------------------------------------------


@pytest.mark.parametrize("written", [b"", STREAM_HEAD, STREAM_HEAD + FIRST])
async def test_a_server_that_stalls_runs_into_the_request_timeout(written: bytes) -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write(written)
            peer.request()

    with Server(script) as server:
        async with native(server.url, request_timeout_s=0.3) as transport:
            exchange = await ask(transport)
            assert exchange.error is not None
            assert "timeout" == exchange.error.kind
            assert exchange.error.message.startswith(
                "no complete answer within 0.3 s; nothing came for the last "
            )
            assert exchange.end_ns - exchange.start_ns > 300_000_000
            assert (1 if FIRST in written else 0) == len(exchange.at_ns)
    assert 1 == len(server.peers)
    assert 1 == len(server.requests)


async def test_a_request_given_up_keeps_its_stamps_and_closes_its_connection() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.write(STREAM_HEAD + FIRST)
        assert peer.request() is None

    with Server(script) as server:
        async with native(server.url) as transport:
            exchange = exchange_of()
            task = asyncio.create_task(transport.send(exchange))
            await until(lambda: len(exchange.data) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert exchange.error is None  # the engine's to say
            assert [b"data: one\n\n"] == exchange.data
            assert exchange.at_ns[-1] <= exchange.end_ns
            assert 200 == exchange.status
            server._threads[0].join(10)  # the client has closed although the transport is still open
            assert not server._threads[0].is_alive()


async def test_a_request_given_up_while_it_connects_has_an_end() -> None:
    with silent_server() as url:
        transport = unopened(url)
        exchange = exchange_of()
        task = asyncio.create_task(transport.send(exchange))
        await until(lambda: exchange.start_ns > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert 0 < exchange.start_ns <= exchange.sent_ns <= exchange.end_ns
        await transport.close()


# -- connecting ----------------------------------------------------------------------------------------


async def test_an_unreachable_server_is_told_before_the_run_in_one_line() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    with pytest.raises(ServerError) as caught:
        async with native(url):
            pass
    assert f"--url {url}: cannot connect: Connection refused" == caught.value.message


async def test_one_unreachable_server_among_several_leaves_nothing_open() -> None:
    refused = f"127.0.0.1:{unused_port()}"
    with Server(keeps) as server, pytest.raises(ServerError, match="Connection refused"):
        async with native(server.url, refused):
            pass


async def test_a_server_that_cannot_be_reached_any_more_fails_the_request() -> None:
    with Server(keeps_one_each) as server:
        url = server.url
        transport = unopened(url)
        await transport.open(1)
        assert_in_order(await ask(transport))
    exchange = await ask(transport)
    assert exchange.error is not None
    assert ("connect", "cannot connect: Connection refused") == (exchange.error.kind, exchange.error.message)
    assert 0 < exchange.start_ns <= exchange.sent_ns <= exchange.end_ns
    await transport.close()


async def test_a_connect_that_takes_too_long_fails_the_request() -> None:
    with silent_server() as url:
        transport = unopened(url, connect_timeout_s=0.2)
        exchange = await ask(transport)
        assert exchange.error is not None
        assert ("connect", "no connection within 0.2 s") == (exchange.error.kind, exchange.error.message)
        assert 0 < exchange.start_ns <= exchange.sent_ns < exchange.end_ns
        await transport.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "bücher.invalid"])
async def test_a_name_that_does_not_resolve_is_told_in_one_line(host: str) -> None:
    with pytest.raises(ServerError) as caught:
        async with native(f"http://{host}:8000"):
            pass
    assert caught.value.message.startswith(f"--url http://{host}:8000: cannot connect: ")
    assert "\n" not in caught.value.message


async def test_a_name_is_resolved_and_what_that_took_is_kept_apart() -> None:
    with Server(keeps) as server:
        async with native(f"localhost:{server.port}", connection_reuse="never") as transport:
            exchange = await ask(transport)
            assert_in_order(exchange)
            assert exchange.dns_ns is not None
            assert exchange.connect_ns is not None
            assert exchange.start_ns >= exchange.dns_ns + exchange.connect_ns


async def test_ipv6_is_spoken() -> None:
    with Server(keeps, listen="::1") as server:
        async with native(server.url) as transport:
            assert_in_order(await ask(transport))
            assert f"[::1]:{server.port}" == server.requests[0].headers["host"]


async def test_a_unix_socket_is_spoken_to(tmp_path: Path) -> None:
    with Server(keeps, listen=str(tmp_path / "server.sock")) as server:
        async with native(server.url, connection_reuse="never") as transport:
            exchange = await ask(transport)
            assert_in_order(exchange)
            assert exchange.connect_ns is not None
            assert Stamp.USER is exchange.stamp
    assert ("localhost", f"/{PATH}") == (server.requests[0].headers["host"], server.requests[0].target)


async def test_a_unix_socket_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"server\.sock: cannot connect: No such file or directory"):
        async with native(f"unix:{tmp_path}/server.sock"):
            pass


# -- the end -------------------------------------------------------------------------------------------


async def test_a_request_that_ends_after_the_transport_was_closed_leaves_nothing_open() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.wait()
        peer.write(answer(BODY))
        assert peer.request() is None

    with Server(script) as server:
        transport = unopened(server.url)
        await transport.open(1)
        async with in_flight(transport) as (exchange, _):
            await until(lambda: bool(server.requests))
            await transport.close()
            server.step()
        assert_in_order(exchange)


async def test_no_message_holds_a_header() -> None:
    """A message goes to the terminal, the journal and the reports; headers hold keys."""
    secret = "Bearer sk-very-secret"
    scripts: list[Callable[[Peer], None]] = [
        lambda peer: None,
        lambda peer: peer.reset() if peer.head() else None,
        lambda peer: peer.write_cut(b"garbage\r\n", 99) if peer.head() else None,
        lambda peer: peer.write_cut(STREAM_HEAD, 99) if peer.head() else None,
    ]
    for script in scripts:
        with Server(script) as server:
            async with native(server.url, headers={"Authorization": secret}) as transport:
                exchange = await ask(transport)
        assert exchange.error is not None
        assert "secret" not in exchange.error.message
