# ruff: noqa: E501  one case, one line
"""Answers of OpenAI-style servers that are no streams: whole ones, errors, embeddings, and anything at all."""

import gzip
import json

import msgspec
import pytest
from exchanges import JSON, SSE, chunk, cut, event, exchange, stream, whole
from hypothesis import example, given
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.types import RequestError, Usage

CHAT = endpoints.get("chat")
COMPLETIONS = endpoints.get("completions")
EMBEDDINGS = endpoints.get("embeddings")


def read(given, endpoint=CHAT):
    return endpoints.decode_whole(endpoint, given)


# -- whole answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        (CHAT, {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}, "Hello"),
        (CHAT, {"choices": [{"message": {"content": [{"type": "text", "text": "Hel"}, {"text": "lo"}]}}]}, "Hello"),
        (CHAT, {"choices": [{"text": "Hello"}]}, "Hello"),
        (COMPLETIONS, {"object": "text_completion", "choices": [{"text": "Hello"}]}, "Hello"),
        (COMPLETIONS, {"choices": [{"text": "Hello", "finish_reason": "stop"}, {"text": "x"}]}, "Hello"),
    ],
)  # fmt: skip
def test_a_whole_answer_is_one_piece_that_came_with_its_last_read(endpoint, body, expected):
    text = msgspec.json.encode(body)
    for reads in ([text], cut(text, [3, 20]), [*cut(text, [9]), b"\n"]):
        answer = read(exchange(*reads, content_type=JSON, streaming=False), endpoint)
        assert ([expected], [len(reads) - 1], None) == (answer.content, answer.content_reads, answer.error)
        assert [] == answer.content_shared


def test_everything_else_in_a_whole_answer():
    message = {"content": "a", "reasoning_content": "hm"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    body = {"choices": [{"message": message, "finish_reason": "length"}], "usage": usage}
    answer = read(whole(msgspec.json.encode(body)))
    assert (["a"], ["hm"], None) == (answer.content, answer.reasoning, answer.error)
    assert (Usage(5, 2), "length") == (answer.usage, answer.finish_reason)


@pytest.mark.parametrize("content", [None, ""])
def test_a_whole_answer_without_text_is_good_but_has_no_piece(content):
    message = {"content": content, "tool_calls": [{}]}
    answer = read(
        whole(msgspec.json.encode({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
    )
    assert ([], "tool_calls", None) == (answer.content, answer.finish_reason, answer.error)


def test_a_lone_surrogate_costs_nothing():
    for body in (
        rb'{"choices":[{"message":{"content":"a\ud800b"}}]}',
        rb'{"choices":[{"text":"a\ud800b"}], "x": "\udc00"}',
    ):
        answer = read(whole(body))
        assert (["a\ud800b"], None) == (answer.content, answer.error)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"<html><body>\n Welcome\n</body></html>", "text/html", "(text/html) is not what this API sends"),
        (b"Hello", "text/plain; charset=utf-8", "(text/plain) is not what this API sends"),
        (b"", JSON, "(application/json) is not what this API sends"),
        (b"", None, "(no content type) is not what this API sends"),
        (b'{"choices":[{"mess', JSON, '{"choices":[{"mess'),
        (b"[]", JSON, "[]"),
        (b"null", JSON, "null"),
        (b"{}", JSON, "no choices"),
        (b'{"choices": []}', JSON, "no choices"),
        (b'{"embedding": [1]}', JSON, "no choices"),
        (b'{"choices":[{"message":{"content":7}}]}', JSON, "content"),
        (b'{"choices":"none"}', JSON, "Expected `array | null`"),
        (b"\xff\xfe\x00", None, "(no content type)"),
    ],
)
def test_an_answer_that_is_not_what_the_api_sends_is_an_error_that_shows_it(body, content_type, message):
    answer = read(whole(body, content_type=content_type))
    assert ([], "decode") == (answer.content, answer.error.kind)
    assert message in answer.error.message
    assert "\n" not in answer.error.message


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b'{"choices": [{"message": {"content": "a"}}]}', JSON, "asked for a stream, the answer is application/json"),
        (b"<html>\n<p>Welcome</p>", "text/html; charset=utf-8", "asked for a stream, the answer is text/html: '<html> <p>Welcome</p>'"),
        (b"", None, "asked for a stream, the answer is no content type: ''"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_stream_where_one_was_asked_is_an_error(body, content_type, message):
    answer = read(exchange(body, content_type=content_type))
    assert ([], "not_streamed") == (answer.content, answer.error.kind)
    assert message in answer.error.message


def test_the_servers_error_is_told_rather_than_that_it_is_no_stream():
    body = b'{"error": {"message": "model is loading"}}'
    for answer in (exchange(body, content_type=JSON), whole(body), whole(body, content_type=None)):
        assert RequestError("server", "model is loading") == read(answer).error


def test_a_stream_where_none_was_asked_is_read():
    answer = read(exchange(stream(*map(chunk, "ab")), streaming=False))
    assert (["a", "b"], None) == (answer.content, answer.error)


def test_a_message_shows_no_more_than_the_beginning():
    answer = read(whole(b"<html>" + b"x" * 100_000, content_type="text/html"))
    assert len(answer.error.message) < 500


# -- statuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [exchange, whole])
@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS, EMBEDDINGS], ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b'{"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}}', "Incorrect API key"),
        (404, b'{"detail": "Not Found"}', "Not Found"),
        (404, b'{"object": "error", "message": "The model `x` does not exist.", "code": 404}', "The model `x` does not exist."),
        (404, b'{"error": {"message": "The model `x` does not exist."}}', "The model `x` does not exist."),
        (422, b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', '[{"loc":["body"],"msg":"field required"}]'),
        (429, b'{"error": "Too many requests"}', "Too many requests"),
        (429, b"Too many\r\nrequests", "'Too many requests'"),
        (500, b"Internal Server Error", "'Internal Server Error'"),
        (500, b'{"error": null, "message": "boom"}', "boom"),
        (500, b'{"error": {"code": 1}}', '{"code":1}'),
        (500, b'"boom"', "'\"boom\"'"),
        (500, b'["boom"]', "'[\"boom\"]'"),
        (500, b'{"error": {"message": {"error": "boom"}}}', "boom"),
        (502, b"<html>\n<head><title>502 Bad Gateway</title></head>", "'<html> <head><title>502 Bad Gateway</title></head>'"),
        (503, b"", "the answer has no text"),
        (503, b"{}", "{}"),
        (500, b"\xff\xfe", "'\ufffd\ufffd'"),
        (500, b'data: {"error": {"message": "boom"}}\n\n', "boom"),
    ],
)  # fmt: skip
def test_a_bad_status_is_an_error_of_that_kind_with_the_servers_words(endpoint, make, status, body, message):
    answer = read(make(body, status=status), endpoint)
    assert RequestError(f"http_{status}", message) == answer.error
    assert [] == answer.content


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"error":' * 5_000 + b"1" + b"}" * 5_000, b'{"a":' * 900])
@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("endpoint", [CHAT, EMBEDDINGS], ids=lambda endpoint: endpoint.name)
def test_nesting_without_end_is_an_error_like_any_other(endpoint, status, body):
    assert read(whole(body, status=status), endpoint).error.kind in ("decode", "server", "http_500")
    if status == 200:
        assert read(exchange(event(body)), CHAT).error.kind in ("decode", "server")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (
            {"location": "https://example.org/v1"},
            "redirected to https://example.org/v1; redirects are not followed",
        ),
        ({}, "redirected to nowhere; redirects are not followed"),
    ],
)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_says_where_to(status, headers, message):
    assert RequestError(f"http_{status}", message) == read(whole(b"", status=status, headers=headers)).error


def test_an_error_body_that_is_coded_is_read():
    answer = read(
        whole(gzip.compress(b'{"error": "boom"}'), status=500, headers={"content-encoding": "gzip"})
    )
    assert RequestError("http_500", "boom") == answer.error


def test_a_bad_status_whose_body_broke_off_says_what_the_wire_said():
    broken = RequestError("reset", "connection reset by the server")
    answer = read(whole(b"Internal", status=500, error=broken))
    assert broken == answer.error


@pytest.mark.parametrize("kind", ["connect", "tls", "timeout", "reset", "cancelled"])
@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS, EMBEDDINGS], ids=lambda endpoint: endpoint.name)
def test_a_request_that_got_no_answer_has_the_wires_error(endpoint, kind):
    error = RequestError(kind, "…")
    given = exchange(status=0, content_type=None, error=error)
    answer = read(given, endpoint)
    assert ([], error) == (answer.content, answer.error)


# -- embeddings -------------------------------------------------------------------------------------

VECTORS = {"object": "list", "data": [{"index": 0, "embedding": [0.1, 0.2]}], "usage": {"prompt_tokens": 3}}


def test_embeddings_have_no_text_and_end_with_their_last_read():
    body = msgspec.json.encode(VECTORS)
    answer = read(exchange(*cut(body, [5, 50]), content_type=JSON, streaming=False), EMBEDDINGS)
    assert ([""], [2], Usage(3), None) == (
        answer.content,
        answer.content_reads,
        answer.usage,
        answer.error,
    )


@pytest.mark.parametrize(
    "body", [b"{}", b'{"data": []}', b'{"data": null}', b'{"choices": [{"message": {"content": "a"}}]}']
)
def test_an_answer_without_vectors_is_an_error(body):
    assert RequestError("decode", "the answer holds no embeddings") == read(whole(body), EMBEDDINGS).error


def test_vectors_in_base64_are_vectors():
    body = b'{"data": [{"index": 0, "embedding": "zczMPQ=="}]}'
    assert read(whole(body), EMBEDDINGS).error is None


# -- anything at all --------------------------------------------------------------------------------

# fmt: off
KEYS = st.sampled_from([
    "choices", "delta", "message", "content", "text", "usage", "error", "data", "reasoning", "reasoning_content",
    "detail", "object", "finish_reason", "prompt_tokens", "completion_tokens_details", "reasoning_tokens",
])
# fmt: on
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
SHAPED = JSON_VALUES | st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(
            JSON_VALUES | st.fixed_dictionaries({}, optional={"delta": JSON_VALUES, "message": JSON_VALUES}),
            max_size=2,
        ),
        "usage": JSON_VALUES,
    },
)
ANY_BODY = st.one_of(
    st.binary(max_size=40),
    SHAPED.map(lambda value: json.dumps(value).encode()),
    st.lists(SHAPED, max_size=4).map(
        lambda values: stream(*(json.dumps(value).encode() for value in values))
    ),
)


@given(
    ANY_BODY,
    st.sampled_from([CHAT, EMBEDDINGS]),
    st.sampled_from([SSE, JSON, None]),
    st.booleans(),
    st.sampled_from([200, 204, 302, 500]),
    st.sampled_from(["", "gzip", "br"]),
)
@example(rb'{"error": "\ud800"}', CHAT, JSON, False, 500, "")
def test_whatever_a_server_sends_there_is_an_answer(body, endpoint, content_type, streaming, status, coding):
    given = exchange(
        body,
        content_type=content_type,
        streaming=streaming,
        status=status,
        headers={"content-encoding": coding},
    )
    answer = read(given, endpoint)
    assert all(type(text) is str for text in (*answer.content, *answer.reasoning))
    assert len(answer.content) == len(answer.content_reads)
    if answer.error is not None:
        assert answer.error.kind
        assert type(answer.error.message) is str
    if status != 200:
        assert status == 204 or f"http_{status}" == answer.error.kind
    for count in [getattr(answer.usage, name) for name in Usage.__slots__] if answer.usage else []:
        assert count is None or (type(count) is int and abs(count) < 2**63)
