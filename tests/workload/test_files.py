import json
import random
from pathlib import Path

import pytest

from genai_perf.exceptions import InputError
from genai_perf.workload.files import Row, batches, read


def write(path: Path, *lines: object) -> str:
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    return str(path)


def test_each_line_is_a_row_and_blank_ones_are_skipped(tmp_path: Path) -> None:
    name = write(
        tmp_path / "prompts.jsonl",
        {"text": "  one "},
        b"",
        b"   ",
        {"text_input": "two", "priority": 3},
        {"text": "three", "text_input": "", "output_length": 7},
        {"text": "Grüße, 東京 🙂", "image": None},
    )

    assert read(name) == [Row("one"), Row("two"), Row("three", 7), Row("Grüße, 東京 🙂")]


def test_the_last_line_needs_no_newline_and_windows_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one"}\r\n{"text": "two"}')

    assert read(str(path)) == [Row("one"), Row("two")]


def test_a_directory_is_all_of_its_files_that_hold_rows_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", {"text": "second"})
    write(tmp_path / "a.jsonl", {"text": "first"})
    (tmp_path / "c.txt").write_text("third\n")
    (tmp_path / "d.csv").write_text("text\nfourth\n")
    write(tmp_path / "README.md", {"text": "not this"})
    write(tmp_path / ".hidden.jsonl", {"text": "nor this"})

    assert read(str(tmp_path)) == [Row("first"), Row("second"), Row("third"), Row("fourth")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prompt": "x"}, 'no "text" field'),
        ({"text": ""}, '"text" is empty'),
        ({"text": "  "}, '"text" is empty'),
        ({"text": 7}, '"text" is not a string: 7'),
        (
            {"text": "a", "text_input": "b"},
            "Each data entry must have only one of 'text_input' or 'text' key name.",
        ),
        ({"text": "a", "image": "b.png"}, 'has an "image"; this endpoint takes text only'),
        ({"text": "a", "output_length": 0}, '"output_length" is not a number of at least 1: 0'),
        ({"text": "a", "output_length": True}, '"output_length" is not a number of at least 1: True'),
        ({"text": "a", "output_length": "9"}, '"output_length" is not a number of at least 1: 9'),
        (["text"], 'not a JSON object: ["text"]'),
        (b"plain text", "JSON is malformed: invalid character (byte 0): plain text"),
        (b'{"text": "cut', 'Input data was truncated: {"text": "cut'),
        (b"\xff\xfe{", "not UTF-8 (byte 0xff)"),
        (b"[" * 100_000, None),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(
    tmp_path: Path, line: object, message: str | None
) -> None:
    name = write(tmp_path / "prompts.jsonl", {"text": "fine"}, b"", line)

    with pytest.raises(InputError) as caught:
        read(name)

    assert caught.value.message.startswith(f"{name}:3: ")
    assert len(caught.value.message) < 400
    if message is not None:
        assert caught.value.message == f"{name}:3: {message}"


def test_a_long_malformed_line_is_shown_in_part(tmp_path: Path) -> None:
    name = write(tmp_path / "prompts.jsonl", b"x" * 5000)

    with pytest.raises(InputError) as caught:
        read(name)

    assert caught.value.message.endswith(": " + "x" * 200)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(InputError, match="'no/such' is not a valid file or directory") as caught:
        read("no/such")
    assert caught.value.exit_code == 2


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    name = write(tmp_path / "empty.jsonl", b"")

    with pytest.raises(InputError, match=r"empty\.jsonl: holds no prompts"):
        read(name)


def test_a_directory_without_jsonl_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No JSONL files found in directory"):
        read(str(tmp_path))


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()

    with pytest.raises(InputError, match=r"a\.jsonl: cannot be read: Is a directory"):
        read(str(tmp_path))


def test_batches_are_samples_without_a_row_twice() -> None:
    rows = [Row(str(i)) for i in range(5)]

    sampled = batches(rows, 3, 40, random.Random("0"))

    assert len(sampled) == 40
    assert all(len(set(batch)) == 3 for batch in sampled)
    assert {row for batch in sampled for row in batch} == set(rows)
    assert sampled == batches(rows, 3, 40, random.Random("0"))


def test_a_batch_larger_than_the_file_is_an_error() -> None:
    message = "Batch size for texts cannot be larger than the number of available texts"
    with pytest.raises(InputError, match=message):
        batches([Row("only")], 2, 10, random.Random("0"))


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "inputs").glob("*.jsonl")), ids=lambda file: file.name
)
def test_the_sample_files_can_be_read(file: Path) -> None:
    assert read(str(file))
