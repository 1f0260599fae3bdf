"""Runs of one command at several loads, each chosen by how those before it did.

A level is a `profile` run with a directory of its own. With a latency threshold, a level meets it when its
run was measured to the end and its request latency is not above it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from genai_perf.analyze.search import Seen, next_binary, next_linear
from genai_perf.config.latency_report import LatencyReport
from genai_perf.config.levels import Level, Levels
from genai_perf.config.load import Loaded
from genai_perf.config.schema import Config
from genai_perf.exceptions import Interrupted
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.latency import latency_ns

if TYPE_CHECKING:
    from genai_perf.reports import Result
    from genai_perf.reports.latency_report import Row

Then = Callable[["Result", int], None]
"""What is done with a run's result and exit code as soon as they are there."""

Take = Callable[[Config, Then | None], int]
"""Makes a run and reports it; the exit code. None where nobody asks for the result."""


def measure(loaded: Loaded, take: Take) -> int:
    """Make the run, or the runs of all levels one by one: the worst exit code. Raises what `take` does.

    However a search ends, what it has found until then is told.
    """
    levels, course = loaded.levels, _Course(loaded.levels, loaded.report)
    if levels is None:
        return take(loaded.config, course.then(None))
    exit_codes = [0]
    seen: list[Seen] = []
    try:
        while (level := next_level(levels, seen)) is not None:
            exit_codes.append(take(levels.at(loaded.config, level), course.then(level)))
            if exit_codes[-1] == Interrupted.exit_code:
                break
            seen.append(Seen(level, course.meets(level)))
    finally:
        if course.judged:
            print(conclusion(levels, course.judged))  # noqa: T201
    return max(exit_codes)


def next_level(levels: Levels, seen: Sequence[Seen]) -> Level | None:
    """The level to measure now; None when the search is over."""
    if levels.is_binary:
        assert levels.end is not None
        return next_binary(seen, levels.start, levels.end, levels.step)
    return next_linear(seen, levels.start, levels.end, levels.step)


@dataclass(frozen=True, slots=True)
class Judged:
    """A level that was measured, by the latency that its threshold is of."""

    level: Level
    statistic: str
    """`avg`, or a percentile: `p95`."""
    latency_ms: float
    throughput_per_s: float
    meets: bool


@dataclass(slots=True)
class _Course:
    """What the runs have come to so far."""

    levels: Levels | None
    report: LatencyReport | None
    judged: list[Judged] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def then(self, level: Level | None) -> Then | None:
        """What is to be done with the result of the run at that level, if anything is."""
        has_threshold = self.levels is not None and self.levels.threshold_ms is not None
        return partial(self._add, level) if has_threshold or self.report is not None else None

    def _add(self, level: Level | None, result: Result, exit_code: int) -> None:
        """Judge the level, and have it in the CSV. An interrupted run does not stand for its level."""
        if exit_code == Interrupted.exit_code:
            return
        threshold_ms = self.levels.threshold_ms if self.levels is not None else None
        if level is not None and threshold_ms is not None:
            self.judged.append(_judged(level, threshold_ms, result, exit_code))
        if self.report is not None:
            from genai_perf.reports import latency_report

            self.rows.append(latency_report.row(result, verbose=self.report.is_verbose))
            latency_report.write(self.rows, self.report.path)

    def meets(self, level: Level) -> bool:
        """Whether the level met the threshold, where there is one."""
        if self.levels is None or self.levels.threshold_ms is None:
            return True
        return any(each.meets for each in self.judged if each.level == level)


def _judged(level: Level, threshold_ms: float, result: Result, exit_code: int) -> Judged:
    from genai_perf.reports.latency_report import throughput_per_s

    columns = result.columns
    assert columns is not None
    percent = result.option("load", "stability_percentile")
    latency_ms = Unit.MS.of(latency_ns(columns, percent))
    return Judged(
        level=level,
        statistic="avg" if percent is None else f"p{percent}",
        latency_ms=latency_ms,
        throughput_per_s=throughput_per_s(result),
        meets=exit_code == 0 and latency_ms <= threshold_ms,
    )


def conclusion(levels: Levels, judged: Sequence[Judged]) -> str:
    """One line: the highest level that met the threshold, or that none did and how the lowest was."""
    assert levels.threshold_ms is not None

    def told(each: Judged) -> str:
        load = f"{levels.name.replace('_', ' ')} {_number(each.level)}"
        latency = f"request latency {each.statistic} {each.latency_ms:,.2f} ms"
        return f"{load} ({latency}, {each.throughput_per_s:,.2f} requests/sec)"

    within = f"Within {_number(levels.threshold_ms)} ms"
    count = f"{len(judged)} level{'s' * (len(judged) > 1)} measured"
    if good := [each for each in judged if each.meets]:
        best = max(good, key=lambda each: each.level)
        return f"{within}: {told(best)}; the highest that is, of {count}"
    return f"{within}: none of {count}; {told(min(judged, key=lambda each: each.level))}"


def _number(value: float) -> str:
    """`8` for 8.0 as well."""
    return f"{int(value) if value == int(value) else value}"
