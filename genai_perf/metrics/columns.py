"""The benchmark requests of a run as numpy columns: what every metric is a function of.

A request counts when it belongs to the benchmark phase, did not fail, and was answered with something:
visible text, or whatever else the API answers with. Failed and empty ones are only counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.stats import Values
from genai_perf.types import BY_PLAN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genai_perf.metrics.arrow import Floats, Ints


_POOLED = ("lag_ns", "lateness_ns")
"""Columns that have no entry for each request."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The requests that count, an entry each, instants and durations in ns.

    A column is None where no request has a value, and NaN where one has none.
    """

    row: Ints
    """Which record it is, by its place in the journal's table."""
    start_ns: Ints
    send_ns: Ints
    """How long the kernel took the request's bytes for: by how much it may have left later."""
    first_ns: Ints
    """Arrival of the first content, and so on."""
    second_ns: Floats | None
    last_ns: Ints
    first_slack_ns: NDArray[Any]
    """By how much it may really have arrived earlier, and so on."""
    second_slack_ns: NDArray[Any]
    last_slack_ns: NDArray[Any]
    events: Ints
    """How many events brought content."""
    due_ns: Floats | None
    first_reasoning_ns: Floats | None
    first_tool_ns: Floats | None
    """Arrival of the first tool-call text."""
    dns_ns: Floats | None
    connect_ns: Floats | None
    tls_ns: Floats | None
    input_tokens: Floats | None
    """As the metrics use them; so are the output tokens, which are those of the visible text."""
    output_tokens: Floats | None
    counted_input_tokens: Floats | None
    """By the tokenizer."""
    counted_output_tokens: Floats | None
    server_input_tokens: Floats | None
    """As the server's `usage` says; its output tokens include those of the reasoning."""
    server_output_tokens: Floats | None
    reasoning_tokens: Floats | None
    tool_tokens: Floats | None
    """Of names and arguments of the tool calls, by the tokenizer."""
    gaps: Values
    """Between the content events of one request, all requests pooled."""
    lag_ns: NDArray[Any]
    """How late each content event was read."""
    lateness_ns: Ints
    """How late each planned request was sent, failed ones included; empty in a closed loop."""
    longest_wait_ns: float | None
    """How long bytes waited to be read, but for one event in a thousand; no slack here is greater. None where
    the kernel did not stamp all arrivals."""
    kernel_stamps: int
    """How many of these requests the kernel stamped."""
    tool_calls_alone: int
    """How many of them were answered with tool calls and no visible text: these are their content."""
    events_with_slack: int
    events_sharing_a_read: int
    errors: Mapping[str, tuple[int, str]]
    """Failed requests by kind, most frequent first: how many, and one message."""
    empty: int
    """Answered well, but without content."""
    empty_with_reasoning: int
    uncounted_by_server: int
    """Requests whose visible tokens the server did not state."""
    images: Floats | None = None
    """How many went with each request, where requests are nothing but images."""
    over_s: float | None = None
    """The time that throughputs are by, where these are some requests of a longer run."""
    slos: Mapping[str, float] = field(default_factory=dict)
    """What a good request is, in the units of the reports."""

    def __len__(self) -> int:
        return len(self.start_ns)

    def of(self, requests: Ints) -> Columns:
        """Some of the requests by themselves, without what is known of the run alone: gaps, lags, errors."""
        count = len(self)
        own = {
            each.name: column[requests]
            for each in fields(self)
            if (column := getattr(self, each.name)) is not None
            and each.name not in _POOLED
            and hasattr(column, "dtype")
            and len(column) == count
        }
        none = self.lag_ns[:0]
        return replace(
            self,
            **own,
            gaps=Values(none),
            lag_ns=none,
            lateness_ns=none,
            errors={},
            empty=0,
            empty_with_reasoning=0,
        )

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(count for kind, (count, _) in self.errors.items() if kind not in BY_PLAN)

    @property
    def given_up(self) -> int:
        """How many requests were given up as planned."""
        return sum(count for kind, (count, _) in self.errors.items() if kind in BY_PLAN)

    @property
    def duration_s(self) -> float:
        """From the first request's start to the last content of any; 0 without requests."""
        if self.over_s is not None:
            return self.over_s
        return float(self.last_ns.max() - self.start_ns.min()) / NS_PER_S if len(self) else 0.0
