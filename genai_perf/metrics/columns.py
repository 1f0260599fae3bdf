"""The journal's benchmark requests as numpy columns, one entry a request.

Works batch by batch on the Arrow buffers, so that nothing is copied but what is kept: a handful of
numbers a request, and for every token the gap before it and how late it was read.

A request counts when it belongs to the benchmark phase, did not fail, and was answered with something:
visible text, or whatever else the API answers with. Failed and empty ones are only counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.stats import Values
from genai_perf.types import Phase, Stamp

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Count = Callable[[Sequence[str]], Sequence[int]]
"""Tokens in each of these texts."""

_TEXTS_A_CALL = 1024
"""How many texts the tokenizer gets at once: enough for its threads, little enough for memory."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The requests that count; None where no request has a value, NaN where one has none."""

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
    gaps: Values
    """Between the content events of one request, all requests pooled."""
    lag_ns: NDArray[Any]
    """How late each content event was read."""
    lateness_ns: Ints
    """How late each planned request was sent, failed ones included; empty in a closed loop."""
    kernel_stamps: int
    """How many of these requests the kernel stamped."""
    events_with_slack: int
    events_sharing_a_read: int
    failed: int
    empty: int
    """Answered well, but without content."""
    empty_with_reasoning: int
    uncounted_by_server: int
    """Requests whose visible tokens the server did not state."""
    slos: Mapping[str, float] = field(default_factory=dict)
    """What a good request is, in the units of the reports."""

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def duration_s(self) -> float:
        """From the first request's start to the last content of any; 0 without requests."""
        return float(self.last_ns.max() - self.start_ns.min()) / NS_PER_S if len(self) else 0.0


def read_columns(
    records: pa.Table,
    *,
    count: Count | None,
    input_tokens: Sequence[int] | None,
    use_server_token_count: bool,
    slos: Mapping[str, float],
) -> Columns:
    """Reads the journal's table.

    `count` gives the output tokens of the texts, None where the API answers without text. `input_tokens`
    counts the prompts anew, by row of `inputs.json`; None takes them as recorded.
    """
    import numpy as np

    pools = _Pools.for_table(records)
    batches = [
        _read_batch(batch, count, input_tokens, pools)
        for batch in records.select(_NEEDED).to_batches()
        if batch.num_rows
    ]

    sizes = [len(batch["start_ns"]) for batch in batches]

    def whole(name: str) -> Any:
        parts = [batch.pop(name) for batch in batches]  # frees them as it goes
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def optional(name: str) -> Floats | None:
        parts = [batch.pop(name) for batch in batches]
        if all(part is None for part in parts):
            return None
        return np.concatenate(
            [np.full(size, np.nan) if part is None else part for part, size in zip(parts, sizes, strict=True)]
        )

    counted, server = optional("counted_output_tokens"), optional("server_output_tokens")
    counted_input, server_input = optional("counted_input_tokens"), optional("server_input_tokens")
    visible = optional("server_visible_tokens")
    plain: dict[str, Any] = {name: whole(name) for name in _PLAIN}
    sparse: dict[str, Any] = {name: optional(name) for name in _SPARSE}
    return Columns(
        **plain,
        **sparse,
        input_tokens=_preferred(server_input, counted_input) if use_server_token_count else counted_input,
        output_tokens=_preferred(visible, counted) if use_server_token_count else counted,
        counted_input_tokens=counted_input,
        counted_output_tokens=counted,
        server_input_tokens=server_input,
        server_output_tokens=server,
        gaps=pools.gaps(),
        lag_ns=pools.lag_ns[: pools.lags],
        lateness_ns=whole("lateness_ns"),
        kernel_stamps=sum(batch["kernel_stamps"] for batch in batches),
        events_with_slack=sum(batch["events_with_slack"] for batch in batches),
        events_sharing_a_read=int((pools.gap_ns[: pools.pairs] == 0).sum()),
        failed=sum(batch["failed"] for batch in batches),
        empty=sum(batch["empty"] for batch in batches),
        empty_with_reasoning=sum(batch["empty_with_reasoning"] for batch in batches),
        uncounted_by_server=sum(sizes) if visible is None else int(np.isnan(visible).sum()),
        slos=slos,
    )


_PLAIN = (
    "start_ns",
    "send_ns",
    "first_ns",
    "last_ns",
    "first_slack_ns",
    "second_slack_ns",
    "last_slack_ns",
    "events",
)
_SPARSE = (
    "second_ns",
    "due_ns",
    "first_reasoning_ns",
    "dns_ns",
    "connect_ns",
    "tls_ns",
    "reasoning_tokens",
)
_NEEDED = [
    "phase",
    "error_kind",
    "stamp",
    "text",
    "input_index",
    "input_tokens",
    "start_ns",
    "sent_ns",
    "due_ns",
    "dns_ns",
    "connect_ns",
    "tls_ns",
    "content_ns",
    "content_lag_ns",
    "content_slack_ns",
    "reasoning_ns",
    "usage_input_tokens",
    "usage_output_tokens",
    "usage_reasoning_tokens",
]


@dataclass(slots=True)
class _Pools:
    """What is kept of every event; allocated once, filled batch by batch."""

    gap_ns: Ints
    earlier_slack_ns: NDArray[Any]
    later_slack_ns: NDArray[Any]
    lag_ns: NDArray[Any]
    pairs: int = 0
    lags: int = 0

    @classmethod
    def for_table(cls, records: pa.Table) -> _Pools:
        """Room for all events there are: pages that are never touched cost nothing."""
        import numpy as np

        def room(name: str) -> NDArray[Any]:
            column = records.column(name)
            entries = sum(_entries(chunk) for chunk in column.chunks)
            return np.empty(entries, column.type.value_type.to_pandas_dtype())

        slack = "content_slack_ns"
        return cls(room("content_ns"), room(slack), room(slack), room("content_lag_ns"))

    def add(self, at_ns: Ints, slack_ns: Any, lag_ns: Any, is_first: Bools, keep: Bools) -> None:
        """The events of one batch; `is_first` marks those that begin a request, `keep` those that count."""
        import numpy as np

        pair = np.flatnonzero(keep[1:] & ~is_first[1:])
        pairs, self.pairs = slice(self.pairs, self.pairs + len(pair)), self.pairs + len(pair)
        self.gap_ns[pairs] = at_ns[pair + 1] - at_ns[pair]
        self.earlier_slack_ns[pairs] = slack_ns[pair]
        self.later_slack_ns[pairs] = slack_ns[pair + 1]
        kept = lag_ns if keep.all() else lag_ns[keep]
        lags, self.lags = slice(self.lags, self.lags + len(kept)), self.lags + len(kept)
        self.lag_ns[lags] = kept

    def gaps(self) -> Values:
        """The truth may be less if the later event came earlier, and more if the earlier one did."""
        below, above = self.later_slack_ns[: self.pairs], self.earlier_slack_ns[: self.pairs]
        return Values(self.gap_ns[: self.pairs], below, above)


def _read_batch(
    batch: pa.RecordBatch, count: Count | None, input_tokens: Sequence[int] | None, pools: _Pools
) -> dict[str, Any]:
    import numpy as np
    import pyarrow.compute as pc

    def numbers(name: str) -> Ints:
        column: Ints = batch.column(name).to_numpy(zero_copy_only=False)
        return column

    def nullable(name: str) -> Floats | None:
        column = batch.column(name)
        if column.null_count == len(column):
            return None
        return _with_any(pc.cast(column, "float64").to_numpy(zero_copy_only=False)[rows])

    benchmark = _equals(batch.column("phase"), Phase.BENCHMARK)
    succeeded = benchmark & pc.is_null(batch.column("error_kind")).to_numpy(zero_copy_only=False)
    at_ns, offsets = _lists(batch.column("content_ns"))
    slack_ns, slack_offsets = _lists(batch.column("content_slack_ns"))
    lag_ns, lag_offsets = _lists(batch.column("content_lag_ns"))
    reasoning_ns, reasoning_offsets = _lists(batch.column("reasoning_ns"))
    events = np.diff(offsets)
    counts_for_metrics = succeeded & (events > 0)
    rows = np.flatnonzero(counts_for_metrics)
    thought = np.diff(reasoning_offsets) > 0

    begin, end = offsets[0], offsets[-1]
    slack_ns = slack_ns[slack_offsets[0] : slack_offsets[-1]]
    lag_ns = lag_ns[lag_offsets[0] : lag_offsets[-1]]
    at_ns, offsets = at_ns[begin:end], offsets - begin
    if len(at_ns):
        is_first = np.zeros(len(at_ns), np.bool_)
        is_first[offsets[:-1][events > 0]] = True
        keep = np.repeat(counts_for_metrics, events)
        pools.add(at_ns, slack_ns, lag_ns, is_first, keep)
        events_with_slack = int(np.count_nonzero(slack_ns[keep]))
    else:
        events_with_slack = 0

    first, last = offsets[:-1][rows], offsets[1:][rows] - 1
    second = np.minimum(first + 1, last)
    started, sent, due = numbers("start_ns"), numbers("sent_ns"), batch.column("due_ns")
    planned = benchmark & due.is_valid().to_numpy(zero_copy_only=False) & (succeeded | (sent > 0))
    recorded_tokens = nullable("input_tokens")
    if input_tokens is not None:
        recorded_tokens = np.asarray(input_tokens, np.float64)[numbers("input_index")[rows]]
    server_tokens = nullable("usage_output_tokens")
    reasoning_tokens = nullable("usage_reasoning_tokens")
    return {
        "start_ns": started[rows],
        "send_ns": np.maximum(sent[rows] - started[rows], 0),
        "first_ns": at_ns[first],
        "second_ns": _with_any(np.where(last > first, at_ns[second], np.nan)),
        "last_ns": at_ns[last],
        "first_slack_ns": slack_ns[first],
        "second_slack_ns": slack_ns[second],
        "last_slack_ns": slack_ns[last],
        "events": events[rows],
        "due_ns": nullable("due_ns"),
        "first_reasoning_ns": _first_of(reasoning_ns, reasoning_offsets, rows),
        "dns_ns": nullable("dns_ns"),
        "connect_ns": nullable("connect_ns"),
        "tls_ns": nullable("tls_ns"),
        "counted_input_tokens": recorded_tokens,
        "counted_output_tokens": _count_tokens(batch.column("text"), rows, count),
        "server_input_tokens": nullable("usage_input_tokens"),
        "server_output_tokens": server_tokens,
        "server_visible_tokens": _visible(server_tokens, reasoning_tokens, thought[rows]),
        "reasoning_tokens": reasoning_tokens,
        "lateness_ns": started[planned] - pc.fill_null(due, 0).to_numpy(zero_copy_only=False)[planned],
        "kernel_stamps": int(_equals(batch.column("stamp"), Stamp.KERNEL)[rows].sum()),
        "events_with_slack": events_with_slack,
        "failed": int((benchmark & ~succeeded).sum()),
        "empty": int((succeeded & (events == 0)).sum()),
        "empty_with_reasoning": int((succeeded & (events == 0) & thought).sum()),
    }


def _equals(column: pa.Array, word: str) -> Bools:
    """Whether each entry is this word; the journal may have dictionary-encoded it."""
    import pyarrow.compute as pc

    matches = pc.fill_null(pc.equal(pc.cast(column, "string"), str(word)), False)
    found: Bools = matches.to_numpy(zero_copy_only=False)
    return found


def _lists(column: pa.Array) -> tuple[Any, Ints]:
    """A list column's flat values and offsets; a null list has no entries."""
    import numpy as np

    return column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy().astype(np.int64)


def _entries(column: pa.Array) -> int:
    """How many entries all lists of a column have together."""
    offsets = column.offsets
    entries: int = offsets[-1].as_py() - offsets[0].as_py() if len(column) else 0
    return entries


def _with_any(column: Floats) -> Floats | None:
    """The column, or None where no entry has a value."""
    import numpy as np

    return None if bool(np.isnan(column).all()) else column


def _first_of(values: Ints, offsets: Ints, rows: Ints) -> Floats | None:
    """The first entry of each row's list; NaN where it is empty."""
    import numpy as np

    found = np.full(len(rows), np.nan)
    filled = offsets[1:][rows] > offsets[:-1][rows]
    found[filled] = values[offsets[:-1][rows][filled]]
    return _with_any(found)


def _visible(tokens: Floats | None, reasoning: Floats | None, thought: Bools) -> Floats | None:
    """The server's output tokens without those of the reasoning.

    A server that sends reasoning text without stating its tokens leaves the visible ones unknown.
    """
    import numpy as np

    if tokens is None:
        return None
    if reasoning is None:
        return _with_any(np.where(thought, np.nan, tokens))
    return _with_any(tokens - np.where(thought, reasoning, np.nan_to_num(reasoning)))


def _count_tokens(texts: pa.Array, rows: Ints, count: Count | None) -> Floats | None:
    """Tokens of these rows' texts. Equal texts are counted once: load tests repeat themselves."""
    import numpy as np

    if count is None or not len(rows):
        return None
    distinct = texts.take(rows).dictionary_encode()
    tokens = np.empty(len(distinct.dictionary), np.float64)
    for start in range(0, len(tokens), _TEXTS_A_CALL):
        few = distinct.dictionary.slice(start, _TEXTS_A_CALL)
        tokens[start : start + len(few)] = count(few.to_pylist())
    counted: Floats = tokens[distinct.indices.to_numpy()]
    return counted


def _preferred(first: Any, second: Floats | None) -> Floats | None:
    """The first where it has a value, else the second."""
    import numpy as np

    if first is None or second is None:
        return second if first is None else first
    mixed: Floats = np.where(np.isnan(first), second, first)
    return mixed
