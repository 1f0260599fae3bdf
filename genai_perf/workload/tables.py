"""Files of rows, each kind read as a stream: JSONL, JSON, CSV, TSV, Parquet, plain text.

A row is a mapping from column to value. Which kind a file is, the options say, else its suffix, else its
content.
"""

import csv
import mmap
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.exceptions import InputError
from genai_perf.workload import packed

Row = Mapping[str, Any]
Rows = Iterator[tuple[str, Row]]
"""(where it stands, what it says)."""

SUFFIXES = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
}
TEXT = "text"
"""The one column of what has no columns: plain text, lists of strings."""
SNIPPET = 200
"""So much of a malformed line is shown."""
_PARQUET_ROWS = 256
"""That are decoded together; prompts and images are large."""
_BOM = b"\xef\xbb\xbf"
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL)
"""An escape in JSON; half a surrogate pair is group 1."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows, and what is known of them before they are read."""

    name: str
    """Of the file, or the data set."""
    columns: tuple[str, ...]
    """Of JSON, those of its first row: others may have more, or fewer."""
    rows: Callable[[Collection[str]], Iterator[tuple[str, Row]]]
    """All of them in order, with at least the columns that are asked for. Raises InputError."""
    kind: str
    """A value of `SUFFIXES`, or `dataset`."""
    directory: Path | None = None
    """Where the files lie that rows name."""


def files(name: str, kind: str = "") -> list[Path]:
    """A file, or those files of a directory, by name, that can be read. Raises InputError."""
    path = Path(name).expanduser()
    if not path.exists():
        raise InputError(f"--input-file: '{name}' is not a valid file or directory")
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    readable = [file for file in found if (kind and file.is_file()) or file.suffix.lower() in SUFFIXES]
    if not readable:
        there = f"it has {', '.join(file.name for file in found[:5])}" if found else "it is empty"
        raise InputError(
            f"No JSONL files found in directory '{name}'.",
            hint=f"{there}; files that can be read end in {', '.join(SUFFIXES)}",
        )
    return readable


def open_table(path: Path, kind: str = "") -> Table:
    """The table that a file holds; `kind` where it is said. Raises InputError."""
    kind = kind or SUFFIXES.get(path.suffix.lower(), "") or _kind_of(path)
    if kind == "json" and _kind_of(path) == "jsonl":
        kind = "jsonl"  # as many a .json is
    columns, rows = _READERS[kind](path)
    return Table(str(path), columns, rows, kind, path.parent)


def _kind_of(path: Path) -> str:
    with _readable(path), path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return "parquet"
    return "json" if head.removeprefix(_BOM).lstrip().startswith(b"[") else "jsonl"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


_Columns = tuple[str, ...]
_Opened = tuple[_Columns, Callable[[Collection[str]], Rows]]


# -- lines --------------------------------------------------------------------------------------------


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, text) of the lines that are not blank. Raises InputError."""
    for number, line in _decoded(path):
        if text := line.strip():
            yield f"{path}:{number}", text


def _decoded(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of all lines, with their ends."""
    with _readable(path), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                packed.refuse(path, line)
            content = line.removeprefix(_BOM) if number == 1 else line
            try:
                yield number, content.decode()
            except UnicodeDecodeError as exc:
                raise InputError(f"{path}:{number}: not UTF-8 (byte 0x{content[exc.start]:02x})") from exc


def json_value(text: str | bytes, where: str) -> Any:
    """What a piece of JSON says. Raises InputError.

    Half a surrogate pair, which the web's data sets have and UTF-8 has not, is read as `?`.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return msgspec.json.decode(_mended(text.encode() if isinstance(text, str) else text))
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        raise InputError(f"{where}: {str(exc).removesuffix('.')}: {shown[:SNIPPET]}") from exc


def _mended(text: bytes | memoryview) -> bytes:
    """JSON without halves of surrogate pairs."""
    return _ESCAPE.sub(lambda found: b"?" if found[1] else found[0], text)


def _object(value: Any, where: str) -> Row:
    if isinstance(value, str):
        return {TEXT: value}
    if not isinstance(value, dict):
        shown = msgspec.json.encode(value).decode()
        raise InputError(f"{where}: not a JSON object: {shown[:SNIPPET]}")
    return value


def _jsonl(path: Path) -> _Opened:
    def rows(_columns: Collection[str] = ()) -> Rows:
        for where, text in lines(path):
            yield where, _object(json_value(text, where), where)

    return _first_columns(rows()), rows


def _txt(path: Path) -> _Opened:
    return (TEXT,), lambda _columns: ((where, {TEXT: text}) for where, text in lines(path))


def _first_columns(rows: Rows) -> _Columns:
    return tuple(next((row for _, row in islice(rows, 1)), {}))


# -- JSON ---------------------------------------------------------------------------------------------


def _json(path: Path) -> _Opened:
    """A list of objects, or of strings. The file is mapped, and one element at a time is decoded."""

    def rows(_columns: Collection[str] = ()) -> Rows:
        with _readable(path), path.open("rb") as file:
            content = _content(file.fileno())
        start = len(_BOM) if content[: len(_BOM)] == _BOM else 0
        try:
            elements = _elements(memoryview(content)[start:])
        except msgspec.ValidationError as exc:
            raise InputError(f"{path}: not a JSON list of rows") from exc
        except (msgspec.DecodeError, RecursionError) as exc:
            raise InputError(f"{path}{_line(str(exc), content)}: {str(exc).removesuffix('.')}") from exc
        for number, element in enumerate(elements, 1):
            where = f"{path}: row {number}"
            yield where, _object(json_value(element, where), where)

    return _first_columns(rows()), rows


def _elements(content: memoryview) -> list[msgspec.Raw]:
    """What a list holds. Raises what msgspec does."""
    try:
        return msgspec.json.decode(content, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return msgspec.json.decode(_mended(content), type=list[msgspec.Raw])


def _content(descriptor: int) -> mmap.mmap | bytes:
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except ValueError:
        return b""  # an empty file cannot be mapped


def _line(message: str, content: mmap.mmap | bytes) -> str:
    """`:line`, where the message says at which byte the JSON ends to be any."""
    found = re.search(r"\(byte (\d+)\)", message)
    return f":{content[: int(found[1])].count(10) + 1}" if found else ""


# -- CSV ----------------------------------------------------------------------------------------------


def _csv(path: Path, delimiter: str = ",") -> _Opened:
    return tuple(_header(path, delimiter)), lambda _columns: _csv_rows(path, delimiter)


def _tsv(path: Path) -> _Opened:
    return _csv(path, "\t")


def _csv_lines(path: Path, delimiter: str) -> Iterator[tuple[str, list[str]]]:
    """(file:line, fields) of each row; the line is the one it begins on."""
    csv.field_size_limit(sys.maxsize)  # 131,072 characters unless said, which a long prompt has
    reader = csv.reader((line for _, line in _decoded(path)), delimiter=delimiter, strict=True)
    while True:
        where = f"{path}:{reader.line_num + 1}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise InputError(f"{where}: {exc}") from exc
        if fields:
            yield where, fields


def _header(path: Path, delimiter: str) -> list[str]:
    where, names = next(_csv_lines(path, delimiter), (str(path), []))
    for name in names:
        if not name.strip():
            raise InputError(f"{where}: a column has no name", hint="the first line names the columns")
        if names.count(name) > 1:
            raise InputError(f"{where}: two columns are called {name!r}")
    return names


def _csv_rows(path: Path, delimiter: str) -> Rows:
    names = _header(path, delimiter)
    for where, fields in islice(_csv_lines(path, delimiter), 1, None):
        if len(fields) != len(names):
            raise InputError(f"{where}: {len(fields)} fields, the first line has {len(names)} columns")
        yield where, dict(zip(names, fields))


# -- Parquet ------------------------------------------------------------------------------------------


def _parquet(path: Path) -> _Opened:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with _readable(path):
            names = tuple(parquet.read_schema(path).names)
    except pa.ArrowException as exc:
        raise InputError(f"{path}: not a Parquet file: {exc}") from exc

    def rows(columns: Collection[str]) -> Rows:
        wanted = [name for name in names if name in columns]
        number = 0
        try:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=wanted):
                    for row in batch.to_pylist():
                        number += 1
                        yield f"{path}: row {number}", row
        except (pa.ArrowException, OSError) as exc:  # which of them is arbitrary
            why = str(exc).partition("\n")[0]
            raise InputError(f"{path}: cannot be read after row {number}: {why}") from exc

    return names, rows


_READERS: Mapping[str, Callable[[Path], _Opened]] = {
    "jsonl": _jsonl,
    "json": _json,
    "csv": _csv,
    "tsv": _tsv,
    "parquet": _parquet,
    "txt": _txt,
}
