"""What was sampled, on disk: a log while the run goes on, and the Arrow file that is made of it.

The sampling process appends to `telemetry.log`, in a form that costs it microseconds and no pyarrow. When the
run is over, or when a run that was killed is read, `convert` makes `telemetry.arrows` of it: an Arrow IPC
stream (zstd) with a row a sample, that joins `records.arrows` by its instants.

    at_ns    int64                     when the source was asked, relative to the run's origin
    source   dictionary<string>        its name
    series   dictionary<string>        name{label="value"}, as the source says it
    type     dictionary<string>        counter, gauge, histogram, summary, unknown
    value    float64

Each time a source is asked there is also a row for `up`: 1, or 0 with the reason as its label, and one for
`scrape_duration_seconds`. (Prometheus keeps the same two.)

The log is a sequence of frames, `length | kind | payload`; a torn one at the end is left out. Kind S declares
a series or a source in JSON, V holds one answer: instant, source, numbers of the series, their values.
"""

from __future__ import annotations

import json
import os
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.exceptions import ArtifactError
from genai_perf.telemetry import Sample
from genai_perf.telemetry.prometheus import parse_series, series_text

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LOG = "telemetry.log"
NAME = "telemetry.arrows"

UP, DURATION = "up", "scrape_duration_seconds"

_FRAME = struct.Struct("<Ic")
_ANSWER = struct.Struct("<qII")
"""at_ns, source, how many values."""
_ROWS_A_BATCH = 65_536
_DICTIONARIES = ("source", "series", "type")


class Log:
    """Writes `telemetry.log`; every answer is in the file when `add` returns. Raises OSError."""

    def __init__(self, path: Path, origin_ns: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._origin_ns = origin_ns
        self._sources: dict[str, int] = {}
        self._series: dict[tuple[str, ...], int] = {}

    def add(
        self, source: str, asked_ns: int, took_ns: int, samples: Iterable[Sample], error: str | None = None
    ) -> None:
        """What a source said when it was asked at `asked_ns` (of the monotonic clock), or why it did not."""
        frames: list[bytes] = []
        numbers, values = array("I"), array("d")
        health = (
            Sample(UP, {"error": error} if error is not None else {}, 0.0 if error is not None else 1.0),
            Sample(DURATION, {}, took_ns / NS_PER_S),
        )
        known = self._series
        for said in (health, samples):
            for name, labels, value, type_ in said:
                key = (name, type_, *labels, *labels.values()) if labels else (name, type_)
                number = known.get(key)
                if number is None:
                    number = known[key] = len(known)
                    series = {"series": series_text(name, labels), "type": type_, "number": number}
                    frames.append(_frame(b"S", json.dumps(series).encode()))
                numbers.append(number)
                values.append(value)
        place = self._sources.get(source)
        if place is None:
            place = self._sources[source] = len(self._sources)
            frames.append(_frame(b"S", json.dumps({"source": source, "number": place}).encode()))
        answer = _ANSWER.pack(asked_ns - self._origin_ns, place, len(numbers))
        frames.append(_frame(b"V", answer + numbers.tobytes() + values.tobytes()))
        self._file.write(b"".join(frames))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _frame(kind: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), kind) + payload


@dataclass(frozen=True, slots=True)
class Series:
    """One series of one source, over time."""

    source: str
    name: str
    labels: Mapping[str, str]
    type: str
    at_ns: NDArray[np.int64]
    """Ascending."""
    value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Health:
    """How asking a source went."""

    scrapes: int
    """How often it was asked."""
    failures: int
    """How often it did not answer."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Why not, and how often."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What was sampled beside a run."""

    table: pa.Table
    sources: Mapping[str, Health]

    def series(self) -> Iterator[Series]:
        """Every series, those of one source together; without `up` and `scrape_duration_seconds`."""
        for one in _all_series(self.table):
            if one.name not in (UP, DURATION):
                yield one

    def answered(self, source: str) -> Sequence[tuple[int, int]]:
        """When a source was asked and when it had answered (ns), each time that it did."""
        up = {
            int(at_ns)
            for one in _all_series(self.table)
            if one.source == source and one.name == UP and not one.labels
            for at_ns in one.at_ns
        }
        return [
            (int(at_ns), int(at_ns) + round(float(took_s) * NS_PER_S))
            for one in _all_series(self.table)
            if one.source == source and one.name == DURATION
            for at_ns, took_s in zip(one.at_ns, one.value, strict=True)
            if int(at_ns) in up
        ]


def read(directory: Path) -> Telemetry | None:
    """What was sampled beside the run in `directory`; None where nothing was.

    A log that a killed run left is converted first. Raises ArtifactError for a file that cannot be read.
    """
    import pyarrow as pa

    if (directory / LOG).exists():
        convert(directory)
    path = directory / NAME
    if not path.exists():
        return None
    batches = []
    try:
        with pa.OSFile(str(path)) as file:
            reader = pa.ipc.open_stream(file)
            with suppress(pa.ArrowInvalid, OSError):  # a torn tail
                batches.extend(reader)
            table = pa.Table.from_batches(batches, _schema())
    except (OSError, pa.ArrowException) as exc:
        raise ArtifactError(f"{path}: not a file of samples of this program: {exc}") from exc
    return Telemetry(table, _health(table))


def convert(directory: Path) -> None:
    """Make the Arrow file of the log, and remove the log; a log in which nothing was said leaves none.

    Raises ArtifactError when the disk does not take it; the log is kept then.
    """
    import pyarrow as pa

    log, path = directory / LOG, directory / NAME
    unfinished = path.with_name(f".{path.name}.part")
    options = pa.ipc.IpcWriteOptions(compression="zstd", emit_dictionary_deltas=True)
    try:
        batches = _batches(log)
        first = next(batches, None)
        if first is not None:
            with (
                pa.OSFile(str(unfinished), "wb") as file,
                pa.ipc.new_stream(file, _schema(), options=options) as writer,
            ):
                writer.write_batch(first)
                for batch in batches:
                    writer.write_batch(batch)
            unfinished.replace(path)
        log.unlink()
    except (OSError, pa.ArrowException) as exc:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        said = os.strerror(exc.errno) if isinstance(exc, OSError) and exc.errno else str(exc)
        raise ArtifactError(
            f"{path}: cannot be written: {said}", hint=f"the samples are kept in {log.name} beside it"
        ) from exc


def _schema() -> pa.Schema:
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [("at_ns", pa.int64()), *((name, words) for name in _DICTIONARIES), ("value", pa.float64())]
    )


class _Columns:
    """The rows of a log on their way into batches."""

    def __init__(self) -> None:
        self.words: dict[str, list[str]] = {"source": [], "series": [], "type": []}
        self.type_of: list[int] = []
        """The place of each series' type."""
        self.parts: list[tuple[int, int, Any, Any]] = []
        self.rows = 0

    def declare(self, declared: Mapping[str, Any]) -> None:
        if "source" in declared:
            self.words["source"].append(declared["source"])
            return
        self.words["series"].append(declared["series"])
        types = self.words["type"]
        if declared["type"] not in types:
            types.append(declared["type"])
        self.type_of.append(types.index(declared["type"]))

    def add(self, payload: bytes) -> None:
        import numpy as np

        at_ns, source, count = _ANSWER.unpack_from(payload)
        start = _ANSWER.size
        numbers = np.frombuffer(payload, np.uint32, count, start)
        values = np.frombuffer(payload, np.float64, count, start + numbers.nbytes)
        self.parts.append((at_ns, source, numbers, values))
        self.rows += count

    def batch(self) -> pa.RecordBatch:
        import numpy as np
        import pyarrow as pa

        sizes = [len(numbers) for _, _, numbers, _ in self.parts]
        series = np.concatenate([numbers for _, _, numbers, _ in self.parts]).astype(np.int32)
        places = {
            "source": np.repeat(np.array([source for _, source, _, _ in self.parts], np.int32), sizes),
            "series": series,
            "type": np.array(self.type_of, np.int32)[series],
        }
        at_ns = np.repeat(np.array([at_ns for at_ns, _, _, _ in self.parts], np.int64), sizes)
        values = np.concatenate([values for _, _, _, values in self.parts])
        columns = [
            pa.array(at_ns),
            *(
                pa.DictionaryArray.from_arrays(
                    pa.array(places[name]), pa.array(self.words[name], pa.string())
                )
                for name in _DICTIONARIES
            ),
            pa.array(values),
        ]
        self.parts, self.rows = [], 0
        return pa.RecordBatch.from_arrays(columns, schema=_schema())


def _batches(log: Path) -> Iterator[pa.RecordBatch]:
    columns = _Columns()
    for kind, payload in _frames(log):
        if kind == b"S":
            columns.declare(json.loads(payload))
            continue
        columns.add(payload)
        if columns.rows >= _ROWS_A_BATCH:
            yield columns.batch()
    if columns.rows:
        yield columns.batch()


def _frames(log: Path) -> Iterator[tuple[bytes, bytes]]:
    with log.open("rb") as file:
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            size, kind = _FRAME.unpack(head)
            payload = file.read(size)
            if len(payload) < size:
                return  # torn: the process was killed while it wrote this
            yield kind, payload


def _all_series(table: pa.Table) -> Iterator[Series]:
    import numpy as np

    if not table.num_rows:
        return
    table = table.unify_dictionaries().combine_chunks()
    columns = {name: table.column(name).chunk(0) for name in table.column_names}
    places = {name: np.asarray(columns[name].indices) for name in _DICTIONARIES}
    words = {name: columns[name].dictionary.to_pylist() for name in _DICTIONARIES}
    at_ns, value = np.asarray(columns["at_ns"]), np.asarray(columns["value"])
    order = np.lexsort((at_ns, places["type"], places["series"], places["source"]))
    keys = np.stack([places[name][order] for name in ("source", "series", "type")])
    borders = np.flatnonzero((keys[:, 1:] != keys[:, :-1]).any(axis=0)) + 1
    for rows in np.split(order, borders):
        source, series, type_ = (words[name][places[name][rows[0]]] for name in _DICTIONARIES)
        name, labels = parse_series(series)
        yield Series(source, name, labels, type_, at_ns[rows], value[rows])


def _health(table: pa.Table) -> dict[str, Health]:
    found: dict[str, Health] = {}
    for one in _all_series(table):
        if one.name != UP:
            continue
        before = found.get(one.source, Health(0, 0))
        asked = len(one.value)
        errors = dict(before.errors)
        if one.labels:
            errors[one.labels["error"]] = errors.get(one.labels["error"], 0) + asked
        found[one.source] = Health(
            before.scrapes + asked, before.failures + (asked if one.labels else 0), errors
        )
    return found
