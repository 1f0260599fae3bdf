"""What all traces have in common: a row, and how its fields are read. Errors name file, line and field."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from genai_perf.clock import NS_PER_S
from genai_perf.config.arguments import did_you_mean
from genai_perf.exceptions import InputError
from genai_perf.workload import packed

SNIPPET = 200
"""So much of a malformed line is shown."""

MOST_NS = 2**62
"""About 146 years; a later instant is a typing error, and no run waits for it."""

_BOM = b"\xef\xbb\xbf"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a trace."""

    line: int
    """Where it stands in its file, from 1."""
    at_ns: int | None = None
    """When it was sent, by the trace's own clock, whose zero means nothing; None where it does not say."""
    text: str | None = None
    """The prompt; None: one of `input_tokens` tokens is to be made."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    """How many to ask for; None leaves it to the options."""
    hash_ids: tuple[int, ...] = ()
    """The blocks that the prompt consists of; the same number means the same tokens, in any row."""
    session: str | None = None
    """Rows of one session are a conversation."""
    delay_ns: int = 0
    """How long the user thinks after this answer, before the session's next row."""
    took_ns: int = 0
    """How long the answer took then."""
    extra: Mapping[str, Any] = {}
    """Keys for the request's body."""


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number, content) of each line that has any. Raises InputError."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    packed.refuse(path, line)
                if content := (line.removeprefix(_BOM) if number == 1 else line).strip():
                    yield number, content
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror}") from exc


def records(
    path: Path, known: Sequence[str], required: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, field by column) of each row of a CSV file with a header. Raises InputError.

    A column that is not `known` is an error: what it says would be left out of the run unnoticed.
    """
    columns: list[str] | None = None
    for number, content in lines(path):
        try:
            fields = next(csv.reader([content.decode()], strict=True))
        except (UnicodeDecodeError, csv.Error) as exc:
            raise InputError(f"{path}:{number}: not CSV in UTF-8: {exc}") from exc
        if columns is None:
            columns = [field.strip() for field in fields]
            _check_columns(columns, known, required, f"{path}:{number}")
            continue
        if len(fields) != len(columns):
            raise InputError(
                f"{path}:{number}: has {len(fields)} fields, and the header {len(columns)}: "
                f"{content[:SNIPPET].decode(errors='replace')}"
            )
        yield number, dict(zip(columns, fields, strict=True))


def _check_columns(columns: Sequence[str], known: Sequence[str], required: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in known:
            raise InputError(
                f"{where}: unknown column {column!r}{did_you_mean(column, known)}",
                hint=f"the columns of such a trace are {', '.join(known)}",
            )
    for column in required:
        if column not in columns:
            raise InputError(f"{where}: no column {column!r}", hint=f"it has {', '.join(columns)}")


def whole(value: Any, field: str, where: str, *, at_least: int) -> int:
    """A whole number of at least so much, as JSON's number or a CSV field. Raises InputError."""
    if isinstance(value, str) and value.strip().removesuffix(".0").isdecimal():
        value = int(value.strip().removesuffix(".0"))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        refuse(value, field, where, f"a whole number of at least {at_least}")
    return value


def duration_ns(value: Any, field: str, where: str, unit_ns: int) -> int:
    """An instant or a duration of at least 0, given in units of so many ns. Raises InputError."""
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            refuse(value, field, where, "a number of at least 0")
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
        refuse(value, field, where, "a number of at least 0")
    in_ns = number * unit_ns if isinstance(number, int) else round(number * unit_ns)
    if in_ns > MOST_NS:
        refuse(value, field, where, f"below {MOST_NS // NS_PER_S:,} s")
    return in_ns


def refuse(value: Any, field: str, where: str, wanted: str) -> NoReturn:
    """Raise the InputError for a field that is something else."""
    shown = value if isinstance(value, str) else str(value)
    raise InputError(f'{where}: "{field}" is not {wanted}: {shown[:SNIPPET]}')
