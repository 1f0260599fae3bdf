"""The effective config of a run: it says what held, and loads as the config that it was written from."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_perf.config import effective, yaml_file
from genai_perf.config.load import EXCLUSIVE, build
from genai_perf.config.options import OPTIONS, Given
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig, MetricsConfig
from genai_perf.config.values import COLUMN_ROLES

HEAD = {"version": "1.2.3", "command": "genai-perf profile -m gpt2 -H 'Authorization: ***'"}


def test_it_reads_like_this(golden):
    config = Config(
        endpoint=EndpointConfig(
            model_names=("gpt2", "other/model"),
            type="chat",
            streaming=True,
            urls=("embedded",),
            headers=("Authorization: Bearer secret", "X-Team: a"),
        ),
        input=InputConfig(extra={"temperature": 0, "stop": ["\n"]}, output_tokens_mean=8, random_seed=7),
        load=LoadConfig(request_rate=2.5, request_distribution="poisson", warmup_request_count=2),
        metrics=MetricsConfig(goodput={"time_to_first_token": 75.0}),
    )
    seen = effective.text(config, path="artifacts/run/config.yaml", **HEAD)
    assert "secret" not in seen
    golden("config/effective.yaml", seen)


# -- any config -----------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() and not text.startswith("~")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
GOODPUT = st.dictionaries(
    st.sampled_from(["time_to_first_token", "request_latency"]), st.floats(0, 1e9), max_size=2
)
COLUMNS = st.dictionaries(
    st.sampled_from(COLUMN_ROLES), st.from_regex(r"[a-z+]+", fullmatch=True), max_size=2
)
SECRET = ("endpoint.headers", "endpoint.proxy")


def number(option, kind):
    least, most = option.at_least, option.at_most
    if kind is int:
        return st.integers(-(10**6) if least is None else int(least), 10**6 if most is None else int(most))
    return st.floats(
        (option.more_than if option.more_than is not None else -1e6) if least is None else least,
        1e6 if most is None else most,
        exclude_min=option.more_than is not None,
    )


def texts_of(option):
    """Any value of an option, as a command line would give it."""
    if option.key == "input.extra":
        import json

        return st.dictionaries(WORDS, JSON, max_size=3).map(lambda value: (json.dumps(value),))
    if option.key == "metrics.goodput":
        return GOODPUT.map(lambda value: tuple(f"{name}:{limit!r}" for name, limit in value.items()))
    if option.key == "input.columns":
        return COLUMNS.map(lambda value: tuple(f"{role}:{column}" for role, column in value.items()))
    if option.key == "load.periodic_concurrency_range":
        return st.tuples(st.integers(1, 99), st.integers(0, 9), st.integers(1, 9)).map(
            lambda each: (f"{each[0]}:{each[0] + each[1] * each[2]}:{each[2]}",)
        )
    if option.choices:
        return st.sampled_from(option.choices).map(lambda text: (text,))
    if option.type is bool:
        return st.sampled_from([("true",), ("false",)])
    if option.type in (int, float):
        return number(option, option.type).map(lambda value: (repr(value),))
    if option.is_repeatable:
        kind = option.type.__args__[0]
        one = WORDS if kind is str else number(option, kind).map(repr)
        return st.lists(one, min_size=1, max_size=3).map(tuple)
    return WORDS.map(lambda text: (text,))


@st.composite
def layers(draw):
    """Options that may stand together: of those that exclude each other, one at most."""
    keys = draw(st.sets(st.sampled_from([key for key in OPTIONS if key not in SECRET]), max_size=12))
    if "input.replay" in keys:
        keys = {key for key in keys if not key.startswith("load.")}
    for group in EXCLUSIVE:
        for key in [key for key in group if key in keys][1:]:
            keys.discard(key)
    layer = {key: draw(texts_of(OPTIONS[key])) for key in sorted(keys)}
    layer["endpoint.model_names"] = draw(texts_of(OPTIONS["endpoint.model_names"]))
    return {key: Given(texts, key) for key, texts in layer.items() if texts}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layer=layers())
def test_any_config_is_what_its_effective_config_loads_as(layer, tmp_path):
    config = build(layer)
    path = tmp_path / effective.NAME
    path.write_text(effective.text(config, path=str(path), **HEAD), encoding="utf-8")
    assert config == build(yaml_file.read(path, ()).layer)


def test_a_trace_that_was_not_sent_by_its_instants_is_not_next_time(tmp_path):
    trace, path = tmp_path / "trace.jsonl", tmp_path / effective.NAME
    trace.write_text('{"timestamp": 0, "input_length": 5}\n')
    asked = {
        "endpoint.model_names": Given(("m",), "--model"),
        "input.file": Given((f"payload:{trace}",), "--input-file"),
        "load.fixed_schedule": Given(("false",), "--fixed-schedule"),
    }
    config = build(asked)
    path.write_text(effective.text(config, path=str(path), **HEAD))
    assert not config.is_open_loop
    assert config == build(yaml_file.read(path, ()).layer)


@pytest.mark.parametrize("load", [LoadConfig(), LoadConfig(concurrency=4), LoadConfig(request_rate=20.0)])
def test_what_follows_from_other_values_is_told_beside_the_empty_key(load):
    config = Config(endpoint=EndpointConfig(model_names=("gpt2",), type="chat"), load=load)
    seen = effective.text(config, path="config.yaml", **HEAD).splitlines()
    assert "  url:  # localhost:8000" in seen
    assert f"    num:  # {config.request_count}" in seen
    assert "  name:  # gpt2" in seen
