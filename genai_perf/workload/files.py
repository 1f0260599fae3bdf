"""Prompts from JSONL files: an object a line with `text` (or `text_input`), maybe `output_length`.

Other keys are left alone, as GenAI-Perf does; blank lines are skipped. Every error names file and line.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.exceptions import InputError

SNIPPET = 200
"""So much of a malformed line is shown."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file."""

    text: str
    output_tokens: int | None = None
    """How many to ask for (`output_length`); None leaves it to the options."""


def read(name: str) -> list[Row]:
    """The rows of a file, or of every `*.jsonl` in a directory by file name. Raises InputError."""
    path = Path(name)
    if path.is_dir():
        files = sorted(path.glob("*.jsonl"))
        if not files:
            raise InputError(f"No JSONL files found in directory '{name}'.")
    elif path.exists():
        files = [path]
    else:
        raise InputError(
            f"--input-file: '{name}' is not a valid file or directory",
            hint='give a JSONL file, e.g. {"text": "What is a token?"} on each line',
        )
    rows = [row for file in files for row in _rows(file)]
    if not rows:
        raise InputError(f"{name}: holds no prompts", hint='write {"text": "…"} on each line')
    return rows


def batches(rows: Sequence[Row], size: int, count: int, rng: random.Random) -> list[tuple[Row, ...]]:
    """That many samples of `size` rows each, without a row twice in a sample. Raises InputError."""
    if size > len(rows):
        raise InputError(
            "Batch size for texts cannot be larger than the number of available texts",
            hint=f"--batch-size-text is {size}, the file has {len(rows)}",
        )
    return [tuple(rng.sample(rows, size)) for _ in range(count)]


def _rows(file: Path) -> Iterator[Row]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                content = (line.removeprefix(_BOM) if number == 1 else line).strip()
                if content:
                    yield _row(content, f"{file}:{number}")
    except OSError as exc:
        raise InputError(f"{file}: cannot be read: {exc.strerror}") from exc


def _row(line: bytes, where: str) -> Row:
    try:
        text = line.decode()
    except UnicodeDecodeError as exc:
        raise InputError(f"{where}: not UTF-8 (byte 0x{line[exc.start]:02x})") from exc
    try:
        entry = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise InputError(f"{where}: {str(exc).removesuffix('.')}: {text[:SNIPPET]}") from exc
    if not isinstance(entry, dict):
        raise InputError(f"{where}: not a JSON object: {text[:SNIPPET]}")
    if entry.get("image") is not None:
        raise InputError(f'{where}: has an "image"; this endpoint takes text only')
    return Row(_prompt(entry, where), _output_tokens(entry, where))


def _prompt(entry: dict[str, Any], where: str) -> str:
    given = [key for key in ("text", "text_input") if entry.get(key)]
    if len(given) == 2:
        raise InputError(f"{where}: Each data entry must have only one of 'text_input' or 'text' key name.")
    if not given:
        empty = [key for key in ("text", "text_input") if key in entry]
        raise InputError(f'{where}: "{empty[0]}" is empty' if empty else f'{where}: no "text" field')
    prompt = entry[given[0]]
    if not isinstance(prompt, str):
        raise InputError(f'{where}: "{given[0]}" is not a string: {str(prompt)[:SNIPPET]}')
    if not prompt.strip():
        raise InputError(f'{where}: "{given[0]}" is empty')
    return prompt.strip()


def _output_tokens(entry: dict[str, Any], where: str) -> int | None:
    tokens = entry.get("output_length")
    if tokens is None:
        return None
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise InputError(f'{where}: "output_length" is not a number of at least 1: {str(tokens)[:SNIPPET]}')
    return tokens
