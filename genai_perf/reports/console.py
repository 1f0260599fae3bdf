"""The table on stdout, as GenAI-Perf's users know it, and under it what it is made of and how exact it is.

On a terminal the table fits itself to the width, down to 80 columns: values are never wrapped or cut; the
names are, and if that is not enough the last percentiles are left out. Anywhere else it is 120 wide.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import CATALOG, Metric, Shown, Unit, available
from genai_perf.metrics.exactness import sentence
from genai_perf.reports import Result, batches, classes, gpus, models, server_metrics, terminal
from genai_perf.reports.csv_file import cell, shown
from genai_perf.types import BY_PLAN

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLUMNS = ("avg", "min", "max", "p99", "p90", "p75")
NAME_WIDTH = 36
"""Where GenAI-Perf wraps a metric's name."""
LEAST_NAME_WIDTH = 17
"""Room for "(tokens/sec/user)"."""

_COUNTED_BY = {
    "local": "local files",
    "cache": "from the local cache",
    "hub": "from the hub",
    "builtin": "the built-in tokenizer",
}


def write(
    result: Result,
    directory: Path,
    *,
    verbose: bool = False,
    file: TextIO | None = None,
    width: int | None = None,
) -> None:
    """Prints the run's table to stdout, or to `file`; `directory` is where its files are.

    `verbose` adds our further metrics, what GPUs and servers say, and the measurement windows. `width` is for
    tests; the terminal's is taken otherwise.
    """
    console = terminal.opened(file, width)
    console.print(_table(result, console, verbose))
    if result.classes:
        for table in classes.tables(result, console.width):
            console.print(table)
    if verbose and result.batches:
        console.print(batches.table(result))
    if verbose and result.gpus is not None:
        console.print(gpus.table(result.gpus, COLUMNS, console.width))
    if verbose and (served := models.of(result)):
        console.print(models.table(served, console.width))
    if verbose and result.server is not None and (said := server_metrics.table(result.server)) is not None:
        console.print(said)
    for line in _lines(result, directory):
        terminal.say(console, line)
    if verbose and result.end and result.end.windows:
        console.print(_windows(result))


def _table(result: Result, console: Console, verbose: bool) -> Table:
    from rich.table import Table

    known = [metric for metric in CATALOG.values() if shown(metric, result)]
    ours = [metric for metric in CATALOG.values() if _is_added(metric, result, verbose)]
    rows = {
        metric.heading: [cell(result, metric, column) for column in COLUMNS] for metric in (*known, *ours)
    }
    name_width, padding, kept = _fit(rows, console.width)
    left_out = COLUMNS[kept:]
    table = Table(
        title=f"GenAI-Perf | {result.title}",
        padding=(0, padding),
        caption=f"no room for {' and '.join(left_out)}; the files have all" if left_out else None,
    )
    table.add_column("Statistic", justify="right", style="cyan", width=name_width)
    for column in COLUMNS[:kept]:
        table.add_column(column, justify="right", style="green", no_wrap=True)
    for place, (heading, cells) in enumerate(rows.items()):
        if ours and place == len(known):
            table.add_section()
        title = heading.partition(" (")[0]
        if len(title) <= name_width < len(heading):
            heading = heading.replace(" (", "\n(")  # keeps "(per sec)" in one piece
        table.add_row(heading, *cells[:kept])
    return table


def _is_added(metric: Metric, result: Result, verbose: bool) -> bool:
    """Whether one of our own rows belongs under GenAI-Perf's."""
    return (
        (metric.shown is Shown.ADDED or (verbose and metric.shown is Shown.VERBOSE))
        and metric.tag in result.summary.metrics
        and available(metric, streaming=result.info.streaming, produces_tokens=result.produces_tokens)
    )


def _fit(rows: dict[str, list[str]], width: int) -> tuple[int, int, int]:
    """Width of the names, padding, and how many columns of values there is room for."""
    widths = [
        max(len(text) for text in (column, *(cells[place] for cells in rows.values())))
        for place, column in enumerate(COLUMNS)
    ]
    longest = min(NAME_WIDTH, max(len(heading) for heading in rows))
    for kept in (6, 5, 4):
        for padding, least in ((1, longest), (1, 22), (0, LEAST_NAME_WIDTH)):
            rulers = (kept + 1) * (2 * padding + 1) + 1
            room = width - sum(widths[:kept]) - rulers
            if room >= least:
                return min(longest, room), padding, kept
    return LEAST_NAME_WIDTH, 0, 4


def _lines(result: Result, directory: Path) -> list[str]:
    """What stands under the table."""
    summary = result.summary
    planned = sum(count for kind, (count, _) in summary.errors.items() if kind in BY_PLAN)
    failed = sum(count for count, _ in summary.errors.values()) - planned
    empty = summary.metrics.get("empty_request_count", 0)
    not_good = f", {empty:,.0f} without visible text" * bool(empty) + f", {failed:,} failed"
    not_good += f", {planned:,} given up as planned" * bool(planned)
    lines = [f"Requests: {summary.requests:,} succeeded{_duration(result)}{not_good}"]
    lines += [f"  {count:,} x {kind}: {_short(message)}" for kind, (count, message) in summary.errors.items()]
    if result.produces_tokens:
        lines.append(f"Tokens: counted by {_counter(result)}")
    if (share := result.shared_share) is not None:
        lines.append(f"Trace: {share:.1%} of the input tokens repeat the beginning of an earlier prompt")
    if result.gpus is not None:
        lines.append(gpus.line(result.gpus, summary))
    if result.server is not None and (said := server_metrics.line(result.server)) is not None:
        lines.append(f"Server: {said}")
    if exact := sentence(summary):
        lines.append(f"How exact: {exact}")
    lines += [f"Note: {note}" for note in summary.notes]
    lines.append(f"Files: {directory}")
    return lines


def _duration(result: Result) -> str:
    """How long the requests took together; the denominator of every throughput."""
    throughput = result.summary.metrics.get("request_throughput")
    if not isinstance(throughput, float) or not throughput:
        return ""
    seconds = result.summary.requests / throughput
    return f" in {seconds:,.2f} s" if seconds >= 1 else f" in {seconds:.4f} s"


def _counter(result: Result) -> str:
    tokenizer = result.info.tokenizer
    kind = _COUNTED_BY.get(tokenizer.get("kind", ""), tokenizer.get("kind", ""))
    by_tokenizer = f"{tokenizer.get('name', 'nobody')}" + (f" ({kind})" if kind else "")
    if result.option("metrics", "use_server_token_count"):
        return f"the server, or where it does not say by {by_tokenizer}"
    return by_tokenizer


def _windows(result: Result) -> Table:
    from rich.table import Table

    end = result.end
    assert end is not None
    verdict = {True: "stable", False: "not stable", None: None}[end.stable]
    table = Table(title="Measurement windows", caption=verdict)
    for heading in ("Window", "length (s)", "requests", "requests/sec", "latency (ms)"):
        table.add_column(heading, justify="right")
    for number, window in enumerate(end.windows, start=1):
        table.add_row(
            f"{number}",
            f"{(window.end_ns - window.start_ns) / NS_PER_S:,.2f}",
            f"{window.requests:,}",
            f"{window.throughput_per_s:,.2f}",
            f"{Unit.MS.of(window.latency_ns):,.2f}",
        )
    return table


def _short(message: str) -> str:
    """A server's message on one line of bearable length."""
    words = " ".join(message.split())
    return words if len(words) <= 200 else f"{words[:197]}..."
