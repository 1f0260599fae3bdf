"""The nouns: what the rest of the program speaks in.

A `Turn` says what to send and a `Slot` when. A `Request` is a turn with its body encoded, a `Workload` all
of a run's. Sending one gives an `Exchange`, raw stamps and bytes, which an endpoint reads as an `Answer`;
the journal keeps the `RequestRecord` made of both.

Every `_ns` is an int in nanoseconds on one monotonic clock, relative to the run's origin.

Those that are made for every request are msgspec Structs: they read like dataclasses and are built ten times
faster.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import msgspec


class Phase(StrEnum):
    """Which part of a run a request belongs to; only `benchmark` is counted by the metrics."""

    WARMUP = "warmup"
    BENCHMARK = "benchmark"


class Stamp(StrEnum):
    """Who took the arrival stamps of an exchange."""

    KERNEL = "kernel"
    """The kernel, when it received the segment (SO_TIMESTAMPNS)."""
    USER = "user"
    """This program, on the line after the read returned."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing to say to the model."""

    texts: tuple[str, ...]
    """The prompt; several only where the endpoint takes a batch."""
    system: str | None = None
    images: tuple[str, ...] = ()
    """`data:` or `http(s):` URLs, in order."""
    audio: tuple[str, ...] = ()
    """`data:audio/…;base64,` URLs, in order."""
    passages: tuple[str, ...] = ()
    """What `texts[0]`, a query, is to be ranked against."""
    max_tokens: int | None = None
    """How many output tokens to ask for; None leaves it to the server."""
    input_tokens: int | None = None
    """Tokens in `texts`, by the run's tokenizer; None when nobody counted."""
    shared_tokens: int | None = None
    """How many of those, at the beginning, are an earlier prompt's as well; None when nobody knows."""
    delay_ns: int | None = None
    """How long the user thinks after the answer, before the conversation's next turn."""
    answer: str | None = None
    """What the input says was answered, where it holds whole conversations."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Keys for this turn's body alone, over everything else."""


class Slot(msgspec.Struct, frozen=True):
    """A place in the schedule."""

    index: int
    """Counts from 0 over the whole run, warm-up included; picks the request by turns."""
    due_ns: int | None
    """When to send. None: as soon as a place is free (closed loop)."""
    phase: Phase = Phase.BENCHMARK


@dataclass(frozen=True, slots=True)
class Request:
    """A turn, ready for the wire."""

    index: int
    """Its row in `inputs.json`."""
    body: bytes
    model: str
    conversation: str
    turn: int = 0
    input_tokens: int | None = None
    images: int = 0
    """How many go with it."""
    streaming: bool = False
    """Whether the body asks for a stream."""
    messages: tuple[bytes, ...] = ()
    """What goes over a gRPC stream, encoded; `body` then only says the same in JSON, for `inputs.json`."""
    delay_ns: int = 0
    """How long its user thinks after the answer, before the conversation's next turn."""
    traffic_class: str = ""
    """Which kind of traffic it is, where a run mixes several."""
    due_ns: int | None = None
    """When to send it, after the first request, where a trace says; None where the load options do."""
    shared_tokens: int | None = None
    """How many of its input tokens, at their beginning, are an earlier request's as well, by the trace."""


@dataclass(frozen=True, slots=True)
class TrafficClass:
    """One kind of traffic in a mix, and its part of the workload."""

    name: str
    weight: float
    rows: range
    """Its rows among the workload's requests."""
    starts: Sequence[int] | None = None
    """Those at which its conversations begin; None: every row is one by itself."""
    history: Literal["server", "file"] = "server"


@dataclass(frozen=True, slots=True)
class Send:
    """One request of a run whose workload says when each is sent."""

    row: int
    """Which of the workload's requests."""
    due_ns: int
    """After the first of all."""
    phase: Phase
    conversation: str
    turn: int
    traffic_class: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run sends: its requests in order, the turns of a conversation one after the other.

    Flags and exported files keep GenAI-Perf's word for a conversation, session.
    """

    requests: Sequence[Request]
    starts: Sequence[int] | None = None
    """The rows at which conversations begin; None: every row is one by itself."""
    history: Literal["server", "file"] = "server"
    """Whose answers go with the further turns: those that came, or those that stand in the bodies already."""
    classes: Sequence[TrafficClass] = ()
    """Kinds of traffic that are mixed by their weights; empty: all requests are of one kind."""
    is_streamed: bool = False
    """Whether the requests come while the run goes on, and are not here."""
    sends: Sequence[Send] = ()
    """What is sent and when, in order, where a former run or the input says; empty where load options do."""


@dataclass(frozen=True, slots=True)
class RequestError:
    """Why a request has no good answer. A failed request is data."""

    kind: str
    """One word to count by: connect, tls, timeout, reset, closed, protocol, http_429, server, decode, …"""
    message: str


HUNG_UP = "hung_up"
"""The error of a request that was given up after a while, as the options say."""
UNFINISHED = "unfinished"
"""The error of a request that was still in flight when the grace period was over."""
HELD_BACK = "held_back"
"""The error of a request that still waited to be sent when the time was over."""
BY_PLAN = (HUNG_UP, UNFINISHED, HELD_BACK)
"""Kinds of errors that were asked for: such a request has no figures, and the server did nothing wrong."""


class Exchange(msgspec.Struct):
    """What went over the wire for one request: stamps and bytes, nothing parsed yet.

    `at_ns`, `read_ns`, `after_ns` and `data` run in parallel, one entry for each read that held a part
    of the body. Filled in by callbacks while the answer arrives, hence not frozen.
    """

    request: Request
    url: str = ""
    """Which of the run's URLs it was sent to."""
    start_ns: int = 0
    """Taken just before the first byte of the request was handed to the kernel."""
    sent_ns: int = 0
    """Taken when the kernel had taken the last one."""
    dns_ns: int | None = None
    """How long name resolution took, where this request had to open a connection; not in any latency."""
    connect_ns: int | None = None
    """How long the TCP (or unix) connect took, likewise; for gRPC with the exchange of HTTP/2 settings."""
    tls_ns: int | None = None
    """How long the TLS handshake took, likewise."""
    status: int = 0
    """HTTP status; 0 when none came."""
    headers_ns: int = 0
    """When the response head was complete."""
    headers: dict[str, str] = {}
    """The few response headers that decoding depends on, names in lower case."""
    at_ns: list[int] = []
    """When the bytes arrived."""
    read_ns: list[int] = []
    """When we read them; `read_ns - at_ns` is the read lag."""
    after_ns: list[int] = []
    """An instant at which these bytes had certainly not arrived yet: the loop had just found the socket
    empty. When one read holds several events, all but the last arrived between `after_ns` and `at_ns`."""
    data: list[bytes] = []
    """The body's bytes of each read, without transfer coding, still content-coded."""
    end_ns: int = 0
    """When the answer was complete, or had failed."""
    stamp: Stamp = Stamp.USER
    error: RequestError | None = None
    on_read: Callable[["Exchange"], None] | None = None
    """Called by the transport when a read has been added, where somebody waits for that; who has seen enough
    sets it to None."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the server states them; None where it does not."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class Answer(msgspec.Struct):
    """What an endpoint reads in an exchange. `…_reads` index the exchange's reads."""

    content: list[str] = []
    """Visible text, one entry for each event that brought some."""
    content_reads: list[int] = []
    """Which read completed each of those events."""
    content_shared: list[int] = []
    """Positions in `content` of events whose read went on after them, so that its stamp may be another's."""
    reasoning: list[str] = []
    """Reasoning text, likewise."""
    reasoning_reads: list[int] = []
    tool: list[str] = []
    """Names and arguments of tool calls, likewise. An answer that is tool calls alone has an empty text in
    `content` for each, so that it can be measured."""
    tool_reads: list[int] = []
    tool_shared: list[int] = []
    usage: Usage | None = None
    finish_reason: str | None = None
    error: RequestError | None = None
    """The server's error inside an answer that began well, or why the answer cannot be read."""


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the journal keeps it. The token lists run in parallel, an entry per content event."""

    index: int
    """The slot's index."""
    input_index: int
    """The row of `inputs.json` that was sent."""
    conversation: str
    turn: int
    model: str
    url: str
    traffic_class: str
    """Empty where the run does not mix several kinds."""
    phase: Phase
    due_ns: int | None
    start_ns: int
    sent_ns: int
    end_ns: int
    dns_ns: int | None
    connect_ns: int | None
    tls_ns: int | None
    headers_ns: int | None
    first_byte_ns: int | None
    """Arrival of the first byte of the body."""
    status: int
    stamp: Stamp
    content_ns: list[int]
    """Arrival of each event that brought visible text; where an API answers without text, of its end, and
    where an answer is tool calls alone, of each event that brought some of them."""
    content_chars: list[int]
    """How many characters of `text` each brought."""
    content_lag_ns: list[int]
    """How late each was read."""
    content_slack_ns: list[int]
    """By how much each may really have arrived earlier than stamped."""
    reasoning_ns: list[int]
    reasoning_chars: list[int]
    tool_ns: list[int]
    tool_chars: list[int]
    text: str
    reasoning_text: str
    tool_text: str
    """Names and arguments of the tool calls, one after the other."""
    finish_reason: str | None
    input_tokens: int | None
    images: int
    """How many went with the request."""
    request_bytes: int
    response_bytes: int
    usage: Usage | None
    error: RequestError | None


@dataclass(frozen=True, slots=True)
class Break:
    """Where a run was interrupted and later continued. Its clock stood still in between."""

    requests: int
    """How many benchmark requests have their record from before."""
    at_ns: int
    """Where the clock stood still: the end of the last of them, and the start of what followed."""
    resumed_wall_ns: int
    """When it was continued, since the epoch; its connections were still to be opened."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a journal says about its run; stands in the Arrow schema, so that the file explains itself."""

    version: str
    """Of this program."""
    command: str
    """The command line, with secrets blanked."""
    started_wall_ns: int
    """The origin of all instants, since the epoch."""
    endpoint: str
    streaming: bool
    config: Mapping[str, Any]
    """The effective configuration, with secrets blanked."""
    tokenizer: Mapping[str, str]
    """`name`, `kind` (local, cache, hub, builtin), `reason`, `fingerprint`."""
    versions: Mapping[str, str]
    """Of what matters for a result: python, the event loop, the wire, the operating system."""
    merged: Mapping[str, Any] = field(default_factory=dict)
    """What it was made of, where several runs were merged into it; empty for a run."""
    breaks: tuple[Break, ...] = ()
    """Where it was interrupted and continued, in order."""
    host: str = ""
    """The name of the machine that sent it; empty where that is not known."""


@dataclass(frozen=True, slots=True)
class Window:
    """One measurement window, by Perf Analyzer's definition: a request belongs where it ends."""

    start_ns: int
    end_ns: int
    requests: int
    throughput_per_s: float
    latency_ns: float
    """The average, or the percentile the stability rule was asked to use."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How the run ended; written beside the journal when it does, absent when it was killed."""

    stop_reason: str
    """request_count, duration, end_of_trace, stable, max_trials, error_rate, interrupted, bad_input or
    no_input."""
    stable: bool | None = None
    """Whether the windows met the stability rule; None when none was asked for."""
    windows: tuple[Window, ...] = ()
    recorded_ns: int = 0
    """When the last record was on disk; later than the last answer by what the backlog took to read."""
    unsent: int = 0
    """Arrivals that were due within the duration, but waited for a place until it was over."""
    cut_off: int = 0
    """Conversations that had turns left when the time was over."""
    broken_off: int = 0
    """Conversations that had turns left when one of theirs failed."""
    server_statistics: Mapping[str, Any] = field(default_factory=dict)
    """What Triton's models did meanwhile, by its own counters (`metrics/server_statistics.py`)."""
    trace: Mapping[str, int] = field(default_factory=dict)
    """Of a trace: `input_tokens` of the requests that say what they share, `shared_tokens` of these, and how
    many were `unready`, not made yet when they were due. Empty for any other input."""
    error: str = ""
    """What was wrong with the input, where that ended the run."""
    cut_short: int = 0
    """Of a periodic concurrency: requests that ended with fewer responses than their batch was to have."""


@dataclass(frozen=True, slots=True)
class Stats:
    """One metric over a run, in base units (ns, tokens, 1/s)."""

    count: int
    avg: float
    std: float
    """Population standard deviation, as GenAI-Perf's."""
    min: float
    max: float
    percentiles: Mapping[str, float]
    """`p1` … `p99`, `p99.9`, by linear interpolation."""
    uncertainty: Mapping[str, float] | None = None
    """For `avg`, `min`, `max` and every percentile: the true value lies at most this far from it. For a
    latency it can only lie below; for a gap between two arrivals on either side."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything the reports tell of one run."""

    metrics: Mapping[str, Stats | float]
    """By tag, in the catalog's order; per-run metrics are one number."""
    requests: int
    """How many benchmark requests succeeded."""
    errors: Mapping[str, tuple[int, str]]
    """By kind, most frequent first: how many, and one message."""
    exactness: Mapping[str, Any]
    """Histograms of read lag and send lateness, stamp kinds, and what else bounds the figures."""
    notes: tuple[str, ...] = ()
    """What the reader should know before trusting the figures."""
    empty_with_reasoning: int = 0
    """How many of the answers without visible text held reasoning."""
