"""The journal: every record of a run, in an Arrow IPC stream that is the run.

One row a request, one column a field of `RequestRecord`; `error` and `usage` are spread over columns of their
own. Rows leave memory as they come, so memory is bounded; the file is complete to the last second when the
program is killed, and `read` takes what is whole of a torn one. The schema's metadata holds the `RunInfo`.
"""

import json
from array import array
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genai_perf.exceptions import ArtifactError
from genai_perf.types import RequestRecord, RunInfo

ROWS_PER_BATCH = 512
TOKENS_PER_BATCH = 4096
"""A batch is written when it holds this much, which takes about a millisecond; and at least each second."""

_INFO_KEY = b"genai_perf"

Cells = Callable[[RequestRecord], Any]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: pa.DataType
    cell: Cells


_COLUMNS = (
    _Column("index", pa.int64(), lambda r: r.index),
    _Column("input_index", pa.int64(), lambda r: r.input_index),
    _Column("conversation", pa.string(), lambda r: r.conversation),
    _Column("turn", pa.int32(), lambda r: r.turn),
    _Column("model", pa.string(), lambda r: r.model),
    _Column("url", pa.string(), lambda r: r.url),
    _Column("phase", pa.string(), lambda r: r.phase),
    _Column("due_ns", pa.int64(), lambda r: r.due_ns),
    _Column("start_ns", pa.int64(), lambda r: r.start_ns),
    _Column("sent_ns", pa.int64(), lambda r: r.sent_ns),
    _Column("end_ns", pa.int64(), lambda r: r.end_ns),
    _Column("dns_ns", pa.int64(), lambda r: r.dns_ns),
    _Column("connect_ns", pa.int64(), lambda r: r.connect_ns),
    _Column("tls_ns", pa.int64(), lambda r: r.tls_ns),
    _Column("headers_ns", pa.int64(), lambda r: r.headers_ns),
    _Column("first_byte_ns", pa.int64(), lambda r: r.first_byte_ns),
    _Column("status", pa.int32(), lambda r: r.status),
    _Column("stamp", pa.string(), lambda r: r.stamp),
    _Column("content_ns", pa.list_(pa.int64()), lambda r: r.content_ns),
    _Column("content_chars", pa.list_(pa.int32()), lambda r: r.content_chars),
    _Column("content_lag_ns", pa.list_(pa.int32()), lambda r: r.content_lag_ns),
    _Column("content_slack_ns", pa.list_(pa.int32()), lambda r: r.content_slack_ns),
    _Column("reasoning_ns", pa.list_(pa.int64()), lambda r: r.reasoning_ns),
    _Column("reasoning_chars", pa.list_(pa.int32()), lambda r: r.reasoning_chars),
    _Column("text", pa.string(), lambda r: r.text),
    _Column("reasoning_text", pa.string(), lambda r: r.reasoning_text),
    _Column("finish_reason", pa.string(), lambda r: r.finish_reason),
    _Column("usage_input_tokens", pa.int64(), lambda r: r.usage and r.usage.input_tokens),
    _Column("usage_output_tokens", pa.int64(), lambda r: r.usage and r.usage.output_tokens),
    _Column("usage_reasoning_tokens", pa.int64(), lambda r: r.usage and r.usage.reasoning_tokens),
    _Column("usage_cached_tokens", pa.int64(), lambda r: r.usage and r.usage.cached_tokens),
    _Column("input_tokens", pa.int64(), lambda r: r.input_tokens),
    _Column("request_bytes", pa.int64(), lambda r: r.request_bytes),
    _Column("response_bytes", pa.int64(), lambda r: r.response_bytes),
    _Column("error_kind", pa.string(), lambda r: r.error and r.error.kind),
    _Column("error_message", pa.string(), lambda r: r.error and r.error.message),
)

SCHEMA = pa.schema([(column.name, column.type) for column in _COLUMNS])


class Journal:
    """Writes `records.arrows`. Raises ArtifactError when the disk does not take it."""

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self._rows: list[RequestRecord] = []
        self._tokens = 0
        schema = SCHEMA.with_metadata({_INFO_KEY: json.dumps(asdict(info))})
        try:
            self._file = path.open("wb", buffering=0)
            self._writer = pa.ipc.new_stream(self._file, schema)
        except OSError as exc:
            raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc

    def append(self, record: RequestRecord) -> None:
        """Keep a record; it is on disk when its batch is full or `flush` is called."""
        self._rows.append(record)
        self._tokens += len(record.content_ns)
        if len(self._rows) >= ROWS_PER_BATCH or self._tokens >= TOKENS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what is kept, as one batch."""
        if not self._rows:
            return
        batch = to_batch(self._rows)
        self._rows, self._tokens = [], 0
        try:
            self._writer.write_batch(batch)
        except OSError as exc:
            raise ArtifactError(
                f"{self.path}: cannot be written: {exc.strerror or exc}",
                hint="the records until here are whole; `genai-perf report` reads them",
            ) from exc

    def close(self) -> None:
        """Write the rest and the end of the stream."""
        try:
            self.flush()
            self._writer.close()
        except OSError as exc:
            raise ArtifactError(f"{self.path}: cannot be written: {exc.strerror or exc}") from exc
        finally:
            self._file.close()


def to_batch(records: Iterable[RequestRecord]) -> pa.RecordBatch:
    """Records as columns."""
    rows = list(records)
    return pa.RecordBatch.from_arrays(
        [_array(column.type, list(map(column.cell, rows))) for column in _COLUMNS], schema=SCHEMA
    )


def read(path: Path) -> tuple[RunInfo, pa.Table]:
    """What a run left, up to the last whole batch. Raises ArtifactError when there is nothing to read."""
    try:
        with pa.OSFile(str(path)) as file:
            reader = pa.ipc.open_stream(file)
            info = RunInfo(**json.loads((reader.schema.metadata or {})[_INFO_KEY]))
            batches = list(_whole_batches(reader))
    except FileNotFoundError as exc:
        raise ArtifactError(
            f"{path}: no such file", hint="give the directory that a run has written"
        ) from exc
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as exc:
        raise ArtifactError(f"{path}: not a journal of this program: {exc}") from exc
    return info, pa.Table.from_batches(batches, SCHEMA)


def _whole_batches(reader: pa.RecordBatchStreamReader) -> Iterable[pa.RecordBatch]:
    while True:
        try:
            yield reader.read_next_batch().replace_schema_metadata(None)
        except (StopIteration, pa.ArrowInvalid, OSError):
            return  # the end, or a batch that a killed run had half written


def _array(type_: pa.DataType, cells: list[Any]) -> pa.Array:
    if not pa.types.is_list(type_):
        return pa.array(cells, type_)
    # Flat buffers are ten times faster than letting Arrow look at lists of lists.
    values = array("q" if type_.value_type == pa.int64() else "i")
    for cell in cells:
        values.extend(cell)
    offsets = np.zeros(len(cells) + 1, np.int32)
    np.cumsum(list(map(len, cells)), out=offsets[1:])
    flat = pa.array(np.frombuffer(values, values.typecode), type_.value_type)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)
