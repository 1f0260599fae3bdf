"""The figures of each batch, and of the earlier ones meanwhile; worked out by hand."""

from dataclasses import replace
from typing import Any

from journal_rows import characters, failed, row, table

from genai_perf.config.values import PeriodicRange
from genai_perf.metrics.batches import TAGS, BatchSummary, by_batch
from genai_perf.metrics.reading import read_columns
from genai_perf.types import Stats

MS = 1_000_000


def batches(plan: PeriodicRange, *rows: dict[str, Any]) -> list[BatchSummary]:
    records = table(list(rows))
    columns = read_columns(
        records, count=characters, input_tokens=None, use_server_token_count=False, slos={}
    )
    return list(by_batch(columns, records, plan, TAGS))


def answer(index: int, start: int, *at: int) -> dict[str, Any]:
    """A request with a token at each of these instants (ms)."""
    return row(*(each * MS for each in at), texts=["t"] * len(at), start_ns=start * MS, index=index)


def spread(stats: Stats | float | None) -> tuple[float, float, int]:
    assert isinstance(stats, Stats)
    return stats.avg / MS, stats.max / MS, stats.count


def test_each_batch_has_its_own_latencies_and_when_it_was_sent() -> None:
    first, second = batches(
        PeriodicRange(2, 4, 2),
        answer(2, 30, 45, 48, 51),
        answer(0, 10, 15, 17, 19),
        answer(3, 30, 55, 59, 63),
        answer(1, 10, 17, 19, 21),
    )
    assert (1, 2, 0) == (first.number, first.requests, first.start_ns)
    assert (2, 2, 20 * MS) == (second.number, second.requests, second.start_ns)
    assert (6.0, 7.0, 2) == spread(first.metrics["time_to_first_token"])
    assert (20.0, 25.0, 2) == spread(second.metrics["time_to_first_token"])
    assert (3.5, 4.0, 2) == spread(second.metrics["inter_token_latency"])
    assert first.earlier is None


def test_the_gaps_of_earlier_batches_count_that_lie_between_its_start_and_its_last_first_token() -> None:
    _, second, third = batches(
        PeriodicRange(1, 3),
        answer(0, 0, 10, 20, 30, 70, 90, 100, 110),  # the second batch holds up what follows 30
        answer(1, 25, 80, 85, 120),
        answer(2, 82, 95, 99),
    )
    # of the first request: 20 to 30, 30 to 70, 70 to 90; its own never
    assert (70 / 3, 40.0, 3) == spread(second.earlier)
    # 70 to 90 and 90 to 100; and of the second request 80 to 85 and 85 to 120
    assert (70 / 4, 35.0, 4) == spread(third.earlier)


def test_what_had_ended_before_a_batch_was_sent_was_not_held_up_by_it() -> None:
    _, second = batches(PeriodicRange(1, 2), answer(0, 0, 10, 20), answer(1, 20, 40, 50))
    assert second.earlier is None


def test_a_request_that_failed_is_in_no_batch_and_a_batch_without_any_is_not_told_of() -> None:
    rows = [answer(0, 0, 10, 20), failed(index=1), failed(index=2), answer(3, 20, 30, 40)]
    assert [(1, 1), (3, 1)] == [(each.number, each.requests) for each in batches(PeriodicRange(2, 4), *rows)]


def test_where_nothing_was_measured_there_are_none() -> None:
    assert [] == batches(PeriodicRange(1, 2), failed())


def test_the_order_of_the_records_does_not_matter() -> None:
    rows = [answer(index, 10 * index, *range(10 * index + 5, 100, 7)) for index in range(6)]
    plan = PeriodicRange(2, 6, 2)
    assert batches(plan, *rows) == batches(plan, *reversed(rows))
    assert batches(plan, *rows) != batches(replace(plan, step=1), *rows)
