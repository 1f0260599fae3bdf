# ruff: noqa: E501  one case, one line
"""The APIs whose events say their type: responses, messages, huggingface_generate; and tool calls of chat."""

import json

import msgspec
import pytest
from exchanges import chunk, cut, cuts, event, exchange, stream, whole
from hypothesis import given
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.endpoints.reading import EVENTS_PER_STEP
from genai_perf.types import RequestError, Usage

CHAT = endpoints.get("chat")
RESPONSES = endpoints.get("responses")
MESSAGES = endpoints.get("messages")
GENERATE = endpoints.get("huggingface_generate")


def read(given, endpoint):
    return endpoints.decode_whole(endpoint, given)


def typed(*values, named=True, line_end=b"\n"):
    """Events whose name is their type."""
    return b"".join(
        event(
            value,
            before=b"event: " + value["type"].encode() + line_end if named else b"",
            line_end=line_end,
        )
        for value in values
    )


def texts(answer):
    return answer.content, answer.reasoning, answer.tool


# -- responses --------------------------------------------------------------------------------------


def delta(text, kind="output_text", **more):
    return {"type": f"response.{kind}.delta", "item_id": "i", "delta": text, **more}


COMPLETED = {
    "type": "response.completed",
    "response": {
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "ab"}]}],
        "usage": {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}, "output_tokens_details": {"reasoning_tokens": 1}},
    },
}  # fmt: skip
CREATED = {"type": "response.created", "response": {"status": "in_progress", "output": [], "error": None}}
CALL = {"type": "function_call", "name": "weather", "arguments": ""}


@pytest.mark.parametrize("named", [True, False])
def test_responses_bring_text_reasoning_and_tool_calls_apart(named):
    body = typed(
        CREATED,
        delta("hm", "reasoning_text"),
        delta("so", "reasoning_summary_text"),
        {"type": "response.output_item.added", "item": {"type": "message", "content": []}},
        delta("a", sequence_number=4),
        delta(""),
        delta("b"),
        {"type": "response.output_text.done", "text": "ab"},
        {"type": "response.output_item.added", "item": CALL},
        delta('{"city":', "function_call_arguments"),
        delta('"Paris"}', "function_call_arguments"),
        {"type": "response.function_call_arguments.done", "arguments": '{"city":"Paris"}'},
        delta("0101", "audio"),
        COMPLETED,
        named=named,
    )
    answer = read(exchange(body), RESPONSES)
    assert (["a", "b"], ["hm", "so"], ["weather", '{"city":', '"Paris"}']) == texts(answer)
    assert (Usage(9, 4, 1, 2), "completed", None) == (answer.usage, answer.finish_reason, answer.error)


def test_a_refusal_is_text_that_the_user_sees():
    assert ["No."] == read(exchange(typed(delta("No.", "refusal"), COMPLETED)), RESPONSES).content


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"status": "completed"}, "completed"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "max_output_tokens"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "in_progress"}, None),
    ],
)  # fmt: skip
def test_why_a_response_ended(response, expected):
    body = typed(delta("a"), {"type": "response.completed", "response": response})
    assert expected == read(exchange(body), RESPONSES).finish_reason


def test_a_server_that_streams_no_deltas_is_read_from_its_last_event():
    answer = read(exchange(typed(CREATED, COMPLETED)), RESPONSES)
    assert (["ab"], Usage(9, 4, 1, 2)) == (answer.content, answer.usage)


def test_a_whole_response_has_a_piece_for_each_item():
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "so"}], "summary": []},
        {"type": "message", "content": [{"text": "a"}, {"refusal": "b"}]},
        {"type": "function_call", "name": "weather", "arguments": "{}"},
        {"type": "web_search_call", "action": {}},
    ]
    body = {
        "object": "response",
        "status": "completed",
        "error": None,
        "output": output,
        "usage": {"input_tokens": 3},
    }
    answer = read(whole(msgspec.json.encode(body)), RESPONSES)
    assert (["ab"], ["hm", "so"], ["weather{}"]) == texts(answer)
    assert (Usage(3), "completed", None) == (answer.usage, answer.finish_reason, answer.error)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([{"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "out of memory"}}}], "out of memory"),
        ([{"type": "response.failed", "response": {"status": "failed", "error": None}}], "the response failed"),
        ([{"type": "error", "code": "e", "message": "out of memory", "param": None}], "out of memory"),
        ([{"type": "error", "error": {"type": "server_error", "message": "out of memory"}}], "out of memory"),
        ([{"type": "x", "error": "out of memory"}], "out of memory"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_a_response_that_fails_midway_keeps_what_was_good(values, message, named):
    answer = read(exchange(typed(CREATED, delta("a"), *values, named=named)), RESPONSES)
    assert (["a"], "server") == (answer.content, answer.error.kind)
    assert message in answer.error.message


def test_usage_in_an_odd_shape_costs_nothing():
    odd = {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": "x"}}}
    answer = read(exchange(typed(delta("a"), odd)), RESPONSES)
    assert (["a"], None, None) == (answer.content, answer.usage, answer.error)
    body = rb'{"object":"response","output":[{"content":[{"text":"a\ud800"}]}],"usage":{"output_tokens":-1}}'
    answer = read(whole(body), RESPONSES)
    assert (["a\ud800"], None, None) == (answer.content, answer.usage, answer.error)


# -- messages ---------------------------------------------------------------------------------------


def block(**given):
    return {"type": "content_block_delta", "index": 0, "delta": given}


def text(value):
    return block(type="text_delta", text=value)


START = {
    "type": "message_start",
    "message": {"type": "message", "content": [], "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 1, "output_tokens": 1}},
}  # fmt: skip
STOP = (
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    },
    {"type": "message_stop"},
)


def test_messages_bring_text_thinking_and_tool_calls_apart():
    body = typed(
        START,
        {"type": "ping"},
        {"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}},
        block(type="thinking_delta", thinking="hm"),
        block(type="signature_delta", signature="0101"),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
        text("a"),
        text("b"),
        {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "1", "name": "weather", "input": {}}},
        block(type="input_json_delta", partial_json=""),
        block(type="input_json_delta", partial_json='{"city":"Paris"}'),
        *STOP,
    )  # fmt: skip
    answer = read(exchange(body), MESSAGES)
    assert (["a", "b"], ["hm"], ["weather", '{"city":"Paris"}']) == texts(answer)
    assert (Usage(9, 7, None, 3), "end_turn", None) == (answer.usage, answer.finish_reason, answer.error)


def test_a_whole_message_has_a_piece_for_each_block():
    content = [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "1", "name": "weather", "input": {"city": "Genève"}},
    ]
    usage = {"input_tokens": 5, "output_tokens": 7}
    body = {"type": "message", "content": content, "stop_reason": "max_tokens", "usage": usage}
    answer = read(whole(msgspec.json.encode(body)), MESSAGES)
    assert (["a", "b"], ["hm"], ['weather{"city":"Genève"}']) == texts(answer)
    assert (Usage(5, 7), "max_tokens", None) == (answer.usage, answer.finish_reason, answer.error)


@pytest.mark.parametrize("named", [True, False])
def test_an_error_among_messages_keeps_what_was_good(named):
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    answer = read(exchange(typed(START, text("a"), error, named=named)), MESSAGES)
    assert (["a"], RequestError("server", "Overloaded")) == (answer.content, answer.error)
    answer = read(whole(json.dumps(error).encode(), status=529), MESSAGES)
    assert RequestError("http_529", "Overloaded") == answer.error


def test_counts_in_an_odd_shape_cost_no_text_of_a_message():
    odd = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": "many"}
    answer = read(exchange(typed(START, text("a"), odd)), MESSAGES)
    assert (["a"], "end_turn", None) == (answer.content, answer.finish_reason, answer.error)
    start = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": "many"}}}
    answer = read(exchange(typed(start, text("a"))), MESSAGES)
    assert (["a"], None, None) == (answer.content, answer.usage, answer.error)


# -- huggingface_generate ---------------------------------------------------------------------------


def token(value, special=False, **more):
    return {"index": 1, "token": {"id": 7, "text": value, "logprob": -0.5, "special": special}, "generated_text": None, "details": None, **more}  # fmt: skip


DETAILS = {"finish_reason": "eos_token", "generated_tokens": 3, "seed": None, "input_length": 6}


def tgi(*values):
    """Events as TGI writes them, without a blank after the colon."""
    return b"".join(b"data:" + msgspec.json.encode(value) + b"\n\n" for value in values)


def test_tokens_of_generate_stream_are_text_unless_they_are_special():
    body = tgi(token("a"), token(" b"), token("</s>", special=True, generated_text="a b", details=DETAILS))
    answer = read(exchange(body), GENERATE)
    assert (["a", " b"], Usage(6, 3), "eos_token", None) == (
        answer.content,
        answer.usage,
        answer.finish_reason,
        answer.error,
    )


@pytest.mark.parametrize(
    "body",
    [
        b'[{"generated_text":"a b"}]',
        b'{"generated_text":"a b"}',
        b' [ {"generated_text": "a b"}, {"generated_text": "c"} ]',
    ],
)
def test_generated_text_is_read_from_a_list_and_from_an_object(body):
    answer = read(whole(body), GENERATE)
    assert (["a b"], [0], None) == (answer.content, answer.content_reads, answer.error)


def test_details_of_a_whole_answer_are_its_counts():
    body = {"generated_text": "a", "details": DETAILS | {"prefill": [], "tokens": []}}
    assert Usage(6, 3) == read(whole(msgspec.json.encode(body)), GENERATE).usage


@pytest.mark.parametrize("before", [b"", b"event: error\n"])
def test_an_error_of_tgi_in_a_stream_of_status_200(before):
    error = {"error": "Request failed during generation: out of memory", "error_type": "generation"}
    body = tgi(token("a")) + before + tgi(error)
    answer = read(exchange(body), GENERATE)
    assert ["a"] == answer.content
    assert RequestError("server", "Request failed during generation: out of memory") == answer.error


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "an empty list"),
        (b"{}", "the answer holds no generated text: '{}'"),
        (b'"text"', "is not what this API sends"),
        (b'[{"error":"no"}]', "no"),
    ],
)
def test_an_answer_without_generated_text_is_an_error(body, message):
    assert message in read(whole(body), GENERATE).error.message


# -- tool calls of chat -----------------------------------------------------------------------------


def called(name=None, arguments=None, index=0):
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return chunk(delta={"content": None, "tool_calls": [{"index": index, "function": function}]})


def test_tool_calls_of_chat_are_kept_apart_from_text():
    body = stream(
        chunk("a"),
        called("weather", ""),
        called(None, '{"city":'),
        called(None, '"Paris"}'),
        called("time", "{}", index=1),
        chunk(finish_reason="tool_calls"),
    )
    answer = read(exchange(body), CHAT)
    assert (["a"], [], ["weather", '{"city":', '"Paris"}', "time{}"]) == texts(answer)
    assert ([0, 0, 0, 0], "tool_calls") == (answer.tool_reads, answer.finish_reason)


@pytest.mark.parametrize(
    "calls",
    [None, [], [{}], [{"function": None}], [{"function": {"name": None, "arguments": ""}}], [{"custom": {}}]],
)
def test_tool_calls_that_say_nothing_are_none(calls):
    answer = read(exchange(stream(chunk("a", delta={"tool_calls": calls}))), CHAT)
    assert (["a"], [], None) == (answer.content, answer.tool, answer.error)


def test_an_answer_that_is_tool_calls_alone_has_an_empty_piece_for_each():
    reads = [
        event(called("weather", "")),
        event(called(None, "{}")) + event(chunk(finish_reason="tool_calls")),
    ]
    answer = read(exchange(*reads), CHAT)
    assert (["", ""], [0, 1], [1]) == (answer.content, answer.content_reads, answer.content_shared)
    assert (["weather", "{}"], [0, 1], [1]) == (answer.tool, answer.tool_reads, answer.tool_shared)


def test_a_whole_answer_may_be_a_tool_call():
    message = {
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
    }
    answer = read(whole(msgspec.json.encode({"choices": [{"message": message}]})), CHAT)
    assert ([""], ["weather{}"], [0]) == (answer.content, answer.tool, answer.content_reads)


# -- all of them ------------------------------------------------------------------------------------

PIECES = st.text(st.characters(codec="utf-8") | st.sampled_from('\u2028\r\n[]:"\\'), max_size=6)
KINDS = {
    "responses": st.one_of(
        PIECES.map(delta),
        PIECES.map(lambda piece: delta(piece, "reasoning_text")),
        PIECES.map(lambda piece: delta(piece, "function_call_arguments")),
        st.sampled_from([CREATED, COMPLETED, {"type": "error", "message": "oops"}, {"type": "?"}]),
    ),
    "messages": st.one_of(
        PIECES.map(text),
        PIECES.map(lambda piece: block(type="thinking_delta", thinking=piece)),
        PIECES.map(lambda piece: block(type="input_json_delta", partial_json=piece)),
        st.sampled_from([START, *STOP, {"type": "ping"}, {"type": "error", "error": {}}]),
    ),
    "huggingface_generate": st.one_of(
        PIECES.map(lambda piece: token(piece) | {"type": "token"}),
        st.sampled_from([{"type": "?", "error": "oops"}, {"type": "?", "details": DETAILS}]),
    ),
    "chat": st.one_of(
        PIECES.map(lambda piece: chunk(piece) | {"type": "?"}),
        PIECES.map(lambda piece: called(None, piece) | {"type": "?"}),
    ),
}


@given(
    st.sampled_from(list(KINDS)).flatmap(
        lambda api: st.tuples(st.just(api), st.lists(KINDS[api], max_size=8))
    ),
    st.booleans(),
    st.sampled_from([b"\n", b"\r\n"]),
    st.data(),
)
def test_however_the_bytes_are_cut_and_framed_the_answer_is_the_same(made, named, line_end, data):
    name, values = made
    api = endpoints.get(name)
    body = typed(*values, named=named, line_end=line_end)
    at_once = read(exchange(body), api)
    plainly = read(exchange(typed(*values, named=False)), api)
    cut_up = read(exchange(*data.draw(cuts(body))), api)
    assert texts(at_once) == texts(cut_up) == texts(plainly)
    assert (at_once.usage, at_once.finish_reason) == (cut_up.usage, cut_up.finish_reason)
    assert len(cut_up.content) == len(cut_up.content_reads)
    assert len(cut_up.tool) == len(cut_up.tool_reads)


@pytest.mark.parametrize(
    ("api", "make"),
    [(RESPONSES, delta), (MESSAGES, text), (GENERATE, lambda piece: token(piece) | {"type": "token"}), (CHAT, lambda piece: chunk(piece) | {"type": "x"})],
    ids=["responses", "messages", "huggingface_generate", "chat"],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_long_answers_are_read_in_steps_with_each_event_its_read(api, make, named):
    pieces = [f' {number}"\\é' for number in range(3 * EVENTS_PER_STEP)]
    events = [typed(make(piece), named=named) for piece in pieces]
    answer = read(exchange(*events), api)
    assert pieces == answer.content
    assert list(range(len(pieces))) == answer.content_reads
    body = b"".join(events)
    answer = read(exchange(*cut(body, range(0, len(body), 999))), api)
    assert pieces == answer.content
    ends, end = [], 0
    for each in events:
        end += len(each)
        ends.append((end - 1) // 999)
    assert ends == answer.content_reads


@pytest.mark.parametrize("api", [RESPONSES, MESSAGES, GENERATE], ids=lambda api: api.name)
@pytest.mark.parametrize(
    "body",
    [b"{}", b"null", b"7", b'"a"', b"{", b"\xff", b'{"choices":[{"message":{"content":"a"}}]}', b"[" * 9000],
)
def test_an_answer_of_another_api_is_an_error_that_shows_it(api, body):
    for answer in (read(whole(body), api), read(exchange(event(body)), api)):
        assert "decode" == answer.error.kind
        assert [] == answer.content


@given(st.sampled_from([RESPONSES, MESSAGES, GENERATE]), st.booleans(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["type", "delta", "text", "content", "output", "usage", "error", "message", "response", "item", "token", "details", "generated_text", "input_tokens", "status", "content_block"]), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_whatever_json_a_server_sends_there_is_an_answer(api, streamed, value):
    body = json.dumps(value).encode()
    answer = read(exchange(event(body)) if streamed else whole(body), api)
    assert all(type(piece) is str for pieces in texts(answer) for piece in pieces)
    assert len(answer.content) == len(answer.content_reads)
    assert answer.error is None or type(answer.error.message) is str
