"""The batches of a periodic concurrency: their table, and their part of the JSON."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from journal_rows import row
from runs import CHAT, result

from genai_perf.config.schema import LoadConfig
from genai_perf.config.values import PeriodicRange
from genai_perf.metrics.batches import TAGS, by_batch
from genai_perf.reports import Result, batches, console, json_file

MS = 1_000_000
HERE = Path("artifacts/run")


def periodic(plan: PeriodicRange) -> Result:
    """Ten tokens each, a batch every 8 ms; each holds up the others for 2 ms."""
    rows = []
    for index in range(plan.end):
        start = 8 * plan.batch_of(index)
        at_ns = [(start + 5 + token + 2 * (token > 3)) * MS + index * 1000 for token in range(10)]
        rows.append(row(*at_ns, texts=["t"] * 10, start_ns=start * MS, index=index))
    load = LoadConfig(periodic_concurrency_range=f"{plan.start}:{plan.end}:{plan.step}", request_period=4)
    made = result(rows, replace(CHAT, load=load))
    assert made.columns is not None
    return replace(made, batches=tuple(by_batch(made.columns, made.records, plan, TAGS)))


def printed(run: Result, *, verbose: bool) -> str:
    out = io.StringIO()
    console.write(run, HERE, file=out, verbose=verbose)
    return out.getvalue()


def test_verbose_shows_a_row_for_each_batch(golden: Callable[[str, str], None]) -> None:
    run = periodic(PeriodicRange(2, 8, 2))
    golden("console/batches_verbose.txt", printed(run, verbose=True))
    assert "By batch" not in printed(run, verbose=False)


def test_a_long_table_is_cut_and_says_so() -> None:
    run = periodic(PeriodicRange(1, 60))
    table = printed(run, verbose=True)
    assert "20 more are in the JSON" in table
    assert 60 == len(json_file.document(run)["batches"])


def test_the_json_has_the_figures_of_the_table() -> None:
    first, second, *_ = batches.document(periodic(PeriodicRange(2, 8, 2)))
    assert ["batch", "requests", "start_ns", *TAGS] == list(first)
    assert [*first, "inter_chunk_latency_of_earlier"] == list(second)
    assert (2, 2, 8 * MS) == (second["batch"], second["requests"], second["start_ns"])
    assert ["unit", "avg", "min", "max", "count"] == list(second["time_to_first_token"])
    assert 5.0025 == second["time_to_first_token"]["avg"]


def test_any_other_load_has_no_batches() -> None:
    assert "batches" not in json_file.document(result([row(5 * MS, 6 * MS)]))
