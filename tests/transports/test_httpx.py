"""The second transport: what both know, and HTTP/2 and proxies, which only this one knows."""

import asyncio
import gzip
import os
import ssl
from pathlib import Path

import pytest
from certificates import Authority
from http2_server import Http2
from proxy import Proxy
from server import LAST_CHUNK, Peer, Server, answer, chunk, chunked, event, head
from wire import (
    PATH,
    ask,
    assert_in_order,
    body_of,
    exchange_of,
    in_flight,
    over_httpx,
    silent_server,
    until,
    unused_port,
)

from genai_perf import endpoints
from genai_perf.endpoints import decode_whole
from genai_perf.exceptions import ServerError, UsageError
from genai_perf.types import Stamp

BODY = b'{"choices": [{"message": {"content": "one two"}}]}'


def keeps(peer: Peer) -> None:
    while peer.request():
        peer.write(answer(BODY))


def posts(server: Server) -> list[bytes]:
    """The bodies of the requests, without those that only looked whether the server is there."""
    return [request.body for request in server.requests if request.method == "POST"]


# -- HTTP/1.1 ------------------------------------------------------------------------------------------


async def test_one_connection_serves_request_after_request() -> None:
    with Server(keeps) as server:
        async with over_httpx(server.url) as transport:
            for _ in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert (server.url, 200, BODY) == (exchange.url, exchange.status, body_of(exchange))
                assert Stamp.USER is exchange.stamp
    assert 1 == len(server.peers)


async def test_connection_reuse_never_opens_a_connection_for_every_request() -> None:
    with Server(keeps) as server:
        async with over_httpx(server.url, connection_reuse="never") as transport:
            for _ in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert exchange.connect_ns is not None
    assert 4 == len(server.peers)
    assert {"close"} == {request.headers["connection"] for request in server.requests}


async def test_only_what_the_user_asked_for_is_sent() -> None:
    """Nothing that httpx would add by itself: no codings, which change the answer, and no cookies."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(answer(BODY, "Set-Cookie: session=1; Path=/"))

    with Server(script) as server:
        async with over_httpx(server.url + "/api", headers={"X-A": "b"}) as transport:
            for _ in range(2):
                await ask(transport, b'{"a": 1}')
    for request in server.requests[1:]:
        assert ("POST", f"/api/{PATH}", b'{"a": 1}') == (request.method, request.target, request.body)
        assert {"host": f"127.0.0.1:{server.port}", "x-a": "b", "content-length": "8"} == request.headers


@pytest.mark.parametrize(
    "wire",
    [
        answer(BODY),
        chunked(BODY[:7], BODY[7:]),
        head(version="HTTP/1.0") + BODY,
        head(status="103 Early Hints") + answer(BODY, "Connection: close"),
    ],
)
@pytest.mark.parametrize("cut", [1, 7, 1_000_000])
async def test_an_answer_is_the_same_however_it_is_framed_and_cut(wire: bytes, cut: int) -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write_cut(wire, cut)

    with Server(script) as server:
        async with over_httpx(server.url) as transport:
            for _ in range(2):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert BODY == body_of(exchange)


async def test_a_coded_answer_stays_coded_and_is_read_all_the_same() -> None:
    coded = gzip.compress(BODY)

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write_cut(answer(coded, "Content-Encoding: gzip"), 7)

    with Server(script) as server:
        async with over_httpx(server.url) as transport:
            exchange = await ask(transport)
    assert coded == body_of(exchange)
    assert ["one two"] == decode_whole(endpoints.get("chat"), exchange).content


async def test_events_that_arrive_one_by_one_have_stamps_of_their_own() -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            if request.method == "GET":
                peer.write(answer(b""))
                continue
            peer.write(head("Transfer-Encoding: chunked", "Content-Type: text/event-stream"))
            for number in range(4):
                peer.wait()
                peer.write(chunk(event(b"%d" % number)))
            peer.write(LAST_CHUNK)

    with Server(script) as server:
        async with over_httpx(server.url) as transport, in_flight(transport) as (exchange, _):
            for number in range(4):
                server.step()
                await until(lambda number=number: len(exchange.data) > number)
    assert_in_order(exchange)
    assert [event(b"%d" % number) for number in range(4)] == exchange.data
    assert {"content-type": "text/event-stream"} == exchange.headers


async def test_large_requests_and_answers_pass() -> None:
    body = os.urandom(3_000_000)

    def script(peer: Peer) -> None:
        while request := peer.request():
            peer.write(answer(request.body))

    with Server(script, receive_buffer=4096) as server:
        async with over_httpx(server.url) as transport:
            exchange = await ask(transport, body)
    assert_in_order(exchange)
    assert body == body_of(exchange)


async def test_several_servers_take_turns() -> None:
    with Server(keeps) as one, Server(keeps) as two:
        async with over_httpx(one.url, two.url) as transport:
            urls = [(await ask(transport)).url for _ in range(4)]
    assert [one.url, two.url, one.url, two.url] == urls


async def test_ipv6_and_unix_sockets_are_spoken(tmp_path: Path) -> None:
    with Server(keeps, listen="::1") as six, Server(keeps, listen=str(tmp_path / "server.sock")) as unix:
        async with over_httpx(six.url, unix.url) as transport:
            for _ in range(2):
                assert_in_order(await ask(transport))
    assert f"[::1]:{six.port}" == six.requests[0].headers["host"]
    assert "localhost" == unix.requests[0].headers["host"]


# -- TLS -----------------------------------------------------------------------------------------------


async def test_connecting_and_shaking_hands_are_recorded_apart_and_before_the_start(
    authority: Authority,
) -> None:
    with Server(keeps, tls=authority.server_context("localhost")) as server:
        url = f"https://localhost:{server.port}"
        settings = {"tls_ca_file": authority.file, "connection_reuse": "never"}
        async with over_httpx(url, **settings) as transport:
            exchange = await ask(transport)
    assert_in_order(exchange)
    assert exchange.connect_ns
    assert exchange.tls_ns
    assert exchange.connect_ns + exchange.tls_ns < exchange.start_ns


async def test_certificates_are_checked_and_refused_in_the_same_words(authority: Authority) -> None:
    with Server(keeps, tls=authority.server_context("elsewhere.example")) as server:
        with pytest.raises(ServerError) as unknown:
            async with over_httpx(server.url):
                pass
        with pytest.raises(ServerError) as misnamed:
            async with over_httpx(server.url, tls_ca_file=authority.file):
                pass
        async with over_httpx(server.url, tls_verify=False) as transport:
            assert_in_order(await ask(transport))
    prefix = f"--url {server.url}: the server's certificate is not accepted: "
    assert unknown.value.message.startswith(prefix)
    assert unknown.value.message.endswith("; see --tls-ca-file")
    assert misnamed.value.message.startswith(prefix)
    assert "127.0.0.1" in misnamed.value.message


# -- HTTP/2 --------------------------------------------------------------------------------------------


def http2_context(authority: Authority) -> ssl.SSLContext:
    context = authority.server_context("127.0.0.1")
    context.set_alpn_protocols(["h2"])
    return context


def answers_http2(peer: Peer) -> None:
    connection = Http2(peer)
    while stream := connection.request():
        connection.answer(stream, BODY)


@pytest.mark.parametrize("encrypted", [True, False])
async def test_many_requests_share_one_http2_connection(encrypted: bool, authority: Authority) -> None:
    """The server answers none before it has all of them, and then in turns."""
    count = 20
    seen: list[dict[str, str]] = []

    def script(peer: Peer) -> None:
        connection = Http2(peer)
        streams = []
        while stream := connection.request():
            if stream.headers[":method"] == "GET":
                connection.answer(stream, b"")
                continue
            streams.append(stream)
            seen.append(stream.headers)
            if len(streams) == count:
                for each in streams:
                    connection.head(each, content_type="text/event-stream")
                for number in range(3):
                    for each in streams:
                        connection.data(each, event(each.body + b"%d" % number), ends=number == 2)

    with Server(script, tls=http2_context(authority) if encrypted else None) as server:
        settings = {"tls_ca_file": authority.file} if encrypted else {}
        async with over_httpx(server.url, http2=True, headers={"X-A": "b"}, **settings) as transport:
            bodies = [b"%d-" % number for number in range(count)]
            exchanges = await asyncio.gather(*[ask(transport, body) for body in bodies])
    assert 1 == len(server.peers)
    for body, exchange in zip(bodies, exchanges, strict=True):
        assert_in_order(exchange)
        assert 200 == exchange.status
        assert exchange.connect_ns is None
        assert b"".join(event(body + b"%d" % number) for number in range(3)) == body_of(exchange)
    scheme = "https" if encrypted else "http"
    for headers in seen:
        assert (scheme, f"/{PATH}", "b") == (headers[":scheme"], headers[":path"], headers["x-a"])


async def test_a_server_without_http2_is_spoken_to_in_http1(authority: Authority) -> None:
    with Server(keeps, tls=authority.server_context("127.0.0.1")) as server:
        async with over_httpx(server.url, http2=True, tls_ca_file=authority.file) as transport:
            assert_in_order(await ask(transport))


async def test_connection_reuse_never_holds_in_http2() -> None:
    with Server(answers_http2) as server:
        async with over_httpx(server.url, http2=True, connection_reuse="never") as transport:
            for _ in range(2):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert exchange.connect_ns is not None
    assert 3 == len(server.peers)


async def test_a_request_that_waits_for_a_stream_has_not_begun() -> None:
    """A server may allow few streams; `start_ns` is when the request really left."""

    def script(peer: Peer) -> None:
        connection = Http2(peer, most_streams=1)
        while stream := connection.request():
            if stream.headers[":method"] == "POST":
                peer.wait()
            connection.answer(stream, BODY)

    with Server(script) as server:
        async with (
            over_httpx(server.url, http2=True) as transport,
            in_flight(transport) as (first, _),
            in_flight(transport) as (second, _),
        ):
            server.step()
            await until(lambda: first.end_ns > 0)
            server.step()
    assert_in_order(first)
    assert_in_order(second)
    assert first.headers_ns <= second.start_ns


async def test_a_stream_that_is_reset_fails_and_the_others_go_on() -> None:
    def script(peer: Peer) -> None:
        connection = Http2(peer)
        while stream := connection.request():
            if stream.body == b"bad":
                connection.head(stream)
                connection.data(stream, b"part")
                connection.reset(stream)
            else:
                connection.answer(stream, BODY)

    with Server(script) as server:
        async with over_httpx(server.url, http2=True) as transport:
            bad = await ask(transport, b"bad")
            good = await ask(transport, b"good")
    assert bad.error is not None
    assert "reset" == bad.error.kind
    assert b"part" == body_of(bad)
    assert_in_order(good)
    assert 1 == len(server.peers)


# -- proxies -------------------------------------------------------------------------------------------


async def test_an_https_server_is_reached_through_a_tunnel(authority: Authority) -> None:
    proxy = Proxy()
    with (
        Server(keeps, tls=authority.server_context("127.0.0.1")) as server,
        Server(proxy) as proxy_server,
    ):
        settings = {"proxy": proxy_server.url, "tls_ca_file": authority.file, "connection_reuse": "never"}
        async with over_httpx(server.url, **settings) as transport:
            exchange = await ask(transport)
    assert_in_order(exchange)
    assert BODY == body_of(exchange)
    assert [f"127.0.0.1:{server.port}"] * 2 == proxy.tunnels
    assert exchange.connect_ns
    assert exchange.tls_ns
    assert exchange.connect_ns + exchange.tls_ns < exchange.start_ns


async def test_a_plain_server_is_reached_through_the_proxy() -> None:
    with Server(Proxy(plain=BODY)) as proxy_server:
        async with over_httpx("http://model.example:8000", proxy=proxy_server.url) as transport:
            exchange = await ask(transport)
    assert_in_order(exchange)
    assert BODY == body_of(exchange)
    assert f"http://model.example:8000/{PATH}" == proxy_server.requests[-1].target


async def test_a_proxy_that_refuses_is_told_without_its_password(authority: Authority) -> None:
    proxy = Proxy(refusal=answer(b"", status="407 Proxy Authentication Required"))
    with Server(proxy) as proxy_server:
        url = f"http://user:sesame@127.0.0.1:{proxy_server.port}"
        with pytest.raises(ServerError) as caught:
            async with over_httpx("https://model.example", proxy=url):
                pass
    assert "--url https://model.example: the proxy refuses: 407 Proxy Authentication Required" == (
        caught.value.message
    )
    assert ["Basic dXNlcjpzZXNhbWU="] == proxy.credentials


async def test_a_proxy_that_is_not_there_is_told_without_its_password() -> None:
    url = f"http://user:sesame@127.0.0.1:{unused_port()}"
    with pytest.raises(ServerError) as caught:
        async with over_httpx("http://model.example", proxy=url):
            pass
    assert "--url http://model.example: cannot connect: Connection refused" == caught.value.message


async def test_a_socks_proxy_needs_a_package_and_says_which() -> None:
    with pytest.raises(UsageError) as caught:
        async with over_httpx("http://model.example", proxy="socks5://127.0.0.1:1"):
            pass
    assert "pip install 'httpx[socks]'" == caught.value.hint


# -- failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:{port}", "cannot connect: Connection refused"),
        ("http://no-such-host.invalid", "cannot connect: Name or service not known"),
        ("unix:/no/such.sock", "cannot connect: No such file or directory"),
    ],
)
async def test_an_unreachable_server_is_told_before_the_run_in_one_line(url: str, message: str) -> None:
    url = url.format(port=unused_port())
    with pytest.raises(ServerError) as caught:
        async with over_httpx(url):
            pass
    assert f"--url {url}: {message}" == caught.value.message


async def test_a_connect_that_takes_too_long_is_told_before_the_run() -> None:
    with silent_server() as url, pytest.raises(ServerError, match=r"no connection within 0\.2 s"):
        async with over_httpx(url, connect_timeout_s=0.2):
            pass


async def test_a_server_that_only_listens_does_not_hold_the_run_up() -> None:
    def script(peer: Peer) -> None:
        while peer.read():
            pass

    with Server(script) as server:
        async with over_httpx(server.url, connect_timeout_s=0.2, request_timeout_s=0.2) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    assert ("timeout", "no complete answer within 0.2 s") == (exchange.error.kind, exchange.error.message)


def after_the_first(written: bytes, *, resets: bool) -> object:
    """Answers what `open` asks, and breaks off what comes on the next connection."""

    def script(peer: Peer) -> None:
        peer.request()
        if peer.number == 0:
            peer.write(answer(b"", "Connection: close"))
            return
        peer.write(written)
        if resets:
            peer.wait()
            peer.reset()

    return script


STREAM_HEAD = head("Transfer-Encoding: chunked", "Content-Type: text/event-stream")


@pytest.mark.parametrize(
    ("written", "resets", "kind"),
    [
        (b"", False, "closed"),
        (b"", True, "reset"),
        (STREAM_HEAD + chunk(b"part"), False, "closed"),
        (STREAM_HEAD + chunk(b"part"), True, "reset"),
        (answer(b"part.")[:-1], False, "closed"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", False, "protocol"),
    ],
)
async def test_an_answer_that_breaks_off_is_a_failure_of_its_kind(
    written: bytes, resets: bool, kind: str
) -> None:
    with Server(after_the_first(written, resets=resets)) as server:
        async with over_httpx(server.url) as transport, in_flight(transport) as (exchange, _):
            await until(
                lambda: len(posts(server)) == 1 and (not written or bool(exchange.end_ns or exchange.data))
            )
            server.step()
    assert exchange.error is not None
    assert kind == exchange.error.kind
    assert (b"part" if b"part" in written else b"") == body_of(exchange)
    assert exchange.start_ns <= exchange.end_ns
    assert 1 == len(posts(server))


async def test_a_request_given_up_keeps_its_stamps_and_its_connection_is_not_used_again() -> None:
    def script(peer: Peer) -> None:
        while request := peer.request():
            if request.method == "GET" or peer.number:
                peer.write(answer(BODY))
            else:
                peer.write(STREAM_HEAD + chunk(b"part"))

    with Server(script) as server:
        async with over_httpx(server.url) as transport:
            exchange = exchange_of()
            task = asyncio.create_task(transport.send(exchange))
            await until(lambda: len(exchange.data) == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [b"part"] == exchange.data
            assert exchange.at_ns[-1] <= exchange.end_ns
            assert_in_order(await ask(transport))
    assert 2 == len(server.peers)


async def test_no_message_holds_a_header() -> None:
    """Not even where httpx quotes it. The command line lets no such header through; this is the last door."""
    with Server(keeps) as server:
        async with over_httpx(server.url) as transport:
            transport._headers["Authorization"] = "Bearer sk-very-secret\n"
            exchange = await ask(transport)
    assert exchange.error is not None
    assert "protocol" == exchange.error.kind
    assert "secret" not in exchange.error.message
