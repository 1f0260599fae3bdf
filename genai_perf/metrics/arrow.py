"""Arrow columns as numpy arrays, straight from their buffers.

Arrow's own conversions import pandas when first used, which takes most of a second where it is installed;
so nothing here hands Arrow a Python or numpy value or asks it for one by `to_numpy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    ArrayOrTable = TypeVar("ArrayOrTable", pa.Array, pa.Table)

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def numbers(column: pa.Array) -> NDArray[Any]:
    """The values of a column of numbers, without a copy; arbitrary where one is null."""
    import numpy as np

    data = column.buffers()[1]
    if data is None or not len(column):
        return np.empty(0, column.type.to_pandas_dtype())
    width = column.type.bit_width // 8
    return np.frombuffer(data, column.type.to_pandas_dtype(), count=len(column), offset=column.offset * width)


def valid(column: pa.Array) -> Bools:
    """Which entries are not null."""
    import numpy as np

    bitmap = column.buffers()[0]
    if bitmap is None or not column.null_count:
        return np.ones(len(column), np.bool_)
    bits = np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].astype(np.bool_)


def optional(column: pa.Array) -> Floats:
    """The values of a column of numbers; NaN where one is null."""
    import numpy as np

    values = numbers(column).astype(np.float64)
    values[~valid(column)] = np.nan
    return values


def lists(column: pa.Array) -> tuple[NDArray[Any], Ints]:
    """The entries of all lists of a column, one after another, and where each list begins and ends."""
    import numpy as np

    offsets = numbers(column.offsets).astype(np.int64)
    entries = numbers(column.values)
    if not len(offsets):
        return entries[:0], np.zeros(1, np.int64)
    return entries[offsets[0] : offsets[-1]], offsets - offsets[0]


def texts(entries: Sequence[str]) -> pa.Array:
    """A column of these texts; what is no UTF-8 is replaced."""
    import numpy as np
    import pyarrow as pa

    encoded = [entry.encode("utf-8", "replace") for entry in entries]
    ends = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(entry) for entry in encoded], out=ends[1:])
    return pa.Array.from_buffers(
        pa.string(), len(encoded), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    )


def sizes(column: pa.Array) -> Ints:
    """How many bytes each entry of a column of strings has; 0 where it is null."""
    import numpy as np

    _, offsets, _ = column.buffers()
    if offsets is None or not len(column):
        return np.zeros(len(column), np.int64)
    ends = np.frombuffer(offsets, np.int32, count=len(column) + 1, offset=column.offset * 4)
    return np.diff(ends).astype(np.int64)


def words(column: pa.Array) -> tuple[list[str], Ints]:
    """A column of recurring strings: its words, and the number of each entry's; -1 where it is null."""
    import numpy as np
    import pyarrow as pa

    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    known: list[str] = encoded.dictionary.to_pylist()
    return known, np.where(valid(encoded.indices), numbers(encoded.indices), -1)


def equals(column: pa.Array, word: str) -> Bools:
    """Whether each entry is this word."""
    import numpy as np

    known, places = words(column)
    found: Bools = places == known.index(word) if word in known else np.zeros(len(column), np.bool_)
    return found


def take(column: ArrayOrTable, rows: Ints) -> ArrayOrTable:
    """These rows of a column or a table."""
    import pyarrow as pa

    return column.take(pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)]))
