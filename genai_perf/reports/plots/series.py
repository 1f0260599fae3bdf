"""From the journal's columns to what is drawn: values, bins, samples. Pure, vectorised, without plotly.

Pictures of a long run show as much as those of a short one: what happened over time is added up in bins, and
of the points of a scatter a seeded sample is shown, which the picture says. No figure is made from a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.metrics import arrow
from genai_perf.metrics.catalog import CATALOG
from genai_perf.metrics.columns import Columns
from genai_perf.metrics.reading import read_columns
from genai_perf.metrics.stats import Values
from genai_perf.reports import Result
from genai_perf.reports.plots.look import plural
from genai_perf.types import Phase

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.arrow import Bools, Floats, Ints

MOST_POINTS = 5_000
"""In one scatter: what a browser draws at once and an eye can still tell apart."""
MOST_BINS = 120
EVENTS_A_BIN = 20
"""At least, on average: a bin of one token says nothing of a rate."""
FEWEST_BINS = 10


@dataclass(frozen=True, slots=True)
class Run:
    """One run, ready to draw. Instants in ns on the journal's clock."""

    result: Result
    columns: Columns
    """The requests that count."""
    start_ns: Ints
    """When each request that left was sent, whatever became of it, warm-up included …"""
    end_ns: Ints
    """… and when it had ended."""
    failed_ns: Ints
    """When benchmark requests failed …"""
    failed_kind: Ints
    """… and of what, as a place in `kinds`."""
    kinds: tuple[str, ...]
    warmup_ns: tuple[int, int] | None
    """From the first request of the warm-up to the first of the benchmark."""

    @property
    def origin_ns(self) -> int:
        """The first instant that is drawn: 0 s."""
        firsts = [int(column.min()) for column in (self.start_ns, self.failed_ns) if len(column)]
        return min(firsts, default=0)

    @property
    def last_ns(self) -> int:
        """The last instant that is drawn; at least 1 ns after the first."""
        lasts = [int(column.max()) for column in (self.end_ns, self.failed_ns) if len(column)]
        return max([*lasts, self.origin_ns + 1])

    def seconds(self, at_ns: Any) -> Floats:
        """Instants in ns as seconds since the first request."""
        drawn: Floats = (at_ns - self.origin_ns) / NS_PER_S
        return drawn

    def values(self, tag: str) -> Floats | None:
        """A metric's value for each request that counts, in the unit of the reports; NaN where it has none.

        None where the run has none at all.
        """
        if not len(self.columns):
            return None
        metric = CATALOG[tag]
        measured = metric.measure(self.columns)
        if not isinstance(measured, Values):
            return None
        return (measured.value / metric.unit.base).astype("float64")


def read(result: Result) -> Run:
    """What the pictures of a run are made of."""
    import numpy as np

    columns = result.columns or read_columns(
        result.records, count=None, input_tokens=None, use_server_token_count=False, slos={}
    )
    parts = [_read_batch(batch) for batch in result.records.select(_NEEDED).to_batches()]

    def whole(name: str) -> Any:
        return np.concatenate([part[name] for part in parts]) if parts else np.empty(0, np.int64)

    kinds: dict[str, int] = {}
    for part in parts:
        for kind in part["kinds"]:
            kinds.setdefault(kind, len(kinds))
    failed_kind = [np.array([kinds[kind] for kind in part["kinds"]], np.int64) for part in parts]
    phase, start_ns = whole("benchmark"), whole("start_ns")
    warm, counted = start_ns[phase == 0], start_ns[phase == 1]
    return Run(
        result=result,
        columns=columns,
        start_ns=start_ns,
        end_ns=whole("end_ns"),
        failed_ns=whole("failed_ns"),
        failed_kind=np.concatenate(failed_kind) if failed_kind else np.empty(0, np.int64),
        kinds=tuple(kinds),
        warmup_ns=(int(warm.min()), int(counted.min())) if len(warm) and len(counted) else None,
    )


_NEEDED = ["phase", "error_kind", "start_ns", "sent_ns", "end_ns"]


def _read_batch(batch: pa.RecordBatch) -> dict[str, Any]:
    import numpy as np

    benchmark = arrow.equals(batch.column("phase"), Phase.BENCHMARK)
    succeeded = ~arrow.valid(batch.column("error_kind"))
    sent = arrow.numbers(batch.column("sent_ns"))
    end_ns = arrow.numbers(batch.column("end_ns"))
    left = succeeded | (sent > 0)
    failed = np.flatnonzero(benchmark & ~succeeded)
    words, places = arrow.words(batch.column("error_kind"))
    return {
        "benchmark": benchmark[left].astype(np.int64),
        "start_ns": arrow.numbers(batch.column("start_ns"))[left],
        "end_ns": end_ns[left],
        "failed_ns": end_ns[failed],
        "kinds": [words[place] for place in places[failed]],
    }


# -- over time ----------------------------------------------------------------------------------------


def bin_edges(run: Run) -> Ints:
    """Edges of equal bins that tile the run exactly, so that no rate is of a bin half outside it (ns)."""
    import numpy as np

    things = int(run.columns.events.sum()) if len(run.columns) else len(run.failed_ns)
    bins = min(max(things // EVENTS_A_BIN, FEWEST_BINS), MOST_BINS, run.last_ns - run.origin_ns)
    return np.linspace(run.origin_ns, run.last_ns, bins + 1).round().astype(np.int64)


def in_flight(start_ns: Ints, end_ns: Ints, edges: Ints) -> tuple[Floats, Ints]:
    """Requests in flight: the mean over each bin, and the most at any instant of it."""
    import numpy as np

    starts, ends = np.sort(start_ns), np.sort(end_ns)
    # How many have been in flight for how long until each edge, added up; the mean is its slope.
    spent = _time_since(starts, edges) - _time_since(ends, edges)
    mean = np.diff(spent) / np.diff(edges)

    at = np.concatenate([ends, starts])
    change = np.concatenate([np.full(len(ends), -1), np.ones(len(starts), np.int64)])
    order = np.argsort(at, kind="stable")  # at one instant a place is left before it is taken
    at, level = at[order], np.cumsum(change[order])
    after = np.searchsorted(at, edges, side="right")
    carried = np.where(after > 0, level[np.maximum(after - 1, 0)] if len(level) else 0, 0)
    most = carried[:-1].copy()
    bins = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(most) - 1)
    np.maximum.at(most, bins, level)
    return mean, most


def _time_since(sorted_ns: Ints, edges: Ints) -> Floats:
    """For each edge, the time since each of these instants that lies before it, added up (ns)."""
    import numpy as np

    relative = sorted_ns - edges[0]
    passed = np.searchsorted(sorted_ns, edges, side="right")
    total = np.concatenate([[0], np.cumsum(relative)])
    waited: Floats = (passed * (edges - edges[0]) - total[passed]).astype(np.float64)
    return waited


def counts(at_ns: Ints, edges: Ints, weights: Floats | None = None) -> Floats:
    """How many of these instants lie in each bin, or what they weigh; the last edge belongs to its bin."""
    import numpy as np

    bins = np.clip(np.searchsorted(edges, at_ns, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(bins, weights, minlength=len(edges) - 1).astype(np.float64)


def per_second(amounts: Floats, edges: Ints) -> Floats:
    """Amounts in bins as rates."""
    import numpy as np

    rates: Floats = amounts * NS_PER_S / np.diff(edges)
    return rates


def output_tokens(run: Run, edges: Ints) -> Floats | None:
    """Output tokens in each bin, of the requests that count; None where nobody counted tokens.

    The tokenizer counts whole answers; an event gets its share of them by its characters.
    """
    import numpy as np

    tokens = run.columns.output_tokens
    if tokens is None:
        return None
    total, row = np.zeros(len(edges) - 1), 0
    for batch in run.result.records.select(_EVENTS).to_batches():
        at_ns, offsets = arrow.lists(batch.column("content_ns"))
        chars, _ = arrow.lists(batch.column("content_chars"))
        events = np.diff(offsets)
        counted = _benchmark_succeeded(batch) & (events > 0)
        rows = int(counted.sum())
        answers = np.flatnonzero(counted)
        until = np.concatenate([[0], np.cumsum(chars)])
        chars_of = until[offsets[1:][answers]] - until[offsets[:-1][answers]]
        share = np.nan_to_num(tokens[row : row + rows]) / np.maximum(chars_of, 1)
        keep = np.repeat(counted, events)
        total += counts(at_ns[keep], edges, chars[keep] * np.repeat(share, events[answers]))
        row += rows
    return total


_EVENTS = ["phase", "error_kind", "content_ns", "content_chars"]


def _benchmark_succeeded(batch: pa.RecordBatch) -> Bools:
    return arrow.equals(batch.column("phase"), Phase.BENCHMARK) & ~arrow.valid(batch.column("error_kind"))


def binned_percentiles(at: Floats, values: Floats, percents: Sequence[float]) -> tuple[Floats, list[Floats]]:
    """Percentiles of what happened in each of equal bins: their centres, and a line for each percent.

    NaN where a bin is empty; no bins at all where there is too little for three.
    """
    import numpy as np

    known = ~np.isnan(values)
    at, values = at[known], values[known]
    bins = min(len(at) // EVENTS_A_BIN, MOST_BINS // 2)
    if bins < 3:
        return np.empty(0), [np.empty(0) for _ in percents]
    edges = np.linspace(at.min(), at.max(), bins + 1)
    place = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, bins - 1)
    ordered = values[np.lexsort((values, place))]
    sizes = np.bincount(place, minlength=bins)
    begin = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    lines = []
    for percent in percents:
        exact = percent / 100 * np.maximum(sizes - 1, 0)
        low = np.floor(exact).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(sizes - 1, 0))
        first, second = (ordered[np.minimum(begin + each, len(ordered) - 1)] for each in (low, high))
        lines.append(np.where(sizes > 0, first + (exact - low) * (second - first), np.nan))
    return (edges[:-1] + edges[1:]) / 2, lines


# -- points -------------------------------------------------------------------------------------------


def sample(total: int, most: int = MOST_POINTS) -> Ints | slice:
    """Which of `total` points to show: all, or a random sample that is the same each time, in order."""
    import numpy as np

    if total <= most:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(total, most, replace=False, shuffle=False))


def shown_of(total: int, thing: str, most: int = MOST_POINTS) -> str:
    """What a picture says of its points."""
    if total <= most:
        return plural(total, thing)
    return f"showing {most:,} of {plural(total, thing)} (a random sample)"


def percentile_curve(ordered: Floats) -> tuple[Floats, Floats]:
    """Sorted values as a curve: values, and which percentile each is, by the reports' definition.

    Every value where there are few; else as many points, densest at the slow end, where they are read. A
    lonely value is every percentile.
    """
    import numpy as np

    total = len(ordered)
    if total == 1:
        return np.repeat(ordered, 2), np.array([0.0, 100.0])
    if total > _CURVE_POINTS:
        tail = total - np.unique(np.geomspace(1, total, _CURVE_POINTS // 2).round().astype(np.int64))
        even = np.linspace(0, total - 1, _CURVE_POINTS // 2).round().astype(np.int64)
        places = np.unique(np.concatenate([even, tail]))
    else:
        places = np.arange(total)
    return ordered[places], places * 100 / (total - 1)


_CURVE_POINTS = 2_000
