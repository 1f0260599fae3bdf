import pytest

from genai_perf.config.values import (
    parse_extra_inputs,
    parse_goodput,
    parse_request_parameters,
    parse_shapes,
)
from genai_perf.exceptions import UsageError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {}),
        (["max_tokens:10"], {"max_tokens": 10}),
        (["temperature:0.5", "top_p:.9", "x:5."], {"temperature": 0.5, "top_p": 0.9, "x": 5.0}),
        (["ignore_eos:true", "echo:FALSE"], {"ignore_eos": True, "echo": False}),
        (["flag"], {"flag": None}),
        (["penalty:-0.5", "rate:1e-3"], {"penalty": "-0.5", "rate": "1e-3"}),
        (["name:some text"], {"name": "some text"}),
        (["version:1.2.3"], {"version": "1.2.3"}),
        (['{"a": {"b": [1]}, "u": "http://x"}'], {"a": {"b": [1]}, "u": "http://x"}),
        (["a:1", '{"a": 2}'], {"a": 2}),
    ],
)
def test_extra_inputs_follow_genai_perfs_rules(texts, expected):
    assert expected == parse_extra_inputs(texts, "--extra-inputs")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([":1"], "--extra-inputs: Input name or value is empty in --extra-inputs: :1"),
        (["a:"], "--extra-inputs: Input name or value is empty in --extra-inputs: a:"),
        (["a:1", "a:2"], "--extra-inputs: Input name already exists in request_inputs dictionary: a"),
        (["u:http://x"], "--extra-inputs: Invalid input format for --extra-inputs: u:http://x"),
        (["{nope}"], "--extra-inputs: Failed to parse JSON string: {nope}"),
        (["{nope"], "--extra-inputs: Failed to parse JSON string: {nope"),
    ],
)
def test_malformed_extra_inputs_are_refused(texts, message):
    with pytest.raises(UsageError) as raised:
        parse_extra_inputs(texts, "--extra-inputs")
    assert raised.value.message.startswith(message)


def test_goodput_limits_are_numbers_by_metric():
    expected = {"time_to_first_token": 75.0, "inter_token_latency": 19.75}
    assert expected == parse_goodput(["time_to_first_token:75", "inter_token_latency:19.75"], "--goodput")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["ttft"], "--goodput: Invalid format found for goodput constraints. 'ttft' is not METRIC:VALUE"),
        (["ttft:fast"], "--goodput: Invalid format found for goodput constraints."),
        (["ttft:nan"], "--goodput: Invalid format found for goodput constraints."),
        (["ttft:1", "ttft:2"], "--goodput: ttft is given twice"),
        (
            ["ttft:-1"],
            "--goodput: Invalid value found, ttft: -1. The goodput constraint value should be non-negative.",
        ),
    ],
)
def test_malformed_goodput_is_refused(texts, message):
    with pytest.raises(UsageError) as raised:
        parse_goodput(texts, "--goodput")
    assert raised.value.message.startswith(message)


def test_request_parameters_have_a_type():
    texts = ["flag:true:bool", "n:-3:int", "word:a:b:string", "plain:text"]
    expected = {"flag": True, "n": -3, "word": "a:b", "plain": "text"}
    assert expected == parse_request_parameters(texts)


@pytest.mark.parametrize("text", ["", "n", "n:", ":1:int", "n:x:int", "n:1:bool", "n:1:float"])
def test_a_request_parameter_without_sense_is_refused(text):
    with pytest.raises(UsageError, match=r"^--request-parameter: "):
        parse_request_parameters([text])


def test_shapes_are_whole_numbers_by_tensor():
    assert {"a": (1,), "b:c": (2, 3)} == parse_shapes(["a:1", "b:c:2,3"])


@pytest.mark.parametrize("text", ["", "a", "a:", ":1", "a:-1", "a:1x1"])
def test_a_shape_without_sense_is_refused(text):
    with pytest.raises(UsageError, match=r"^--shape: "):
        parse_shapes([text])
