"""Reads the journal's table into `Columns`.

Works batch by batch on the Arrow buffers, so that nothing is copied but what is kept: a handful of
numbers a request, and for every token the gap before it and how late it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genai_perf.metrics import arrow
from genai_perf.metrics.columns import Columns
from genai_perf.metrics.pools import Pools
from genai_perf.types import Phase, Stamp

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.arrow import Bools, Floats, Ints

Count = Callable[[Sequence[str]], Sequence[int]]
"""Tokens in each of these texts."""

_TEXTS_A_CALL = 1024
"""How many texts the tokenizer gets at once: enough for its threads, little enough for memory."""

_BYTES_A_BATCH = 16 << 20


def read_columns(
    records: pa.Table,
    *,
    count: Count | None,
    input_tokens: Sequence[int | None] | None,
    use_server_token_count: bool,
    slos: Mapping[str, float],
    per_image: bool = False,
) -> Columns:
    """Reads the journal's table.

    `count` gives the output tokens of the texts, None where the API answers without text. `input_tokens`
    counts the prompts anew, by row of `inputs.json`; None takes them as recorded. `per_image` says that
    requests are nothing but images, so that it means something to divide a latency by their number.
    """
    import numpy as np

    pools = Pools.for_table(records)
    batches = [_read_batch(batch, count, input_tokens, pools) for batch in _batches(records)]

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
    images = optional("images")
    kernel_stamps = sum(batch["kernel_stamps"] for batch in batches)
    longest_wait_ns = pools.longest_wait_ns() if kernel_stamps == sum(sizes) else None
    if longest_wait_ns is not None:
        for slack in (pools.earlier_slack_ns, pools.later_slack_ns, *(plain[name] for name in _SLACKS)):
            np.minimum(slack, longest_wait_ns, out=slack, casting="unsafe")
    ends = np.cumsum([0, *(batch["records"] for batch in batches)])
    return Columns(
        row=whole("row") + np.repeat(ends[:-1], sizes) if batches else whole("row"),
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
        longest_wait_ns=longest_wait_ns,
        kernel_stamps=kernel_stamps,
        tool_calls_alone=sum(batch["tool_calls_alone"] for batch in batches),
        events_with_slack=sum(batch["events_with_slack"] for batch in batches),
        events_sharing_a_read=int((pools.gap_ns[: pools.pairs] == 0).sum()),
        errors=_added([batch["errors"] for batch in batches]),
        empty=sum(batch["empty"] for batch in batches),
        empty_with_reasoning=sum(batch["empty_with_reasoning"] for batch in batches),
        uncounted_by_server=sum(sizes) if visible is None else int(np.isnan(visible).sum()),
        images=images if per_image else None,
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
_SLACKS = ("first_slack_ns", "second_slack_ns", "last_slack_ns")
_SPARSE = (
    "second_ns",
    "due_ns",
    "first_reasoning_ns",
    "first_tool_ns",
    "dns_ns",
    "connect_ns",
    "tls_ns",
    "reasoning_tokens",
    "tool_tokens",
)
_NEEDED = [
    "phase",
    "error_kind",
    "error_message",
    "stamp",
    "text",
    "tool_text",
    "input_index",
    "input_tokens",
    "images",
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
    "tool_ns",
    "usage_input_tokens",
    "usage_output_tokens",
    "usage_reasoning_tokens",
]


def _batches(records: pa.Table) -> Iterator[pa.RecordBatch]:
    """The rows in batches of a size that is worth a few dozen numpy calls; the journal's are smaller."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    waiting_bytes = 0
    for batch in records.select(_NEEDED).to_batches():
        waiting.append(batch)
        waiting_bytes += batch.nbytes
        if waiting_bytes >= _BYTES_A_BATCH:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting, waiting_bytes = [], 0
    if waiting_bytes:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _read_batch(
    batch: pa.RecordBatch,
    count: Count | None,
    input_tokens: Sequence[int | None] | None,
    pools: Pools,
) -> dict[str, Any]:
    import numpy as np

    def nullable(name: str) -> Floats | None:
        column = batch.column(name)
        if column.null_count == len(column):
            return None
        return _with_any(arrow.optional(column)[rows])

    benchmark = arrow.equals(batch.column("phase"), Phase.BENCHMARK)
    succeeded = benchmark & ~_given(batch.column("error_kind"))
    at_ns, offsets = arrow.lists(batch.column("content_ns"))
    slack_ns, _ = arrow.lists(batch.column("content_slack_ns"))
    lag_ns, _ = arrow.lists(batch.column("content_lag_ns"))
    reasoning_ns, reasoning_offsets = arrow.lists(batch.column("reasoning_ns"))
    events = np.diff(offsets)
    counts_for_metrics = succeeded & (events > 0)
    rows = np.flatnonzero(counts_for_metrics)
    thought = np.diff(reasoning_offsets) > 0
    tool_ns, tool_offsets = arrow.lists(batch.column("tool_ns"))
    called = np.diff(tool_offsets)[rows] > 0
    spoke = arrow.sizes(batch.column("text"))[rows] > 0

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
    started, sent = arrow.numbers(batch.column("start_ns")), arrow.numbers(batch.column("sent_ns"))
    due = batch.column("due_ns")
    planned = benchmark & arrow.valid(due) & (succeeded | (sent > 0))
    recorded_tokens = nullable("input_tokens")
    if input_tokens is not None:
        recorded_tokens = np.asarray(input_tokens, np.float64)[
            arrow.numbers(batch.column("input_index"))[rows]
        ]
    server_tokens = nullable("usage_output_tokens")
    reasoning_tokens = nullable("usage_reasoning_tokens")
    images = nullable("images")
    text_tokens = _count_tokens(batch.column("text"), rows, count)
    tool_tokens = _count_tokens(batch.column("tool_text"), rows, count) if called.any() else None
    return {
        "records": len(benchmark),
        "row": rows,
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
        "first_tool_ns": _first_of(tool_ns, tool_offsets, rows),
        "dns_ns": nullable("dns_ns"),
        "connect_ns": nullable("connect_ns"),
        "tls_ns": nullable("tls_ns"),
        "counted_input_tokens": recorded_tokens,
        "counted_output_tokens": _where(called & ~spoke, tool_tokens, text_tokens),
        "server_input_tokens": nullable("usage_input_tokens"),
        "images": None if images is None else _with_any(np.where(images > 0, images, np.nan)),
        "server_output_tokens": server_tokens,
        "server_visible_tokens": _visible(server_tokens, reasoning_tokens, thought[rows], called & spoke),
        "reasoning_tokens": reasoning_tokens,
        "tool_tokens": _where(called, tool_tokens, None),
        "tool_calls_alone": int((called & ~spoke).sum()),
        "lateness_ns": started[planned] - arrow.numbers(due)[planned],
        "kernel_stamps": int(arrow.equals(batch.column("stamp"), Stamp.KERNEL)[rows].sum()),
        "events_with_slack": events_with_slack,
        "errors": errors_of(
            batch.column("error_kind"), batch.column("error_message"), np.flatnonzero(benchmark & ~succeeded)
        ),
        "empty": int((succeeded & (events == 0)).sum()),
        "empty_with_reasoning": int((succeeded & (events == 0) & thought).sum()),
    }


def _given(kinds: pa.Array) -> Bools:
    """Where a column of strings is not null, be it dictionary-encoded or not."""
    import pyarrow as pa

    return arrow.valid(kinds.indices if pa.types.is_dictionary(kinds.type) else kinds)


def errors_of(kinds: pa.Array, messages: pa.Array, rows: Ints) -> dict[str, tuple[int, str]]:
    """How many of these rows failed in which way, with the first message of each kind."""
    import numpy as np

    words, places = arrow.words(kinds)
    rows = rows[places[rows] >= 0]
    if not len(rows):
        return {}
    present, first, counts = np.unique(places[rows], return_index=True, return_counts=True)
    return {
        words[kind]: (int(count), messages[int(rows[place])].as_py() or "")
        for kind, place, count in zip(present, first, counts, strict=True)
    }


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


def _visible(tokens: Floats | None, reasoning: Floats | None, thought: Bools, mixed: Bools) -> Floats | None:
    """The server's output tokens without those of the reasoning.

    A server that sends reasoning text without stating its tokens leaves the visible ones unknown; so does any
    where text and tool calls are `mixed`.
    """
    import numpy as np

    if tokens is None:
        return None
    tokens = np.where(mixed, np.nan, tokens)
    if reasoning is None:
        return _with_any(np.where(thought, np.nan, tokens))
    return _with_any(tokens - np.where(thought, reasoning, np.nan_to_num(reasoning)))


def _where(condition: Bools, this: Floats | None, other: Floats | None) -> Floats | None:
    """This where the condition holds, else the other; what is None has no value anywhere."""
    import numpy as np

    if this is None and other is None:
        return None
    return _with_any(
        np.where(condition, np.nan if this is None else this, np.nan if other is None else other)
    )


def _count_tokens(texts: pa.Array, rows: Ints, count: Count | None) -> Floats | None:
    """Tokens of these rows' texts. Equal texts are counted once: load tests repeat themselves."""
    import numpy as np

    if count is None or not len(rows):
        return None
    distinct = arrow.take(texts, rows).dictionary_encode()
    tokens = np.empty(len(distinct.dictionary), np.float64)
    for start in range(0, len(tokens), _TEXTS_A_CALL):
        few = distinct.dictionary.slice(start, _TEXTS_A_CALL)
        tokens[start : start + len(few)] = count(few.to_pylist())
    counted: Floats = tokens[arrow.numbers(distinct.indices)]
    return counted


def _added(errors: Sequence[Mapping[str, tuple[int, str]]]) -> dict[str, tuple[int, str]]:
    """The errors of all batches, most frequent first."""
    together: dict[str, tuple[int, str]] = {}
    for batch in errors:
        for kind, (count, message) in batch.items():
            known, sample = together.get(kind, (0, message))
            together[kind] = (known + count, sample)
    return dict(sorted(together.items(), key=lambda entry: (-entry[1][0], entry[0])))


def _preferred(first: Any, second: Floats | None) -> Floats | None:
    """The first where it has a value, else the second."""
    import numpy as np

    if first is None or second is None:
        return second if first is None else first
    mixed: Floats = np.where(np.isnan(first), second, first)
    return mixed
