from typing import Any

import pytest
from journal_rows import ENDED, characters, failed, info, row, table

from genai_perf.config.schema import MetricsConfig
from genai_perf.metrics.compute import compute
from genai_perf.metrics.exactness import BUCKETS_NS, sentence
from genai_perf.types import RunEnd, RunInfo, Summary, Window

MS = 1_000_000


def summary(
    rows: list[dict[str, Any]],
    run: RunInfo | None = None,
    end: RunEnd | None = ENDED,
    settings: MetricsConfig | None = None,
) -> Summary:
    return compute(table(rows), run or info(), end, settings=settings or MetricsConfig(), count=characters)


def test_a_histogram_counts_each_value_at_its_edge() -> None:
    lags = [0, 1000, 1001, 2 * 10**9, 2 * 10**9 + 1]
    rows = [row(*range(1, 6), content_lag_ns=lags)]
    lag = summary(rows).exactness["read_lag"]
    counts = dict(zip(lag["histogram"]["up_to_ns"], lag["histogram"]["counts"], strict=True))
    assert {k: n for k, n in counts.items() if n} == {1000: 2, 2000: 1, 2 * 10**9: 1, 5 * 10**9: 1}
    assert lag["histogram"]["more"] == 0
    assert (lag["count"], lag["p50_ns"], lag["max_ns"]) == (5, 1001, 2 * 10**9 + 1)
    assert list(BUCKETS_NS) == sorted(BUCKETS_NS)


def test_shares_say_how_many_stamps_are_the_kernels_and_how_many_are_bounds() -> None:
    rows = [
        row(1, 1, 3, 4, content_slack_ns=[5, 0, 0, 0]),
        row(9, stamp="user", due_ns=0, start_ns=7),
        failed(),
    ]
    exact = summary(rows).exactness
    assert exact["kernel_stamped_share"] == 0.5
    assert (
        exact["events"],
        exact["events_with_slack_share"],
        exact["events_sharing_a_read_share"],
    ) == (5, 0.2, 0.2)
    assert exact["send_lateness"]["max_ns"] == 7


def test_a_run_without_requests_has_no_shares() -> None:
    exact = summary([failed()]).exactness
    assert exact["kernel_stamped_share"] is None
    assert exact["read_lag"] is None
    assert sentence(summary([failed()])) == ""


def test_the_sentence_bounds_the_p99_and_says_by_what_evidence() -> None:
    rows = [
        row(
            5 * MS,
            9 * MS,
            sent_ns=10_000,
            due_ns=0,
            content_slack_ns=[1000, 2000],
            content_lag_ns=[20_000, 20_000],
        )
    ]
    assert sentence(summary(rows)) == (
        "measuring shifts p99 by at most: time to first token 0.011 ms, inter token latency 0.001 ms, "
        "request latency 0.012 ms (arrivals stamped by the kernel; read lag p99 0.020 ms; "
        "send lateness p99 <0.001 ms)"
    )


WINDOW = Window(start_ns=0, end_ns=1, requests=1, throughput_per_s=1.0, latency_ns=1.0)
BUILTIN = {"name": "builtin", "kind": "builtin", "reason": "no tokenizer named 'm'", "fingerprint": "f"}


@pytest.mark.parametrize(
    ("rows", "given", "note"),
    [
        ([], {}, "No request was measured."),
        ([failed()], {}, "there is nothing to measure"),
        ([row(5)], {"end": None}, "did not end by itself"),
        ([row(5)], {"end": RunEnd("interrupted")}, "was interrupted"),
        ([row(5)], {"end": RunEnd("max_trials", False, (WINDOW,) * 3)}, "stable in 3 measurement windows"),
        ([row(5)], {"end": RunEnd("duration", unsent=1234)}, "1,234 arrivals found no place"),
        (
            [row(5)],
            {"end": RunEnd("duration", cut_off=2)},
            "2 conversations had turns left when the time was",
        ),
        (
            [row(5)],
            {"end": RunEnd("end", broken_off=1)},
            "One conversation had turns left when one of theirs",
        ),
        ([row(5), failed()], {}, "1 of 2 requests failed (50.0%)"),
        ([row(5), row()], {}, "1 of 2 requests brought no visible text"),
        ([row(5), row(reasoning_ns=[1], reasoning_chars=[1])], {}, "1 of those answers were reasoning alone"),
        ([row(5)], {}, "rough below 100 requests; this run has 1"),
        ([row(5)], {"run": info(streaming=False)}, "not streamed"),
        ([row(5)], {}, "Every answer came in one piece"),
        ([row(5)], {"run": info(tokenizer=BUILTIN)}, "built-in tokenizer, not by the model's own (no tok"),
        (
            [row(5)],
            {"settings": MetricsConfig(use_server_token_count=True)},
            "tokenizer counted those",
        ),
    ],
)
def test_what_a_reader_must_know_is_noted(
    rows: list[dict[str, Any]], given: dict[str, Any], note: str
) -> None:
    assert any(note in line for line in summary(rows, **given).notes)


def test_conversations_that_somebody_interrupted_are_not_told_as_out_of_time() -> None:
    assert not any(
        "turns left" in note for note in summary([row(5)], end=RunEnd("interrupted", cut_off=9)).notes
    )


def test_a_sound_run_needs_no_notes() -> None:
    run = info(tokenizer=BUILTIN, config={"tokenizer": {"name": "builtin"}})
    assert summary([row(5, 6) for _ in range(100)], run).notes == ()
