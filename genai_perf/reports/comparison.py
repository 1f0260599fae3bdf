"""Several runs side by side: by how much they differ from the first, and whether that is more than they vary.

What is tested, and how, is in `metrics/difference.py`; `METHOD` says it to the reader. Pure: runs go in, rows
come out, and `comparison_files` and the plots write them down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics import arrow, difference
from genai_perf.metrics.catalog import CATALOG, Metric, Shown, Unit, available
from genai_perf.metrics.difference import Interval, Sample
from genai_perf.metrics.stats import Values
from genai_perf.reports import Result
from genai_perf.reports.compared import Run, Setting, settings
from genai_perf.types import BY_PLAN, Phase, Stats

if TYPE_CHECKING:
    from genai_perf.metrics.arrow import Floats, Ints
    from genai_perf.metrics.columns import Columns

METHOD = (
    "better, worse: zero lies outside the 95 % interval of the difference. The interval holds how much "
    "each run varies within itself (20 stretches of consecutive requests, resampled 2,000 times) and what "
    "measuring leaves open. It does not hold what changes from one run to the next: only repeated runs show "
    "that. By chance alone, about one row in 20 is called different."
)


class Verdict(StrEnum):
    """What a difference says."""

    BETTER = "better"
    WORSE = "worse"
    MORE = "more"
    """Of what is neither good nor bad: the length of a prompt or an answer."""
    LESS = "less"
    EQUAL = "equal"
    """The two figures are the same number."""
    OPEN = "not clear"
    """The runs vary by as much."""
    DOUBTFUL = "in doubt"
    """More than the runs vary, but measuring may have made it."""
    FEW = "too few"
    """Too few requests to say."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one figure, from the first run's."""

    amount: float
    """A share of the first run's; of a share, the difference in points, as a share of 1."""
    interval: Interval | None
    """Of `amount`, 95 %."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of all runs; `values` and `differences` run in parallel with the runs."""

    metric: Metric
    statistic: str
    """`avg`, `p50`, …; the one number of a metric of the whole run is its `avg`."""
    values: Sequence[float | None]
    """In base units; None where a run has none."""
    uncertainty: Sequence[float | None]
    """What measuring leaves open, likewise; None where nobody knows."""
    differences: Sequence[Difference | None]
    """None for the first run, and where one of the two has no value."""

    @property
    def heading(self) -> str:
        """The metric, the statistic where there are several, and the unit."""
        of = f" {self.statistic}" if self.metric.per == "request" else ""
        return f"{self.metric.title}{of} ({self.metric.unit.heading})"

    @property
    def is_main(self) -> bool:
        """Whether it stands in the table that is not verbose."""
        if self.metric.unit is Unit.TOKENS:
            return self.statistic == "avg" and self.metric.shown is Shown.TABLE
        return self.metric.per == "run" or (
            self.statistic != "avg" and self.metric.tag not in ("time_to_second_token", _PER_USER)
        )

    @property
    def is_points(self) -> bool:
        """Whether differences are in points of percent, not in percent of the first."""
        return self.metric.unit is Unit.PERCENT


_PER_USER = "output_token_throughput_per_user"


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it."""

    runs: Sequence[Run]
    settings: Sequence[Setting]
    rows: Sequence[Row]
    notes: Sequence[str]


def compare(runs: Sequence[Run]) -> Comparison:
    """The runs, each against the first."""
    rows = [row for row in _rows(runs) if _failed_at_all(row)]
    return Comparison(runs, list(settings(runs)), rows, list(_notes(runs)))


# -- figures ----------------------------------------------------------------------------------------------

STATISTICS = {"avg": None, "p50": 50.0, "p90": 90.0, "p99": 99.0}
_RATES = ("output_token_throughput", "request_throughput", "request_goodput")


def _rows(runs: Sequence[Run]) -> Iterator[Row]:
    for metric in CATALOG.values():
        if metric.per == "request" and metric.shown in (Shown.TABLE, Shown.ADDED):
            yield from _rows_of(metric, runs)
        elif metric.tag in _RATES or metric.tag == "error_rate":
            found = [_rate(metric, run, seed) for seed, run in enumerate(runs)]
            yield from _row(metric, "avg", found)


def _rows_of(metric: Metric, runs: Sequence[Run]) -> Iterator[Row]:
    """A row for each statistic of a metric of requests."""
    found = [_statistics(metric, run, seed) for seed, run in enumerate(runs)]
    for statistic in STATISTICS:
        yield from _row(metric, statistic, [each.get(statistic) for each in found])


_Found = tuple[float, "float | None", "Sample | None"]
"""A figure, its uncertainty, and its resamplings; None where there are too few requests."""


def _row(metric: Metric, statistic: str, found: Sequence[_Found | None]) -> Iterator[Row]:
    """The row; none where no run has the figure."""
    if all(each is None for each in found):
        return
    yield Row(
        metric=metric,
        statistic=statistic,
        values=[each and each[0] for each in found],
        uncertainty=[each and each[1] for each in found],
        differences=[None, *(_difference(metric, found[0], each) for each in found[1:])],
    )


def _difference(metric: Metric, first: _Found | None, other: _Found | None) -> Difference | None:
    if first is None or other is None:
        return None
    is_points = metric.unit is Unit.PERCENT
    if not is_points and first[0] <= 0:
        return None
    amount = other[0] - first[0] if is_points else other[0] / first[0] - 1
    if first[2] is None or other[2] is None:
        return Difference(amount, None, Verdict.FEW)
    between = difference.of_difference if is_points else difference.of_ratio
    interval = between(first[2], other[2])
    return Difference(amount, interval, _verdict(metric, amount, interval))


def _verdict(metric: Metric, amount: float, interval: Interval | None) -> Verdict:
    if amount == 0:
        return Verdict.EQUAL
    if interval is None or interval.is_variation:
        return Verdict.OPEN
    if interval.holds_zero:
        return Verdict.DOUBTFUL
    if metric.unit is Unit.TOKENS or not metric.better:
        return Verdict.MORE if amount > 0 else Verdict.LESS
    return Verdict.BETTER if (amount > 0) == (metric.better == "higher") else Verdict.WORSE


def _statistics(metric: Metric, run: Run, seed: int) -> dict[str, _Found]:
    """Each statistic of a metric of requests; empty where the run has none."""
    import numpy as np

    result = run.result
    stats, columns = result.summary.metrics.get(metric.tag), result.columns
    is_known = available(metric, streaming=result.info.streaming, produces_tokens=result.produces_tokens)
    if not is_known or not isinstance(stats, Stats) or columns is None:
        return {}
    measured = metric.measure(columns)
    assert isinstance(measured, Values)
    values = measured.value.astype(np.float64)
    if len(values) == len(columns):  # not so for how late requests were sent, failed ones included
        values = values[np.argsort(columns.start_ns, kind="stable")]
    values = values[~np.isnan(values)]
    draws = _draws(values, seed)
    found = {}
    for statistic in STATISTICS:
        value = stats.avg if statistic == "avg" else stats.percentiles[statistic]
        open_ = stats.uncertainty[statistic] if stats.uncertainty is not None else None
        resampled = draws.get(statistic)
        sample = None
        if resampled is not None:
            sample = Sample(value, resampled, difference.stretches(len(values)), open_ or 0.0)
        found[statistic] = (value, open_, sample)
    return found


def _draws(values: Floats, seed: int) -> dict[str, Floats]:
    """Each statistic that there are enough values for, in every resampling."""
    if len(values) < difference.FEWEST:
        return {}
    percents = {
        name: percent
        for name, percent in STATISTICS.items()
        if percent is not None and len(values) >= difference.requests_needed(percent)
    }
    drawn = difference.percentiles(values, list(percents.values()), seed)
    return {"avg": difference.averages(values, seed), **dict(zip(percents, drawn, strict=True))}


def _rate(metric: Metric, run: Run, seed: int) -> _Found | None:
    """A figure of the whole run."""
    value = run.result.summary.metrics.get(metric.tag)
    columns = run.result.columns
    if not isinstance(value, float) or columns is None:
        return None
    if metric.tag == "error_rate":
        failed = _failures(run.result)
        draws = difference.averages(failed, seed) if len(failed) >= difference.FEWEST else None
        parts = difference.stretches(len(failed))
    else:
        draws = _rate_draws(metric, columns, seed) if len(columns) > difference.FEWEST else None
        parts = difference.stretches(len(columns) - 1)
    return value, None, None if draws is None else Sample(value, draws, parts)


def _failed_at_all(row: Row) -> bool:
    """Whether a row is worth its place: that nothing failed is said without one."""
    return row.metric.tag != "error_rate" or any(row.values)


def _rate_draws(metric: Metric, columns: Columns, seed: int) -> Floats:
    """A rate in every resampling of stretches of the time between one completion and the next."""
    import numpy as np

    def amount(requests: Ints) -> float:
        """Over one second, a rate is an amount."""
        measured = metric.measure(replace(columns.of(requests), over_s=1.0))
        return measured if isinstance(measured, float) else 0.0

    order = np.argsort(columns.last_ns, kind="stable")
    first, others = order[:1], order[1:]
    parts = np.array_split(others, difference.stretches(len(others)))
    until_ns = np.array([columns.last_ns[part[-1]] for part in parts])
    began_ns, first_ns = int(columns.start_ns.min()), int(columns.last_ns[first[0]])
    return difference.rates(
        amounts=np.array([amount(part) for part in parts]),
        lasted=np.diff(until_ns, prepend=first_ns) / NS_PER_S,
        first=(amount(first), (first_ns - began_ns) / NS_PER_S),
        seed=seed,
    )


def _failures(result: Result) -> Floats:
    """1 for each request that failed and 0 for the others, in the order in which they ended."""
    import numpy as np

    ends, flags = [np.empty(0, np.int64)], [np.empty(0)]
    for batch in result.records.select(["phase", "error_kind", "end_ns"]).to_batches():
        kinds, places = arrow.words(batch.column("error_kind"))
        failed = arrow.valid(batch.column("error_kind"))
        by_plan = np.array([kind in BY_PLAN for kind in kinds] or [False])
        planned = failed & by_plan[np.where(failed, places, 0)]
        counted = arrow.equals(batch.column("phase"), Phase.BENCHMARK) & ~planned
        ends.append(arrow.numbers(batch.column("end_ns"))[counted])
        flags.append(failed[counted].astype(np.float64))
    every: Floats = np.concatenate(flags)[np.argsort(np.concatenate(ends), kind="stable")]
    return every


# -- what else a reader must know -------------------------------------------------------------------------

_FEW_WAVES = 10


def _notes(runs: Sequence[Run]) -> Iterator[str]:
    import numpy as np

    for run in runs:
        yield from (f"{run.label}: {note}" for note in run.result.summary.notes)
        if not run.is_ours:
            yield f"{run.label}: its stamps are of an export; how exact they are is not known."
        columns = run.result.columns
        if columns is None:
            continue
        if len(runs) == 1 or len(columns) < difference.FEWEST:
            continue
        latencies = (columns.last_ns - columns.start_ns).astype(np.float64)
        in_flight = float(latencies.sum()) / NS_PER_S / columns.duration_s if columns.duration_s else 0
        if in_flight > 0 and len(columns) < _FEW_WAVES * in_flight:
            yield (
                f"{run.label}: {len(columns):,} requests at {in_flight:,.0f} in flight are "
                f"{len(columns) / in_flight:.1f} waves: changes between waves are hardly in its intervals."
            )
        if difference.drifts(latencies[np.argsort(columns.start_ns, kind="stable")]):
            yield (
                f"{run.label}: the request latency drifts, neighbouring stretches are alike: its intervals "
                "are too narrow."
            )
