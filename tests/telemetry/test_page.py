"""A page of metrics over HTTP: one connection that is kept, and everything that is no page."""

import ssl
import time
from functools import partial

import pytest
from certificates import Authority
from server import Peer, Server, answer, chunked, head

from genai_perf.telemetry import ScrapeError, Spec, page
from genai_perf.telemetry.page import LIMIT_BYTES, Page

METRICS = b"# TYPE a counter\na_total 1\n"


def serve(*answers):
    """A script that gives these answers in turn, and the last one again and again."""

    def script(peer: Peer) -> None:
        number = 0
        while peer.request():
            peer.write(answers[min(number, len(answers) - 1)])
            number += 1

    return script


def reason(page: Page) -> str:
    with pytest.raises(ScrapeError) as raised:
        page.sample()
    return str(raised.value)


def values(page: Page) -> list[float]:
    return [sample.value for sample in page.sample()]


def test_one_connection_serves_all_samples():
    with Server(serve(answer(METRICS), answer(b"a_total 2\n"))) as server:
        one = Page("s", url=f"{server.url}/metrics")
        assert [1.0] == values(one)
        assert [2.0] == values(one)
        one.close()
    assert 1 == len(server.peers)
    assert {("GET", "/metrics")} == {(asked.method, asked.target) for asked in server.requests}


def test_a_connection_that_the_server_closed_meanwhile_is_no_failure():
    def script(peer: Peer) -> None:
        peer.request()
        peer.write(answer(METRICS))  # and closes it

    with Server(script) as server:
        one = Page("s", url=server.url)
        for _ in range(3):
            assert [1.0] == values(one)
        one.close()
    assert 3 == len(server.peers)


def test_an_answer_in_chunks_is_whole():
    with Server(serve(chunked(METRICS, b"b 2\n"))) as server:
        one = Page("s", url=server.url)
        assert [1.0, 2.0] == values(one)
        assert [1.0, 2.0] == values(one)
        one.close()
    assert 1 == len(server.peers)


def test_an_answer_that_ends_with_its_connection_is_whole():
    def script(peer: Peer) -> None:
        peer.request()
        peer.write(head("Connection: close") + METRICS)

    with Server(script) as server:
        one = Page("s", url=server.url)
        assert [1.0] == values(one)
        assert [1.0] == values(one)


WRONG = [
    (answer(b"no", status="404 Not Found"), "HTTP 404 Not Found"),
    (answer(METRICS, status="503 Service Unavailable"), "HTTP 503 Service Unavailable"),
    (answer(b"<html><body>Hello</body></html>", "Content-Type: text/html; charset=utf-8"),
     "no page of Prometheus metrics (text/html)"),
    (answer(b'{"status": "ok"}\n', "Content-Type: application/json"),
     "no page of Prometheus metrics (application/json)"),
    (answer(b""), "no page of Prometheus metrics (no content type)"),
    (answer(b"x" * (LIMIT_BYTES + 1)), "the page is larger than 4 MiB"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP (BadStatusLine)"),
    (answer(b"", "Location: ftp://elsewhere/", status="302 Found"),
     "redirected to ftp://elsewhere/, which is no page of metrics"),
    (answer(b"", "Location: /metrics", status="302 Found"), "redirected more than 3 times"),
    (answer(b"", status="304 Not Modified"), "HTTP 304 Not Modified"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_is_no_page_says_why_and_is_asked_again(wrong, why):
    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(wrong)

    with Server(script) as server:
        one = Page("s", url=server.url)
        assert [why, why] == [reason(one), reason(one)]
        one.close()


def test_a_page_of_five_megabytes_is_not_read_to_its_end():
    with Server(serve(answer(b"a_total 1\n" * 500_000))) as server:
        one = Page("s", url=server.url)
        assert "the page is larger than 4 MiB" == reason(one)


def test_a_page_that_is_cut_off_is_no_page():
    def script(peer: Peer) -> None:
        peer.request()
        peer.write(answer(METRICS)[:-3])

    with Server(script) as server:
        assert "the page was cut off" == reason(Page("s", url=server.url))


def test_a_server_that_is_not_there_is_said_so():
    with Server(serve(METRICS)) as server:
        url = server.url
    assert "connection refused" == reason(Page("s", url=url))


def test_a_slow_page_is_given_up_however_its_bytes_drip():
    def script(peer: Peer) -> None:
        peer.request()
        whole = answer(METRICS * 100)
        for start in range(0, len(whole), 4):
            peer.write(whole[start : start + 4])  # OSError, and the end, when the client has left
            time.sleep(0.02)

    with Server(script) as server:
        began = time.monotonic()
        assert "no answer within 0.3 s" == reason(Page("s", url=server.url, limit_s=0.3))
        assert time.monotonic() - began < 5


def test_a_redirect_is_followed_and_remembered():
    def script(peer: Peer) -> None:
        while asked := peer.request():
            if asked.target == "/metrics":
                peer.write(answer(b"", "Location: /real", status="307 Temporary Redirect"))
            else:
                peer.write(answer(METRICS))

    with Server(script) as server:
        one = Page("s", url=f"{server.url}/metrics", headers={"Authorization": "Bearer sekret"})
        assert [1.0] == values(one)
        assert [1.0] == values(one)
        one.close()
    assert ["/metrics", "/real", "/real"] == [asked.target for asked in server.requests]
    assert {"Bearer sekret"} == {asked.headers["authorization"] for asked in server.requests}


def test_a_redirect_to_another_origin_takes_no_secret_there():
    with Server(serve(answer(METRICS))) as other:
        away = answer(b"", f"Location: {other.url}/m", status="301 Moved Permanently")
        with Server(serve(away)) as server:
            one = Page("s", url=server.url, headers={"Authorization": "Bearer sekret"})
            assert [1.0] == values(one)
            one.close()
    assert ["Bearer sekret"] == [asked.headers.get("authorization") for asked in server.requests]
    assert [None] == [asked.headers.get("authorization") for asked in other.requests]


def test_the_first_place_that_has_a_page_is_kept():
    def script(peer: Peer) -> None:
        while asked := peer.request():
            peer.write(
                answer(METRICS) if asked.target == "/v1/metrics" else answer(b"", status="404 Not Found")
            )

    with Server(script) as server:
        one = Page("s", url=f"{server.url}/metrics", others=[f"{server.url}/v1/metrics"])
        assert [1.0] == values(one)
        assert [1.0] == values(one)
        one.close()
    assert ["/metrics", "/v1/metrics", "/v1/metrics"] == [asked.target for asked in server.requests]


def test_where_no_place_has_one_the_first_says_why():
    def script(peer: Peer) -> None:
        while asked := peer.request():
            peer.write(answer(b"", status="401 Unauthorized" if asked.target == "/a" else "404 Not Found"))

    with Server(script) as server:
        one = Page("s", url=f"{server.url}/a", others=[f"{server.url}/b"])
        assert "HTTP 401 Unauthorized" == reason(one)
        assert "HTTP 401 Unauthorized" == reason(one)


def test_a_page_over_a_unix_socket(tmp_path):
    path = str(tmp_path / "server.sock")
    with Server(serve(answer(METRICS)), listen=path) as server:
        one = Page("s", url="http://localhost/metrics", unix_socket=path)
        assert [1.0] == values(one)
        one.close()
    assert "/metrics" == server.requests[0].target


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "authority")


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    return context


def test_a_page_over_tls_by_the_endpoints_settings(authority, tls):
    with Server(serve(answer(METRICS)), tls=tls) as server:
        page_of = partial(Page, "s", url=server.url)
        trusting = page_of(tls={"ca": str(authority.file)})
        assert [1.0] == values(trusting)
        trusting.close()
        unverified = page_of(tls={"verify": False})
        assert [1.0] == values(unverified)
        unverified.close()
        assert reason(page_of()).startswith("its certificate is not accepted: ")


def test_a_name_that_does_not_resolve_is_said_so():
    assert reason(Page("s", url="http://no-such-host.invalid/metrics"))


def test_a_page_that_nobody_asked_for_is_waited_for_a_second_until_it_has_answered():
    with Server(serve(answer(METRICS))) as server:
        found = page.source(Spec("page", "s", 1.0, optional=True, settings={"url": server.url}))
        named = page.source(Spec("page", "s", 1.0, settings={"url": server.url}))
        assert (1.0, 5.0) == (found._limit_s, named._limit_s)
        found.sample()
        assert found._limit_s == 5.0
        found.close()
