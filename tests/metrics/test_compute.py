"""Every metric against records computed by hand."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_rows import ENDED, characters, failed, info, row, table

from genai_perf.config.schema import MetricsConfig
from genai_perf.metrics.catalog import CATALOG, Needs
from genai_perf.metrics.compute import compute
from genai_perf.types import Stats, Summary

MS = 1_000_000


def summary(rows: list[dict[str, Any]], settings: MetricsConfig | None = None, **given: Any) -> Summary:
    arguments = {"count": characters} | given
    return compute(table(rows), info(), ENDED, settings=settings or MetricsConfig(), **arguments)


def stats(rows: list[dict[str, Any]], tag: str, **given: Any) -> Stats:
    found = summary(rows, **given).metrics[tag]
    assert isinstance(found, Stats)
    return found


STREAMED = row(5 * MS, 6 * MS, texts=["ab", "cd"])
"""The specification's example: role chunk and finish chunk bring no text, so two events remain."""


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("time_to_first_token", 5_000_000),
        ("time_to_second_token", 1_000_000),
        ("request_latency", 6_000_000),
        ("inter_token_latency", 333_333),
        ("output_token_throughput_per_user", 1e9 / 333_333),
        ("output_sequence_length", 4),
        ("input_sequence_length", 12),
        ("inter_chunk_latency", 1_000_000),
    ],
)
def test_the_example_of_the_specification_gives_its_numbers(tag: str, expected: float) -> None:
    assert expected == stats([STREAMED], tag).avg


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("request_count", 2),
        ("request_throughput", 2 / 0.008),
        ("output_token_throughput", 8 / 0.008),
        ("error_count", 1),
        ("error_rate", 1 / 3),
    ],
)
def test_system_metrics_span_the_requests_that_succeeded(tag: str, expected: float) -> None:
    rows = [
        failed(start_ns=0),
        row(6 * MS, 7 * MS, start_ns=1 * MS),
        row(8 * MS, 9 * MS, start_ns=3 * MS),
    ]
    assert expected == summary(rows).metrics[tag]


def test_percentiles_interpolate_and_the_deviation_is_the_populations() -> None:
    latency = stats([row(9 * MS + step * 1000) for step in range(10)], "request_latency")
    assert latency.avg == pytest.approx(9.0045 * MS)
    assert latency.percentiles["p1"] == pytest.approx(9.00009 * MS)
    assert latency.percentiles["p25"] == pytest.approx(9.00225 * MS)
    assert latency.percentiles["p99"] == pytest.approx(9.00891 * MS)
    assert latency.std == pytest.approx(0.002872281 * MS, rel=1e-6)
    assert list(latency.percentiles) == ["p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "p99.9"]


@pytest.mark.parametrize(
    ("rows", "tag"),
    [
        ([row(5 * MS)], "time_to_second_token"),
        ([row(5 * MS)], "inter_chunk_latency"),
        ([row(5 * MS)], "inter_token_latency"),
        ([row(5 * MS, 6 * MS, texts=["a", ""])], "inter_token_latency"),
        ([row(5 * MS, 5 * MS)], "output_token_throughput_per_user"),
        ([row(5 * MS, 6 * MS)], "request_latency_from_due"),
        ([row(5 * MS, 6 * MS)], "request_goodput"),
        ([row(5 * MS, 6 * MS)], "connection_setup_time"),
        ([row(5 * MS, 6 * MS)], "output_sequence_length_server"),
        ([row()], "request_latency"),
        ([failed()], "request_throughput"),
        ([], "error_rate"),
    ],
)
def test_a_metric_without_a_value_is_left_out(rows: list[dict[str, Any]], tag: str) -> None:
    assert tag not in summary(rows).metrics


def test_tokens_that_came_in_one_instant_have_a_latency_of_nothing() -> None:
    assert stats([row(5 * MS, 5 * MS)], "inter_token_latency").avg == 0


def test_only_benchmark_requests_count() -> None:
    rows = [row(1 * MS, phase="warmup"), row(5 * MS), row(9 * MS, phase="cooldown"), failed(phase="warmup")]
    made = summary(rows)
    assert made.metrics["request_count"] == 1
    assert made.errors == {}
    assert stats(rows, "request_latency").avg == 5 * MS


def test_gaps_never_reach_from_one_request_into_the_next() -> None:
    rows = [row(1 * MS, 3 * MS), failed(), row(), row(7 * MS), row(100 * MS, 104 * MS, 110 * MS)]
    gaps = stats(rows, "inter_chunk_latency")
    assert (gaps.count, gaps.min, gaps.max, gaps.avg) == (3, 2 * MS, 6 * MS, 4 * MS)


def test_an_open_loop_charges_from_the_due_time() -> None:
    rows = [row(9 * MS, 12 * MS, start_ns=5 * MS, due_ns=2 * MS)]
    assert stats(rows, "request_latency_from_due").avg == 10 * MS
    assert stats(rows, "time_to_first_token_from_due").avg == 7 * MS
    assert stats(rows, "send_lateness").avg == 3 * MS


def test_lateness_counts_the_failed_requests_too() -> None:
    rows = [row(9 * MS, start_ns=5 * MS, due_ns=4 * MS), failed(start_ns=9 * MS, sent_ns=9 * MS, due_ns=0)]
    assert stats(rows, "send_lateness").max == 9 * MS


def test_connection_setup_is_the_sum_of_what_new_connections_took() -> None:
    rows = [row(5, dns_ns=1, connect_ns=2, tls_ns=4), row(5), row(5, connect_ns=3)]
    setup = stats(rows, "connection_setup_time")
    assert (setup.count, setup.min, setup.max) == (2, 3, 7)
    assert stats(rows, "tls_time").count == 1


def test_the_time_to_first_reasoning_token_stands_beside_that_of_the_first_visible_one() -> None:
    rows = [row(9 * MS, 12 * MS, reasoning_ns=[2 * MS, 3 * MS], reasoning_chars=[1, 1])]
    assert stats(rows, "time_to_first_reasoning_token").avg == 2 * MS
    assert stats(rows, "time_to_first_token").avg == 9 * MS


def test_unstreamed_answers_have_a_first_token_when_they_are_complete() -> None:
    made = compute(
        table([row(5 * MS, texts=["abc"])]),
        info(streaming=False),
        ENDED,
        settings=MetricsConfig(),
        count=characters,
    )
    assert made.metrics["time_to_first_token"] == made.metrics["request_latency"]
    assert any("not streamed" in note for note in made.notes)


def test_an_endpoint_without_tokens_has_latency_and_throughput_alone() -> None:
    made = summary([row(5 * MS, texts=[""])], count=None, produces_tokens=False)
    assert "request_latency" in made.metrics
    assert "request_throughput" in made.metrics
    assert not {"time_to_first_token", "output_sequence_length", "output_token_throughput"} & set(
        made.metrics
    )


class TestServerCounts:
    ROWS = (
        row(5 * MS, 9 * MS, usage_output_tokens=5, usage_input_tokens=20),
        row(5 * MS, 9 * MS),
    )

    def test_stand_beside_the_tokenizers(self) -> None:
        rows = list(self.ROWS)
        assert stats(rows, "output_sequence_length").max == 4
        assert stats(rows, "output_sequence_length_server").max == 5
        assert stats(rows, "input_sequence_length_server").count == 1

    def test_are_used_on_request_and_filled_up_by_the_tokenizers(self) -> None:
        made = summary(list(self.ROWS), MetricsConfig(use_server_token_count=True))
        lengths = made.metrics["output_sequence_length"]
        inputs = made.metrics["input_sequence_length"]
        latency = made.metrics["inter_token_latency"]
        assert isinstance(lengths, Stats)
        assert isinstance(inputs, Stats)
        assert isinstance(latency, Stats)
        assert (lengths.max, lengths.min) == (5, 4)
        assert (inputs.max, inputs.min) == (20, 12)
        assert latency.min == 1 * MS
        assert any("1 of 2 answers" in note for note in made.notes)

    def test_leave_out_the_reasoning(self) -> None:
        thought = row(
            5 * MS,
            9 * MS,
            reasoning_ns=[1],
            reasoning_chars=[1],
            usage_output_tokens=100,
            usage_reasoning_tokens=97,
        )
        settings = MetricsConfig(use_server_token_count=True)
        assert stats([thought], "output_sequence_length", settings=settings).max == 3
        assert stats([thought], "reasoning_token_count", settings=settings).max == 97

    def test_are_not_trusted_where_reasoning_hides_in_them(self) -> None:
        thought = row(5 * MS, 9 * MS, reasoning_ns=[1], reasoning_chars=[1], usage_output_tokens=100)
        settings = MetricsConfig(use_server_token_count=True)
        assert stats([thought], "output_sequence_length", settings=settings).max == 4


def test_prompts_can_be_counted_anew() -> None:
    rows = [row(5, input_index=1), row(5, input_index=0)]
    lengths = stats(rows, "input_sequence_length", input_tokens=[7, 9])
    assert (lengths.min, lengths.max) == (7, 9)


@pytest.mark.parametrize(
    ("slos", "good"),
    [
        ({"request_latency": 6.0}, 2),
        ({"request_latency": 5.9}, 1),
        ({"time_to_first_token": 4.0}, 1),
        ({"inter_token_latency": 0.34}, 2),
        ({"inter_token_latency": 0.33}, 1),
        ({"output_token_throughput_per_user": 3000.0}, 2),
        ({"output_token_throughput_per_user": 3001.0}, 1),
        ({"request_latency": 5.9, "inter_token_latency": 0.33}, 1),
        ({"time_to_first_token_from_due": 1.0}, 2),
    ],
)
def test_goodput_is_decided_request_by_request(slos: dict[str, float], good: int) -> None:
    rows = [STREAMED, row(4 * MS, texts=["a"]), failed(), row()]
    goodput = summary(rows, MetricsConfig(goodput=slos)).metrics["request_goodput"]
    assert good / 0.006 == goodput


FULL = row(
    18 * MS,
    20 * MS,
    25 * MS,
    start_ns=10 * MS,
    due_ns=7 * MS,
    texts=["ab", "cd", "ef"],
    dns_ns=MS,
    connect_ns=2 * MS,
    tls_ns=4 * MS,
    reasoning_ns=[13 * MS],
    reasoning_chars=[2],
    reasoning_text="Hm",
    tool_ns=[16 * MS],
    tool_chars=[1],
    tool_text="f",
)
"""A request that has every metric of the catalog but those of images."""

VALUES = {
    "time_to_first_token": 8,
    "time_to_second_token": 2,
    "request_latency": 15,
    "inter_token_latency": 1.4,
    "output_token_throughput_per_user": 1000 / 1.4,
    "output_sequence_length": 6,
    "input_sequence_length": 12,
    "time_to_first_reasoning_token": 3,
    "time_to_first_tool_call": 6,
    "time_to_first_token_from_due": 11,
    "request_latency_from_due": 18,
    "send_lateness": 3,
    "connection_setup_time": 7,
    "dns_time": 1,
    "connect_time": 2,
    "tls_time": 4,
}
"""Its metrics by hand, in the units of `--goodput`."""


def test_these_are_all_metrics_that_a_goodput_can_be_over() -> None:
    wanted = {tag for tag, metric in CATALOG.items() if metric.slo and Needs.IMAGES not in metric.needs}
    assert VALUES.keys() == wanted


@pytest.mark.parametrize("tag", VALUES)
def test_every_metric_of_a_request_can_be_an_objective_and_a_failure_misses_it(tag: str) -> None:
    def share(limit: float) -> Any:
        settings = MetricsConfig(goodput={tag: limit})
        return summary([FULL, failed(), failed()], settings).metrics["good_request_share"]

    value, better = VALUES[tag], CATALOG[tag].better
    easier, harder = (1.001, 0.999) if better == "lower" else (0.999, 1.001)
    assert (1 / 3, 0.0) == (share(value * easier), share(value * harder))


def test_errors_are_counted_by_kind_with_a_message_of_each() -> None:
    rows = [failed("reset", "by peer"), failed("http_500", "first"), failed("http_500", "second"), row(5)]
    made = summary(rows)
    assert list(made.errors.items()) == [("http_500", (2, "first")), ("reset", (1, "by peer"))]
    assert made.requests == 1


class TestUncertainty:
    def test_of_what_shares_a_read_is_no_more_than_bytes_wait_to_be_read(self) -> None:
        rows = [row(5 * MS, 9 * MS, content_lag_ns=[700, 700], content_slack_ns=[0, 4 * MS])]
        latency = stats(rows, "request_latency")
        assert latency.uncertainty is not None
        assert latency.uncertainty["p99"] == 700

    def test_of_what_this_program_stamped_is_all_its_slack(self) -> None:
        rows = [row(5 * MS, 9 * MS, stamp="user", content_lag_ns=[0, 0], content_slack_ns=[0, 4 * MS])]
        latency = stats(rows, "request_latency")
        assert latency.uncertainty is not None
        assert latency.uncertainty["p99"] == 4 * MS

    def test_of_a_latency_is_its_slack_and_the_send(self) -> None:
        rows = [row(5 * MS, 9 * MS, sent_ns=10, content_lag_ns=[MS, MS], content_slack_ns=[1000, 2000])]
        first, whole = stats(rows, "time_to_first_token"), stats(rows, "request_latency")
        assert first.uncertainty is not None
        assert whole.uncertainty is not None
        assert (first.uncertainty["p99"], whole.uncertainty["avg"]) == (1010, 2010)

    def test_of_a_gap_goes_both_ways_and_the_wider_is_told(self) -> None:
        rows = [row(5 * MS, 9 * MS, content_lag_ns=[MS, MS], content_slack_ns=[1000, 300])]
        narrow = stats(rows, "inter_chunk_latency")
        itl = stats(rows, "inter_token_latency")
        assert narrow.uncertainty is not None
        assert itl.uncertainty is not None
        assert narrow.uncertainty["p50"] == 1000
        assert itl.uncertainty["p50"] == pytest.approx(1000 / 3)

    def test_never_makes_a_duration_negative(self) -> None:
        gap = stats(
            [row(100, 150, content_lag_ns=[0, 200], content_slack_ns=[0, 140])], "inter_chunk_latency"
        )
        assert gap.uncertainty is not None
        assert gap.uncertainty["max"] == 50

    def test_is_nothing_where_nothing_is_uncertain(self) -> None:
        latency = stats([row(100)], "request_latency")
        assert latency.uncertainty is not None
        assert set(latency.uncertainty.values()) == {0}

    def test_is_told_of_durations_alone(self) -> None:
        assert stats([STREAMED], "output_token_throughput_per_user").uncertainty is None


requests = st.builds(
    lambda start, gaps, slack: row(
        *(start + sum(gaps[: place + 1]) for place in range(len(gaps))),
        start_ns=start,
        sent_ns=start + slack,
        content_slack_ns=[slack * place for place in range(len(gaps))],
        content_lag_ns=[slack] * len(gaps),
        due_ns=max(0, start - slack),
    ),
    st.integers(0, 10**12),
    st.lists(st.integers(0, 10**9), max_size=6),
    st.integers(0, 10**6),
)


@given(st.lists(requests, max_size=20))
def test_statistics_stand_in_order_and_no_uncertainty_is_negative(rows: list[dict[str, Any]]) -> None:
    for figure in summary(rows).metrics.values():
        if isinstance(figure, Stats):
            assert figure.min <= figure.avg <= figure.max
            ordered = [figure.min, *figure.percentiles.values(), figure.max]
            assert ordered == sorted(ordered)
            assert figure.std >= 0
            assert all(amount >= 0 for amount in (figure.uncertainty or {}).values())


@given(st.lists(requests, max_size=12), st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_order_nor_batches_matter(rows: list[dict[str, Any]], random: Any, rows_a_batch: int) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    other = compute(
        table(shuffled, rows_a_batch=rows_a_batch),
        info(),
        ENDED,
        settings=MetricsConfig(),
        count=characters,
    )
    assert summary(rows) == other


def test_a_slice_of_a_journal_reads_as_its_rows() -> None:
    rows = [row(1, 2), failed(), row(3, 6, 12, content_slack_ns=[0, 1, 2]), row(5)]
    sliced = pa.table(table(rows, rows_a_batch=4)).slice(2, 1)
    made = compute(sliced, info(), ENDED, settings=MetricsConfig(), count=characters)
    assert summary(rows[2:3]) == made


def test_each_text_is_counted_once_however_often_it_came() -> None:
    seen: list[str] = []

    def count(texts: Any) -> list[int]:
        seen.extend(texts)
        return [len(text) for text in texts]

    compute(
        table([row(5), row(6), row(7, texts=["other"])], rows_a_batch=9),
        info(),
        ENDED,
        settings=MetricsConfig(),
        count=count,
    )
    assert sorted(seen) == ["other", "xx"]
