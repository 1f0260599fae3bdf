"""What was sampled beside a run, as an Arrow file that joins its records.

When the run is over, or when one that was killed is read, `convert` makes `telemetry.arrows` of the log that
the sampling process has written: an Arrow IPC stream (zstd) with a row a sample.

    at_ns    int64                     when the source was asked, relative to the run's origin
    source   dictionary<string>        its name
    series   dictionary<string>        name{label="value"}, as the source says it
    type     dictionary<string>        counter, gauge, histogram, summary, unknown
    value    float64

Each time a source is asked there is also a row for `up`: 1, or 0 with the reason as its label, and one for
`scrape_duration_seconds`. (Prometheus keeps the same two.)
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.exceptions import ArtifactError
from genai_perf.metrics import arrow
from genai_perf.telemetry.log import ANSWER, DURATION, LOG, UP, frames
from genai_perf.telemetry.prometheus import parse_series

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

NAME = "telemetry.arrows"

_ROWS_A_BATCH = 65_536
_DICTIONARIES = ("source", "series", "type")


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

    @property
    def often(self) -> str:
        """How often it was asked, in words."""
        return "once" if self.scrapes == 1 else f"{self.scrapes:,} times"

    def __add__(self, other: Health) -> Health:
        """Of both times that it was asked."""
        errors = Counter(self.errors) + Counter(other.errors)
        return Health(self.scrapes + other.scrapes, self.failures + other.failures, dict(errors))


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

    def answered(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """When each source was asked and when it had answered (ns), each time that it did."""
        up: dict[str, set[int]] = {}
        took: dict[str, list[tuple[int, int]]] = {}
        for one in _all_series(self.table):
            if one.name == UP and not one.labels:
                up[one.source] = set(one.at_ns.tolist())
            elif one.name == DURATION:
                took[one.source] = [
                    (at_ns, at_ns + round(took_s * NS_PER_S))
                    for at_ns, took_s in zip(one.at_ns.tolist(), one.value.tolist(), strict=True)
                ]
        return {
            source: [(at_ns, by_ns) for at_ns, by_ns in took[source] if at_ns in instants]
            for source, instants in up.items()
        }


def all_health(sampled: Iterable[Telemetry]) -> dict[str, Health]:
    """How asking each source went, in all of these."""
    found: dict[str, Health] = {}
    for telemetry in sampled:
        for name, health in telemetry.sources.items():
            found[name] = found[name] + health if name in found else health
    return found


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

        at_ns, source, count = ANSWER.unpack_from(payload)
        start = ANSWER.size
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
            _array(pa.int64(), at_ns),
            *(
                pa.DictionaryArray.from_arrays(
                    _array(pa.int32(), places[name]), arrow.texts(self.words[name])
                )
                for name in _DICTIONARIES
            ),
            _array(pa.float64(), values),
        ]
        self.parts, self.rows = [], 0
        return pa.RecordBatch.from_arrays(columns, schema=_schema())


def _array(type_: pa.DataType, cells: NDArray[Any]) -> pa.Array:
    """A column from raw buffers: `pa.array` would import pandas (0.8 s) on its first call."""
    import pyarrow as pa

    return pa.Array.from_buffers(type_, len(cells), [None, pa.py_buffer(cells)])


def _batches(log: Path) -> Iterator[pa.RecordBatch]:
    columns = _Columns()
    for kind, payload in frames(log):
        if kind == b"S":
            columns.declare(json.loads(payload))
            continue
        columns.add(payload)
        if columns.rows >= _ROWS_A_BATCH:
            yield columns.batch()
    if columns.rows:
        yield columns.batch()


def _all_series(table: pa.Table) -> Iterator[Series]:
    import numpy as np

    if not table.num_rows:
        return
    table = table.unify_dictionaries().combine_chunks()
    columns = {name: table.column(name).chunk(0) for name in table.column_names}
    places = {name: arrow.numbers(columns[name].indices) for name in _DICTIONARIES}
    words = {name: columns[name].dictionary.to_pylist() for name in _DICTIONARIES}
    at_ns, value = arrow.numbers(columns["at_ns"]), arrow.numbers(columns["value"])
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
        asked = len(one.value)
        health = Health(asked, asked, {one.labels["error"]: asked}) if one.labels else Health(asked, 0)
        found[one.source] = found[one.source] + health if one.source in found else health
    return found
