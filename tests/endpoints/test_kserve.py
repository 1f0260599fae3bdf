"""Triton's requests and answers over gRPC: tensors by the model's metadata, and answers byte by byte."""

import json

import pytest
from exchanges import exchange
from hypothesis import given
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, MetricsConfig
from genai_perf.endpoints import kserve
from genai_perf.endpoints.kserve_messages import message
from genai_perf.endpoints.tensors import Interface, Tensor
from genai_perf.exceptions import UsageError
from genai_perf.types import RequestError, Turn, Usage
from genai_perf.workload import bodies, build

TENSORRTLLM = endpoints.get("kserve", "tensorrtllm")
VLLM = endpoints.get("kserve", "vllm")


def model(*inputs, outputs=("text_output BYTES -1",), batched=False, decoupled=True):
    """A model by its tensors, each `name datatype dims… [?]`."""

    def tensors(rows):
        for row in rows:
            name, datatype, *dims = row.removesuffix("?").split()
            yield name, Tensor(name, datatype, tuple(map(int, dims)), row.endswith("?"))

    return Interface("m", "", dict(tensors(inputs)), dict(tensors(outputs)), batched, decoupled)


VLLM_MODEL = model(
    "text_input BYTES 1",
    "stream BOOL 1 ?",
    "sampling_parameters BYTES 1 ?",
    "exclude_input_in_output BOOL 1 ?",
    "return_num_input_tokens BOOL 1 ?",
    "return_num_output_tokens BOOL 1 ?",
)
TENSORRTLLM_MODEL = model(
    "text_input BYTES 1",
    "max_tokens INT32 1",
    "stream BOOL 1 ?",
    "temperature FP32 1 ?",
    "stop_words BYTES -1 ?",
    "embedding_bias FP32 -1 2 ?",
    batched=True,
)


# -- bodies ------------------------------------------------------------------------------------------------

SETTINGS = {
    "plain": ({}, Turn(("hello",))),
    "streaming": ({"streaming": True}, Turn(("hello",))),
    "a limit": ({"streaming": True}, Turn(("hello",), max_tokens=32)),
    "exactly so many": ({"deterministic": True}, Turn(("hello",), max_tokens=32)),
    "the server's counts": ({"counts": True}, Turn(("hello",))),
    "extra inputs": (
        {"extra": {"temperature": 0.5, "stop_words": ["a", "b"], "x": {"content": [1, 2], "shape": [2]}}},
        Turn(("hello",), max_tokens=32),
    ),
    "sampling parameters beside a limit": (
        {"extra": {"sampling_parameters": {"temperature": 0}}},
        Turn(("hello",), max_tokens=32),
    ),
    "sampling parameters as JSON text": (
        {"extra": {"sampling_parameters": '{"temperature": 0, "max_tokens": 3}'}},
        Turn(("hello",), max_tokens=32),
    ),
    "sampling parameters alone": ({"extra": {"sampling_parameters": {"temperature": 0}}}, Turn(("hello",))),
}


HELLO = Turn(("hello",))


def body(endpoint, turn=HELLO, streaming=False, counts=False, deterministic=False, extra=None):
    config = Config(
        endpoint=EndpointConfig(model_names=("m",), type="kserve", streaming=streaming),
        input=InputConfig(output_tokens_deterministic=deterministic, extra=extra or {}),
        metrics=MetricsConfig(use_server_token_count=counts),
    )
    return build.body_of(turn, "m", config, endpoint)


@pytest.mark.parametrize("backend", ["tensorrtllm", "vllm"])
def test_bodies_are_these_bytes(backend, golden):
    lines = []
    for title, (settings, turn) in SETTINGS.items():
        lines += [
            f"# {title}".encode(),
            bodies.encode(body(endpoints.get("kserve", backend), turn, **settings)),
        ]
    golden(f"requests/kserve_{backend}.txt", b"\n".join(lines) + b"\n")


def test_sampling_parameters_that_are_no_json_are_refused():
    with pytest.raises(UsageError) as raised:
        body(VLLM, Turn(("hello",), max_tokens=3), extra={"sampling_parameters": "hot"})
    assert "--extra-inputs: sampling_parameters: 'hot' is no JSON object" == raised.value.message


@pytest.mark.parametrize("endpoint", [TENSORRTLLM, VLLM])
def test_the_prompt_is_what_is_counted(endpoint):
    assert "hello" == endpoint.prompt_text(body(endpoint))


# -- to the wire -------------------------------------------------------------------------------------------


def test_a_request_is_these_bytes():
    """As Triton 2.51 has taken it."""
    given = {
        "model": "vllm_like",
        "text_input": ["fail later"],
        "stream": [True],
    }
    interface = Interface("vllm_like", "", VLLM_MODEL.inputs, VLLM_MODEL.outputs)
    assert (
        b'\n\tvllm_like\x1a\x017"(\n"triton_enable_empty_final_response\x12\x02\x08\x01'
        b"*\x15\n\ntext_input\x12\x05BYTES\x18\x01*\x10\n\x06stream\x12\x04BOOL\x18\x01"
        b":\x0e\n\x00\x00\x00fail later:\x01\x01"
    ) == kserve.encode(given, interface, request_id="7")


def test_version_parameters_and_shapes_go_with_a_request():
    interface = Interface("m", "3", TENSORRTLLM_MODEL.inputs, TENSORRTLLM_MODEL.outputs, is_batched=True)
    given = {"model": "m", "text_input": ["hi"], "embedding_bias": [0.5, 1, 1.5, 2]}
    parameters = {"flag": False, "n": -3, "word": "x"}
    sent = message("ModelInferRequest").FromString(
        kserve.encode(given, interface, parameters, {"embedding_bias": (2, 2)})
    )
    assert ("m", "3") == (sent.model_name, sent.model_version)
    told = {row.key: row.value for row in sent.parameters}
    assert told["triton_enable_empty_final_response"].bool_param is True
    assert told["flag"].HasField("bool_param")
    assert (False, -3, "x") == (
        told["flag"].bool_param,
        told["n"].int64_param,
        told["word"].string_param,
    )
    shapes = {row.name: (row.datatype, list(row.shape)) for row in sent.inputs}
    assert {"text_input": ("BYTES", [1, 1]), "embedding_bias": ("FP32", [1, 2, 2])} == shapes
    assert [b"\x02\x00\x00\x00hi", bytes.fromhex("0000003f 0000803f 0000c03f 00000040")] == list(
        sent.raw_input_contents
    )


def test_a_tensor_that_an_option_asks_for_is_refused_with_the_option():
    body = {"model": "m", "text_input": ["a"], "max_tokens": [5], "min_length": [5]}
    interface = model("text_input BYTES 1", "max_tokens INT32 1")
    with pytest.raises(UsageError) as refused:
        kserve.fit(body, interface)
    assert "model m has no input 'min_length'" == refused.value.message
    assert refused.value.hint.startswith("--output-tokens-mean-deterministic asks for it; m takes ")


def test_what_we_add_unasked_is_left_out_where_the_model_does_not_take_it():
    given = body(TENSORRTLLM, streaming=True)
    assert given["exclude_input_in_output"] == [True]
    fitted = kserve.fit(given, TENSORRTLLM_MODEL)
    assert {"model": "m", "text_input": ["hello"], "stream": [True], "max_tokens": [256]} == fitted


@pytest.mark.parametrize(
    ("given", "interface", "message", "hint"),
    [
        (
            {"text_input": ["x"], "temprature": [1]},
            model("text_input BYTES 1", "temperature FP32 1 ?"),
            "model m has no input 'temprature'; did you mean 'temperature'?",
            "m takes text_input BYTES[1], temperature FP32[1] (optional)",
        ),
        (
            {"text_input": ["x"]},
            model("prompt BYTES 1"),
            "model m has no input 'text_input'",
            "m takes prompt BYTES[1]",
        ),
        ({"text_input": ["x"]}, model(), "model m has no input 'text_input'", "m takes nothing"),
        (
            {"text_input": ["x"]},
            model("text_input BYTES 1", "seed INT64 1"),
            "model m needs an input seed INT64[1]",
            "give it with --extra-inputs seed:…; m takes text_input BYTES[1], seed INT64[1]",
        ),
        (
            {"text_input": ["x"]},
            model("text_input BYTES 1", outputs=("logits FP32 -1",)),
            "model m has no output 'text_output'",
            "its outputs: logits FP32[-1]",
        ),
        (
            {"text_input": ["x"], "max_tokens": [3]},
            VLLM_MODEL,
            "model m has no input 'max_tokens'",
            f"it looks like a model for --backend vllm; {VLLM_MODEL.wants()}",
        ),
        (
            {"text_input": ["x"], "sampling_parameters": ["{}"]},
            TENSORRTLLM_MODEL,
            "model m has no input 'sampling_parameters'",
            f"it looks like a model for --backend tensorrtllm; {TENSORRTLLM_MODEL.wants()}",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_said_with_what_would(given, interface, message, hint):
    with pytest.raises(UsageError) as raised:
        kserve.fit({"model": "m", **given}, interface)
    assert (message, hint) == (raised.value.message, raised.value.hint)


# -- from the wire -----------------------------------------------------------------------------------------

THE, QUICK, FINAL = (
    b'\x12\x9b\x01\n\tvllm_like\x12\x011\x1a\x017"\x1b\n\x15triton_final_response\x12\x02\x08\x00'
    b"*\x17\n\x0btext_output\x12\x05BYTES\x1a\x01\x01*\x1e\n\x11num_output_tokens\x12\x06UINT32\x1a\x01\x01"
    b"*\x1d\n\x10num_input_tokens\x12\x06UINT32\x1a\x01\x01"
    b"2\x07\x03\x00\x00\x00the2\x04\x01\x00\x00\x002\x04\x01\x00\x00\x00",
    b'\x12\x9e\x01\n\tvllm_like\x12\x011\x1a\x017"\x1b\n\x15triton_final_response\x12\x02\x08\x00'
    b"*\x17\n\x0btext_output\x12\x05BYTES\x1a\x01\x01*\x1e\n\x11num_output_tokens\x12\x06UINT32\x1a\x01\x01"
    b"*\x1d\n\x10num_input_tokens\x12\x06UINT32\x1a\x01\x01"
    b"2\n\x06\x00\x00\x00 quick2\x04\x01\x00\x00\x002\x04\x01\x00\x00\x00",
    b'\x12+\n\tvllm_like\x1a\x017"\x1b\n\x15triton_final_response\x12\x02\x08\x01',
)
"""As Triton 2.51 sent them."""
FAILED = (
    b"\n)the model fails later, as it was asked to"
    b'\x12+\n\tvllm_like\x1a\x017"\x1b\n\x15triton_final_response\x12\x02\x08\x01'
)


def response(*outputs, raw=True):
    """A response with these outputs, each `(name, datatype, bytes)`."""
    made = message("ModelStreamInferResponse")()
    for name, datatype, value in outputs:
        output = made.infer_response.outputs.add(name=name, datatype=datatype)
        if raw:
            made.infer_response.raw_output_contents.append(value)
        else:
            output.contents.bytes_contents.append(value)
    return made.SerializeToString()


def elements(*texts):
    """A BYTES tensor."""
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)


def decoded(*reads, **fields):
    return endpoints.decode_whole(TENSORRTLLM, exchange(*reads, content_type="application/grpc", **fields))


def test_each_response_with_text_is_a_token_and_the_empty_last_one_is_none():
    answer = decoded(THE, QUICK, FINAL)
    assert (["the", " quick"], [0, 1], None) == (answer.content, answer.content_reads, answer.error)
    assert Usage(1, 2) == answer.usage
    assert [0, 1] == answer.content_shared


def test_an_error_in_the_stream_fails_the_request_and_keeps_what_came_before():
    answer = decoded(THE, QUICK, FAILED)
    assert ["the", " quick"] == answer.content
    assert RequestError("server", "the model fails later, as it was asked to") == answer.error


@pytest.mark.parametrize(
    ("reads", "content", "reads_of_content"),
    [
        ([response(("text_output", "BYTES", elements("")))], [], []),
        ([response(("text_output", "BYTES", elements("one", "two")))], ["onetwo"], [0]),
        ([response(("text_output", "BYTES", elements("", "two", "")))], ["two"], [0]),
        ([response(("text_output", "BYTES", b""))], [], []),
        ([response(("text_output", "BYTES", b"plain"), raw=False)], ["plain"], [0]),
        ([response(("log_probs", "FP32", b"\0\0\0\0"), ("text_output", "BYTES", elements("x")))], ["x"], [0]),
        ([FINAL], [], []),
        ([FINAL, response(("text_output", "BYTES", elements("late")))], ["late"], [1]),
        ([response(("text_output", "BYTES", elements("ü")[:-1]))], ["�"], [0]),
    ],
)
def test_text_is_where_the_outputs_say(reads, content, reads_of_content):
    answer = decoded(*reads)
    assert (content, reads_of_content, None) == (answer.content, answer.content_reads, answer.error)


def test_a_finish_reason_is_kept():
    answer = decoded(
        response(("text_output", "BYTES", elements("x")), ("finish_reason", "BYTES", elements("length")))
    )
    assert "length" == answer.finish_reason


@pytest.mark.parametrize(
    ("reads", "fields", "error"),
    [
        ((), {}, RequestError("decode", "the stream ended without a response")),
        ((), {"error": RequestError("grpc_unavailable", "gone")}, RequestError("grpc_unavailable", "gone")),
        ((THE,), {"error": RequestError("reset", "gone")}, RequestError("reset", "gone")),
    ],
)
def test_an_answer_without_an_answer_is_an_error(reads, fields, error):
    assert error == decoded(*reads, **fields).error


def test_bytes_that_are_no_response_are_an_error():
    answer = decoded(THE, b"\xff\xff\xff")
    assert ["the"] == answer.content
    assert answer.error is not None
    assert "decode" == answer.error.kind
    assert answer.error.message.startswith("a response cannot be read (")


@given(st.lists(st.text(), min_size=1, max_size=20))
def test_texts_come_out_as_they_went_in(texts):
    answer = decoded(*(response(("text_output", "BYTES", elements(text))) for text in texts))
    assert [text for text in texts if text] == answer.content


def test_a_long_answer_is_read_in_steps():
    reads = [response(("text_output", "BYTES", elements("x")))] * (3 * kserve.RESPONSES_PER_STEP)
    assert 2 == len(list(TENSORRTLLM.decode(exchange(*reads))))


def test_inputs_json_shows_what_goes_over_the_wire():
    fitted = kserve.fit(body(VLLM, Turn(("hello",), max_tokens=3), streaming=True), VLLM_MODEL)
    assert {"max_tokens": "3"} == json.loads(fitted["sampling_parameters"][0])
    sent = message("ModelInferRequest").FromString(kserve.encode(fitted, VLLM_MODEL))
    assert [name for name in fitted if name != "model"] == [row.name for row in sent.inputs]
