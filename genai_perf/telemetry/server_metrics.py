"""What the servers' own metrics say of a run, beside what we saw of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_perf.metrics.gpu import SERIES as GPU_SERIES
from genai_perf.telemetry.dialects import QUANTITIES, Dialect, Kind, Quantity, Said, dialect_of
from genai_perf.telemetry.windowed import (
    Borders,
    Distribution,
    Growth,
    Level,
    Window,
    borders,
    distribution,
    growth,
    level,
)

if TYPE_CHECKING:
    from genai_perf.telemetry.store import Health, Series, Telemetry

_PERCENTS = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Ours:
    """What this program counted itself, of all benchmark requests that it sent."""

    requests: int = 0
    """That were answered well."""
    failed: int = 0
    tokens: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    """prompt_tokens, uncached_prompt_tokens, output_tokens: how many, and who counted them: `usage` where the
    server said it of every request, else the `tokenizer`."""
    latencies: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Statistics (avg, p50, p90, p99) by tag of our catalog, in ns."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison, in base units (ns, tokens, a share of 1)."""

    quantity: Quantity
    statistic: str
    """avg, p50, p90, p99; max; total."""
    server: float
    low: float
    """The bounds of what the server says: the same where it is exact."""
    high: float
    ours: float | None
    note: str = ""

    @property
    def difference(self) -> float | None:
        """Ours less the server's; 0 where ours lies within its bounds."""
        if self.ours is None:
            return None
        return self.ours - min(max(self.ours, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Page:
    """What one page said, series by series, in its own units."""

    source: str
    server: str
    """The name of its kind; empty where it is not known."""
    health: Health
    levels: Mapping[str, Level]
    """Gauges, by the text of their series."""
    counters: Mapping[str, Growth]
    distributions: Mapping[str, Distribution]
    """Histograms and summaries, without `le` and `quantile`."""


@dataclass(frozen=True, slots=True)
class ServerMetrics:
    """All pages of a run, and the comparison."""

    window: Window
    pages: tuple[Page, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def servers(self) -> str:
        """What was asked, for a heading: `vLLM at localhost:8000`."""
        return ", ".join(
            f"{page.server or 'server'} at {page.source.removeprefix('server:')}" for page in self.pages
        )


def read(
    telemetry: Telemetry, window: Window, ours: Ours, model_names: Sequence[str] = ()
) -> ServerMetrics | None:
    """What the servers' pages say of the window; None where none was sampled."""
    by_source: dict[str, list[Series]] = {}
    for one in telemetry.series():
        if one.name not in GPU_SERIES:
            by_source.setdefault(one.source, []).append(one)
    asked = {name: health for name, health in telemetry.sources.items() if name.startswith("server:")}
    known = {name: series for name, series in by_source.items() if name in asked}
    silent = [name for name, health in asked.items() if health.failures == health.scrapes]
    if not known and not silent:
        return None
    between = borders(telemetry, window)
    dialects = {name: dialect_of([one.name for one in series]) for name, series in known.items()}
    pages = tuple(
        _page(name, series, dialects[name], asked[name], between[name], window)
        for name, series in known.items()
    )
    comparable = [
        (dialect, _of_models(series, dialect, model_names), between[name])
        for name, series in known.items()
        if (dialect := dialects[name]) is not None
    ]
    rows = [row for quantity in QUANTITIES.values() for row in _rows(quantity, comparable, window, ours)]
    return ServerMetrics(window, pages, tuple(rows), tuple(_notes(asked, known, between, pages)))


def _of_models(series: list[Series], dialect: Dialect, model_names: Sequence[str]) -> list[Series]:
    """The series without those of other models than ours: an ensemble's steps, its neighbours.

    All of them where no series names ours: servers call an adapter by its base, or a model by its path.
    """
    ours = {name.lower() for name in model_names}
    named = {
        one.labels[label].lower() for one in series for label in dialect.model_labels if label in one.labels
    }
    if not ours & named:
        return series
    kept = []
    for one in series:
        models = {one.labels[label].lower() for label in dialect.model_labels if label in one.labels}
        if not models or models & ours:
            kept.append(one)
    return kept


_Comparable = Sequence[tuple[Dialect, list["Series"], "Borders | None"]]


def _rows(quantity: Quantity, sources: _Comparable, window: Window, ours: Ours) -> Iterator[Row]:
    found = [
        (said, [one for one in series if _has_labels(one, said)], between)
        for dialect, series, between in sources
        if (said := dialect.said.get(quantity.tag)) is not None
    ]
    if not found:
        return
    said = found[0][0]
    compared = quantity.ours if said.ours is None else said.ours
    match quantity.kind:
        case Kind.DISTRIBUTION:
            yield from _distribution_rows(quantity, found, compared, ours)
        case Kind.LEVEL:
            is_sum = quantity.tag != "kv_cache_usage"
            levels = [
                measured
                for said, series, _ in found
                if (measured := level(_named(series, said.names), window, is_sum=is_sum)) is not None
            ]
            if levels:
                avg = math.fsum(one.avg for one in levels) / (1 if is_sum else len(levels))
                most = (math.fsum if is_sum else max)(one.max for one in levels)
                yield Row(quantity, "avg", avg, avg, avg, None, said.note)
                yield Row(quantity, "max", most, most, most, None, said.note)
        case Kind.COUNT:
            total = _count(found)
            if total is not None:
                counted, by = ours.tokens.get(compared or "", (None, ""))
                if compared == "requests":
                    counted = ours.requests
                note = "ours by the tokenizer" if by == "tokenizer" else said.note
                high = math.inf if total.resets else total.amount
                yield Row(quantity, "total", total.amount, total.amount, high, counted, note)


_Found = Sequence[tuple[Said, list["Series"], "Borders | None"]]


def _distribution_rows(quantity: Quantity, found: _Found, compared: str | None, ours: Ours) -> Iterator[Row]:
    together: Distribution | None = None
    for said, series, between in found:
        if between is None:
            return  # a part of the servers is no comparison
        measured = _distribution(said, series, between)
        if measured is not None:
            together = measured if together is None else together + measured
    if together is None or together.mean is None:
        return
    seen = ours.latencies.get(compared or "", {})
    note = found[0][0].note
    yield Row(quantity, "avg", together.mean, together.mean, together.mean, seen.get("avg"), note)
    for percent in _PERCENTS:
        estimate = together.percentile(percent)
        if estimate is not None:
            name = f"p{percent}"
            yield Row(quantity, name, estimate.value, estimate.low, estimate.high, seen.get(name), note)


def _distribution(said: Said, series: list[Series], between: Borders) -> Distribution | None:
    if said.per:
        total, count = _named(series, said.names), _named(series, said.per)
        if not total or not count:
            return None
        counted = growth(count, between)
        return Distribution(counted.amount, growth(total, between).amount * said.base, {}, counted.resets)
    for name in said.names:
        measured = distribution(name, series, between)
        if measured is not None:
            return measured.scaled(said.base)
    return None


def _count(found: _Found) -> Growth | None:
    together: Growth | None = None
    for said, series, between in found:
        members = _named(series, said.names) or _named(series, [f"{name}_sum" for name in said.names])
        if between is None:
            return None
        if members:
            grown = growth(members, between)
            together = grown if together is None else together + grown
    return together


def _named(series: list[Series], names: Sequence[str]) -> list[Series]:
    """Those of the first name that there is."""
    for name in names:
        if members := [one for one in series if one.name == name]:
            return members
    return []


def _has_labels(one: Series, said: Said) -> bool:
    return all(one.labels.get(label) == value for label, value in (said.labels or {}).items())


def _page(
    source: str,
    series: Sequence[Series],
    dialect: Dialect | None,
    health: Health,
    between: Borders | None,
    window: Window,
) -> Page:
    from genai_perf.telemetry.prometheus import series_text

    levels: dict[str, Level] = {}
    counters: dict[str, Growth] = {}
    families: dict[str, list[Series]] = {}
    for one in series:
        text = series_text(one.name, one.labels)
        if one.type in ("histogram", "summary"):
            labels = {name: value for name, value in one.labels.items() if name not in ("le", "quantile")}
            family = one.name
            for suffix in ("_bucket", "_sum", "_count"):
                family = family.removesuffix(suffix)
            families.setdefault(series_text(family, labels), []).append(one)
        elif one.type == "counter":
            if between is not None:
                counters[text] = growth([one], between)
        elif not one.name.endswith("_created") and (found := level([one], window)) is not None:
            levels[text] = found
    distributions = {}
    if between is not None:
        for text, members in families.items():
            measured = distribution(text.partition("{")[0], members, between)
            if measured is not None and measured.count:
                distributions[text] = measured
    return Page(source, dialect.server if dialect else "", health, levels, counters, distributions)


def _notes(
    asked: Mapping[str, Health],
    known: Mapping[str, object],
    between: Mapping[str, Borders | None],
    pages: Sequence[Page],
) -> Iterator[str]:
    for name, health in asked.items():
        where = name.removeprefix("server:")
        why = max(health.errors, key=lambda error: health.errors[error], default="")
        if name not in known and health.failures:
            yield f"The metrics page at {where} was asked {health.scrapes:,} times and never answered: {why}."
        elif health.failures:
            yield (
                f"The metrics page at {where} did not answer {health.failures:,} of {health.scrapes:,} times "
                f"that it was asked: {why}."
            )
        if name in known and between[name] is None:
            yield (
                f"The metrics page at {where} did not answer right before the first request and after the "
                "last one: what its counters and histograms say of this run is unknown."
            )
    for page in pages:
        if resets := max((one.resets for one in page.counters.values()), default=0):
            yield (
                f"The counters of {page.source.removeprefix('server:')} began anew {resets:,} times during "
                "the run: its server was restarted, and what it says is the least that can have happened."
            )
