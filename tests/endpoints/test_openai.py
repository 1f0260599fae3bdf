# ruff: noqa: E501  one case, one line
"""How streamed answers of OpenAI-style servers are read, however they are cut, coded or broken."""

import gzip
import zlib

import pytest
from exchanges import SSE, chunk, cut, cuts, event, exchange, gzipped, stream, whole
from hypothesis import given
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.endpoints.reading import EVENTS_PER_STEP
from genai_perf.types import RequestError, Usage

CHAT = endpoints.get("chat")
COMPLETIONS = endpoints.get("completions")
EMBEDDINGS = endpoints.get("embeddings")


def read(given, endpoint=CHAT):
    return endpoints.decode_whole(endpoint, given)


def read_stream(*values, **fields):
    return read(exchange(stream(*values), **fields))


# -- streams ----------------------------------------------------------------------------------------

COUNTS = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([chunk("a"), chunk("b")], ["a", "b"], id="text"),
        pytest.param([chunk("", delta={"role": "assistant"}), chunk("a")], ["a"], id="a role chunk with empty text"),
        pytest.param([chunk(delta={"role": "assistant"}), chunk("a")], ["a"], id="a role chunk without text"),
        pytest.param([chunk(delta={"content": None}), chunk("a")], ["a"], id="content null"),
        pytest.param([chunk("a"), chunk(delta={}, finish_reason="stop")], ["a"], id="a finish chunk"),
        pytest.param([chunk("a"), chunk("b", finish_reason="stop")], ["a", "b"], id="text in the finish chunk"),
        pytest.param([chunk("a"), {"choices": [], "usage": COUNTS}], ["a"], id="a chunk with nothing but usage"),
        pytest.param([{"choices": []}, chunk("a")], ["a"], id="choices empty"),
        pytest.param([{"choices": None}, {}, chunk("a")], ["a"], id="choices null or absent"),
        pytest.param([{"choices": [{"delta": None, "text": "a"}]}], ["a"], id="a chat answer with text (vLLM once)"),
        pytest.param([{"choices": [{"message": {"content": "a"}}]}], ["a"], id="a message where a delta was due"),
        pytest.param([chunk([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], ["ab"], id="content in parts"),
        pytest.param([chunk([{"type": "thinking", "thinking": []}]), chunk([]), chunk("a")], ["a"], id="parts without text"),
        pytest.param([chunk([{"text": None}, {"text": {}}, 7, "x", {"text": "a"}])], ["a"], id="parts of every kind"),
        pytest.param([chunk("[DONE]"), chunk("a")], ["[DONE]", "a"], id="a text that says [DONE]"),
        pytest.param([chunk("data: [DONE]\n\n"), chunk("a")], ["data: [DONE]\n\n", "a"], id="a text that looks like events"),
        pytest.param([chunk(" "), chunk("\n"), chunk("\t")], [" ", "\n", "\t"], id="blanks are text"),
        pytest.param([chunk("\u2028"), chunk("\u0085"), chunk("\x00"), chunk("é"), chunk("😀")], ["\u2028", "\u0085", "\x00", "é", "😀"], id="any character"),
        pytest.param([chunk(delta={"tool_calls": [{"index": 0}]}), chunk(finish_reason="tool_calls")], [], id="a tool call"),
        pytest.param([chunk("a", extra={"deep": [{"er": 1}]}), chunk("b", logprobs=None)], ["a", "b"], id="keys nobody asked for"),
    ],
)  # fmt: skip
def test_content_is_the_visible_text_event_by_event(values, expected):
    answer = read_stream(*values)
    assert (expected, None) == (answer.content, answer.error)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(stream(chunk("a"), line_end=b"\r\n"), ["a"], id="CRLF"),
        pytest.param(stream(chunk("a"), line_end=b"\r"), ["a"], id="CR"),
        pytest.param(stream(chunk("a"), done=False), ["a"], id="no [DONE]"),
        pytest.param(stream(chunk("a"))[:-2], ["a"], id="no blank line after [DONE]"),
        pytest.param(stream(chunk("a"), done=False)[:-2], ["a"], id="no blank line after the last chunk"),
        pytest.param(stream(chunk("a"), b"[DONE] "), ["a"], id="[DONE] with a blank"),
        pytest.param(stream(chunk("a"), b"[DONE]", chunk("b")), ["a", "b"], id="more after [DONE]"),
        pytest.param(stream(b"", chunk("a"), b" "), ["a"], id="empty data"),
        pytest.param(b": OPENROUTER PROCESSING\n\n" + stream(chunk("a")), ["a"], id="comments"),
        pytest.param(b"id: 1\nevent: message\nretry: 5\n" + stream(chunk("a")), ["a"], id="every field"),
        pytest.param(b'data: {"choices":\ndata: [{"delta":\ndata: {"content": "a"}}]}\n\n', ["a"], id="a chunk over several lines"),
        pytest.param("\ufeff".encode() + stream(chunk("a")), ["a"], id="a byte order mark"),
        pytest.param(stream(b'{"choices":[{"delta":{"content":"\\u0061\\n"}}]}'), ["a\n"], id="escapes"),
        pytest.param(stream(b'{"choices":[{"delta":{"content":"\\ud83d\\ude00"}}]}'), ["😀"], id="an escaped pair"),
        pytest.param(stream(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}', b'{"choices":[{"delta":{"content":"\\ude00"}}]}', chunk("a")), ["\ud83d", "\ude00", "a"], id="half a pair each (it is the server's text)"),
        pytest.param(stream(b'{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"top_logprobs":[{"logprob":-Infinity}]}]}}]}'), ["a"], id="minus infinity, as Python writes it"),
    ],
)  # fmt: skip
def test_streams_are_read_as_servers_really_send_them(body, expected):
    answer = read(exchange(body))
    assert (expected, None) == (answer.content, answer.error)


def test_reasoning_is_kept_apart_from_content_whatever_it_is_called():
    answer = read(
        exchange(
            event(chunk(delta={"reasoning_content": "let"})),
            event(chunk(delta={"reasoning": "me"})),
            event(chunk(delta={"reasoning_content": "see", "reasoning": "see"})),
            event(chunk(delta={"reasoning": None, "reasoning_content": ""})),
            event(chunk("so", delta={"reasoning_content": "!"})),
            event(chunk("a")),
        )
    )
    assert (["let", "me", "see", "!"], [0, 1, 2, 4]) == (answer.reasoning, answer.reasoning_reads)
    assert (["so", "a"], [4, 5]) == (answer.content, answer.content_reads)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (COUNTS, Usage(5, 2)),
        ({"prompt_tokens": 5}, Usage(5)),
        ({"prompt_tokens": 5, "completion_tokens": None}, Usage(5)),
        (COUNTS | {"prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 2, None, 4)),
        (COUNTS | {"prompt_tokens_details": None, "completion_tokens_details": None}, Usage(5, 2)),
        (COUNTS | {"completion_tokens_details": {"reasoning_tokens": 1, "x": 1}}, Usage(5, 2, 1)),
        ({}, Usage()),
        (None, None),
        (COUNTS | {"prompt_tokens": 5.0}, Usage(5, 2)),
        (COUNTS | {"prompt_tokens": "5", "completion_tokens": "2"}, Usage(5, 2)),
        (COUNTS | {"prompt_tokens": "many"}, None),
        ("none", None),
        ({"prompt_tokens": 2**70}, None),
    ],
)
def test_usage_is_what_the_server_says_and_never_costs_the_text(usage, expected):
    answer = read_stream(chunk("a", usage=usage), chunk("b"))
    assert (["a", "b"], expected, None) == (answer.content, answer.usage, answer.error)


def test_with_continuous_usage_the_last_word_counts():
    each = [
        chunk(text, usage={"prompt_tokens": 9, "completion_tokens": n}) for n, text in enumerate("abc", 1)
    ]
    answer = read_stream(*each, {"choices": [], "usage": None})
    assert (list("abc"), Usage(9, 3)) == (answer.content, answer.usage)


@pytest.mark.parametrize("value", ["stop", "length", "tool_calls", "eos_token"])
def test_the_finish_reason_is_the_servers(value):
    assert value == read_stream(chunk("a"), chunk(finish_reason=value), {"choices": []}).finish_reason


def test_only_the_first_choice_of_a_chunk_is_read():
    two = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}
    assert ["a"] == read_stream(two).content


# -- errors in a stream -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kept", "kind", "message"),
    [
        (
            [chunk("a"), {"error": {"message": "out of memory", "code": 500}}],
            ["a"],
            "server",
            "out of memory",
        ),
        ([chunk("a"), {"error": "out of memory"}], ["a"], "server", "out of memory"),
        ([chunk("a"), {"error": {"code": 7}}, chunk("b")], ["a", "b"], "server", '{"code":7}'),
        ([{"error": "one"}, {"error": "two"}], [], "server", "one"),
        ([{"object": "error", "message": "no such model", "code": 404}], [], "server", "no such model"),
        ([chunk("a"), b"{oops", chunk("b")], ["a", "b"], "decode", "{oops"),
        ([chunk("a"), b"oops", chunk("b")], ["a", "b"], "decode", "oops"),
        ([b'{"a": 1', b'"b": 2}', chunk("a")], ["a"], "decode", '{"a": 1'),
        ([b"{},{}", chunk("a")], ["a"], "decode", "{},{}"),
        ([b"[]", chunk("a")], ["a"], "decode", "[]"),
        ([b'{"choices":[{"delta":{"content":"\xff"}}]}', chunk("a")], ["a"], "decode", "utf-8"),
        ([{"text_output": "Hello"}], [], "decode", "choices"),
        ([], [], "decode", "no choices: ''"),
        ([b"[DONE]"], [], "decode", "no choices: 'data: [DONE]"),
        ([{"choices": []}], [], "decode", "no choices"),
    ],
)
def test_an_error_in_a_stream_is_kept_beside_what_was_good(values, kept, kind, message):
    answer = read(exchange(stream(*values, done=bool(values))))
    assert (kept, kind) == (answer.content, answer.error.kind)
    assert message in answer.error.message


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"error": {"message": "out of memory"}}', "out of memory"),
        (b'{"message": "out of memory"}', "out of memory"),
        (b'{"detail": "out of memory"}', "out of memory"),
        (b"out of memory", "out of memory"),
        (b"\xff out of memory", "out of memory"),
        (b"7", "7"),
        (b"[1]", "[1]"),
    ],
)
def test_an_error_event_is_the_servers_error(data, message, line_end):
    many = EVENTS_PER_STEP + 3  # so that it stands in the second step
    good = b"".join(event(chunk("a"), line_end=line_end) for _ in range(many))
    answer = read(exchange(good + event(data, before=b"event: error" + line_end, line_end=line_end)))
    assert ["a"] * many == answer.content
    assert "server" == answer.error.kind
    assert message in answer.error.message


def test_another_event_name_is_no_error():
    answer = read(exchange(b"event: errors\n" + stream(chunk("a"))))
    assert (["a"], None) == (answer.content, answer.error)


def test_what_came_before_the_connection_broke_is_kept():
    broken = RequestError("reset", "connection reset by the server")
    body = stream(chunk("a", usage=COUNTS), chunk("b"))
    last = body.rindex(b'"b"')
    answer = read(exchange(*cut(body[:last], [30, 60]), error=broken))
    assert (["a"], Usage(5, 2), broken) == (answer.content, answer.usage, answer.error)


# -- however it is cut ------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("\u2028\u0085\r\n[]:"), max_size=6)
CHUNKS = st.one_of(
    TEXTS.map(chunk),
    TEXTS.map(lambda text: chunk(delta={"reasoning_content": text})),
    st.builds(lambda n: {"choices": [], "usage": {"prompt_tokens": n}}, st.integers(0, 9)),
    st.sampled_from(
        [{"choices": []}, {"error": "oops"}, chunk(finish_reason="stop"), b"[DONE]", b"oops", b""]
    ),
)


def contents(answer):
    return (answer.content, answer.reasoning, answer.usage, answer.finish_reason, answer.error)


@given(st.lists(CHUNKS, max_size=10), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.data())
@pytest.mark.parametrize("content_type", [SSE, "text/event-stream; charset=utf-8", None, "text/plain"])
def test_however_the_bytes_are_cut_the_answer_is_the_same(content_type, values, line_end, data):
    body = stream(*values, line_end=line_end)
    reads = data.draw(cuts(body))
    at_once = read(exchange(body, content_type=content_type))
    cut_up = read(exchange(*reads, content_type=content_type))
    assert contents(at_once) == contents(cut_up)
    # Each piece has the read in which the event that brought it ended, and is shared if that went on.
    for piece, found_in in zip(cut_up.content, cut_up.content_reads, strict=True):
        arrived = b"".join(reads[: found_in + 1])
        assert piece in read(exchange(arrived, content_type=SSE)).content
    assert sorted(cut_up.content_reads) == cut_up.content_reads


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=12), st.data())
def test_the_pieces_reads_are_those_that_completed_their_events(texts, data):
    events = [event(chunk(text)) for text in texts]
    reads = data.draw(cuts(b"".join(events)))
    answer = read(exchange(*reads))
    assert texts == answer.content
    for number, found_in in enumerate(answer.content_reads):
        end = sum(map(len, events[: number + 1]))
        assert sum(map(len, reads[:found_in])) < end <= sum(map(len, reads[: found_in + 1]))
        assert (number in answer.content_shared) == (end < sum(map(len, reads[: found_in + 1])))


def test_a_long_answer_is_read_in_steps():
    texts = [f" {number}" for number in range(10 * EVENTS_PER_STEP)]
    decoding = CHAT.decode(exchange(*cut(stream(*map(chunk, texts)), range(0, 300_000, 1000))))
    steps = -1
    answer = None
    while answer is None:
        steps += 1
        try:
            next(decoding)
        except StopIteration as stop:
            answer = stop.value
    assert texts == answer.content
    assert 10 <= steps < 20


def test_named_events_of_a_long_answer_cost_no_more_than_unnamed_ones():
    # each step must look at its own events only
    texts = [f" {number}" for number in range(3 * EVENTS_PER_STEP)]
    body = b"".join(event(chunk(text), before=b"event: message\n") for text in texts)
    assert texts == read(exchange(body)).content


# -- content coding ---------------------------------------------------------------------------------

CODINGS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS),
    "identity": bytes,
    "": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coded_body_is_read_unasked(coding):
    body = stream(*map(chunk, "abc"))
    coded = CODINGS[coding](body)
    headers = {"content-encoding": coding}
    for reads in ([coded], cut(coded, range(0, len(coded), 5)), cut(coded, [len(coded) - 1])):
        answer = read(exchange(*reads, headers=headers))
        assert (list("abc"), None) == (answer.content, answer.error)
    answer = read(whole(CODINGS[coding](b'{"choices": [{"message": {"content": "a"}}]}'), headers=headers))
    assert (["a"], None) == (answer.content, answer.error)


def test_a_coded_stream_keeps_the_reads_of_its_events():
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    reads = [packer.compress(event(chunk(text))) + packer.flush(zlib.Z_SYNC_FLUSH) for text in "abc"]
    answer = read(exchange(*reads, packer.flush(), headers={"content-encoding": "gzip"}))
    assert (list("abc"), [0, 1, 2]) == (answer.content, answer.content_reads)


def test_a_body_of_several_gzip_members_is_read_whole():
    reads = [gzipped([event(chunk(text))]) for text in "abc"]
    for body in (reads, [b"".join(reads)], cut(b"".join(reads), range(0, 500, 7))):
        answer = read(exchange(*body, headers={"content-encoding": "gzip"}))
        assert (list("abc"), None) == (answer.content, answer.error)


def test_a_coded_stream_that_broke_keeps_what_came():
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    reads = [packer.compress(event(chunk(text))) + packer.flush(zlib.Z_SYNC_FLUSH) for text in "abc"]
    broken = RequestError("closed", "the server closed the connection")
    answer = read(exchange(*reads[:2], reads[2][:-9], headers={"content-encoding": "gzip"}, error=broken))
    assert (["a", "b"], broken) == (answer.content, answer.error)


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        ("br", b"\x0b\x02\x80", "the body is br-coded; gzip and deflate can be read"),
        ("gzip, br", b"\x0b\x02\x80", "the body is gzip, br-coded; gzip and deflate can be read"),
        ("gzip", b"plain text", "the body is not gzip"),
        ("deflate", b"plain text", "the body is not deflate"),
    ],
)
@pytest.mark.parametrize("make", [exchange, whole])
@pytest.mark.parametrize("endpoint", [CHAT, EMBEDDINGS], ids=lambda endpoint: endpoint.name)
def test_a_coding_that_cannot_be_read_is_an_error(endpoint, make, coding, body, message):
    answer = read(make(body, headers={"content-encoding": coding}), endpoint)
    assert ([], "encoding") == (answer.content, answer.error.kind)
    assert answer.error.message.startswith(message)
