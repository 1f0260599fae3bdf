"""JSONL files: an object a line with `text` (or `text_input`), `image` or `audio`, maybe `output_length`.

`image` and `audio` name a file or a URL, or hold a list of them. Other keys are left alone, as GenAI-Perf
does; blank lines are skipped. Every error names file and line.
"""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from genai_perf.exceptions import InputError
from genai_perf.workload import media

SNIPPET = 200
"""So much of a malformed line is shown."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file."""

    text: str
    """Empty only where there is something else."""
    output_tokens: int | None = None
    """How many to ask for (`output_length`); None leaves it to the options."""
    images: tuple[str, ...] = ()
    """As URLs; so is the audio."""
    audio: tuple[str, ...] = ()


_Item = TypeVar("_Item")


def read(name: str, takes: Collection[str] = ("text",)) -> list[Row]:
    """The rows of a file, or of every `*.jsonl` in a directory by file name. Raises InputError.

    `takes` is what can be sent: some of `text`, `image` and `audio`. A row must have one of them, and text
    where it can have nothing else; images and audio that cannot be sent are an error.
    """
    rows = [row for file in _files(name) for row in _rows(file, takes)]
    if not rows:
        example = "text" if "text" in takes else "image"
        raise InputError(f"{name}: holds no prompts", hint=f'write {{"{example}": "…"}} on each line')
    return rows


def values(name: str) -> Iterator[tuple[str, Any]]:
    """(file:line, what the line says in JSON) of each line of a file or directory. Raises InputError."""
    for file in _files(name):
        for where, line in _lines(file):
            yield where, _value(line, where)


def _files(name: str) -> list[Path]:
    path = Path(name)
    if path.is_dir():
        files = sorted(path.glob("*.jsonl"))
        if not files:
            raise InputError(f"No JSONL files found in directory '{name}'.")
        return files
    if not path.exists():
        raise InputError(
            f"--input-file: '{name}' is not a valid file or directory",
            hint='give a JSONL file, e.g. {"text": "What is a token?"} on each line',
        )
    return [path]


def batches(
    pool: Sequence[_Item], size: int, count: int, rng: random.Random, kind: str = "text"
) -> list[tuple[_Item, ...]]:
    """That many samples of `size` each, without the same twice in a sample. Raises InputError."""
    if size > len(pool):
        many = {"text": "texts", "image": "images"}.get(kind, kind)
        raise InputError(
            f"Batch size for {many} cannot be larger than the number of available {many}",
            hint=f"--batch-size-{kind} is {size}, the file has {len(pool)}",
        )
    return [tuple(rng.sample(pool, size)) for _ in range(count)]


def _rows(file: Path, takes: Collection[str]) -> Iterator[Row]:
    readers = media.readers(file.parent)
    for where, line in _lines(file):
        yield _row(line, where, takes, readers)


def _lines(file: Path) -> Iterator[tuple[str, bytes]]:
    """(file:line, content) of those that are not blank."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                content = (line.removeprefix(_BOM) if number == 1 else line).strip()
                if content:
                    yield f"{file}:{number}", content
    except OSError as exc:
        raise InputError(f"{file}: cannot be read: {exc.strerror}") from exc


def _value(line: bytes, where: str) -> Any:
    try:
        text = line.decode()
    except UnicodeDecodeError as exc:
        raise InputError(f"{where}: not UTF-8 (byte 0x{line[exc.start]:02x})") from exc
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise InputError(f"{where}: {str(exc).removesuffix('.')}: {text[:SNIPPET]}") from exc


def _row(line: bytes, where: str, takes: Collection[str], readers: Mapping[str, media.Read]) -> Row:
    entry = _value(line, where)
    if not isinstance(entry, dict):
        raise InputError(f"{where}: not a JSON object: {line.decode()[:SNIPPET]}")
    urls: dict[str, tuple[str, ...]] = {}
    for key, read_one in readers.items():
        urls[key] = ()
        if entry.get(key) is not None:
            if key not in takes:
                one = f'{"an " * (key == "image")}"{key}"'
                raise InputError(f"{where}: has {one}; this endpoint takes {' and '.join(takes)} only")
            urls[key] = media.named(entry, key, read_one, where)
    text = ""
    if "text" in takes and (not any(urls.values()) or entry.get("text") or entry.get("text_input")):
        text = _prompt(entry, where)
    elif not any(urls.values()):
        raise InputError(f'{where}: no "{next(iter(takes))}" field')
    return Row(text, _output_tokens(entry, where), urls["image"], urls["audio"])


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
