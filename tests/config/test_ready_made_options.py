"""`--input-file inputs:FILE` and Perf Analyzer's `--input-data FILE`: what goes with them."""

import json
from pathlib import Path

import pytest

from genai_perf.config import effective, ready_made
from genai_perf.config.load import load
from genai_perf.config.options import Given
from genai_perf.exceptions import GenAIPerfError, InputError

BODY = {"model": "m", "messages": []}
TIMED, UNTIMED = {"payload": [BODY], "timestamp": [0]}, {"payload": [BODY], "session_id": ["s"]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("timed", [TIMED])
    write("untimed", [UNTIMED, TIMED])


def write(name, data):
    Path(name).write_text(data if isinstance(data, str) else json.dumps({"data": data}))


def loaded(after="", kind="chat", **options):
    given = {"endpoint.model_names": "m", "endpoint.type": kind}
    given |= {key.replace("__", "."): value for key, value in options.items()}
    layer = {key: Given((value,), f"--{key.split('.')[1]}") for key, value in given.items()}
    return load(layer, after.split(), {})


def config(after="", **options):
    return loaded(after, **options).config


@pytest.mark.parametrize(
    ("after", "options", "files"),
    [
        ("", {"input__file": "inputs:timed"}, ["timed"]),
        ("", {"input__file": "inputs:timed,untimed"}, ["timed", "untimed"]),
        ("--input-data timed", {}, ["timed"]),
        ("--input-data timed --input-data=untimed", {}, ["timed", "untimed"]),
        ("--input-data timed", {"input__file": "inputs:untimed"}, ["timed"]),
        ("--input-data timed", {"input__dataset": "openorca"}, ["timed"]),
        ("", {}, []),
    ],
)
def test_it_may_be_said_before_and_after_the_dashes(after, options, files):
    given = config(after, **options)
    assert tuple(map(Path, files)) == given.input.ready_made
    assert (not files) is given.input.is_synthetic


@pytest.mark.parametrize(
    ("file", "after", "options", "expected"),
    [
        ("timed", "", {}, True),
        ("untimed", "", {}, None),
        ("untimed,timed", "", {}, None),
        ("untimed", "", {"load__fixed_schedule": "true"}, True),
        ("timed", "", {"load__fixed_schedule": "false"}, None),
        ("timed", "", {"load__concurrency": "2"}, None),
        ("timed", "", {"load__session_concurrency": "2"}, None),
        ("timed", "--request-rate-range 3", {}, None),
        ("untimed", "--fixed-schedule", {}, True),
    ],
)
def test_requests_with_instants_are_sent_by_them_unless_a_load_is_chosen(file, after, options, expected):
    given = config(after, input__file=f"inputs:{file}", **options)
    assert expected is given.load.fixed_schedule
    assert bool(expected) is given.is_open_loop or "rate" in after


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"data": 1}', '{"data": []}', '{"data": [1]}', "{}", [[]]]
)
def test_what_cannot_be_read_has_no_instants(content):
    write("odd", content)
    assert config(input__file="inputs:odd").load.fixed_schedule is None


def test_the_effective_config_does_not_take_the_instants_of_another_load():
    text = effective.text(config(input__file="inputs:timed", load__fixed_schedule="false"), **WRITTEN)
    assert "stimulus: {fixed_schedule: false}" in text
    assert "file: inputs:timed" in text


WRITTEN = {"version": "1", "command": "genai-perf", "path": "config.yaml"}


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("inputs:gone", {}, "--file: no file 'gone'"),
        ("inputs:timed,gone", {}, "--file: no file 'gone'"),
        ("inputs:.", {}, "--file: '.' is a directory, not a file of requests"),
        ("inputs:", {}, "--file: '.' is a directory, not a file of requests"),
        ("input:timed", {}, "--file: 'input:timed' is not a valid file or directory; did you mean inputs?"),
        (
            "inputs:timed",
            {"input__num_sessions": "2"},
            "--num_sessions makes conversations, --input-file reads",
        ),
        ("inputs:timed", {"input__isl_osl": "1/2"}, "--isl_osl makes prompts, --input-file reads them"),
    ],
)
def test_what_does_not_go_together_is_said(file, options, message):
    with pytest.raises(GenAIPerfError) as raised:
        loaded(input__file=file, **options)
    assert raised.value.message.startswith(message)


OPTIONS = {
    "input.synthetic_tokens_mean": "5",
    "input.output_tokens_mean": "5",
    "input.num_dataset_entries": "5",
    "input.prefix_prompt_num": "2",
    "input.extra": "a:1",
    "input.columns": "prompt:a",
    "image.batch_size": "2",
    "image.format": "png",
    "audio.batch_size": "2",
    "endpoint.model_selection_strategy": "random",
}


@pytest.mark.parametrize(("key", "value"), OPTIONS.items())
def test_an_option_that_shapes_bodies_has_no_effect_on_those_that_are_there(key, value):
    name = f"--{key.partition('.')[2]}"
    told = loaded("--input-data untimed --concurrency-range 1", **{key.replace(".", "__"): value}).warnings
    assert (f"{name} has no effect with --input-data: its requests are ready-made",) == told


def test_options_of_the_load_have_their_effect():
    options = {"input__row_limit": "1", "input__session_delay_ratio": "2", "load__warmup_request_count": "3"}
    assert () == loaded("--input-data untimed --concurrency-range 1", **options).warnings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "odd: is empty"),
        ("{", "odd: not JSON: Input data was truncated"),
        ("[]", "odd: not a JSON object"),
        ("{}", 'odd: no "data"'),
        ('{"data": {"payload": []}}', 'odd: "data" is not a list of requests'),
    ],
)
def test_a_file_of_another_form_is_told(content, message):
    write("odd", content)
    with pytest.raises(InputError) as raised:
        list(ready_made.rows(Path("odd")))
    assert message == raised.value.message


def test_streams_follow_one_another_and_validation_data_are_left_alone():
    write("odd", '{"validation_data": [7], "data": [[1, 2], 3, [], [[4]]]}')
    assert [b"1", b"2", b"3", b"[4]"] == [bytes(memoryview(row)) for row in ready_made.rows(Path("odd"))]
