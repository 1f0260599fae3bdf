"""Every format's rows, and what is said about bad ones: file, line and field."""

import json
from pathlib import Path

import pytest

from genai_perf.exceptions import InputError
from genai_perf.workload.traces import FORMATS
from genai_perf.workload.traces.rows import Row

MS = 1_000_000
S = 1_000 * MS
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
BURST = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
NEW_BURST = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"


def read(kind, path, content):
    path.write_text(content, encoding="utf-8")
    return list(FORMATS[kind].rows(path))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"timestamp": 3}, {"at_ns": 3 * MS}),
        ({"timestamp": 0.25}, {"at_ns": 250_000}),
        ({"timestamp": "3"}, {"at_ns": 3 * MS}),
        ({"input_length": 5, "output_length": 7}, {"input_tokens": 5, "output_tokens": 7}),
        ({"text": " Hi ", "input_length": 5}, {"text": "Hi", "input_tokens": 5}),
        ({"text_input": "Hi", "text": ""}, {"text": "Hi"}),
        ({"session_id": 17, "delay": 250}, {"session": "17", "delay_ns": 250 * MS}),
        ({"session_id": "s", "delay": 0}, {"session": "s"}),
        ({"input_length": 512, "hash_ids": [0]}, {"input_tokens": 512, "hash_ids": (0,)}),
        (
            {"input_length": 513, "hash_ids": [7, 2**64 - 1]},
            {"input_tokens": 513, "hash_ids": (7, 2**64 - 1)},
        ),
        ({"input_length": 5, "hash_ids": []}, {"input_tokens": 5}),
        ({"priority": 3, "nested": {"a": [1]}}, {"extra": {"priority": 3, "nested": {"a": [1]}}}),
        ({"timestamp": None, "hash_ids": None, "text": None, "session_id": None}, {}),
    ],
)
def test_every_key_of_a_mooncake_row_is_read(tmp_path, line, expected):
    (row,) = read("payload", tmp_path / "t.jsonl", json.dumps(line))
    assert Row(line=1, **expected) == row


@pytest.mark.parametrize("key", ["priority", "max_input_length", "test", "min_tokens", "output_len", "ids"])
def test_what_is_not_meant_to_be_a_field_goes_into_the_body(tmp_path, key):
    (row,) = read("payload", tmp_path / "t.jsonl", json.dumps({"timestamp": 0, key: 1}))
    assert {key: 1} == row.extra


def test_blank_lines_and_a_byte_order_mark_are_no_rows(tmp_path):
    rows = read("payload", tmp_path / "t.jsonl", '\ufeff{"timestamp": 1}\n\n  \n{"timestamp": 2}\n')
    assert [(1, MS), (4, 2 * MS)] == [(row.line, row.at_ns) for row in rows]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "t.jsonl:2: Input data was truncated: {"),
        ("[1]", "t.jsonl:2: not a JSON object: [1]"),
        ("\xff", "t.jsonl:2: JSON is malformed: invalid character (byte 0): ÿ"),
        ({"timestamp": -1}, 't.jsonl:2: "timestamp" is not a number of at least 0: -1'),
        ({"timestamp": True}, 't.jsonl:2: "timestamp" is not a number of at least 0: True'),
        ({"timestamp": 1e300}, 't.jsonl:2: "timestamp" is not below 4,611,686,018 s: 1e+300'),
        ({"delay": "x"}, 't.jsonl:2: "delay" is not a number of at least 0: x'),
        ({"input_length": 0}, 't.jsonl:2: "input_length" is not a whole number of at least 1: 0'),
        ({"output_length": 1.5}, 't.jsonl:2: "output_length" is not a whole number of at least 1: 1.5'),
        ({"session_id": [1]}, 't.jsonl:2: "session_id" is not a string or a whole number: [1]'),
        (
            {"text": "a", "text_input": "b"},
            "t.jsonl:2: Each data entry must have only one of 'text_input' or 'text' key name.",
        ),
        ({"text": 3}, 't.jsonl:2: "text" is not a string: 3'),
        ({"input_lenght": 3}, "t.jsonl:2: unknown field 'input_lenght'; did you mean input_length?"),
        ({"Timestamp": 3}, "t.jsonl:2: unknown field 'Timestamp'; did you mean timestamp?"),
        ({"hashIds": [3]}, "t.jsonl:2: unknown field 'hashIds'; did you mean hash_ids?"),
        ({"hash_ids": 3, "input_length": 3}, 't.jsonl:2: "hash_ids" is not a list of whole numbers: 3'),
        (
            {"hash_ids": [-1], "input_length": 3},
            't.jsonl:2: "hash_ids" is not a list of whole numbers from 0 to 2^64 - 1: -1',
        ),
        ({"hash_ids": [1]}, 't.jsonl:2: "hash_ids" without "input_length"'),
        (
            {"hash_ids": [1, 2], "input_length": 512},
            "t.jsonl:2: Input_length: 512, Hash_ids: [1, 2], Block_size: 512 are not compatible. "
            "The final hash id length: 0 must be greater than 0 and less than or equal to 512.",
        ),
        (
            {"hash_ids": [1], "input_length": 513},
            "t.jsonl:2: Input_length: 513, Hash_ids: [1], Block_size: 512 are not compatible. "
            "The final hash id length: 513 must be greater than 0 and less than or equal to 512.",
        ),
    ],
)
def test_a_bad_mooncake_row_is_told_with_file_line_and_field(tmp_path, monkeypatch, line, message):
    monkeypatch.chdir(tmp_path)
    text = line if isinstance(line, str) else json.dumps(line)
    content = '{"timestamp": 0}\n' + text + "\n"
    with pytest.raises(InputError) as raised:
        read("payload", Path("t.jsonl"), content)
    assert message == raised.value.message


@pytest.mark.parametrize(
    ("earlier", "later", "apart_ns"),
    [
        ("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.0319600", 52 * MS),
        ("2024-05-10 00:00:00.009930+00:00", "2024-05-10 00:00:00.010999+00:00", 1_069_000),
        ("2024-05-10 23:59:59+00:00", "2024-05-11 00:00:00.5+00:00", 1500 * MS),
        ("2024-05-10T12:00:00Z", "2024-05-10T14:00:00+02:00", 0),
        ("2024-05-10 12:00:00-01:30", "2024-05-10 13:30:00", 0),
        ("2024-02-28 00:00:00", "2024-03-01 00:00:00.000000001", 2 * 86_400 * S + 1),
    ],
)
def test_azure_instants_are_exact(tmp_path, earlier, later, apart_ns):
    first, second = read("azure", tmp_path / "a.csv", f"{AZURE}{earlier},4808,10\n{later},0,0\n")
    assert apart_ns == second.at_ns - first.at_ns
    assert (2, 4808, 10) == (first.line, first.input_tokens, first.output_tokens)
    assert (1, 1) == (second.input_tokens, second.output_tokens)


def test_burstgpt_of_both_ages_is_read(tmp_path):
    (old,) = read("burstgpt", tmp_path / "b.csv", f"{BURST}5,ChatGPT,472,18,490,Conversation log\n")
    assert Row(line=2, at_ns=5 * S, input_tokens=472, output_tokens=18) == old
    new = read(
        "burstgpt",
        tmp_path / "b.csv",
        f"{NEW_BURST}19440110.0,abc,43,GPT-4,906,446,1352,Conversation log\n"
        "19440111.5,,2,ChatGPT,36,0,36,API log\n",
    )
    assert [("abc", 43 * S, 446), (None, 2 * S, 1)] == [
        (row.session, row.took_ns, row.output_tokens) for row in new
    ]


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("azure", "TIMESTAMP,ContextTokens,Generated\n", "t.csv:1: unknown column 'Generated'"),
        (
            "azure",
            "TIMESTAMP,ContextToken,GeneratedTokens\n",
            "t.csv:1: unknown column 'ContextToken'; did you mean ContextTokens?",
        ),
        ("azure", "TIMESTAMP,ContextTokens\n", "t.csv:1: no column 'GeneratedTokens'"),
        ("azure", AZURE + "2023-11-16 18:17:03,1\n", "t.csv:2: has 2 fields, and the header 3: "),
        ("azure", AZURE + "2023-13-16 18:17:03,1,1\n", 't.csv:2: "TIMESTAMP" is not an instant like '),
        ("azure", AZURE + "yesterday,1,1\n", 't.csv:2: "TIMESTAMP" is not an instant like '),
        (
            "azure",
            AZURE + "2023-11-16 18:17:03,many,1\n",
            't.csv:2: "ContextTokens" is not a whole number of at least 0: many',
        ),
        (
            "burstgpt",
            "Timestamp,Model,Requests tokens,Response tokens\n",
            "t.csv:1: unknown column 'Requests tokens'; did you mean Request tokens?",
        ),
        ("burstgpt", BURST + "x,m,1,1,2,API log\n", 't.csv:2: "Timestamp" is not a number of at least 0: x'),
        (
            "burstgpt",
            BURST + "1,m,-1,1,2,API log\n",
            't.csv:2: "Request tokens" is not a whole number of at least 0: -1',
        ),
        ("burstgpt", BURST + '1,"m,1,1,2,API log\n', "t.csv:2: not CSV in UTF-8: "),
    ],
)
def test_a_bad_csv_is_told_with_file_line_and_column(tmp_path, monkeypatch, kind, content, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        read(kind, Path("t.csv"), content)
    assert raised.value.message.startswith(message)


def test_turns_of_burstgpt_are_what_their_user_typed_after_pauses(tmp_path):
    rows = read(
        "burstgpt",
        tmp_path / "b.csv",
        NEW_BURST + "100,s,5,m,40,10,50,Conversation log\n"
        "120,s,3,m,75,20,95,Conversation log\n"
        "121,s,3,m,60,20,80,Conversation log\n",
    )
    turns = FORMATS["burstgpt"].as_turns(rows)
    assert [40, 25, 1] == [turn.input_tokens for turn in turns]
    assert [15 * S, 0, 0] == [turn.delay_ns for turn in turns]


def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path):
    for kind in FORMATS:
        with pytest.raises(InputError, match="cannot be read: Is a directory"):
            list(FORMATS[kind].rows(tmp_path))
