"""What the servers' own metrics say of a run, beside what we saw of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_perf.metrics.gpu import SERIES as GPU_SERIES
from genai_perf.telemetry import kind_of
from genai_perf.telemetry.dialects import QUANTITIES, Dialect, Kind, Quantity, Said, dialect_of
from genai_perf.telemetry.prometheus import series_text
from genai_perf.telemetry.server_pages import place_of
from genai_perf.telemetry.store import all_health
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
        return ", ".join(f"{page.server or 'server'} at {where_of(page.source)}" for page in self.pages)


def read(
    telemetry: Telemetry,
    window: Window,
    ours: Ours,
    model_names: Sequence[str] = (),
    own: Collection[str] = (),
) -> ServerMetrics | None:
    """What the servers' pages say of the window; None where none was sampled.

    `own` is where the endpoint's servers have theirs (`server_pages.own_places`). Where all of them say
    something, what the servers behind them say of the same is not added to it.
    """
    return read_all([(telemetry, window)], ours, model_names, own)


def read_all(
    sampled: Sequence[tuple[Telemetry, Window]],
    ours: Ours,
    model_names: Sequence[str] = (),
    own: Collection[str] = (),
) -> ServerMetrics | None:
    """The same of several windows, each by what was sampled beside it: what servers count is added up."""
    asked = {
        name: health
        for name, health in all_health(telemetry for telemetry, _ in sampled).items()
        if kind_of(name) == "server"
    }
    told = [one for telemetry, window in sampled for one in _told(telemetry, window, model_names)]
    if not told and all(health.failures < health.scrapes for health in asked.values()):
        return None
    is_whole = len({one.window for one in told}) == len(sampled)
    rows = [
        row
        for quantity in QUANTITIES.values()
        if is_whole or quantity.kind is Kind.LEVEL
        for row in _rows(quantity, told, ours, set(own))
    ]
    pages = tuple(
        _page(name, [one for one in told if one.source == name], asked[name])
        for name in dict.fromkeys(one.source for one in told)
    )
    whole = Window(min(window.start_ns for _, window in sampled), max(window.end_ns for _, window in sampled))
    notes = (*_notes(asked, told, pages), *([_IN_PART] if told and not is_whole else []))
    return ServerMetrics(whole, pages, tuple(rows), notes)


_IN_PART = "Servers were sampled beside some of the runs only: what they count is not compared."


@dataclass(frozen=True, slots=True)
class _Told:
    """What one page said in one window."""

    source: str
    window: Window
    between: Borders | None
    dialect: Dialect | None
    series: list[Series]
    ours: list[Series]
    """Those of our models."""


def _told(telemetry: Telemetry, window: Window, model_names: Sequence[str]) -> Iterator[_Told]:
    by_source: dict[str, list[Series]] = {}
    for one in telemetry.series():
        if one.name not in GPU_SERIES and kind_of(one.source) == "server":
            by_source.setdefault(one.source, []).append(one)
    between = borders(telemetry, window)
    for source, series in by_source.items():
        dialect = dialect_of([one.name for one in series])
        ours = _of_models(series, dialect, model_names) if dialect is not None else series
        yield _Told(source, window, between[source], dialect, series, ours)


def _of_models(series: list[Series], dialect: Dialect, model_names: Sequence[str]) -> list[Series]:
    """The series without those of other models than ours: an ensemble's steps, its neighbours.

    All of them where no series names ours: servers call an adapter by its base, or a model by its path. An
    empty name is that of requests which name no model, such as TGI's.
    """
    ours = {name.lower() for name in model_names}
    named = [{one.labels.get(label, "").lower() for label in dialect.model_labels} - {""} for one in series]
    if not ours & set().union(*named):
        return series
    return [one for one, models in zip(series, named, strict=True) if not models or models & ours]


def _rows(quantity: Quantity, told: Sequence[_Told], ours: Ours, own: Set[str]) -> Iterator[Row]:
    found = [
        (said, [series for series in one.ours if _has_labels(series, said)], one)
        for one in told
        if one.dialect is not None and (said := one.dialect.said.get(quantity.tag)) is not None
    ]
    met = [
        (said, series, one)
        for said, series, one in found
        if place_of(one.source) in own and _named(series, [*said.names, *_parts(said)])
    ]
    if own and own == {place_of(one.source) for _, _, one in met}:
        found = met  # what a client meets; those behind it have counted the same requests
    if not found:
        return
    said = found[0][0]
    compared = quantity.ours if said.ours is None else said.ours
    match quantity.kind:
        case Kind.DISTRIBUTION:
            yield from _distribution_rows(quantity, found, compared, ours)
        case Kind.LEVEL:
            levels = list(_levels(quantity, found))
            if levels:
                whole = Level.joined(levels)
                yield Row(quantity, "avg", whole.avg, whole.avg, whole.avg, None, said.note)
                yield Row(quantity, "max", whole.max, whole.max, whole.max, None, said.note)
        case Kind.COUNT:
            total = _count(found)
            if total is not None:
                counted, by = ours.tokens.get(compared or "", (None, ""))
                if compared == "requests":
                    counted = ours.requests
                note = "ours by the tokenizer" if by == "tokenizer" else said.note
                high = math.inf if total.resets else total.amount
                yield Row(quantity, "total", total.amount, total.amount, high, counted, note)


_Found = Sequence[tuple[Said, list["Series"], _Told]]


def _distribution_rows(quantity: Quantity, found: _Found, compared: str | None, ours: Ours) -> Iterator[Row]:
    together: Distribution | None = None
    for said, series, told in found:
        if told.between is None:
            return  # a part of the servers is no comparison
        measured = _distribution(said, series, told.between)
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


def _levels(quantity: Quantity, found: _Found) -> Iterator[tuple[Level, Window]]:
    """Of all servers together, in each window."""
    is_sum = quantity.tag != "kv_cache_usage"
    for window in dict.fromkeys(told.window for _, _, told in found):
        levels = [
            measured
            for said, series, told in found
            if told.window == window
            and (measured := level(_named(series, said.names), window, is_sum=is_sum)) is not None
        ]
        if levels:
            avg, last = (
                math.fsum(each) / (1 if is_sum else len(levels))
                for each in ([one.avg for one in levels], [one.last for one in levels])
            )
            least, most = (math.fsum, math.fsum) if is_sum else (min, max)
            yield Level(avg, least(one.min for one in levels), most(one.max for one in levels), last), window


def _count(found: _Found) -> Growth | None:
    together: Growth | None = None
    for said, series, told in found:
        members = _named(series, [*said.names, *_parts(said)])
        if told.between is None:
            return None
        if members:
            grown = growth(members, told.between)
            together = grown if together is None else together + grown
    return together


def _parts(said: Said) -> list[str]:
    """What a histogram's series are called whose sum is the count."""
    return [f"{name}_sum" for name in said.names]


def _named(series: list[Series], names: Sequence[str]) -> list[Series]:
    """Those of the first name that there is."""
    for name in names:
        if members := [one for one in series if one.name == name]:
            return members
    return []


def _has_labels(one: Series, said: Said) -> bool:
    return all(one.labels.get(label) == value for label, value in (said.labels or {}).items())


def _page(source: str, told: Sequence[_Told], health: Health) -> Page:
    """Of all windows together; counters where they are known in all of them."""
    dialect = next((one.dialect.server for one in told if one.dialect is not None), "")
    levels: dict[str, list[tuple[Level, Window]]] = {}
    counters: dict[str, Growth] = {}
    distributions: dict[str, Distribution] = {}
    for one in told:
        for text, found in _levels_of_page(one):
            levels.setdefault(text, []).append((found, one.window))
    for between, series in ((one.between, one.series) for one in told):
        if between is None:
            return Page(source, dialect, health, _joined(levels), {}, {})
        for text, grown in _counters_of_page(series, between):
            counters[text] = counters[text] + grown if text in counters else grown
        for text, of_family in _distributions_of_page(series, between):
            distributions[text] = distributions[text] + of_family if text in distributions else of_family
    return Page(source, dialect, health, _joined(levels), counters, distributions)


def _joined(levels: Mapping[str, Sequence[tuple[Level, Window]]]) -> dict[str, Level]:
    return {text: Level.joined(of_each) for text, of_each in levels.items()}


_SPREAD = ("histogram", "summary")


def _levels_of_page(told: _Told) -> Iterator[tuple[str, Level]]:
    for one in told.series:
        if one.type in (*_SPREAD, "counter") or one.name.endswith("_created"):
            continue
        if (found := level([one], told.window)) is not None:
            yield series_text(one.name, one.labels), found


def _counters_of_page(series: Sequence[Series], between: Borders) -> Iterator[tuple[str, Growth]]:
    for one in series:
        if one.type == "counter":
            yield series_text(one.name, one.labels), growth([one], between)


def _distributions_of_page(series: Sequence[Series], between: Borders) -> Iterator[tuple[str, Distribution]]:
    families: dict[str, list[Series]] = {}
    for one in series:
        if one.type in _SPREAD:
            labels = {name: value for name, value in one.labels.items() if name not in ("le", "quantile")}
            family = one.name
            for suffix in ("_bucket", "_sum", "_count"):
                family = family.removesuffix(suffix)
            families.setdefault(series_text(family, labels), []).append(one)
    for text, members in families.items():
        measured = distribution(text.partition("{")[0], members, between)
        if measured is not None and measured.count:
            yield text, measured


def _notes(asked: Mapping[str, Health], told: Sequence[_Told], pages: Sequence[Page]) -> Iterator[str]:
    known = {one.source for one in told}
    for name, health in asked.items():
        where = where_of(name)
        why = max(health.errors, key=lambda error: health.errors[error], default="")
        if name not in known and health.failures:
            yield f"The metrics page at {where} was asked {health.often} and never answered: {why}."
        elif health.failures:
            yield (
                f"The metrics page at {where} did not answer {health.failures:,} of {health.scrapes:,} times "
                f"that it was asked: {why}."
            )
        if any(one.source == name and one.between is None for one in told):
            yield (
                f"The metrics page at {where} did not answer right before the first request and after the "
                "last one: what its counters and histograms say of this run is unknown."
            )
    for page in pages:
        if resets := max((one.resets for one in page.counters.values()), default=0):
            yield (
                f"The counters of {where_of(page.source)} began anew {resets:,} times during the run: its "
                "server was restarted, and what it says is the least that can have happened."
            )


def where_of(source: str) -> str:
    """The address in a source's name; a run's name before it stays."""
    return source.replace("server:", "", 1)
