"""What was sampled beside a run that was made of several: by the stretches of time in which they measured.

Merging cuts out the time in which no run measured, so what a run's sources said before its first request and
after its last one has instants that belong to another run. Hence each stretch is read by itself, with the
samples of its own runs, and the figures are added up. `analyze.merged_telemetry` tells which those are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.metrics import arrow
from genai_perf.metrics.sampled import Stretch
from genai_perf.telemetry.store import Health, Telemetry
from genai_perf.telemetry.windowed import Window

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.arrow import Ints


_GAP_NS = NS_PER_S
"""More than the clocks of two machines differ by, less than a reading reaches."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was sampled beside the requests of one stretch of time."""

    telemetry: Telemetry
    measured: Stretch
    """From the first request to the last content."""
    sent: Window
    """From the first request to the end of the last one, whether they were answered or not."""


def apart(telemetry: Telemetry, described: Sequence[Mapping[str, Any]]) -> list[Sampled]:
    """Every stretch that a merged run describes, in order.

    `described` has for each of them `measured_ns`, `sent_ns`, and `sources`: by the name that a source is
    shown with, its names in the runs that asked it.
    """
    return [
        Sampled(_of(telemetry, each["sources"]), Stretch(*each["measured_ns"]), Window(*each["sent_ns"]))
        for each in described
    ]


def _of(telemetry: Telemetry, sources: Mapping[str, Sequence[str]]) -> Telemetry:
    """The samples of these sources alone, under the names that they are shown with."""
    import numpy as np

    table = telemetry.table.unify_dictionaries().combine_chunks()
    known = {shown: [name for name in names if name in telemetry.sources] for shown, names in sources.items()}
    health = {
        shown: sum((telemetry.sources[name] for name in names), Health(0, 0))
        for shown, names in known.items()
        if names
    }
    if not health:
        return Telemetry(table.slice(0, 0), {})
    column = table.column("source").chunk(0)
    words, places = arrow.words(column)
    at_ns = arrow.numbers(table.column("at_ns").chunk(0))
    rows, shown_places = [], []
    for number, shown in enumerate(health):
        answered = [name for name in known[shown] if _has_answered(telemetry.sources[name])]
        names = answered or known[shown][:1]
        for kept in _one_at_a_time([np.flatnonzero(places == words.index(name)) for name in names], at_ns):
            rows.append(kept)
            shown_places.append(np.full(len(kept), number, np.int32))
    taken = arrow.take(table, np.concatenate(rows).astype(np.int64))
    return Telemetry(_renamed(taken, list(health), np.concatenate(shown_places)), health)


def _has_answered(health: Health) -> bool:
    return health.failures < health.scrapes


def _one_at_a_time(of_each: Sequence[Ints], at_ns: Ints) -> list[Ints]:
    """Rows of one source that several runs asked: at each time those of one run, an earlier one's first.

    Where they meet, some are left out: the clocks of two machines differ by a little, and a counter that
    seems to fall would be taken for one that was reset.
    """
    kept: list[Ints] = []
    for rows in sorted(of_each, key=lambda rows: int(at_ns[rows[0]])):
        if not kept:
            kept.append(rows)
            continue
        first_ns, until_ns = int(at_ns[rows].min()), int(at_ns[kept[-1]].max())
        if int(at_ns[rows].max()) <= until_ns:
            continue  # it says nothing more
        if first_ns <= until_ns:
            middle_ns, half_ns = (first_ns + until_ns) // 2, min(until_ns - first_ns, _GAP_NS) // 2
            kept[-1] = kept[-1][at_ns[kept[-1]] <= middle_ns - half_ns]
            rows = rows[at_ns[rows] >= middle_ns + half_ns]
        kept.append(rows)
    return kept


def _renamed(table: pa.Table, names: Sequence[str], places: Ints) -> pa.Table:
    import pyarrow as pa

    place = table.schema.get_field_index("source")
    indices = pa.Array.from_buffers(pa.int32(), len(places), [None, pa.py_buffer(places)])
    column = pa.DictionaryArray.from_arrays(indices, arrow.texts(names))
    return table.set_column(place, table.schema.field(place), column)
