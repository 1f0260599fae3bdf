import json

import pytest
from server_wire import Wire, chat, request, words

from genai_perf.server.process import EmbeddedServer


def test_a_connection_serves_one_request_after_the_other(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        for tokens in (1, 5, 2):
            wire.send(request(chat(max_tokens=tokens, stream=True)))
            status, headers, body = wire.response()
            assert 200 == status
            assert "chunked" == headers["transfer-encoding"]
            assert "text/event-stream; charset=utf-8" == headers["content-type"]
            assert "connection" not in headers
            assert tokens == len(words(body))


def test_pipelined_requests_are_answered_in_their_order(server: EmbeddedServer) -> None:
    lengths = [(7 * index) % 11 + 1 for index in range(60)]
    with Wire(server.url) as wire:
        wire.send(
            b"".join(
                request(chat(max_tokens=length, stream=index % 3 > 0)) for index, length in enumerate(lengths)
            )
            + b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n"
        )
        for index, length in enumerate(lengths):
            _, _, body = wire.response()
            if index % 3:
                assert length == len(words(body))
            else:
                assert length == json.loads(body)["usage"]["completion_tokens"]
        assert b'{"status":"ok"}' == wire.response()[2]


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_request_may_come_in_any_pieces(server: EmbeddedServer, cut: int) -> None:
    data = request(chat(max_tokens=2)) * 2
    with Wire(server.url) as wire:
        for start in range(0, len(data), cut):
            wire.send(data[start : start + cut])
        for _ in range(2):
            assert 2 == json.loads(wire.response()[2])["usage"]["completion_tokens"]


@pytest.mark.parametrize("streaming", [False, True])
def test_connection_close_is_honoured(server: EmbeddedServer, streaming: bool) -> None:
    with Wire(server.url) as wire:
        wire.send(request(chat(max_tokens=2, stream=streaming), head="Connection: close\r\n") + b"ignored")
        status, headers, _ = wire.response()
        assert (200, "close") == (status, headers["connection"])
        assert b"" == wire.rest()


def test_http_1_0_gets_a_stream_without_chunks_that_ends_with_the_connection(server: EmbeddedServer) -> None:
    for head in ("", "Connection: keep-alive\r\n"):
        with Wire(server.url) as wire:
            wire.send(request(chat(max_tokens=3, stream=True), version="1.0", head=head))
            _, headers, body = wire.response()
            assert "transfer-encoding" not in headers
            assert "close" == headers["connection"]
            assert 3 == len(words(body))
            assert body.endswith(b"data: [DONE]\n\n")


def test_http_1_0_may_keep_the_connection_for_whole_answers(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        for _ in range(2):
            wire.send(request(chat(max_tokens=3), version="1.0", head="Connection: keep-alive\r\n"))
            assert "keep-alive" == wire.response()[1]["connection"]
        wire.send(request(chat(max_tokens=3), version="1.0"))
        assert "close" == wire.response()[1]["connection"]
        assert b"" == wire.rest()


def test_a_chunked_request_is_read(server: EmbeddedServer) -> None:
    body = json.dumps(chat(max_tokens=4)).encode()
    with Wire(server.url) as wire:
        wire.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 10):
            part = body[start : start + 10]
            wire.send(b"%x\r\n%b\r\n" % (len(part), part))
        wire.send(b"0\r\n\r\n")
        assert 4 == json.loads(wire.response()[2])["usage"]["completion_tokens"]


def test_a_client_that_waits_for_it_is_told_to_go_on(server: EmbeddedServer) -> None:
    data = request(chat(max_tokens=1), head="Expect: 100-continue\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    with Wire(server.url) as wire:
        wire.send(head + b"\r\n\r\n")
        assert "HTTP/1.1 100 Continue" == wire.head()[0]
        wire.send(body)
        assert 200 == wire.response()[0]


def test_an_offer_to_upgrade_is_declined_by_answering(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        wire.send(
            b"GET /health HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
            + request(chat(max_tokens=3))
        )
        assert b'{"status":"ok"}' == wire.response()[2]
        assert 3 == json.loads(wire.response()[2])["usage"]["completion_tokens"]


REFUSED = [
    (b"GET /nowhere HTTP/1.1\r\n\r\n", 404, "Unknown request URL: GET /nowhere. There are: /v1/chat/"),
    (b"GET /v1/chat/completions HTTP/1.1\r\n\r\n", 405, "Not allowed to GET on /v1/chat/completions"),
    (b"DELETE /v1/models HTTP/1.1\r\n\r\n", 405, "Not allowed to DELETE on /v1/models; allowed: GET, HEAD"),
    (request(chat(), head="Content-Encoding: gzip\r\n"), 415, "content-encoding is gzip"),
    (request(chat(), head="Connection: Upgrade\r\nUpgrade: h2c\r\n"), 400, "speaks HTTP/1.1 only"),
    (request(b"{"), 400, "We could not parse the JSON body"),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400, "This is not an HTTP/1.1 request"),
    (b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n", 431, "head is longer than 65536 bytes"),
    (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 431, "head is longer than 65536 bytes"),
]


@pytest.mark.parametrize(("data", "status", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_served_is_refused_in_openais_format(
    server: EmbeddedServer, data: bytes, status: int, message: str
) -> None:
    with Wire(server.url) as wire:
        wire.send(data)
        got, headers, body = wire.response()
        error = json.loads(body)["error"]
        assert status == got
        assert message in error["message"]
        assert {"message", "type", "param", "code"} == set(error)
        assert "application/json" == headers["content-type"]
        assert (405 == status) == ("allow" in headers)


def test_a_bad_request_behind_good_ones_waits_its_turn(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        wire.send(request(chat(max_tokens=50, stream=True)) + b"nonsense\r\n\r\n")
        assert 50 == len(words(wire.response()[2]))
        status, headers, _ = wire.response()
        assert (400, "close") == (status, headers["connection"])
        assert b"" == wire.rest()


def test_an_error_leaves_the_connection_usable(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        for _ in range(3):
            wire.send(request(b"{}"))
            assert 400 == wire.response()[0]
        wire.send(request(chat(max_tokens=1)))
        assert 200 == wire.response()[0]


def test_head_brings_the_head_alone(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        wire.send(b"HEAD /health?verbose=1 HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n")
        status, headers = wire.head()
        assert ("HTTP/1.1 200 OK", "15") == (status, headers["content-length"])
        assert b'{"status":"ok"}' == wire.response()[2]


def test_a_client_that_does_not_read_for_a_while_loses_nothing(server: EmbeddedServer) -> None:
    with Wire(server.url) as wire:
        wire.send(request(chat(max_tokens=40_000, stream=True)) + request(chat(max_tokens=1)))
        with Wire(server.url) as other:  # served while the first one's bytes are stuck
            other.send(request(chat(max_tokens=1)))
            assert 200 == other.response()[0]
        assert 40_000 == len(words(wire.response()[2]))
        assert 200 == wire.response()[0]
