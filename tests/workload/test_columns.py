"""Which column is what."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from genai_perf.exceptions import InputError
from genai_perf.workload import media
from genai_perf.workload.columns import PLAIN, Columns, Empty, Row, columns_of, messages_of, row_of
from genai_perf.workload.tables import Table

TEXT = ("text",)
ALL = ("text", "image", "audio")


def table(*names: str, kind: str = "csv") -> Table:
    return Table("rows.csv", names, lambda _columns: iter(()), kind)


def found(*names: str, kind: str = "csv", takes: tuple[str, ...] = TEXT, **given: str) -> Columns:
    return columns_of(table(*names, kind=kind), given, takes, "--input-file")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["id", "question", "system_prompt", "response"],
            "prompt: question, system: system_prompt, output: response",
        ),
        (["Prompt", "ANSWER"], "prompt: Prompt, output: ANSWER"),
        (["instruction", "input", "output"], "prompt: instruction + input, output: output"),
        (["instruction", "output"], "prompt: instruction, output: output"),
        (["article", "highlights", "id"], "prompt: article, output: highlights"),
        (["text", "prompt"], "prompt: text"),
        (["prompt", "prompt_id", "messages"], "messages: messages"),
        (["id", "conversations"], "messages: conversations"),
        (["text", "output_length"], "prompt: text, output_length: output_length"),
        (["text", "image"], "prompt: text"),
    ],
)
def test_columns_are_known_by_their_names(names, expected):
    assert expected == found(*names).told()


def test_images_and_audio_are_taken_where_they_can_be_sent():
    assert (
        "prompt: question, image: images, audio: audio"
        == found("question", "images", "audio", takes=ALL).told()
    )
    assert "image: image" == found("image", "label", takes=("image",)).told()


@pytest.mark.parametrize(
    ("names", "plain"),
    [
        (["text", "prompt"], True),
        (["text_input", "output"], True),
        (["image"], True),
        (["question", "answer"], False),
        (["image", "question"], False),
        (["messages", "image"], False),
    ],
)
def test_json_is_read_as_genai_perf_has_it_where_it_looks_so(names, plain):
    assert plain is (found(*names, kind="jsonl", takes=ALL) is PLAIN)


def test_what_the_options_name_is_taken_and_nothing_else():
    columns = found("question", "answer", "system", "n", prompt="answer", output_length="n")
    assert Columns(prompt=("answer",), output_length="n") == columns
    assert {"answer", "n"} == columns.names


def test_columns_are_joined_by_a_plus_unless_one_is_called_so():
    assert ("a", "b") == found("a", "b", prompt="a + b").prompt
    assert ("a+b",) == found("a", "b", "a+b", prompt="a+b").prompt


@pytest.mark.parametrize(
    ("names", "given", "message", "hint"),
    [
        (
            ["timestamp", "input_length", "hash_ids"],
            {},
            "--input-file: rows.csv: no column that is known to hold prompts; its columns are timestamp, "
            "input_length, hash_ids",
            "is it a trace? --input-file payload:rows.csv",
        ),
        (
            ["TIMESTAMP", "ContextTokens"],
            {},
            "--input-file: rows.csv: no column that is known to hold prompts; its columns are TIMESTAMP, "
            "ContextTokens",
            "is it a trace? --input-file azure:rows.csv",
        ),
        (
            ["id", "words"],
            {},
            "--input-file: rows.csv: no column that is known to hold prompts; its columns are id, words",
            "name it: --dataset-columns prompt:id; known names are text",
        ),
        (
            ["question", "answer"],
            {"prompt": "qestion"},
            "--dataset-columns: prompt:qestion: rows.csv has no column 'qestion'; did you mean question?",
            "its columns are question, answer",
        ),
        (
            ["a", "b"],
            {"prompt": "a+c"},
            "--dataset-columns: prompt:a+c: rows.csv has no column 'c'",
            "its columns are a, b",
        ),
        (
            ["a", "b"],
            {"output_length": "a"},
            "--dataset-columns: none of them is sent: name the prompt, the messages, an image or audio",
            "its columns are a, b",
        ),
        (
            ["a", "b"],
            {"prompt": "a", "output_length": "a+b"},
            "--dataset-columns: output_length:a+b: only texts are joined",
            "",
        ),
    ],
)
def test_a_column_that_is_not_there_is_told_with_those_that_are(names, given, message, hint):
    with pytest.raises(InputError) as raised:
        found(*names, **given)
    assert message == raised.value.message
    assert str(raised.value.hint or "").startswith(hint)


# -- rows ---------------------------------------------------------------------------------------------


def read(entry: Mapping[str, Any], columns: Columns, takes: tuple[str, ...] = TEXT) -> Row:
    return row_of(entry, "rows.csv:2", columns, takes, media.readers(Path()))


QA = Columns(("question",), ("system",), ("answer",), "n")


def test_a_row_says_what_its_columns_hold():
    entry = {"question": " Why? ", "system": "Be brief.", "answer": "So.", "n": 7, "other": 1}
    assert Row("Why?", 7, system="Be brief.", answer="So.") == read(entry, QA)


def test_what_is_empty_or_missing_beside_the_prompt_is_not_said():
    assert Row("Why?") == read({"question": "Why?", "system": " ", "answer": None}, QA)
    assert Row("Why?") == read({"question": "Why?", "n": ""}, QA)


def test_joined_columns_have_a_blank_line_between_them_and_empty_ones_leave_none():
    both = Columns(("instruction", "input"))
    assert "Sort.\n\n3 1 2" == read({"instruction": "Sort.", "input": "3 1 2"}, both).text
    assert "Sort." == read({"instruction": "Sort.", "input": ""}, both).text


@pytest.mark.parametrize(("said", "tokens"), [("12", 12), (12.0, 12), (" 3 ", 3)])
def test_a_number_may_be_written_as_csv_and_columns_with_gaps_have_it(said, tokens):
    assert tokens == read({"question": "Why?", "n": said}, QA).output_tokens


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"question": 7}, '"question" is not a string: 7'),
        ({"question": "Why?", "system": ["x"]}, "\"system\" is not a string: ['x']"),
        ({"question": "Why?", "n": "many"}, '"n" is not a number of at least 1: many'),
        ({"question": "Why?", "n": 0.5}, '"n" is not a number of at least 1: 0.5'),
        ({"question": "Why?", "n": 0}, '"n" is not a number of at least 1: 0'),
    ],
)
def test_a_bad_value_is_named_with_its_place_and_column(entry, message):
    with pytest.raises(InputError) as raised:
        read(entry, QA)
    assert f"rows.csv:2: {message}" == raised.value.message


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"question": " "}, '"question" is empty'),
        ({"question": None}, '"question" is empty'),
        ({"answer": "So."}, 'no "question" field'),
    ],
)
def test_a_row_without_a_prompt_is_empty(entry, message):
    with pytest.raises(Empty) as raised:
        read(entry, QA)
    assert f"rows.csv:2: {message}" == str(raised.value)


def test_messages_may_be_json_in_a_field():
    assert [{"role": "user"}] == messages_of({"m": '[{"role": "user"}]'}, "rows.csv:2", "m")
    with pytest.raises(InputError, match=r'rows\.csv:2: "m": Input data was truncated'):
        messages_of({"m": "[{"}, "rows.csv:2", "m")
    with pytest.raises(InputError, match=r'rows\.csv:2: no "m" field'):
        messages_of({}, "rows.csv:2", "m")
