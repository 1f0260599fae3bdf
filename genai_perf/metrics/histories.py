"""What further turns of conversations really said: their rows of `inputs.json`, after what was said before.

The journal keeps the answers and not the bodies made of them, which grow with every turn; they are put
together again from it as they were put together for sending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genai_perf.endpoints import Endpoint, count_prompts
from genai_perf.metrics import arrow

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.reading import Count

_COLUMNS = ["conversation", "turn", "input_index", "text"]
_AT_ONCE = 256


def has_histories(records: pa.Table, config: Mapping[str, Any]) -> bool:
    """Whether any record is a further turn, with answers in it that came during the run."""
    if config["input"].get("session_history") == "file" or config["input"].get("replay"):
        return False
    return has_turns(records)


def has_turns(records: pa.Table) -> bool:
    """Whether any record is a further turn of a conversation."""
    return any(arrow.numbers(chunk).any() for chunk in records["turn"].chunks)


def by_conversation(records: pa.Table) -> pa.Table:
    """The records with each conversation's together, turn after turn; conversations as they began."""
    import numpy as np
    import pyarrow as pa

    conversation = pa.chunked_array(
        [chunk.cast(pa.string()) for chunk in records["conversation"].chunks], pa.string()
    )
    _, places = arrow.words(conversation.combine_chunks())
    turns = np.concatenate([arrow.numbers(chunk) for chunk in records["turn"].chunks])
    return arrow.take(records, np.lexsort((turns, places)))


class Histories:
    """Puts bodies together, record by record in the order of `by_conversation`."""

    def __init__(self, endpoint: Endpoint, body: Callable[[int], dict[str, Any]]) -> None:
        assert endpoint.follow is not None
        self._follow = endpoint.follow
        self._body = body
        self._said: dict[str, Any] = {}
        self._answer = ""

    def sent(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The body of this record, as it was sent."""
        body = self._body(row["input_index"])
        if row["turn"]:
            body = self._follow(self._said, self._answer, body)
        self._said, self._answer = body, row["text"]
        return body


def count_inputs(
    records: pa.Table, bodies: Sequence[dict[str, Any]], endpoint: Endpoint, count: Count
) -> pa.Table:
    """The records by conversation, with the input tokens of every turn as it was sent."""
    import numpy as np
    import pyarrow as pa

    ordered = by_conversation(records)
    histories = Histories(endpoint, bodies.__getitem__)
    sent = (histories.sent(row) for row in _rows(ordered))
    tokens = list(count_prompts(endpoint, sent, count))
    place = ordered.schema.get_field_index("input_tokens")
    is_known = np.packbits([each is not None for each in tokens], bitorder="little")
    numbers = np.asarray([each or 0 for each in tokens], np.int64)
    column = pa.Array.from_buffers(pa.int64(), len(tokens), [pa.py_buffer(is_known), pa.py_buffer(numbers)])
    return ordered.set_column(place, "input_tokens", column)


def _rows(records: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in records.select(_COLUMNS).to_batches(max_chunksize=_AT_ONCE):
        yield from batch.to_pylist()
