"""The figures of each kind of traffic in a mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from genai_perf.metrics import arrow
from genai_perf.metrics.catalog import CATALOG
from genai_perf.metrics.columns import Columns
from genai_perf.metrics.compute import measure
from genai_perf.metrics.reading import errors_of
from genai_perf.types import Phase, Stats

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One kind of traffic."""

    name: str
    weight: float
    requests: int
    """How many succeeded."""
    metrics: Mapping[str, Stats | float]
    """By tag. Throughputs are over the whole run's time, so that those of all kinds add up."""
    errors: Mapping[str, tuple[int, str]]


def by_class(
    columns: Columns, records: pa.Table, kinds: Mapping[str, Mapping[str, Any]]
) -> Iterator[ClassSummary]:
    """Every kind in the order of its file, with its own SLOs. `kinds` is the run's recorded `traffic`."""
    import numpy as np

    if not kinds:
        return
    names, places = arrow.words(_whole(records, "traffic_class"))
    benchmark = arrow.equals(_whole(records, "phase"), Phase.BENCHMARK)
    for name, kind in kinds.items():
        is_mine = places == (names.index(name) if name in names else -2)
        errors = errors_of(
            _whole(records, "error_kind"),
            _whole(records, "error_message"),
            np.flatnonzero(is_mine & benchmark),
        )
        mine = replace(
            columns.of(np.flatnonzero(is_mine[columns.row])),
            slos=kind["metrics"]["goodput"],
            over_s=columns.duration_s,
            errors=errors,
        )
        yield ClassSummary(name, kind["weight"], len(mine), measure(mine, CATALOG), errors)


def _whole(records: pa.Table, name: str) -> pa.Array:
    import pyarrow as pa

    column = records[name]
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], pa.string())
    return column.combine_chunks()
