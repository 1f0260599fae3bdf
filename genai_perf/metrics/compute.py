"""The summary of a run, from its journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from genai_perf.config.schema import MetricsConfig
from genai_perf.metrics.catalog import CATALOG, Metric, Needs, Unit
from genai_perf.metrics.columns import Columns
from genai_perf.metrics.exactness import exactness
from genai_perf.metrics.notes import notes
from genai_perf.metrics.reading import Count, read_columns
from genai_perf.metrics.stats import Values, describe
from genai_perf.types import RunEnd, RunInfo, Stats, Summary

if TYPE_CHECKING:
    import pyarrow as pa


def compute(
    records: pa.Table,
    info: RunInfo,
    end: RunEnd | None = None,
    *,
    settings: MetricsConfig,
    count: Count | None,
    produces_tokens: bool = True,
    input_tokens: Sequence[int | None] | None = None,
) -> Summary:
    """Everything the reports tell of one run.

    `records` is the journal's table; `count` the run's tokenizer, called on batches of texts, or None to
    go without token figures. `input_tokens`, by row of `inputs.json`, replaces the recorded counts: for
    a report by another tokenizer than the run's.
    """
    columns = read_columns(
        records,
        count=count if produces_tokens else None,
        input_tokens=input_tokens,
        use_server_token_count=settings.use_server_token_count,
        slos=settings.goodput,
    )
    return of_columns(columns, info, end, settings=settings, produces_tokens=produces_tokens)


def of_columns(
    columns: Columns,
    info: RunInfo,
    end: RunEnd | None = None,
    *,
    settings: MetricsConfig,
    produces_tokens: bool = True,
) -> Summary:
    """The same, of columns that are read already and that somebody else wants to see too."""
    return Summary(
        metrics=measure(columns, _tags(produces_tokens)),
        requests=len(columns),
        errors=columns.errors,
        exactness=exactness(columns),
        notes=tuple(notes(columns, info, end, settings, produces_tokens)),
        empty_with_reasoning=columns.empty_with_reasoning,
    )


def measure(columns: Columns, tags: Iterable[str]) -> dict[str, Stats | float]:
    """These metrics, in base units; without those that have no value here."""
    figures = ((tag, _figure(CATALOG[tag], columns)) for tag in tags)
    return {tag: figure for tag, figure in figures if figure is not None}


def _tags(produces_tokens: bool) -> Iterator[str]:
    for tag, metric in CATALOG.items():
        if produces_tokens or Needs.TOKENS not in metric.needs:
            yield tag


def _figure(metric: Metric, columns: Columns) -> Stats | float | None:
    if metric.per == "run":
        number = metric.measure(columns)
        return number if isinstance(number, float) else None
    if not len(columns):
        return None
    values = metric.measure(columns)
    if not isinstance(values, Values):
        return None
    if metric.unit not in (Unit.MS, Unit.MS_PER_IMAGE):
        values = Values(values.value)
    return describe(values)
