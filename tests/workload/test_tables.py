"""Files of rows, in their real formats."""

import bz2
import csv
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from genai_perf.exceptions import InputError
from genai_perf.workload.tables import files, open_table
from genai_perf.workload.traces import FORMATS

ROWS = [
    {"question": "What is a token?", "n": "1"},
    {"question": 'Two\nlines, "quoted"; Grüße 東京', "n": "2"},
]


def write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(rows, indent=1))


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_tsv(path: Path, rows: list[dict[str, Any]]) -> None:
    write_csv(path, rows, "\t")


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    parquet.write_table(pa.Table.from_pylist(rows), path)


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], None]] = {
    "json": write_json,
    "jsonl": write_jsonl,
    "csv": write_csv,
    "tsv": write_tsv,
    "parquet": write_parquet,
}


def rows_of(path: Path, kind: str = "") -> list[dict[str, Any]]:
    table = open_table(path, kind)
    return [dict(row) for _, row in table.rows(table.columns)]


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    WRITERS[kind](path, ROWS)
    table = open_table(path)
    assert (kind, ("question", "n"), tmp_path) == (table.kind, table.columns, table.directory)
    assert rows_of(path) == ROWS


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_is_read_as_it_is_said_whatever_its_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.data"
    WRITERS[kind](path, ROWS)
    assert rows_of(path, kind) == ROWS


@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
def test_a_file_without_a_suffix_is_known_by_its_content(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows"
    WRITERS[kind](path, ROWS)
    assert kind == open_table(path).kind
    assert rows_of(path) == ROWS


def test_a_json_file_with_an_object_on_each_line_is_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    write_jsonl(path, ROWS)
    assert rows_of(path) == ROWS


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"a": TEXTS, "b": TEXTS}), min_size=1, max_size=5))
def test_what_was_written_is_read_in_every_format(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    for kind, write in WRITERS.items():
        path = tmp_path / f"rows.{kind}"
        write(path, rows)
        assert rows_of(path) == rows


def test_a_text_has_a_prompt_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  two \nthree")
    table = open_table(path)
    assert [
        (f"{path}:1", {"text": "one"}),
        (f"{path}:3", {"text": "two"}),
        (f"{path}:4", {"text": "three"}),
    ] == list(table.rows(()))


def test_a_list_of_strings_is_a_list_of_prompts(tmp_path: Path) -> None:
    path = tmp_path / "prompts.json"
    path.write_text('\ufeff["one", "two"]')
    assert [{"text": "one"}, {"text": "two"}] == rows_of(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_half_a_surrogate_pair_is_read_as_a_question_mark(tmp_path: Path, name: str) -> None:
    row = '{"text": "a \\ud83d b \\ud83d\\ude00"}'
    (tmp_path / name).write_text(f"[{row}]" if name == "a.json" else row)
    assert [{"text": "a ? b 😀"}] == rows_of(tmp_path / name)
    (tmp_path / "t.jsonl").write_text(row)
    (traced,) = FORMATS["payload"].rows(tmp_path / "t.jsonl")
    assert "a ? b 😀" == traced.text


def test_only_the_columns_that_are_asked_for_are_read_from_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, [{"a": number, "b": "x"} for number in range(700)])
    found = list(open_table(path).rows(["a"]))
    assert [(f"{path}: row {number + 1}", {"a": number}) for number in range(700)] == found


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    for kind in WRITERS:
        path = tmp_path / f"rows.{kind}"
        WRITERS[kind](path, ROWS)
        table = open_table(path)
        rows = table.rows(table.columns)
        assert ROWS[0] == next(rows)[1]
        rows.close()  # type: ignore[attr-defined]


def test_a_field_of_a_csv_may_be_longer_than_python_expects(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_csv(path, [{"text": "x" * 300_000}])
    assert [{"text": "x" * 300_000}] == rows_of(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"text,n\none,1\n\ntwo\n", ":4: 1 fields, the first line has 2 columns"),
        ("a.csv", b'text,n\n"a\nb",1\nc,2,3\n', ":4: 3 fields, the first line has 2 columns"),
        ("a.csv", b'text\n"one" x\n', ":2: ',' expected after '\"'"),
        ("a.csv", b'text\n"one\n', ":2: unexpected end of data"),
        ("a.csv", b"text,text\n", ":1: two columns are called 'text'"),
        ("a.csv", b"text,\n", ":1: a column has no name"),
        ("a.csv", b"text\none\n\xff\n", ":3: not UTF-8 (byte 0xff)"),
        ("a.tsv", b"text\tn\none\n", ":2: 1 fields, the first line has 2 columns"),
        ("a.txt", b"one\n\xff\n", ":2: not UTF-8 (byte 0xff)"),
        ("a.jsonl", b'{"a": 1}\n{"a"\n', ':2: Input data was truncated: {"a"'),
        ("a.jsonl", b'{"a": 1}\n7\n', ":2: not a JSON object: 7"),
        ("a.json", b'[\n{"a": 1},\n{"a" 2}]', ":3: JSON is malformed: expected ':' (byte 17)"),
        ("a.json", b'[{"a": 1}', ": Input data was truncated"),
        ("a.json", b'[{"a": 1}, 7]', ": row 2: not a JSON object: 7"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        rows_of(path)
    assert f"{path}{message}" == raised.value.message


@pytest.mark.parametrize(
    ("pack", "name", "command"),
    [
        (gzip.compress, "gzip", "gunzip -k"),
        (bz2.compress, "bzip2", "bunzip2 -k"),
        (lzma.compress, "xz", "unxz -k"),
        (lambda content: b"PK\x03\x04" + content, "zip (a spreadsheet is, too)", "unzip"),
    ],
    ids=["gzip", "bzip2", "xz", "zip"],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "txt", "jsonl.gz"])
def test_a_packed_file_is_told_as_such_with_what_unpacks_it(tmp_path, pack, name, command, suffix) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(pack(b'{"text": "one"}\n'))
    readers = [rows_of, *(lambda path, each=each: list(each.rows(path)) for each in FORMATS.values())]
    for read in readers:
        with pytest.raises(InputError) as raised:
            read(path)
        assert f"{path}: packed with {name}" == raised.value.message
        assert f"unpack it first: {command} {path}" == raised.value.hint


def test_a_parquet_file_that_is_none_or_torn_is_said(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"text,n\n")
    with pytest.raises(InputError, match=r"rows\.parquet: not a Parquet file"):
        open_table(path)
    write_parquet(path, [{"a": "x" * 100 + str(number)} for number in range(1000)])
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\0" * 2000 + content[2004:])
    with pytest.raises(InputError, match=r"rows\.parquet: cannot be read after row 0"):
        rows_of(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl", "a.json"])
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.touch()
    assert [] == rows_of(path)


def test_a_directory_is_its_files_by_name_and_says_what_it_has_where_none_can_be_read(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "c.txt", "README.md", ".d.csv"):
        (tmp_path / name).touch()
    assert ["a.parquet", "b.csv", "c.txt"] == [file.name for file in files(str(tmp_path))]
    assert ["README.md", "a.parquet", "b.csv", "c.txt"] == [file.name for file in files(str(tmp_path), "txt")]
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "README.md").touch()
    with pytest.raises(InputError, match="No JSONL files found in directory") as raised:
        files(str(tmp_path / "deeper"))
    assert "it has README.md; files that can be read end in .jsonl, .ndjson, .json, .csv" in str(
        raised.value.hint
    )
