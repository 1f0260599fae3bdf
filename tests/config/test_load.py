from typing import get_args, get_origin

import pytest

from genai_perf.config import passthrough
from genai_perf.config.load import load
from genai_perf.config.options import OPTIONS, Given, parse
from genai_perf.exceptions import UsageError

BASE = {
    "endpoint.model_names": Given(("gpt2",), "--model"),
    "endpoint.type": Given(("chat",), "--endpoint-type"),
}


def given(**values):
    """A layer of flags: `load__concurrency="8"` for `--concurrency 8`."""
    layer = dict(BASE)
    for name, text in values.items():
        key = name.replace("__", ".")
        texts = text if isinstance(text, tuple) else (text,)
        layer[key] = Given(texts, OPTIONS[key].long)
    return layer


def test_without_anything_given_the_defaults_hold():
    config = load(BASE, [], {}).config
    assert 1 == config.concurrency
    assert 10 == config.request_count
    assert ("localhost:8000",) == config.urls
    assert "gpt2" == config.tokenizer_name


def test_the_environment_beats_defaults_and_flags_beat_the_environment():
    environ = {"GENAI_PERF_RANDOM_SEED": "7", "GENAI_PERF_ISL": "32"}
    config = load(given(input__random_seed="0"), [], environ).config
    assert (0, 32) == (config.input.random_seed, config.input.synthetic_tokens_mean)


def test_zero_is_a_value():
    config = load(given(input__synthetic_tokens_mean="0"), [], {}).config
    assert 0 == config.input.synthetic_tokens_mean


@pytest.mark.parametrize("text", ["a b", "a,b", " a, b\n", "a\tb"])
def test_a_variable_with_several_values_is_split_on_commas_and_blanks(text):
    config = load(BASE, [], {"GENAI_PERF_URL": text}).config
    assert ("a", "b") == config.endpoint.urls


def test_headers_in_a_variable_stand_on_lines_of_their_own():
    environ = {"GENAI_PERF_HEADER": "Authorization: Bearer x y\nAccept: a, b\n"}
    config = load(BASE, [], environ).config
    assert ("Authorization: Bearer x y", "Accept: a, b") == config.endpoint.headers


@pytest.mark.parametrize(("text", "expected"), [("1", True), ("true", True), ("off", False), ("No", False)])
def test_a_switch_in_a_variable_is_a_word_or_a_digit(text, expected):
    assert expected == load(BASE, [], {"GENAI_PERF_STREAMING": text}).config.endpoint.streaming


def test_an_empty_variable_is_not_given():
    assert 1 == load(BASE, [], {"GENAI_PERF_CONCURRENCY": ""}).config.concurrency


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"GENAI_PERF_CONCURRENCY": "0"}, "GENAI_PERF_CONCURRENCY: 0 is not at least 1"),
        ({"GENAI_PERF_STREAMING": "maybe"}, "GENAI_PERF_STREAMING: 'maybe' is neither true nor false"),
        ({"GENAI_PERF_FIXED_SCHEDULE": "3"}, "GENAI_PERF_FIXED_SCHEDULE: '3' is neither true nor false"),
        ({"GENAI_PERF_HEADER": "secret"}, "GENAI_PERF_HEADER: header 1 has no colon"),
        (
            {"GENAI_PERF_CONCURRENCY": "1", "GENAI_PERF_REQUEST_RATE": "1"},
            "GENAI_PERF_CONCURRENCY and GENAI_PERF_REQUEST_RATE exclude each other",
        ),
    ],
)
def test_an_error_names_the_variable(environ, message):
    with pytest.raises(UsageError) as raised:
        load(BASE, [], environ)
    assert message == raised.value.message


def test_who_gives_a_rate_and_a_concurrency_learns_how_to_limit_an_open_loop():
    with pytest.raises(UsageError) as raised:
        load(given(load__request_rate="5", load__concurrency="3"), [], {})
    assert "--max-concurrency limits what an open loop has in flight" == raised.value.hint


def test_a_misspelt_variable_is_told_and_a_strangers_is_not():
    environ = {
        "GENAI_PERF_CONCURENCY": "4",
        "GENAI_PERF_SERVICE_HOST": "10.0.0.1",
        "GENAI_PERF_LOG_LEVEL": "info",
    }
    expected = "GENAI_PERF_CONCURENCY is no option's variable; did you mean GENAI_PERF_CONCURRENCY?"
    assert (expected,) == load(BASE, [], environ).warnings


def test_a_flags_load_replaces_the_environments():
    environ = {"GENAI_PERF_CONCURRENCY": "8", "GENAI_PERF_MEASUREMENT_INTERVAL": "1000"}
    config = load(given(load__request_rate="5", load__request_count="50"), [], environ).config
    assert config.is_open_loop
    assert (None, None) == (config.load.concurrency, config.load.measurement_interval_ms)


def test_a_count_and_a_duration_go_together():
    config = load(given(load__request_count="50", load__duration_s="2.5"), [], {}).config
    assert (50, 2.5) == (config.load.request_count, config.load.duration_s)


def test_the_endpoints_path_loses_leading_blanks_and_slashes():
    config = load(given(endpoint__path=" //v1/chat/completions"), [], {}).config
    assert "v1/chat/completions" == config.endpoint.path


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_every_option_has_a_type_that_text_can_become(option):
    samples = {"input.extra": "a:1", "metrics.goodput": "a:1", "input.columns": "prompt:a"}
    samples["load.periodic_concurrency_range"] = "1:2"
    kinds = {bool: "true", int: f"{min(7, option.at_most or 7):g}", float: "0.5"}
    kind = get_args(option.type)[0] if get_origin(option.type) is tuple else option.type
    text = samples.get(option.key) or (option.choices or (kinds.get(kind, "x"),))[0]
    passed_through = {rule.detail for rule in passthrough.RULES}
    passed_through |= {"endpoint.tls_verify_host", "endpoint.bls_composing_models"}  # translated
    assert parse(option, Given((text,), option.long)) is not None
    assert option.flags or option.key in passed_through
