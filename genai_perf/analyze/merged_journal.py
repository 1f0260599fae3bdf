"""One run's files of several runs': the journal and the inputs.

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
from genai_perf.metrics import arrow
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
            placed = pc.binary_join_element_wise(arrow.texts([prefix])[0], column, arrow.texts([""])[0])
        elif field.name == "sent_ns":  # 0 of one that never was
            zero = _number(0, field.type)
            placed = pc.if_else(pc.equal(column, zero), zero, pc.add(column, _number(shift_ns, field.type)))
        elif field.name.endswith("_ns") and field.name not in DURATIONS:
            placed = pa.chunked_array([later(chunk, shift_ns) for chunk in column.chunks], field.type)
        else:
            continue
        table = table.set_column(place, field, placed)
    return table


def later(column: pa.Array, shift_ns: int) -> pa.Array:
    """Instants, or lists of them, later by so much (ns)."""
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
