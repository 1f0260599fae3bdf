"""One run's files of several runs': the journal, the inputs, and what was sampled beside them.

Rows keep what they say. Only their places change: instants count from one origin, and rows, inputs and
conversations get numbers and names that no other run's have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.analyze.parts import Part
from genai_perf.exceptions import ArtifactError
from genai_perf.types import RunInfo
from genai_perf.workload import inputs_file

if TYPE_CHECKING:
    import msgspec
    import pyarrow as pa

DURATIONS = {"dns_ns", "connect_ns", "tls_ns", "content_lag_ns", "content_slack_ns"}
"""Columns in ns that are no instants, and stay as they are."""


def write(
    path: Path, info: RunInfo, parts: Sequence[Part], shifts_ns: Sequence[int], firsts: Sequence[int]
) -> None:
    """The journal of all parts' rows, one part at a time in memory.

    `shifts_ns` is what each part's instants are to be later by, `firsts` the row of the inputs at which its
    own begin. Raises ArtifactError.
    """
    from genai_perf.engine import journal

    journal.write(path, info, _tables(parts, shifts_ns, firsts))


def _tables(parts: Sequence[Part], shifts_ns: Sequence[int], firsts: Sequence[int]) -> Iterator[pa.Table]:
    rows = 0
    for part, shift_ns, first in zip(parts, shifts_ns, firsts, strict=True):
        table = part.records()
        prefix = f"{part.name}/" if len(parts) > 1 else ""
        yield _placed(table, rows, first, shift_ns, prefix)
        rows += table.num_rows


def _placed(table: pa.Table, rows: int, first: int, shift_ns: int, prefix: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        column = table.column(place)
        if field.name == "index":
            placed = pc.add(column, _number(rows, field.type))
        elif field.name == "input_index":
            placed = pc.add(column, _number(first, field.type))
        elif field.name == "conversation" and prefix:
            placed = pc.binary_join_element_wise(_texts([prefix])[0], column, _texts([""])[0])
        elif field.name == "sent_ns":  # 0 of one that never was
            zero = _number(0, field.type)
            placed = pc.if_else(pc.equal(column, zero), zero, pc.add(column, _number(shift_ns, field.type)))
        elif field.name.endswith("_ns") and field.name not in DURATIONS:
            placed = pa.chunked_array([_later(chunk, shift_ns) for chunk in column.chunks], field.type)
        else:
            continue
        table = table.set_column(place, field, placed)
    return table


def _later(column: pa.Array, shift_ns: int) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_list(column.type):
        return pc.add(column, _number(shift_ns, column.type))
    values = pc.add(column.flatten(), _number(shift_ns, column.type.value_type))
    offsets = pc.subtract(column.offsets, column.offsets[0])
    return pa.ListArray.from_arrays(offsets, values, type=column.type)


def _number(value: int, type_: pa.DataType) -> pa.Scalar:
    """A number of that type; `pa.scalar` would import pandas (0.7 s) on its first call."""
    import numpy as np
    import pyarrow as pa

    data = np.array([value], type_.to_pandas_dtype())
    return pa.Array.from_buffers(type_, 1, [None, pa.py_buffer(data)])[0]


def _texts(texts: Sequence[str]) -> pa.Array:
    """A column of texts, likewise."""
    import numpy as np
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    offsets = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


# -- inputs -----------------------------------------------------------------------------------------------


def write_inputs(path: Path, parts: Sequence[Part]) -> list[int]:
    """One `inputs.json` of all; gives the row at which each part's begin. Equal files stand there once.

    Raises ArtifactError.
    """
    firsts: dict[bytes, int] = {}
    places, rows = [], 0
    try:
        with path.open("wb") as file:
            file.write(b'{"data":[')
            for part in parts:
                own = inputs_file.rows(part.inputs)
                digest = _digest(own)
                if digest not in firsts:
                    firsts[digest] = rows
                    for row in own:
                        file.write(b",\n" if rows else b"\n")
                        file.write(row)
                        rows += 1
                places.append(firsts[digest])
            file.write(b"\n]}")
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
    return places


def _digest(rows: Iterable[msgspec.Raw]) -> bytes:
    whole = hashlib.sha256()
    for row in rows:
        whole.update(row)
    return whole.digest()


# -- telemetry --------------------------------------------------------------------------------------------


def write_telemetry(directory: Path, parts: Sequence[Part], shifts_ns: Sequence[int]) -> None:
    """What was sampled beside the parts, as if beside one run. Raises ArtifactError.

    A source's name that several parts have begins with the part's, so that the GPUs of two hosts, each of
    which calls its own `localhost`, stay apart. One GPU that two sources tell of is known by its UUID.
    """
    from genai_perf.telemetry import store

    sampled = {place: found for place, part in enumerate(parts) if (found := store.read(part.directory))}
    names = [name for found in sampled.values() for name in found.sources]
    tables = []
    for place, found in sampled.items():
        shared = {name for name in found.sources if names.count(name) > 1}
        tables.append(_sampled(found.table, parts[place].name, shared, shifts_ns[place]))
    (directory / store.NAME).unlink(missing_ok=True)  # of what was merged here before
    if tables:
        _write_samples(directory / store.NAME, tables)


def _sampled(table: pa.Table, part: str, shared: set[str], shift_ns: int) -> pa.Table:
    import pyarrow as pa

    table = table.unify_dictionaries().combine_chunks()
    at_ns = table.column("at_ns")
    place = table.schema.get_field_index("at_ns")
    table = table.set_column(
        place, "at_ns", pa.chunked_array([_later(chunk, shift_ns) for chunk in at_ns.chunks], at_ns.type)
    )
    place = table.schema.get_field_index("source")
    field = table.schema.field(place)
    chunks = []
    for chunk in table.column(place).chunks:
        names = [f"{part}/{name}" if name in shared else name for name in chunk.dictionary.to_pylist()]
        chunks.append(pa.DictionaryArray.from_arrays(chunk.indices, _texts(names)))
    return table.set_column(place, field, pa.chunked_array(chunks, field.type))


def _write_samples(path: Path, tables: Sequence[pa.Table]) -> None:
    import pyarrow as pa

    together = pa.concat_tables(tables).unify_dictionaries()
    try:
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_stream(file, together.schema) as writer,
        ):
            writer.write_table(together)
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
