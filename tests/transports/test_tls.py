"""TLS, against certificates that are made for the test."""

import os
import ssl
from pathlib import Path

import pytest
from certificates import Authority, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from server import LAST_CHUNK, Peer, Server, answer, chunk, event, head
from wire import ask, assert_in_order, body_of, in_flight, native, until

from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import ServerError, UsageError
from genai_perf.transports.tls import client_context
from genai_perf.types import Exchange

BODY = b'{"ok": true}'


def keeps(peer: Peer) -> None:
    while peer.request():
        peer.write(answer(BODY))


async def refusal(server: Server, **settings: object) -> str:
    """The message of a run that does not begin."""
    with pytest.raises(ServerError) as caught:
        async with native(server.url, **settings):
            pass
    prefix, _, message = caught.value.message.partition(f"--url {server.url}: ")
    assert "" == prefix
    assert "\n" not in message
    return message


# -- who the server is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("listen", ["127.0.0.1", "::1"])
async def test_a_server_of_a_trusted_authority_is_spoken_to(listen: str, authority: Authority) -> None:
    with Server(keeps, listen=listen, tls=authority.server_context(listen)) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            for _ in range(3):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert BODY == body_of(exchange)
    assert 1 == len(server.peers)


async def test_a_server_is_asked_for_by_the_name_in_the_url(authority: Authority) -> None:
    with Server(keeps, tls=authority.server_context("localhost")) as server:
        url = f"https://localhost:{server.port}"
        async with native(url, tls_ca_file=authority.file) as transport:
            assert_in_order(await ask(transport))
    assert "localhost" == server.peers[0].server_name


async def test_an_unknown_authority_is_refused_unless_told_otherwise(authority: Authority) -> None:
    with Server(keeps, tls=authority.server_context("127.0.0.1")) as server:
        message = await refusal(server)
    assert message.startswith("the server's certificate is not accepted: ")
    assert message.endswith("; see --tls-ca-file")


async def test_a_certificate_that_is_not_accepted_has_a_hint_of_its_own(authority: Authority) -> None:
    context = authority.server_context("127.0.0.1")
    with Server(keeps, tls=context) as server, pytest.raises(ServerError) as caught:
        async with native(server.url):
            pass
    assert "--tls-ca-file names a certificate to trust, --no-tls-verify does without" == caught.value.hint


async def test_another_authority_than_the_trusted_one_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other-authority")
    with Server(keeps, tls=authority.server_context("127.0.0.1")) as server:
        assert "is not accepted" in await refusal(server, tls_ca_file=other.file)


async def test_a_certificate_of_another_name_is_refused_and_no_authority_would_help(
    authority: Authority,
) -> None:
    with Server(keeps, tls=authority.server_context("elsewhere.example")) as server:
        message = await refusal(server, tls_ca_file=authority.file)
    assert message.startswith("the server's certificate is not accepted: ")
    assert "127.0.0.1" in message
    assert "--tls-ca-file" not in message


async def test_the_name_alone_can_be_left_unchecked(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other-authority")
    with Server(keeps, tls=authority.server_context("elsewhere.example")) as server:
        async with native(server.url, tls_ca_file=authority.file, tls_verify_host=False) as transport:
            assert_in_order(await ask(transport))
        assert "is not accepted" in await refusal(server, tls_ca_file=other.file, tls_verify_host=False)


async def test_nothing_is_checked_when_the_user_says_so(authority: Authority) -> None:
    with Server(keeps, tls=authority.server_context("elsewhere.example")) as server:
        async with native(server.url, tls_verify=False) as transport:
            assert_in_order(await ask(transport))


# -- who we are ----------------------------------------------------------------------------------------


async def test_a_client_certificate_is_shown_to_a_server_that_asks(authority: Authority) -> None:
    certificate, key = authority.issue("client.example")
    context = authority.server_context("127.0.0.1", asks_client=True)
    with Server(keeps, tls=context) as server:
        settings = {"tls_ca_file": authority.file, "tls_cert_file": certificate, "tls_key_file": key}
        async with native(server.url, **settings) as transport:
            assert_in_order(await ask(transport))


async def test_certificate_and_key_may_stand_in_one_file(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("client.example")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    with Server(keeps, tls=authority.server_context("127.0.0.1", asks_client=True)) as server:
        async with native(server.url, tls_ca_file=authority.file, tls_cert_file=both) as transport:
            assert_in_order(await ask(transport))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_misses_our_certificate_is_told_as_that(
    version: ssl.TLSVersion, authority: Authority
) -> None:
    """Before the run in TLS 1.2; in 1.3 the refusal comes when the handshake is over."""
    context = authority.server_context("127.0.0.1", asks_client=True)
    context.minimum_version = context.maximum_version = version
    with Server(keeps, tls=context) as server:
        if version is ssl.TLSVersion.TLSv1_2:
            assert "certificate" in await refusal(server, tls_ca_file=authority.file)
            return
        async with native(server.url, tls_ca_file=authority.file) as transport:
            for _ in range(3):
                exchange = await ask(transport)
                assert exchange.error is not None
                expected = "the server asks for a client certificate; see --tls-cert-file"
                assert ("tls", expected) == (exchange.error.kind, exchange.error.message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls_ca_file": "nothing.pem"}, "--tls-ca-file: nothing.pem: "),
        ({"tls_ca_file": "key.pem"}, "--tls-ca-file: key.pem: "),
        ({"tls_cert_file": "key.pem"}, "--tls-cert-file: key.pem: "),
        (
            {"tls_cert_file": "certificate.pem", "tls_key_file": "locked.pem"},
            "--tls-cert-file: its private key needs a password",
        ),
    ],
)
def test_a_file_that_is_no_certificate_is_told_with_its_option(
    settings: dict[str, str],
    message: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    Path("key.pem").write_bytes(private_pem(key))
    Path("locked.pem").write_bytes(private_pem(key, b"password"))
    Path("certificate.pem").write_bytes(authority.issue("client.example")[0].read_bytes())
    with pytest.raises(UsageError) as caught:
        client_context(EndpointConfig(**{name: Path(value) for name, value in settings.items()}))
    assert caught.value.message.startswith(message)
    assert caught.value.hint


# -- the handshake -------------------------------------------------------------------------------------


async def test_connecting_and_shaking_hands_are_recorded_apart_and_before_the_start(
    authority: Authority,
) -> None:
    with Server(keeps, tls=authority.server_context("localhost")) as server:
        url = f"https://localhost:{server.port}"
        settings = {"tls_ca_file": authority.file, "connection_reuse": "never"}
        async with native(url, **settings) as transport:
            exchange = await ask(transport)
    assert_in_order(exchange)
    took_ns = [exchange.dns_ns, exchange.connect_ns, exchange.tls_ns]
    assert all(took_ns)
    assert sum(took for took in took_ns if took) <= exchange.start_ns


async def test_plain_http_behind_an_https_url_is_told_as_that() -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    with Server(script) as server:
        server_url = server.url.replace("http:", "https:")
        with pytest.raises(ServerError) as caught:
            async with native(server_url):
                pass
    message = "the server does not speak TLS there; would http:// be right?"
    assert (f"--url {server_url}: {message}", None) == (caught.value.message, caught.value.hint)


async def test_a_server_that_leaves_during_the_handshake_is_told_as_that() -> None:
    with Server(lambda peer: bool(peer.read())) as server:
        server_url = server.url.replace("http:", "https:")
        with pytest.raises(ServerError, match="closed by the server during the TLS handshake"):
            async with native(server_url):
                pass


async def test_a_handshake_that_stalls_runs_into_the_connect_timeout() -> None:
    def script(peer: Peer) -> None:
        while peer.read():
            pass

    with Server(script) as server:
        server_url = server.url.replace("http:", "https:")
        with pytest.raises(ServerError, match=r"no connection within 0\.2 s"):
            async with native(server_url, connect_timeout_s=0.2):
                pass


# -- records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 7, 1_000_000])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_answer_is_the_same_however_its_records_are_cut(
    cut: int, version: ssl.TLSVersion, authority: Authority
) -> None:
    context = authority.server_context("127.0.0.1")
    context.minimum_version = context.maximum_version = version
    events = [event(b"%d" % number) for number in range(20)]

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write_cut(head("Transfer-Encoding: chunked"), cut)
            for each in events:
                peer.write_cut(chunk(each), cut)
            peer.write_cut(LAST_CHUNK, cut)

    with Server(script, tls=context) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            for _ in range(2):
                exchange = await ask(transport)
                assert_in_order(exchange)
                assert b"".join(events) == body_of(exchange)
    assert 1 == len(server.peers)


async def test_large_requests_and_answers_pass(authority: Authority) -> None:
    body = os.urandom(3_000_000)

    def script(peer: Peer) -> None:
        peer.wait()
        while request := peer.request():
            peer.write(answer(request.body))

    with Server(script, tls=authority.server_context("127.0.0.1"), receive_buffer=4096) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            async with in_flight(transport, body) as (exchange, _):
                await until(lambda: exchange.sent_ns > 0)
                server.step()
            assert_in_order(exchange)
            assert body == body_of(exchange)


# -- the end -------------------------------------------------------------------------------------------


def left_open(peer: Peer, written: bytes) -> None:
    """Answers, says in TLS that nothing more comes, and does not close the connection below."""
    if peer.request():
        peer.write(written)
        peer.close_notify()
        while peer.socket.recv(1024):
            pass


async def test_close_notify_ends_an_answer_without_a_length(authority: Authority) -> None:
    with Server(
        lambda peer: left_open(peer, head() + BODY), tls=authority.server_context("127.0.0.1")
    ) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            exchange = await ask(transport)
            assert_in_order(exchange)
            assert BODY == body_of(exchange)


async def test_close_notify_in_mid_answer_is_a_failure(authority: Authority) -> None:
    written = head("Content-Length: 1000") + BODY
    with Server(lambda peer: left_open(peer, written), tls=authority.server_context("127.0.0.1")) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            exchange = await ask(transport)
    assert exchange.error is not None
    message = f"the server closed the connection in mid-answer, after {len(BODY)} bytes of it"
    assert ("closed", message) == (exchange.error.kind, exchange.error.message)
    assert BODY == body_of(exchange)


async def test_close_notify_behind_an_answer_ends_the_connection_and_not_the_next_request(
    authority: Authority,
) -> None:
    with Server(
        lambda peer: left_open(peer, answer(BODY)), tls=authority.server_context("127.0.0.1")
    ) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            for _ in range(3):
                assert_in_order(await ask(transport))


async def test_a_connection_is_closed_with_close_notify(authority: Authority) -> None:
    """Some servers log a connection that just ends as an attack."""
    ends: list[str] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.write(answer(BODY))
        ends.append(peer.how_it_ends())

    with Server(script, tls=authority.server_context("127.0.0.1")) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            await ask(transport)
    assert ["close_notify"] == ends


async def test_a_broken_record_is_a_failure(authority: Authority) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.socket.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        peer.read()

    with Server(script, tls=authority.server_context("127.0.0.1")) as server:
        async with native(server.url, tls_ca_file=authority.file) as transport:
            exchange: Exchange = await ask(transport)
    assert exchange.error is not None
    assert ("tls", 0) == (exchange.error.kind, exchange.status)
    assert exchange.error.message.startswith("TLS failed: ")
