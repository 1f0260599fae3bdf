"""When every request fails, the error says with what, and the hint what would have worked."""

import pytest
from exchanges import chunk, stream
from server import Server, answer

from genai_perf.cli import main

MODELS = b'{"data": [{"id": "llama"}]}'


def refusing(status, message):
    """A server that has one model, and answers all else like this."""

    def script(peer):
        while request := peer.request():
            if request.target.endswith("/models"):
                peer.write(answer(MODELS))
            else:
                peer.write(answer(b'{"error": {"message": "%s"}}' % message.encode(), status=status))

    return Server(script)


@pytest.mark.parametrize(
    ("status", "message", "base", "options", "hint"),
    [
        ("401 Unauthorized", "no key", "", "", "give the key with -H 'Authorization: Bearer …'"),
        ("404 Not Found", "The model `gpt2` does not exist.", "", "", "the server has these models: llama"),
        ("400 Bad Request", "unknown name", "", "", "the server has these models: llama"),
        (
            "400 Bad Request",
            "pinned to 'llama'; requested 'gpt2'",
            "",
            "",
            "the server has these models: llama",
        ),
        (
            "400 Bad Request",
            "no `input`",
            "",
            "",
            "the records are in artifacts/gpt2-openai-chat-concurrency1",
        ),
        (
            "404 Not Found",
            "Unknown URL. There are: /v1/models",
            "",
            "",
            "is /v1/chat/completions the right path there? --endpoint names another",
        ),
        (
            "404 Not Found",
            "no such page",
            "",
            "",
            "is /v1/chat/completions the right path there? --endpoint names another",
        ),
        (
            "404 Not Found",
            "no such page",
            "",
            "--endpoint chat",
            "is /chat the right path there? --endpoint names another",
        ),
        (
            "404 Not Found",
            "no such page",
            "/v1",
            "",
            "leave /v1 out of --url: /v1/chat/completions goes behind it",
        ),
    ],
)
def test_the_hint_says_what_would_have_worked(
    status, message, base, options, hint, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with refusing(status, message) as server:
        line = f"profile -m gpt2 --endpoint-type chat --tokenizer builtin -u {server.url}{base} {options}"
        code = main([*line.split(), "--request-count", "1", "--gpu-telemetry", "off", "--no-server-metrics"])
    told = capsys.readouterr().err.splitlines()
    assert (1, f"hint: {hint}") == (code, told[-1])
    assert f"error: every request failed: 1 of 1 with http_{status[:3]}: {message}" == told[-2]


def test_a_server_that_closes_without_an_answer_may_want_tls(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Server(lambda peer: peer.request() and None) as server:
        line = f"profile -m gpt2 --endpoint-type chat --tokenizer builtin -u {server.url}"
        code = main([*line.split(), "--request-count", "1", "--gpu-telemetry", "off", "--no-server-metrics"])
    told = capsys.readouterr().err.splitlines()[-1]
    assert (1, "hint: a server that speaks TLS there closes like this: would https:// be right?") == (
        code,
        told,
    )


def test_an_answer_that_is_no_http_may_be_grpc(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Server(lambda peer: peer.request() and peer.write(b"\0\0\6\4\0\0\0\0\0") and None) as server:
        line = f"profile -m gpt2 --endpoint-type chat --tokenizer builtin -u {server.url}"
        code = main([*line.split(), "--request-count", "1", "--gpu-telemetry", "off", "--no-server-metrics"])
    told = capsys.readouterr().err.splitlines()[-1]
    assert 1 == code
    assert told.startswith("hint: is that a gRPC port? ")


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PAGE = answer(b"<!DOCTYPE html><title>Welcome</title>", "Content-Type: text/html")


@pytest.mark.parametrize(
    ("sent", "options", "kind", "hint"),
    [
        (STREAM + b"9\r\ndata: {}\n\r\n", "--streaming", "closed", "the records are in "),
        (PAGE, "--streaming", "not_streamed", "a web page answers there: is /v1/chat/completions the right"),
        (PAGE, "", "decode", "a web page answers there: is /v1/chat/completions the right"),
    ],
    ids=["half a stream", "a page for a stream", "a page for an answer"],
)
def test_what_came_decides_what_is_advised(sent, options, kind, hint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with Server(lambda peer: peer.request() and peer.write(sent) and None) as server:
        line = f"profile -m gpt2 --endpoint-type chat --tokenizer builtin -u {server.url} {options}"
        code = main([*line.split(), "--request-count", "1", "--gpu-telemetry", "off", "--no-server-metrics"])
    told = capsys.readouterr().err.splitlines()
    assert 1 == code
    assert told[-2].startswith(f"error: every request failed: 1 of 1 with {kind}: ")
    assert told[-1].startswith(f"hint: {hint}")


@pytest.mark.parametrize(
    ("delta", "hint"),
    [
        ({}, None),
        ({"reasoning_content": "Hm"}, "hint: those hold reasoning alone: a greater --osl may leave"),
    ],
    ids=["nothing", "reasoning"],
)
def test_answers_without_text_are_told_as_such(delta, hint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    body = stream(chunk(delta={"role": "assistant", **delta}), chunk(finish_reason="stop"))

    def empty(peer):
        while peer.request():
            peer.write(answer(body, "Content-Type: text/event-stream"))

    with Server(empty) as server:
        line = f"profile -m gpt2 --endpoint-type chat --tokenizer builtin --streaming -u {server.url}"
        code = main([*line.split(), "--request-count", "2", "--gpu-telemetry", "off", "--no-server-metrics"])
    told = [text for text in capsys.readouterr().err.splitlines() if text.startswith(("error", "hint"))]
    assert 1 == code
    assert told[0].startswith(
        "error: no answer held visible text: 2 were empty; the records are in artifacts"
    )
    assert (hint is None) == (len(told) == 1)
    assert hint is None or told[1].startswith(hint)
