"""The journal: every record of a run, in an Arrow IPC stream that is the run.

One row a request, one column a field of `RequestRecord`; `error` and `usage` are spread over columns of their
own. Rows leave memory as they come, so memory is bounded; the file is complete to the last second when the
program is killed, and `read` takes what is whole of a torn one. The schema's metadata holds the `RunInfo`.
"""

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from genai_perf.exceptions import ArtifactError
from genai_perf.types import Break, RequestRecord, RunInfo, Usage

ROWS_PER_BATCH = 256
TOKENS_PER_BATCH = 2048
"""A batch is written when it holds this much, which takes about a millisecond; and at least each second."""

_BYTES_PER_STEP = 32_768

_ELSEWHERE = "--artifact-dir names another place"
_WHOLE_UNTIL_HERE = "what was written before is whole; `genai-perf report` reads it"
_INFO_KEY = b"genai_perf"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"
_INT32_MAX = 2**31 - 1

_LIST_64, _LIST_32 = pa.list_(pa.int64()), pa.list_(pa.int32())

_COLUMNS = {
    # one a field of RequestRecord, in its order
    "index": pa.int64(),
    "input_index": pa.int64(),
    "conversation": pa.string(),
    "turn": pa.int32(),
    "model": pa.string(),
    "url": pa.string(),
    "traffic_class": pa.string(),
    "phase": pa.string(),
    "due_ns": pa.int64(),
    "start_ns": pa.int64(),
    "sent_ns": pa.int64(),
    "end_ns": pa.int64(),
    "dns_ns": pa.int64(),
    "connect_ns": pa.int64(),
    "tls_ns": pa.int64(),
    "headers_ns": pa.int64(),
    "first_byte_ns": pa.int64(),
    "status": pa.int32(),
    "stamp": pa.string(),
    "content_ns": _LIST_64,
    "content_chars": _LIST_32,
    "content_lag_ns": _LIST_32,
    "content_slack_ns": _LIST_32,
    "reasoning_ns": _LIST_64,
    "reasoning_chars": _LIST_32,
    "tool_ns": _LIST_64,
    "tool_chars": _LIST_32,
    "text": pa.string(),
    "reasoning_text": pa.string(),
    "tool_text": pa.string(),
    "finish_reason": pa.string(),
    "input_tokens": pa.int64(),
    "images": pa.int32(),
    "request_bytes": pa.int64(),
    "response_bytes": pa.int64(),
    # the last two fields, spread
    "usage_input_tokens": pa.int64(),
    "usage_output_tokens": pa.int64(),
    "usage_reasoning_tokens": pa.int64(),
    "usage_cached_tokens": pa.int64(),
    "error_kind": pa.string(),
    "error_message": pa.string(),
}
_NO_USAGE = Usage()

SCHEMA = pa.schema(list(_COLUMNS.items()))

_LATER = {"traffic_class", "tool_ns", "tool_chars", "tool_text", "images"}
"""Columns that journals of earlier versions do not have; they are read as empty, or unknown."""

_SPREAD = 6
"""Columns that the last two fields are spread over."""
_CONTENT = SCHEMA.get_field_index("content_ns")
_LIST_PLACES = [place for place, type_ in enumerate(SCHEMA.types) if pa.types.is_list(type_)]


class Journal:
    """Writes `records.arrows`. Raises ArtifactError when the disk does not take it."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self._kept = _Batch()
        self._is_broken = False
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as exc:
            raise self._refused(exc, _ELSEWHERE) from exc
        try:
            self._write(_schema(info).serialize())
        except ArtifactError as exc:
            self._file.close()
            raise ArtifactError(exc.message, hint=_ELSEWHERE) from exc

    @property
    def is_full(self) -> bool:
        """Whether what is kept makes a batch; time for `writing`."""
        return len(self._kept.rows) >= ROWS_PER_BATCH or self._kept.tokens >= TOKENS_PER_BATCH

    def take_over(self, records: pa.Table, path: Path) -> None:
        """Begin with another journal's records, and then take its place, `path`."""
        for batch in records.to_batches():
            self._write(batch.serialize())
        try:
            self.path.replace(path)
        except OSError as exc:
            raise self._refused(exc, _ELSEWHERE) from exc
        self.path = path

    def append(self, record: RequestRecord) -> None:
        """Keep a record; it is on disk after the next `flush` or `writing`."""
        self._kept.add(record)

    def writing(self) -> Iterator[None]:
        """Write what is kept, as one batch: in steps, because all of them take milliseconds."""
        batch, self._kept = self._kept, _Batch()
        if not batch.rows:
            return
        columns = []
        for column in batch.columns():
            columns.append(column)
            yield
        message = memoryview(pa.RecordBatch.from_arrays(columns, schema=SCHEMA).serialize())
        for start in range(0, len(message), _BYTES_PER_STEP):
            yield
            self._write(message[start : start + _BYTES_PER_STEP])

    def flush(self) -> None:
        """Write what is kept, at once."""
        for _ in self.writing():
            pass

    def close(self) -> None:
        """Write the rest and the end of the stream; after a failure, only give the file back."""
        try:
            if not self._is_broken:
                self.flush()
                self._write(_END_OF_STREAM)
        finally:
            self._file.close()

    def _write(self, message: memoryview | pa.Buffer | bytes) -> None:
        left = memoryview(message)
        try:
            while left:  # a disk that is nearly full takes a part
                left = left[self._file.write(left) :]
        except OSError as exc:
            self._is_broken = True
            raise self._refused(exc, _WHOLE_UNTIL_HERE) from exc

    def _refused(self, exc: OSError, hint: str) -> ArtifactError:
        return ArtifactError(f"{self.path}: cannot be written: {exc.strerror or exc}", hint=hint)


class _Batch:
    """Records on their way into columns. Lists are flattened at once, so that no step of writing is long."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.spread: list[tuple[Any, ...]] = []
        self.lists = {place: _Lists(array("q"), array("i", (0,))) for place in _LIST_PLACES}

    @property
    def tokens(self) -> int:
        """How many content events the records have."""
        return len(self.lists[_CONTENT].values)

    def add(self, record: RequestRecord) -> None:
        """Keep a record."""
        cells = msgspec.structs.astuple(record)
        self.rows.append(cells)
        usage, error = record.usage or _NO_USAGE, record.error
        self.spread.append(
            (
                usage.input_tokens,
                usage.output_tokens,
                usage.reasoning_tokens,
                usage.cached_tokens,
                error and error.kind,
                error and error.message,
            )
        )
        for place, (values, ends) in self.lists.items():
            if items := cells[place]:
                values.extend(items)
            ends.append(len(values))

    def columns(self) -> Iterator[pa.Array]:
        """One after another, in the schema's order."""
        own, spread = list(zip(*self.rows)), list(zip(*self.spread))
        cells = own[: len(SCHEMA) - _SPREAD] + spread
        for place, type_ in enumerate(SCHEMA.types):
            if place in self.lists:
                yield _list_array(type_, *self.lists[place])
            else:
                yield _array(type_, cells[place])


class _Lists(NamedTuple):
    values: "array[int]"
    ends: "array[int]"
    """Where each list ends; begins with a zero."""


def write(path: Path, info: RunInfo, tables: Iterable[pa.Table]) -> None:
    """A whole journal of rows that were in journals before. Raises ArtifactError."""
    try:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, _schema(info)) as writer:
            for table in tables:
                writer.write_table(table, max_chunksize=ROWS_PER_BATCH)
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}", hint=_ELSEWHERE) from exc


def _schema(info: RunInfo) -> pa.Schema:
    return SCHEMA.with_metadata({_INFO_KEY: json.dumps(asdict(info))})


def read(path: Path) -> tuple[RunInfo, pa.Table]:
    """What a run left, up to the last whole batch. Raises ArtifactError when there is nothing to read."""
    try:
        with pa.OSFile(str(path)) as file:
            reader = pa.ipc.open_stream(file)
            info = _info(json.loads((reader.schema.metadata or {})[_INFO_KEY]))
            written = reader.schema.remove_metadata()
            table = _with_later_columns(pa.Table.from_batches(_whole_batches(reader), written))
    except FileNotFoundError as exc:
        raise ArtifactError(
            f"{path}: no such file", hint="give the directory that a run has written"
        ) from exc
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as exc:
        raise ArtifactError(f"{path}: not a journal of this program: {exc}") from exc
    return info, table


def _info(document: dict[str, Any]) -> RunInfo:
    return RunInfo(**{**document, "breaks": tuple(Break(**each) for each in document.get("breaks", ()))})


def _whole_batches(reader: pa.RecordBatchStreamReader) -> Iterable[pa.RecordBatch]:
    while True:
        try:
            yield reader.read_next_batch().replace_schema_metadata(None)
        except (StopIteration, pa.ArrowInvalid, OSError):
            return  # the end, or a batch that a killed run had half written


def _with_later_columns(table: pa.Table) -> pa.Table:
    """The table in today's schema. Raises ValueError when its columns are others."""
    for place, field in enumerate(SCHEMA):
        if field.name in _LATER and field.name not in table.column_names:
            table = table.add_column(place, field, _emptiness(field.type, len(table)))
    if table.schema != SCHEMA:
        raise ValueError("its columns are others")
    return table


def _emptiness(type_: pa.DataType, rows: int) -> pa.Array:
    """As many empty lists, empty strings, or unknown numbers."""
    if pa.types.is_list(type_):
        return _list_array(type_, array("q"), array("i", (0,)) * (rows + 1))
    return _constant(type_, "" if type_ == pa.string() else None, rows)


def _array(type_: pa.DataType, cells: Sequence[Any]) -> pa.Array:
    """Cells as a column, from raw buffers: `pa.array` would import pandas (0.8 s) on its first call."""
    if cells.count(cells[0]) == len(cells):  # one model, one URL, no errors, …: most columns of most batches
        return _constant(type_, cells[0], len(cells))
    validity = None
    if None in cells:
        validity = pa.py_buffer(np.packbits([cell is not None for cell in cells], bitorder="little"))
        cells = [cell or 0 for cell in cells] if type_ != pa.string() else [cell or "" for cell in cells]
    if type_ == pa.string():
        texts = [_utf8(cell) for cell in cells]
        buffers = [validity, _offsets(texts), pa.py_buffer(b"".join(texts))]
    else:
        buffers = [validity, pa.py_buffer(np.array(cells, type_.to_pandas_dtype()))]
    return pa.Array.from_buffers(type_, len(cells), buffers)


def _list_array(type_: pa.DataType, flat: "array[int]", ends: "array[int]") -> pa.Array:
    values = np.frombuffer(flat, np.int64)
    if type_ == _LIST_32:  # 2.1 s of lag or slack and more are all the same
        values = np.minimum(values, _INT32_MAX).astype(np.int32)
    child = pa.Array.from_buffers(type_.value_type, len(values), [None, pa.py_buffer(values)])
    return pa.Array.from_buffers(type_, len(ends) - 1, [None, pa.py_buffer(ends)], children=[child])


def _constant(type_: pa.DataType, cell: Any, rows: int) -> pa.Array:
    if cell is None:
        return pa.nulls(rows, type_)
    if type_ == pa.string():
        text = _utf8(cell)
        offsets = np.arange(rows + 1, dtype=np.int32) * len(text)
        return pa.Array.from_buffers(type_, rows, [None, pa.py_buffer(offsets), pa.py_buffer(text * rows)])
    return pa.Array.from_buffers(
        type_, rows, [None, pa.py_buffer(np.full(rows, cell, type_.to_pandas_dtype()))]
    )


def _utf8(text: str) -> bytes:
    """A lone surrogate is no character; a server that sends one must not cost the batch."""
    return text.encode("utf-8", "replace")


def _offsets(cells: Sequence[Sized]) -> pa.Buffer:
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, cells), np.int32, len(cells)), out=offsets[1:])
    return pa.py_buffer(offsets)
