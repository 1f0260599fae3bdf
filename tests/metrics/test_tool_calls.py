"""Tool calls: counted apart from visible text, and standing in for it where an answer has none."""

from typing import Any

import pytest
from journal_rows import characters, info, row, table

from genai_perf.config.schema import MetricsConfig
from genai_perf.metrics.compute import compute
from genai_perf.types import Stats, Summary

MS = 1_000_000
CALL = 'weather{"city":"Paris"}'
"""23 tokens, by characters."""


def summary(*rows: dict[str, Any], **settings: Any) -> Summary:
    return compute(table(list(rows)), info(), settings=MetricsConfig(**settings), count=characters)


def largest(made: Summary, tag: str) -> float:
    figure = made.metrics[tag]
    assert isinstance(figure, Stats)
    return figure.max


def called_alone(**fields: Any) -> dict[str, Any]:
    """Three events with tool-call text, at 5, 6 and 27 ms, as the endpoints leave them."""
    at = (5 * MS, 6 * MS, 27 * MS)
    return row(*at, texts=["", "", ""], tool_ns=list(at), tool_chars=[7, 8, 8], tool_text=CALL, **fields)


def mixed(**fields: Any) -> dict[str, Any]:
    """Four characters of text at 3 and 4 ms, then a call at 9 ms."""
    return row(3 * MS, 4 * MS, tool_ns=[9 * MS], tool_chars=[len(CALL)], tool_text=CALL, **fields)


def test_an_answer_that_is_tool_calls_alone_is_measured_by_them() -> None:
    made = summary(called_alone())
    assert 1 == made.requests
    assert 5 * MS == largest(made, "time_to_first_token")
    assert 5 * MS == largest(made, "time_to_first_tool_call")
    assert 1 * MS == largest(made, "time_to_second_token")
    assert 27 * MS == largest(made, "request_latency")
    assert len(CALL) == largest(made, "output_sequence_length")
    assert len(CALL) == largest(made, "tool_call_token_count")
    assert 1 * MS == largest(made, "inter_token_latency")  # 22 ms for 22 further tokens
    assert any("1 of 1 answers were tool calls without visible text" in note for note in made.notes)


def test_beside_text_tool_calls_are_in_no_figure_but_their_own() -> None:
    made = summary(mixed())
    assert 3 * MS == largest(made, "time_to_first_token")
    assert 4 * MS == largest(made, "request_latency")
    assert 9 * MS == largest(made, "time_to_first_tool_call")
    assert 4 == largest(made, "output_sequence_length")
    assert len(CALL) == largest(made, "tool_call_token_count")
    assert not any("tool calls" in note for note in made.notes)


def test_a_run_of_all_kinds_keeps_each_to_its_own() -> None:
    made = summary(row(2 * MS), mixed(), called_alone())
    lengths, calls = made.metrics["output_sequence_length"], made.metrics["tool_call_token_count"]
    assert isinstance(lengths, Stats)
    assert isinstance(calls, Stats)
    assert (3, 2, len(CALL)) == (lengths.count, lengths.min, lengths.max)
    assert (2, len(CALL), len(CALL)) == (calls.count, calls.min, calls.max)
    assert any("1 of 3 answers were tool calls" in note for note in made.notes)


def test_a_run_without_tool_calls_has_no_such_figures() -> None:
    made = summary(row(2 * MS))
    assert not [tag for tag in made.metrics if "tool_call" in tag]


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        pytest.param(called_alone(usage_output_tokens=12), 12, id="all of them are the call's"),
        pytest.param(mixed(usage_output_tokens=12), 4, id="mixed: who knows how many are text"),
    ],
)  # fmt: skip
def test_the_servers_count_is_used_where_it_can_only_mean_one_thing(
    answer: dict[str, Any], tokens: int
) -> None:
    assert tokens == largest(summary(answer, use_server_token_count=True), "output_sequence_length")


def test_goodput_takes_the_time_to_the_first_call() -> None:
    made = summary(called_alone(), mixed(), goodput={"time_to_first_tool_call": 6})
    assert made.metrics["request_goodput"] == pytest.approx(1 / 0.027)
