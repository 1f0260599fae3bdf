"""THE table of metrics: one row each. Console, CSV, JSON, goodput and the README's table are read off it.

Definitions are GenAI-Perf's where it has the metric: a *first token* is the first visible text, a
*second token* the second event that brought some, and a request ends with its last visible text, not
with `[DONE]`. For APIs that answer without text, the whole answer is its one event.

Functions take `Columns` and give base units (ns, tokens, 1/s); `Unit` alone knows what users read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Literal

from genai_perf.clock import NS_PER_MS, NS_PER_S
from genai_perf.metrics.stats import Values

if TYPE_CHECKING:
    from genai_perf.metrics.columns import Columns


class Unit(Enum):
    """What a figure is shown in. The only place where a factor stands."""

    MS = ("ms", NS_PER_MS, "ms")
    TOKENS = ("tokens", 1, "tokens")
    TOKENS_PER_S = ("tokens/sec", 1, "tokens/sec")
    TOKENS_PER_S_PER_USER = ("tokens/sec/user", 1, "tokens/sec/user")
    REQUESTS_PER_S = ("requests/sec", 1, "per sec")
    IMAGES_PER_S = ("pages/sec", 1, "images/sec")
    MS_PER_IMAGE = ("ms", NS_PER_MS, "ms/image")
    COUNT = ("count", 1, "count")
    PERCENT = ("%", 0.01, "%")
    """Of what is kept as a share of 1."""
    # of GPUs; the base units are those that DCGM reports in
    PERCENTAGE = ("%", 1, "%")
    """Of what is kept as a percentage."""
    WATTS = ("W", 1, "W")
    MEGAJOULES = ("MJ", 10**9, "MJ")
    """Kept in millijoules."""
    JOULES = ("J", 1000, "J")
    """Likewise; for what one run uses."""
    GIGABYTES = ("GB", 10**9 / 2**20, "GB")
    """Kept in MiB."""
    MEGAHERTZ = ("MHz", 1, "MHz")
    CELSIUS = ("C", 1, "C")
    KILOBYTES_PER_S = ("KB/s", 1024, "KB/s")
    """Kept in bytes a second; GenAI-Perf's KB are 1,024 bytes."""
    MICROSECONDS = ("us", 1000, "us")
    """Kept in nanoseconds, whatever the exporter's older descriptions say."""
    ERRORS = ("errors", 1, "errors")
    PAGES = ("pages", 1, "pages")
    RETRIES = ("retries", 1, "retries")

    def __init__(self, label: str, base: float, heading: str) -> None:
        self.label = label
        """In JSON."""
        self.base = base
        """How much of the base unit one of these is."""
        self.heading = heading
        """In console and CSV, where GenAI-Perf words some differently."""

    def of(self, amount: float) -> float:
        """An amount in base units, in this unit."""
        return amount / self.base


class Needs(StrEnum):
    """Without which a metric is no use to anybody."""

    STREAMING = "streaming"
    """Hidden from console and CSV unless answers were streamed; the JSON keeps it, as GenAI-Perf's does."""
    TOKENS = "tokens"
    """Absent where the API produces no tokens."""
    IMAGES = "images"
    """Absent unless requests are nothing but images."""
    PLAN = "plan"
    """Absent in a closed loop, where nothing is due."""


class Shown(StrEnum):
    """Where a metric appears, beside the JSON, which has them all."""

    TABLE = "console and CSV"
    """One of GenAI-Perf's own rows."""
    ADDED = "console"
    """Below those, where the run has it. Not in the CSV, which stays GenAI-Perf's byte for byte."""
    VERBOSE = "console with -v"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row."""

    tag: str
    unit: Unit
    better: Literal["lower", "higher", ""]
    per: Literal["request", "event", "run"]
    shown: Shown
    needs: frozenset[Needs]
    measure: Callable[[Columns], Values | float | None]
    """Values per request or event, one number per run; None where the run has none."""
    about: str

    @property
    def slo(self) -> bool:
        """Whether `--goodput` takes it: what each request has, and is better or worse for."""
        return self.per == "request" and self.better != ""

    @property
    def title(self) -> str:
        """As GenAI-Perf's users know it."""
        return self.tag.replace("_", " ").title()

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit.heading})"


def time_to_first_token(c: Columns) -> Values:
    """From the start of the request to its first visible text (ns)."""
    return Values(c.first_ns - c.start_ns, below=c.first_slack_ns + c.send_ns)


def time_to_second_token(c: Columns) -> Values | None:
    """From the first event with visible text to the second (ns)."""
    if c.second_ns is None:
        return None
    return Values(c.second_ns - c.first_ns, below=c.second_slack_ns, above=c.first_slack_ns)


def request_latency(c: Columns) -> Values:
    """From the start of the request to its last visible text (ns)."""
    return Values(c.last_ns - c.start_ns, below=c.last_slack_ns + c.send_ns)


def inter_token_latency(c: Columns) -> Values | None:
    """Mean gap between the output tokens of one request (ns).

    (request latency - TTFT) / (output tokens - 1), rounded to whole ns as GenAI-Perf does; for answers
    of at least two tokens in at least two events.
    """
    import numpy as np

    if c.output_tokens is None:
        return None
    gaps = np.where((c.events >= 2) & (c.output_tokens >= 2), c.output_tokens - 1, np.nan)
    return Values(
        np.rint((c.last_ns - c.first_ns) / gaps), below=c.last_slack_ns / gaps, above=c.first_slack_ns / gaps
    )


def output_token_throughput_per_user(c: Columns) -> Values | None:
    """Tokens a second as one user sees them arrive (1/s): 1 / ITL; none where all came in one instant."""
    import numpy as np

    itl = inter_token_latency(c)
    if itl is None:
        return None
    return Values(NS_PER_S / np.where(itl.value > 0, itl.value, np.nan))


def inter_chunk_latency(c: Columns) -> Values:
    """Gaps between consecutive events with visible text (ns), those of all requests in one pool."""
    return c.gaps


def time_to_first_reasoning_token(c: Columns) -> Values | None:
    """From the start of the request to its first reasoning text (ns).

    Without bounds: the journal keeps no slack for reasoning events.
    """
    return None if c.first_reasoning_ns is None else Values(c.first_reasoning_ns - c.start_ns)


def time_to_first_tool_call(c: Columns) -> Values | None:
    """From the start of the request to its first tool-call text (ns); without bounds, likewise."""
    return None if c.first_tool_ns is None else Values(c.first_tool_ns - c.start_ns)


def time_to_first_token_from_due(c: Columns) -> Values | None:
    """From when the request was due to its first visible text (ns)."""
    return None if c.due_ns is None else Values(c.first_ns - c.due_ns, below=c.first_slack_ns)


def request_latency_from_due(c: Columns) -> Values | None:
    """From when the request was due to its last visible text (ns): what a user waits."""
    return None if c.due_ns is None else Values(c.last_ns - c.due_ns, below=c.last_slack_ns)


def send_lateness(c: Columns) -> Values | None:
    """From when a request was due to when it was sent (ns), failed ones included."""
    return Values(c.lateness_ns) if len(c.lateness_ns) else None


def connection_setup_time(c: Columns) -> Values | None:
    """Name resolution, connect and TLS handshake of the requests that opened a connection (ns)."""
    import numpy as np

    steps = [step for step in (c.dns_ns, c.connect_ns, c.tls_ns) if step is not None]
    if not steps:
        return None
    opened = ~np.all([np.isnan(step) for step in steps], axis=0)
    return Values(np.where(opened, np.nansum(steps, axis=0), np.nan))


def output_token_throughput(c: Columns) -> float | None:
    """All output tokens over the run's duration (1/s)."""
    import numpy as np

    if c.output_tokens is None or not c.duration_s:
        return None
    return float(np.nansum(c.output_tokens)) / c.duration_s


def request_throughput(c: Columns) -> float | None:
    """Requests that succeeded over the run's duration (1/s)."""
    return len(c) / c.duration_s if c.duration_s else None


def request_goodput(c: Columns) -> float | None:
    """Requests that met every SLO over the run's duration (1/s)."""
    good = _good(c)
    return None if good is None or not c.duration_s else good / c.duration_s


def good_request_share(c: Columns) -> float | None:
    """Share of all requests that met every SLO; a failed or empty one has not."""
    good, requests = _good(c), len(c) + c.empty + c.failed
    return None if good is None or not requests else good / requests


def _good(c: Columns) -> int | None:
    """How many requests met every SLO.

    A request that has no value for an SLO (no inter-token latency in a one-token answer) is not held to
    it. A failed or empty one is never good.
    """
    import numpy as np

    if not c.slos:
        return None
    good = np.ones(len(c), np.bool_)
    for tag, limit in c.slos.items():
        metric = CATALOG[tag]
        measured = metric.measure(c)
        if isinstance(measured, Values):
            shown = measured.value / metric.unit.base
            met = shown <= limit if metric.better == "lower" else shown >= limit
            good &= met | np.isnan(shown)
    return int(good.sum())


def error_rate(c: Columns) -> float | None:
    """Share of the requests that failed."""
    requests = len(c) + c.empty + c.failed
    return c.failed / requests if requests else None


def image_throughput(c: Columns) -> Values | None:
    """Images of a request over its latency (1/s)."""
    import numpy as np

    if c.images is None:
        return None
    latency_ns = request_latency(c).value
    return Values(c.images * NS_PER_S / np.where(latency_ns > 0, latency_ns, np.nan))


def image_latency(c: Columns) -> Values | None:
    """A request's latency over its images (ns)."""
    if c.images is None:
        return None
    return Values(request_latency(c).value / c.images, below=(c.last_slack_ns + c.send_ns) / c.images)


def _column(name: str) -> Callable[[Columns], Values | None]:
    """A column that is a metric as it stands."""

    def measure(c: Columns) -> Values | None:
        column = getattr(c, name)
        return None if column is None else Values(column)

    return measure


# fmt: off
_MS, _TOKENS, _PER_USER, _COUNT = Unit.MS, Unit.TOKENS, Unit.TOKENS_PER_S_PER_USER, Unit.COUNT
_TABLE, _ADDED, _VERBOSE, _JSON = Shown.TABLE, Shown.ADDED, Shown.VERBOSE, Shown.JSON
_ALL: frozenset[Needs] = frozenset()
_TOK, _PLAN, _IMAGES = frozenset({Needs.TOKENS}), frozenset({Needs.PLAN}), frozenset({Needs.IMAGES})
_STREAM = _TOK | {Needs.STREAMING}

_ROWS = (
    # GenAI-Perf's, in the order of its tables
    Metric("time_to_first_token", _MS, "lower", "request", _TABLE, _STREAM, time_to_first_token,
           "From sending the request to its first visible text; unstreamed, the request latency."),
    Metric("time_to_second_token", _MS, "lower", "request", _TABLE, _STREAM, time_to_second_token,
           "From the first event with visible text to the second."),
    Metric("request_latency", _MS, "lower", "request", _TABLE, _ALL, request_latency,
           "From sending the request to its last visible text, or the end of an answer without."),
    Metric("image_throughput", Unit.IMAGES_PER_S, "higher", "request", _TABLE, _IMAGES, image_throughput,
           "Images in a request / its latency; where requests are nothing but images."),
    Metric("image_latency", Unit.MS_PER_IMAGE, "lower", "request", _TABLE, _IMAGES, image_latency,
           "Request latency / images in the request, likewise."),
    Metric("inter_token_latency", _MS, "lower", "request", _TABLE, _STREAM, inter_token_latency,
           "(request latency - time to first token) / (output tokens - 1): a request's mean gap."),
    Metric("output_token_throughput_per_user", _PER_USER, "higher", "request", _TABLE, _STREAM,
           output_token_throughput_per_user,
           "1 / inter-token latency: how fast one user sees tokens arrive."),
    Metric("output_sequence_length", _TOKENS, "higher", "request", _TABLE, _TOK, _column("output_tokens"),
           "Tokens of the visible text, by the tokenizer; by the server with `--use-server-token-count`."),
    Metric("input_sequence_length", _TOKENS, "higher", "request", _TABLE, _TOK, _column("input_tokens"),
           "Tokens of the prompt, without chat template; by the server, with it."),
    Metric("output_token_throughput", Unit.TOKENS_PER_S, "higher", "run", _TABLE, _TOK,
           output_token_throughput,
           "All output tokens / the time from the first request's start to the last visible text."),
    Metric("request_throughput", Unit.REQUESTS_PER_S, "higher", "run", _TABLE, _ALL, request_throughput,
           "Requests that succeeded / the same time."),
    Metric("request_goodput", Unit.REQUESTS_PER_S, "higher", "run", _TABLE, _ALL, request_goodput,
           "Requests that met every SLO of `--goodput` / the same time."),
    Metric("request_count", _COUNT, "higher", "run", _TABLE, _ALL, lambda c: float(len(c)),
           "Requests that succeeded; what all latencies are made of."),
    # ours
    Metric("good_request_share", Unit.PERCENT, "higher", "run", _ADDED, _ALL, good_request_share,
           "Requests that met every SLO of `--goodput` / all requests, failed ones too."),
    Metric("time_to_first_reasoning_token", _MS, "lower", "request", _ADDED, _STREAM,
           time_to_first_reasoning_token,
           "From sending the request to its first reasoning text, where the server sends it."),
    Metric("time_to_first_tool_call", _MS, "lower", "request", _ADDED, _STREAM, time_to_first_tool_call,
           "From sending the request to the first name or argument of a tool call, where there is one."),
    Metric("time_to_first_token_from_due", _MS, "lower", "request", _ADDED, _STREAM | _PLAN,
           time_to_first_token_from_due,
           "Time to first token, counted from when the request was due: late sends are charged."),
    Metric("request_latency_from_due", _MS, "lower", "request", _ADDED, _PLAN, request_latency_from_due,
           "Request latency, likewise."),
    Metric("send_lateness", _MS, "lower", "request", _ADDED, _PLAN, send_lateness,
           "How late requests were sent: by this program, or waiting for a place under `--max-concurrency`."),
    Metric("inter_chunk_latency", _MS, "lower", "event", _VERBOSE, _STREAM, inter_chunk_latency,
           "Gaps between consecutive events with visible text, those of all requests in one pool."),
    Metric("connection_setup_time", _MS, "lower", "request", _VERBOSE, _ALL, connection_setup_time,
           "Name resolution, connect and TLS of the requests that opened a connection; in no latency."),
    Metric("dns_time", _MS, "lower", "request", _JSON, _ALL, _column("dns_ns"),
           "Name resolution alone."),
    Metric("connect_time", _MS, "lower", "request", _JSON, _ALL, _column("connect_ns"),
           "TCP or unix connect alone."),
    Metric("tls_time", _MS, "lower", "request", _JSON, _ALL, _column("tls_ns"),
           "TLS handshake alone."),
    Metric("output_sequence_length_server", _TOKENS, "", "request", _VERBOSE, _TOK,
           _column("server_output_tokens"),
           "Output tokens as the server's `usage` says, reasoning included."),
    Metric("input_sequence_length_server", _TOKENS, "", "request", _VERBOSE, _ALL,
           _column("server_input_tokens"),
           "Input tokens as the server's `usage` says, chat template included."),
    Metric("output_sequence_length_tokenizer", _TOKENS, "", "request", _JSON, _TOK,
           _column("counted_output_tokens"),
           "Tokens of the visible text by the tokenizer, whichever count the metrics use."),
    Metric("input_sequence_length_tokenizer", _TOKENS, "", "request", _JSON, _ALL,
           _column("counted_input_tokens"),
           "Tokens of the prompt by the tokenizer, likewise."),
    Metric("reasoning_token_count", _TOKENS, "", "request", _VERBOSE, _TOK, _column("reasoning_tokens"),
           "Reasoning tokens as the server's `usage` says."),
    Metric("tool_call_token_count", _TOKENS, "", "request", _ADDED, _TOK, _column("tool_tokens"),
           "Tokens of the tool calls' names and arguments, by the tokenizer, where there are any."),
    Metric("error_count", _COUNT, "lower", "run", _JSON, _ALL, lambda c: float(c.failed),
           "Requests that failed; in no other figure."),
    Metric("error_rate", Unit.PERCENT, "lower", "run", _JSON, _ALL, error_rate,
           "Their share of all requests."),
    Metric("empty_request_count", _COUNT, "lower", "run", _JSON, _ALL,
           lambda c: float(c.empty) if c.empty else None,
           "Requests that were answered well but without visible text; in no latency."),
)
# fmt: on

CATALOG = {metric.tag: metric for metric in _ROWS}
"""By tag, in display order."""


def available(metric: Metric, *, streaming: bool, produces_tokens: bool) -> bool:
    """Whether a metric stands in the tables of a run like this."""
    return (streaming or Needs.STREAMING not in metric.needs) and (
        produces_tokens or Needs.TOKENS not in metric.needs
    )


def metrics_table_markdown() -> str:
    """The table for the README."""
    lines = [
        "| metric | unit | better | one value per | what it is | shown in |",
        "|---|---|---|---|---|---|",
    ]
    for m in CATALOG.values():
        shown = m.shown if m.shown is Shown.JSON else f"{m.shown}, JSON"
        lines.append(f"| `{m.tag}` | {m.unit.label} | {m.better} | {m.per} | {m.about} | {shown} |")
    return "\n".join(lines) + "\n"
