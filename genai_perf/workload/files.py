"""Prompts that are read: from a file of rows, a directory of them, or a data set.

GenAI-Perf's JSONL has `text` (or `text_input`), `image` or `audio` on each line, maybe `output_length`; other
keys are left alone, blank lines are skipped. What other files hold, `columns` finds out. Every error names
file and line.
"""

import logging
import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from genai_perf.config.inputs import CHATS, split
from genai_perf.config.schema import InputConfig
from genai_perf.exceptions import InputError
from genai_perf.types import Turn
from genai_perf.workload import chats, columns, media, tables
from genai_perf.workload.columns import Columns, Row
from genai_perf.workload.tables import Table

__all__ = ["Row", "batches", "conversations", "read", "values"]

NOTICE = logging.INFO + 5
"""What a user should read once: which columns were taken."""

logger = logging.getLogger(__name__)

_Item = TypeVar("_Item")


def conversations(given: InputConfig, takes: Collection[str], *, whole: bool) -> Iterator[tuple[Turn, ...]]:
    """The turns of each row in order, a row at a time; of conversations, unless `whole`, only the first turn.

    `takes` is what can be sent: some of `text`, `image` and `audio`. Says which columns were taken, and at
    the end what was left out. Raises InputError, some of them only when it comes to the row.
    """
    limit = given.row_limit if given.dataset is None else given.num_dataset_entries
    rest = Counter[str]()
    count = 0
    for table in filter(_has_rows, _tables(given)):
        found = _columns(table, given, takes)
        for turns in _turns(table, found, takes, rest, is_own=given.dataset is None):
            yield turns if whole else turns[:1]
            count += 1
            if count == limit:
                break
        if count == limit:
            break
    name = given.dataset or given.file
    if rest:
        what = ", ".join(f"{number:,} {kind}" for kind, number in rest.most_common())
        logger.warning("%s: %s rows taken; among those that were read are %s", name, f"{count:,}", what)
    if not count:
        raise InputError(f"{name}: holds no prompts", hint=_EXAMPLE)


_EXAMPLE = 'write {"text": "…"} on each line, or give a CSV, Parquet or JSON file with a column of prompts'


def _has_rows(table: Table) -> bool:
    return bool(table.columns)


def _tables(given: InputConfig) -> Iterator[Table]:
    if given.dataset is not None:
        from genai_perf.workload import hub_datasets

        yield hub_datasets.table(given)
        return
    kind, name = split(str(given.file))
    kind = "" if kind in CHATS else kind
    for file in tables.files(name, kind):
        yield tables.open_table(file, kind)


def _columns(table: Table, given: InputConfig, takes: Collection[str]) -> Columns:
    said = given.columns
    if not said and given.dataset is not None:
        from genai_perf.workload import hub_rows

        said = hub_rows.columns(given.dataset)
    are_chats = split(given.file or "")[0] in CHATS
    if not said and are_chats:
        known = [name for name in columns.NAMES["messages"] if name in table.columns]
        said = {"messages": known[0]} if known else {}
    found = columns.columns_of(table, said, takes, given.source)
    if are_chats and found.messages is None:
        raise InputError(
            f"--input-file: {table.name}: no column of messages; its columns are {', '.join(table.columns)}",
            hint="name it: --dataset-columns messages:COLUMN",
        )
    if found is not columns.PLAIN and table.kind != "txt":
        logger.log(NOTICE, "%s: %s", table.name, found.told())
    return found


def _turns(
    table: Table, found: Columns, takes: Collection[str], rest: Counter[str], *, is_own: bool
) -> Iterator[tuple[Turn, ...]]:
    """What each row says. Rows without a prompt are counted; where `is_own`, in a file, they are errors."""
    readers = media.readers(table.directory or Path())
    image = readers["image"] if "image" in takes else None
    for where, entry in table.rows(found.names):
        if found.messages is not None:
            messages = columns.messages_of(entry, where, found.messages)
            if turns := chats.turns(messages, where, rest, image):
                yield turns
            continue
        try:
            yield (_turn(columns.row_of(entry, where, found, takes, readers)),)
        except columns.Empty as exc:
            if is_own:
                raise InputError(str(exc)) from exc
            rest["without a prompt"] += 1


def _turn(row: Row) -> Turn:
    return Turn(
        texts=(row.text,) if row.text else (),
        system=row.system,
        images=row.images,
        audio=row.audio,
        max_tokens=row.output_tokens,
        answer=row.answer,
    )


def read(name: str, takes: Collection[str] = ("text",)) -> list[Row]:
    """The rows of a file, or of all files in a directory by name. Raises InputError.

    JSON is read as GenAI-Perf has it, other files by the names of their columns.
    A row must have something of what it `takes`, and text where it can have nothing else; images and audio
    that cannot be sent are an error.
    """
    rows = [row for file in tables.files(name) for row in _rows(file, takes)]
    if not rows:
        example = "text" if "text" in takes else "image"
        raise InputError(f"{name}: holds no prompts", hint=f'write {{"{example}": "…"}} on each line')
    return rows


def _rows(file: Path, takes: Collection[str]) -> Iterator[Row]:
    table = tables.open_table(file)
    if not _has_rows(table):
        return
    is_json = table.kind in ("jsonl", "json")
    found = columns.PLAIN if is_json else columns.columns_of(table, {}, takes, "--input-file")
    readers = media.readers(file.parent)
    for where, entry in table.rows(found.names):
        try:
            yield columns.row_of(entry, where, found, takes, readers)
        except columns.Empty as exc:
            raise InputError(str(exc)) from exc


def values(name: str) -> Iterator[tuple[str, Any]]:
    """(file:line, what the line says in JSON) of each line of a file or directory. Raises InputError."""
    path = Path(name)
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else tables.files(name)
    if not files:
        raise InputError(f"No JSONL files found in directory '{name}'.")
    for where, line in chain.from_iterable(map(tables.lines, files)):
        yield where, tables.json_value(line, where)


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
