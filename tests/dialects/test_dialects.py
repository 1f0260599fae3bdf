# ruff: noqa: E501  one recording, one line
"""Every oddity that real servers showed, from the bytes that they sent (see README.md here)."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from server import Peer, Server

from genai_perf import endpoints
from genai_perf.clock import Origin
from genai_perf.config.schema import EndpointConfig
from genai_perf.transports.address import Address
from genai_perf.transports.http import HttpTransport
from genai_perf.types import Answer, Exchange, Request, RequestError, Usage

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Recording:
    """What one file must be read as."""

    endpoint: str
    closes: bool
    """Whether the server closed the connection after it, whatever its head said."""
    text: str = ""
    pieces: int = 0
    usage: Usage | None = None
    finish_reason: str | None = None
    error: RequestError | None = None
    tool: str = ""
    streaming: bool = True


def failed(endpoint: str, kind: str, message: str, closes: bool = True) -> Recording:
    return Recording(endpoint, closes, error=RequestError(kind, message))


RULE, LONG_RULE = "+" + "-" * 32 + "+", "-" * 11 + "+" + "-" * 60 + "+"
MERGED = f" definitionsient{RULE}" + "-" * 34 + "try"
CALL = f'get_weather",tribute{LONG_RULE} encixscrip{LONG_RULE}owevermplex retrieableUrespon perinstance morational If pernon per MIn peroweverableable precient treatedationscrip mayctsith per'
RECORDINGS = {
    # the connection is closed although `Keep-Alive: timeout=5, max=100` promised otherwise; content null first
    "llama.cpp-chat-stream": Recording("chat", True, "ation partPEwith", 4, Usage(9, 4, None, 0), "length"),
    "llama.cpp-chat": Recording("chat", False, " encationnutribute", 1, Usage(9, 4, None, 8), "length", streaming=False),
    "llama.cpp-image": failed("chat", "http_500", "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    "llama.cpp-too-long": failed("chat", "http_400", "request (9004 tokens) exceeds the available context size (1024 tokens), try increasing it"),
    "llama.cpp-responses-stream": Recording("responses", True, "nu perU (", 4, Usage(9, 4, None, 8), "completed"),
    "llama.cpp-messages-stream": Recording("messages", True, "ient'. part omit", 4, Usage(9, 4, None, 8), "max_tokens"),
    "llama.cpp-rerank": Recording("rerank", False, pieces=1, usage=Usage(20), streaming=False),
    "llama.cpp-rerank-tei": Recording("rankings", False, pieces=1, streaming=False),
    "llama.cpp-embeddings-base64": Recording("embeddings", False, pieces=1, usage=Usage(6), streaming=False),
    # the role stands beside an empty text first; the last text beside the finish reason
    "vllm-chat-stream": Recording("chat", False, "\\ientwise" + LONG_RULE, 4, None, "length"),
    "vllm-continuous-usage": Recording("chat", False, " thanresponnuollow", 4, Usage(9, 4), "length"),
    "vllm-completions-continuous-usage": Recording("completions", False, "ablelearresponwe", 4, Usage(6, 4), "length"),
    "vllm-wrong-model": failed("chat", "http_404", "The model `nonesuch` does not exist. Valid aliases: tiny-llama.", False),
    "vllm-too-many-tokens": failed("chat", "http_400", "max_tokens=400000 cannot be greater than max_model_len=4096. Please request fewer output tokens. (parameter=max_tokens, value=400000)", False),
    "vllm-tools-stream": Recording("chat", False, "", 3, Usage(9, 64), "length", tool="get_weather[ 3"),
    "vllm-responses-stream": Recording("responses", False, MERGED, 2, Usage(9, 4, 0, 0), "max_output_tokens"),
    "vllm-responses": Recording("responses", False, " vithmeticnu until", 1, Usage(9, 4, 0, 0), "max_output_tokens", streaming=False),
    "vllm-responses-tools-stream": Recording("responses", False, "", 3, Usage(9, 64, 0, 0), "max_output_tokens", tool="get_weather[ 3"),
    "vllm-messages-stream": Recording("messages", False, "nu #nti si", 4, Usage(9, 4), "max_tokens"),
    "vllm-messages-tools-stream": Recording("messages", False, "", 38, Usage(9, 64), "max_tokens", tool=CALL),
    "vllm-messages": Recording("messages", False, "ong perngthith", 1, Usage(9, 4), "max_tokens", streaming=False),
    # no [DONE]; the finish chunk carries the usage, beside choices and unasked; no content key first
    "transformers-chat-stream": Recording("chat", False, "nuresponnu             ", 4, Usage(9, 4), "length"),
    "transformers-chat": Recording("chat", False, "nuresponnu             ", 1, Usage(9, 4), "length", streaming=False),
    # events without names, numbered
    "transformers-responses-stream": Recording("responses", False, "nuresponnu             ", 4, Usage(9, 4, 0, 0), "completed"),
    "transformers-wrong-model": failed("chat", "http_400", "Server is pinned to 'tiny/'; requested 'nonesuch'.", False),
    # HTTP/1.0, ended by the connection's end; a comment first; blanks after colons; the role in every delta
    "mlx-lm-chat-stream": Recording("chat", True, "nuresponnu             ", 4, Usage(9, 4, None, 8), "length"),
    "mlx-lm-chat": Recording("chat", True, "nuresponnu             ", 1, Usage(9, 4, None, 8), "length", streaming=False),
    "litellm-chat-stream": Recording("chat", False, "Hello there, all.", 6, Usage(12, 5, 0), "stop"),
    "litellm-rate-limit": failed("chat", "http_429", "litellm.RateLimitError: this is a mock rate limit error\n\nLiteLLM: model group 'limited' failed with the error above. No fallback was attempted.", False),
    # no [DONE]; chunked even where it is whole; what else stands beside the text is an ensemble's
    "triton-generate-stream": Recording("generate", False, "the quick brown fox", 4),
    "triton-generate-ensemble-stream": Recording("generate", False, "the quick brown fox", 4),
    "triton-generate": Recording("generate", False, "the quick brown fox", 1, Usage(4, 4), streaming=False),
    # an error in an answer of status 200; and one of status 400 in a stream's clothes
    "triton-generate-several-responses": failed("generate", "server", "generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses", False),
    "triton-generate-failed-stream": failed("generate", "http_400", "the model fails, as it was asked to", False),
    "triton-generate-wrong-model": failed("generate", "http_404", "Request for unknown model: 'nonesuch' is not found", False),
}  # fmt: skip


async def measured(
    name: str, recording: Recording, times: int = 2
) -> tuple[list[Exchange], list[Answer], int]:
    """So many requests, one after the other, of a server that answers with this file; and its connections."""
    sent = (HERE / f"{name}.http").read_bytes()

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(sent)
            if recording.closes:
                return

    endpoint = endpoints.get(recording.endpoint)
    exchanges = []
    with Server(script) as server:
        transport = HttpTransport(
            [Address.of(server.url)], endpoint.path, dict(endpoint.headers), EndpointConfig(), Origin.now()
        )
        try:
            await transport.open(1)
            for _ in range(times):
                exchange = Exchange(Request(0, b"{}", "m", "0", streaming=recording.streaming))
                await transport.send(exchange)
                exchanges.append(exchange)
        finally:
            await transport.close()
    answers = [endpoints.decode_whole(endpoint, exchange) for exchange in exchanges]
    return exchanges, answers, len(server.peers)


def test_every_recording_is_read_by_a_test() -> None:
    broken = {"llama.cpp-error-in-stream", "triton-generate-error-in-stream"}
    assert {file.stem for file in HERE.glob("*.http")} == {*RECORDINGS, *broken}


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recorded_answer_is_read_as_what_it_says(name: str) -> None:
    expected = RECORDINGS[name]
    exchanges, answers, connections = await measured(name, expected)
    assert (2 if expected.closes else 1) == connections
    for exchange, answer in zip(exchanges, answers, strict=True):
        assert expected.error == answer.error
        assert exchange.error is None
        assert (expected.text, expected.pieces) == ("".join(answer.content), len(answer.content))
        assert expected.tool == "".join(answer.tool)
        assert (expected.usage, expected.finish_reason) == (answer.usage, answer.finish_reason)


async def test_an_error_in_the_middle_of_a_stream_keeps_what_came_before_it() -> None:
    (exchange,), (answer,), _ = await measured("llama.cpp-error-in-stream", Recording("chat", True), times=1)
    assert (200, None) == (exchange.status, exchange.error)
    assert RequestError("server", "Context size has been exceeded.") == answer.error
    assert 55 == len(answer.content)


async def test_an_error_in_the_middle_of_tritons_stream_likewise() -> None:
    expected = Recording("generate", False)
    (exchange,), (answer,), _ = await measured("triton-generate-error-in-stream", expected, times=1)
    assert (200, None) == (exchange.status, exchange.error)
    assert RequestError("server", "the model fails later, as it was asked to") == answer.error
    assert ["the", " quick"] == answer.content


@pytest.mark.parametrize(
    ("name", "oddity"),
    [
        ("llama.cpp-chat-stream", b"Keep-Alive: timeout=5, max=100"),
        ("llama.cpp-chat-stream", b'"delta":{"role":"assistant","content":null}'),
        ("llama.cpp-embeddings-base64", b'"encoding_format":"base64"'),
        ("llama.cpp-error-in-stream", b'data: {"error":{"code":500,'),
        ("vllm-continuous-usage", b'"delta":{"role":"assistant","content":""}'),
        ("vllm-continuous-usage", b'"usage":{"prompt_tokens":9,"total_tokens":10,"completion_tokens":1,'),
        ("vllm-tools-stream", b'"delta":{"content":null,"tool_calls":'),
        ("transformers-chat-stream", b'"choices":[{"delta":{},"index":0,"finish_reason":"length"}],'),
        ("mlx-lm-chat-stream", b": keepalive 1/1\n\ndata: "),
        ("mlx-lm-chat-stream", b'"delta": {"role": "assistant", "content": "respon"}'),
        ("litellm-rate-limit", b"HTTP/1.1 429 "),
        ("triton-generate-several-responses", b"HTTP/1.1 200 OK"),
        ("triton-generate-failed-stream", b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/event-stream"),
        ("triton-generate-ensemble-stream", b'"sequence_end":false,"sequence_id":0,"sequence_start":false'),
    ],
)
def test_the_oddity_is_in_the_recording(name: str, oddity: bytes) -> None:
    assert oddity in (HERE / f"{name}.http").read_bytes()


@pytest.mark.parametrize("name", ["transformers-chat-stream", "triton-generate-stream"])
def test_some_servers_end_a_stream_without_saying_so(name: str) -> None:
    assert b"[DONE]" not in (HERE / f"{name}.http").read_bytes()
