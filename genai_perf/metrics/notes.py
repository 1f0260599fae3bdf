"""What a reader should know before trusting the figures, in whole sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from genai_perf.config.schema import MetricsConfig
from genai_perf.types import RunEnd, RunInfo

if TYPE_CHECKING:
    from genai_perf.metrics.columns import Columns

FEW_REQUESTS = 100
"""Below this, p99 is no more than the greatest value with another name."""

_ENDINGS = {
    "interrupted": "The run was interrupted: the figures are of the requests that were answered until then.",
    "aborted": "The run was aborted: the figures are of the requests that were answered until then.",
    "error_rate": "The run was ended early because too many requests failed.",
    "bad_input": "The run was ended early by its input: the figures are of the requests before {error}.",
    "no_input": "The run was ended early, its input came no more: {error}.",
}


def notes(
    columns: Columns, info: RunInfo, end: RunEnd | None, settings: MetricsConfig, produces_tokens: bool
) -> Iterator[str]:
    """The notes that apply, gravest first."""
    requests = len(columns)
    everything = requests + columns.empty + columns.failed + columns.given_up
    if not everything:
        yield "No request was measured."
    elif not requests:
        yield "No request was answered with content: there is nothing to measure."
    if end is None:
        yield "The run did not end by itself: the figures are of what its journal holds."
    elif end.stop_reason in _ENDINGS:
        yield _ENDINGS[end.stop_reason].format(error=end.error)
    for each in info.breaks:
        yield (
            f"Continued after an interruption at request {each.requests:,}: the pause is in no figure, "
            "and what was in flight then was sent again."
        )
    if end is not None and end.stable is False:
        yield f"The load never became stable in {len(end.windows)} measurement windows."
    if end is not None and end.unsent:
        yield (
            f"{end.unsent:,} arrivals found no place before the time was over and were never sent: "
            "the server did not keep up with the rate at that --max-concurrency."
        )
    if end is not None and end.cut_off and end.stop_reason == "duration":
        yield f"{_conversations(end.cut_off)} turns left when the time was over: these were never sent."
    if end is not None and end.broken_off:
        yield (
            f"{_conversations(end.broken_off)} turns left when one of theirs failed or was given up: "
            "these were never sent, for want of an answer to go on from."
        )
    if end is not None and (unready := end.trace.get("unready")):
        yield (
            f"{unready:,} requests were not made yet when they were due, and sent late: this machine reads "
            "the trace more slowly than it is to be sent (--speed-up)."
        )
    if end is not None and end.cut_short:
        period = info.config.get("load", {}).get("request_period")
        yield (
            f"{end.cut_short:,} of {everything:,} requests ended before their response {period} "
            "(--request-period): their batches were not waited for any longer."
        )
    if columns.failed:
        yield (
            f"{columns.failed:,} of {everything:,} requests failed ({columns.failed / everything:.1%}) "
            "and count in no figure but the errors."
        )
    if columns.empty:
        yield f"{columns.empty:,} of {everything:,} requests brought no visible text and count in no figure."
    if columns.empty_with_reasoning:
        yield (
            f"{columns.empty_with_reasoning:,} of those answers were reasoning alone: "
            "with more output tokens there may be room for text."
        )
    if 0 < requests < FEW_REQUESTS:
        yield f"Percentiles are rough below {FEW_REQUESTS} requests; this run has {requests:,}."
    if produces_tokens and requests:
        yield from _on_tokens(columns, info, settings)


def _conversations(number: int) -> str:
    return f"{number:,} conversations had" if number > 1 else "One conversation had"


def _on_tokens(columns: Columns, info: RunInfo, settings: MetricsConfig) -> Iterator[str]:
    requests = len(columns)
    if columns.tool_calls_alone:
        yield (
            f"{columns.tool_calls_alone:,} of {requests:,} answers were tool calls without visible text: "
            "their latencies and output tokens are those of the tool calls."
        )
    if not info.streaming:
        yield "Answers were not streamed: time to first token and inter-token latency need --streaming."
    elif _came_in_one_piece(columns):
        yield "Every answer came in one piece: the server, or something before it, does not stream."
    if settings.use_server_token_count and columns.uncounted_by_server:
        yield (
            f"The server did not say how many visible tokens {columns.uncounted_by_server:,} of {requests:,} "
            "answers had; the tokenizer counted those."
        )
    if info.tokenizer.get("kind") == "builtin" and not _asked_for_builtin(info):
        why = info.tokenizer.get("reason", "").removeprefix("the built-in tokenizer: ")
        reason = f" ({why})" if why else ""
        yield (
            f"Tokens are counted by the built-in tokenizer, not by the model's own{reason}: "
            "take token figures as approximate."
        )


def _came_in_one_piece(columns: Columns) -> bool:
    tokens = columns.output_tokens
    return tokens is not None and bool((columns.events == 1).all() and (tokens > 1).any())


def _asked_for_builtin(info: RunInfo) -> bool:
    section = info.config.get("tokenizer")
    return isinstance(section, dict) and section.get("name") == "builtin"
