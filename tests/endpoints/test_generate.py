"""Triton's generate extension: answers as the server sends them, and its oddities."""

import json

import pytest
from exchanges import cut, exchange, whole

from genai_perf import endpoints
from genai_perf.types import RequestError, Usage

ENDPOINT = endpoints.get("generate")
HEAD = b'{"model_name":"m","model_version":"1",'
STREAM = (
    b'data: {"model_name":"vllm_like","model_version":"1","text_output":"the"}\n\n'
    b'data: {"model_name":"vllm_like","model_version":"1","text_output":" quick"}\n\n'
    b'data: {"model_name":"vllm_like","model_version":"1","text_output":" brown"}\n\n'
)
"""As Triton 2.51 sent it: the body just ends."""
ENSEMBLE = (
    b'data: {"model_name":"ensemble","model_version":"1","sequence_end":false,"sequence_id":0,'
    b'"sequence_start":false,"text_output":"the"}\n\n'
)


def decoded(given):
    return endpoints.decode_whole(ENDPOINT, given)


@pytest.mark.parametrize(
    ("streaming", "path"),
    [(False, "v2/models/m/generate"), (True, "v2/models/m/generate_stream")],
)
def test_the_path_switches_with_streaming(streaming, path):
    assert path == endpoints.path_of(ENDPOINT, given=None, model="m", streaming=streaming)


@pytest.mark.parametrize("sizes", [[], [1], [30, 61], [73, 74, 140]])
def test_a_stream_that_just_ends_is_whole(sizes):
    answer = decoded(exchange(*cut(STREAM, sizes), content_type="text/event-stream; charset=utf-8"))
    assert (["the", " quick", " brown"], None) == (answer.content, answer.error)


def test_an_event_without_its_blank_line_counts_when_the_body_is_over():
    assert ["the", " quick", " brown"] == decoded(exchange(STREAM[:-2])).content


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (HEAD + b'"text_output":"hello worldthe quick"}', ["hello worldthe quick"]),
        (HEAD + b'"text_output":["one","two"]}', ["onetwo"]),
        (HEAD + b'"text_output":""}', []),
    ],
)
def test_a_whole_answer_is_one_text(body, content):
    answer = decoded(whole(body))
    assert (content, None) == (answer.content, answer.error)


def test_what_an_ensemble_says_beside_its_text_is_not_looked_at():
    assert ["the"] == decoded(exchange(ENSEMBLE)).content


def test_the_vllm_backends_counts_add_up():
    events = b"".join(
        b'data: {"text_output":"x","num_input_tokens":7,"num_output_tokens":%d,"finish_reason":"%s"}\n\n'
        % row
        for row in ((1, b"none"), (3, b"length"))
    )
    answer = decoded(exchange(events))
    assert (Usage(7, 4), "length") == (answer.usage, answer.finish_reason)


def test_counts_in_another_form_do_not_cost_the_text():
    answer = decoded(whole(b'{"text_output":"x","num_output_tokens":[1,2],"num_input_tokens":"7"}'))
    assert (["x"], None, None) == (answer.content, answer.usage, answer.error)


SEVERAL = "generate expects model to produce exactly 1 response, use generate stream for model that generates"


@pytest.mark.parametrize(
    ("given", "content", "error"),
    [
        (
            whole(json.dumps({"error": SEVERAL}).encode()),
            [],
            RequestError("server", SEVERAL),
        ),
        (
            exchange(STREAM[:74], b'data: {"error":"the model fails later"}\n\n'),
            ["the"],
            RequestError("server", "the model fails later"),
        ),
        (
            exchange(b'data: {"error":"the model fails"}\n\n', status=400),
            [],
            RequestError("http_400", "the model fails"),
        ),
        (
            whole(b'{"error":"Request for unknown model: \'nope\' is not found"}', status=404),
            [],
            RequestError("http_404", "Request for unknown model: 'nope' is not found"),
        ),
        (
            whole(b'{"outputs":[]}'),
            [],
            RequestError("decode", "the answer holds no text_output: '{\"outputs\":[]}'"),
        ),
        (exchange(), [], RequestError("decode", "the answer holds no text_output: ''")),
        (
            whole(b'{"text_output":"x"}', streaming=True),
            [],
            RequestError(
                "not_streamed", 'asked for a stream, the answer is application/json: \'{"text_output":"x"}\''
            ),
        ),
        (exchange(STREAM[:74], error=RequestError("reset", "gone")), ["the"], RequestError("reset", "gone")),
    ],
)
def test_an_error_is_an_error_wherever_it_stands(given, content, error):
    answer = decoded(given)
    assert (content, error) == (answer.content, answer.error)


def test_an_event_that_cannot_be_read_is_an_error_and_the_others_count():
    answer = decoded(exchange(STREAM[:74] + b"data: <html>\n\n" + STREAM[74:] + b"data: [DONE]\n\n"))
    assert ["the", " quick", " brown"] == answer.content
    assert answer.error is not None
    assert answer.error.message.startswith("an event cannot be read (")


def test_an_answer_that_is_no_json_says_what_it_is():
    answer = decoded(whole(b"<html>", content_type="text/html"))
    assert answer.error is not None
    assert answer.error.message.startswith("the answer (text/html) is not what this API sends (")


def test_a_long_stream_is_read_in_steps():
    events = b'data: {"text_output":"x"}\n\n' * 300
    assert 2 == len(list(ENDPOINT.decode(exchange(events))))


def test_counts_at_the_end_of_a_long_stream_are_read():
    events = (b"data: " + HEAD + b'"text_output":"x"}\n\n') * 40
    last = b'data: {"text_output":"y","num_input_tokens":7,"num_output_tokens":41,"finish_reason":"stop"}\n\n'
    answer = decoded(exchange(events + last))
    assert (["x"] * 40 + ["y"], [0] * 41) == (answer.content, answer.content_reads)
    assert (Usage(7, 41), "stop") == (answer.usage, answer.finish_reason)
