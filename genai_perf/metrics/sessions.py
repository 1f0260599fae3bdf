"""GenAI-Perf's metrics of each conversation by itself (spec: per-session statistics)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from genai_perf.metrics import arrow
from genai_perf.metrics.columns import Columns
from genai_perf.metrics.compute import measure
from genai_perf.types import Stats

if TYPE_CHECKING:
    import pyarrow as pa


def by_session(
    columns: Columns, records: pa.Table, tags: Sequence[str]
) -> Iterator[tuple[str, dict[str, Stats | float]]]:
    """(name, these metrics) of every conversation with an answer that counts, as they began.

    A throughput is over the conversation's own time, from its first request to its last answer, thinking
    included.
    """
    import numpy as np

    if not len(columns):
        return
    taken = arrow.take(records.select(["conversation"]), columns.row)["conversation"]
    names, places = arrow.words(taken.combine_chunks())
    order = np.argsort(places, kind="stable")
    borders = np.flatnonzero(np.diff(places[order])) + 1
    groups = np.split(order, borders)
    for group in sorted(groups, key=lambda group: int(columns.start_ns[group].min())):
        yield names[places[group[0]]], measure(columns.of(group), tags)
