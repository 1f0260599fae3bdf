"""What `--periodic-concurrency-range` takes, and what goes with it."""

import pytest

from genai_perf.config.load import load
from genai_perf.config.options import OPTIONS, Given
from genai_perf.config.values import PeriodicRange, parse_periodic_range
from genai_perf.config.yaml_file import read
from genai_perf.exceptions import InputError, UsageError
from genai_perf.profile import run_name

RANGE = "load.periodic_concurrency_range"
CHAT = {
    "endpoint.model_names": Given(("gpt2",), "--model"),
    "endpoint.type": Given(("chat",), "--endpoint-type"),
    "endpoint.streaming": Given(("true",), "--streaming"),
}


def given(text="2:8:2", **values):
    """A layer of flags with the range: `load__request_count="8"` for `--request-count 8`."""
    layer = {**CHAT, RANGE: Given((text,), "--periodic-concurrency-range")}
    for name, value in values.items():
        key = name.replace("__", ".")
        layer[key] = Given((value,), OPTIONS[key].long)
    return layer


@pytest.mark.parametrize(
    ("text", "batches"),
    [
        ("2:8:2", [2, 2, 2, 2]),
        ("1:4", [1, 1, 1, 1]),
        ("4:4", [4]),
        ("3:3:7", [3]),
        ("10:50:20", [10, 20, 20]),
    ],
)
def test_the_batches_are_start_and_then_step_until_end(text, batches):
    plan = parse_periodic_range(text, "x")
    of = [plan.batch_of(index) for index in range(plan.end)]
    assert batches == [of.count(batch) for batch in range(plan.batches)]
    assert sorted(of) == of


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8", "'8' is not START:END[:STEP]"),
        ("2:8:2:1", "'2:8:2:1' is not START:END[:STEP]"),
        ("2:-8", "'2:-8' is not START:END[:STEP]"),
        ("1.5:3", "'1.5:3' is not START:END[:STEP]"),
        ("0:8", "'0:8': start and step must be more than 0"),
        ("2:8:0", "'2:8:0': start and step must be more than 0"),
        ("8:2", "'8:2' ends before it starts"),
        ("2:9:2", "'2:9:2': steps of 2 from 2 do not lead to 9"),
    ],
)
def test_a_range_that_cannot_be_is_refused(text, message):
    with pytest.raises(UsageError) as raised:
        load(given(text), [], {})
    assert f"--periodic-concurrency-range: {message}" == raised.value.message


def test_who_has_steps_that_do_not_fit_is_told_which_ends_would():
    with pytest.raises(UsageError) as raised:
        load(given("2:9:2"), [], {})
    assert "they lead to 8 and 10" == raised.value.hint


def test_so_many_may_be_in_flight_and_are_sent():
    config = load(given(load__request_period="3"), [], {}).config
    assert (8, 8, PeriodicRange(2, 8, 2)) == (config.concurrency, config.request_count, config.load.periodic)
    assert not config.is_open_loop
    assert "gpt2-openai-chat-periodic_concurrency2-8-2" == run_name(config)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"endpoint__streaming": "false"}, "--periodic-concurrency-range needs --streaming"),
        ({"load__request_count": "8"}, "--periodic-concurrency-range and --request-count exclude"),
        ({"load__duration_s": "8"}, "--periodic-concurrency-range and --benchmark-duration exclude"),
        ({"load__measurement_interval_ms": "8"}, "and --measurement-interval exclude"),
        ({"load__measurement_request_count": "8"}, "and --measurement-request-count exclude"),
        ({"load__warmup_request_count": "8"}, "and --warmup-request-count exclude"),
        ({"load__max_prefill_concurrency": "8"}, "and --max-prefill-concurrency exclude"),
        ({"load__concurrency": "8"}, "--concurrency and --periodic-concurrency-range exclude"),
        ({"load__request_rate": "8"}, "--request-rate and --periodic-concurrency-range exclude"),
        ({"load__ramp_up_s": "8"}, "--ramp-up needs --concurrency or --request-rate"),
        ({"load__max_concurrency": "8"}, "--max-concurrency needs --request-rate"),
        ({"input__num_sessions": "8"}, "sends requests by themselves, not conversations"),
        ({"input__replay": "."}, "--periodic-concurrency-range and --replay exclude"),
    ],
)
def test_what_does_not_go_with_it_is_refused(values, message):
    with pytest.raises(UsageError) as raised:
        load(given(**values), [], {})
    assert message in raised.value.message


def test_no_warm_up_is_none():
    assert load(given(load__warmup_request_count="0"), [], {}).config


def test_a_period_without_a_range_has_no_effect():
    layer = {**CHAT, "load.request_period": Given(("5",), "--request-period")}
    warning = "--request-period has no effect without --periodic-concurrency-range"
    assert (warning,) == load(layer, [], {}).warnings


def test_it_replaces_a_load_of_a_weaker_source_and_a_stronger_one_replaces_it():
    config = load(given(), [], {"GENAI_PERF_CONCURRENCY": "3"}).config
    assert (None, 8) == (config.load.concurrency, config.concurrency)
    config = load(given(), ["--concurrency-range", "3"], {}).config
    assert (None, 3) == (config.load.periodic, config.concurrency)


def test_a_config_file_has_it_in_quotes(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("perf_analyzer: {stimulus: {periodic_concurrency_range: '2:8:2'}}")
    assert ("2:8:2",) == read(path, ()).layer[RANGE].texts
    path.write_text("perf_analyzer: {stimulus: {periodic_concurrency_range: 2:8:2}}")
    with pytest.raises((InputError, UsageError)) as raised:
        read(path, ())
    assert "not START:END[:STEP]" in raised.value.message
    assert "YAML takes it for a number where it is not in quotes" in raised.value.hint
