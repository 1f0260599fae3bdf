"""What this program counted itself, off the journal: what a server's figures are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_perf.metrics import arrow
from genai_perf.telemetry.server_metrics import Ours
from genai_perf.telemetry.windowed import Window
from genai_perf.types import Phase, Stats, Summary

if TYPE_CHECKING:
    import pyarrow as pa

_PERCENTILES = ("p50", "p90", "p99")


def window(sent: pa.Table) -> Window | None:
    """From the first benchmark request's start to the last one's end; None where none was sent.

    Those that ended after the last measurement window are in it: the server has counted them as well.
    """
    starts, ends = [], []
    for batch in sent.select(["phase", "start_ns", "end_ns"]).to_batches():
        rows = arrow.equals(batch.column("phase"), Phase.BENCHMARK)
        if rows.any():
            starts.append(int(arrow.numbers(batch.column("start_ns"))[rows].min()))
            ends.append(int(arrow.numbers(batch.column("end_ns"))[rows].max()))
    return Window(min(starts), max(ends)) if starts else None


def counted(sent: pa.Table, summary: Summary) -> Ours:
    """Requests and tokens of all that was sent, and the latencies of what was measured."""
    requests = failed = 0
    sums = dict.fromkeys(("prompt_tokens", "uncached_prompt_tokens", "output_tokens"), 0.0)
    names = ["usage_input_tokens", "usage_cached_tokens", "usage_output_tokens"]
    for batch in sent.select(["phase", "error_kind", *names]).to_batches():
        benchmark = arrow.equals(batch.column("phase"), Phase.BENCHMARK)
        kinds, places = arrow.words(batch.column("error_kind"))
        good = benchmark & (places < 0 if kinds else benchmark)
        requests += int(good.sum())
        failed += int((benchmark & ~good).sum())
        said, cached, output = (arrow.optional(batch.column(name))[good] for name in names)
        sums["prompt_tokens"] += float(said.sum())
        sums["uncached_prompt_tokens"] += float((said - cached).sum())
        sums["output_tokens"] += float(output.sum())
    # NaN: the server did not say so of every request
    tokens = {name: (total, "usage") for name, total in sums.items() if total == total and requests}
    for name, tag in (
        ("prompt_tokens", "input_sequence_length"),
        ("output_tokens", "output_sequence_length"),
    ):
        stats = summary.metrics.get(tag)
        if name not in tokens and isinstance(stats, Stats) and stats.count == requests:
            tokens[name] = stats.avg * stats.count, "tokenizer"
    return Ours(
        requests,
        failed,
        tokens,
        latencies={
            tag: {"avg": stats.avg, **{name: stats.percentiles[name] for name in _PERCENTILES}}
            for tag, stats in summary.metrics.items()
            if isinstance(stats, Stats)
        },
    )
