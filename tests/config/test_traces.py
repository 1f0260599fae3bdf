"""When a trace is sent by its own instants, and what goes with one."""

import json

import pytest

from genai_perf.config.arguments import Flag, Takes, read
from genai_perf.config.load import load
from genai_perf.config.options import Given
from genai_perf.exceptions import InputError, UsageError
from genai_perf.profile.directory import run_name

TIMED, UNTIMED = {"timestamp": 0, "text": "Hi"}, {"text": "Hi", "session_id": "s"}


@pytest.fixture
def loaded(tmp_path):
    """The config for these options and a trace that begins with this row."""

    def loaded(row=None, after="", kind="payload", **options):
        given = {"endpoint.model_names": "m", "endpoint.type": "chat"}
        if row is not None:
            path = tmp_path / "trace"
            path.write_text("\ufeff\n" + (row if isinstance(row, str) else json.dumps(row)) + "\n")
            given["input.file"] = f"{kind}:{path}"
        given |= {key.replace("__", "."): value for key, value in options.items()}
        layer = {key: Given((value,), f"--{key.split('.')[1]}") for key, value in given.items()}
        return load(layer, after.split(), {}).config

    return loaded


@pytest.mark.parametrize(
    ("row", "options", "expected"),
    [
        (TIMED, {}, True),
        (UNTIMED, {}, None),
        ("", {}, None),
        ("{", {}, None),
        (TIMED, {"load__fixed_schedule": "false"}, None),
        (UNTIMED, {"load__fixed_schedule": "true"}, True),
        (TIMED, {"load__concurrency": "2"}, None),
        (TIMED, {"load__request_rate": "2"}, None),
        (TIMED, {"load__session_concurrency": "2"}, None),
        (TIMED, {"load__session_rate": "2"}, None),
        (TIMED, {"after": "--concurrency-range 3"}, None),
        (UNTIMED, {"after": "--fixed-schedule"}, True),
        ("TIMESTAMP", {"kind": "azure"}, True),
        ("Timestamp", {"kind": "burstgpt", "load__concurrency": "1"}, None),
        (None, {}, None),
    ],
)
def test_a_trace_with_instants_is_sent_by_them_unless_a_load_is_chosen(loaded, row, options, expected):
    config = loaded(row, **options)
    assert expected is config.load.fixed_schedule
    assert bool(expected) is (config.is_open_loop and config.load.request_rate is None and expected is True)


def test_nothing_but_the_trace_ends_it_unless_asked(loaded):
    config = loaded(TIMED)
    assert (None, None) == (config.request_count, config.concurrency)
    config = loaded(TIMED, load__request_count="5", load__max_concurrency="7")
    assert (5, 7) == (config.request_count, config.concurrency)


def test_the_run_is_named_after_it(loaded):
    assert "m-openai-chat-fixed_schedule" == run_name(loaded(TIMED))


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (None, {"load__fixed_schedule": "true"}, "--fixed_schedule needs a trace"),
        (None, {"load__speed_up": "2"}, "--speed_up needs a trace that is sent by its own instants"),
        (UNTIMED, {"load__speed_up": "2"}, "--speed_up needs a trace that is sent by its own instants"),
        (TIMED, {"load__speed_up": "0"}, "--speed_up: 0 is not more than 0"),
        (TIMED, {"input__batch_size": "2"}, "--batch_size: a row of a trace is one text"),
        (
            TIMED,
            {"input__prefix_prompt_num": "2"},
            "--prefix_prompt_num: a trace says by itself, with hash_ids, what its prompts share",
        ),
        (
            TIMED,
            {"load__fixed_schedule": "true", "load__concurrency": "2"},
            "--concurrency and --fixed_schedule exclude each other",
        ),
        (TIMED, {"load__request_distribution": "poisson"}, "--request_distribution needs --request-rate"),
        (TIMED, {"load__ramp_up_s": "3"}, "--ramp_up_s needs --concurrency or --request-rate"),
    ],
)
def test_what_does_not_go_together_is_refused(loaded, row, options, message):
    with pytest.raises(UsageError) as raised:
        loaded(row, **options)
    assert message == raised.value.message


def test_a_trace_that_is_not_there_is_an_error(loaded):
    with pytest.raises(InputError, match=r"--input-file: File not found: nowhere\.jsonl"):
        loaded(input__file="payload:nowhere.jsonl")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--fixed-schedule", [("--fixed-schedule", "true")]),
        ("--fixed-schedule true", [("--fixed-schedule", "true")]),
        ("--fixed-schedule False", [("--fixed-schedule", "False")]),
        ("--fixed-schedule=false", [("--fixed-schedule", "false")]),
        ("--fixed-schedule --url x", [("--fixed-schedule", "true"), ("--url", "x")]),
        ("--fixed --url x", [("--fixed-schedule", "true"), ("--url", "x")]),
    ],
)
def test_its_flag_stands_alone_or_before_true_or_false(line, expected):
    flags = {"--fixed-schedule": Flag("--fixed-schedule", Takes.SWITCH), "--url": Flag("--url", Takes.ONE)}
    assert expected == read(line.split(), flags).pairs
