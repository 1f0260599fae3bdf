"""BurstGPT's traces: CSV, the instants in seconds. Newer files tell of sessions.

    Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
    Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type

`Request tokens` are counted as the API bills them, with all that was said before in the session.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from genai_perf.clock import NS_PER_S
from genai_perf.workload.traces.rows import Row, duration_ns, records, whole

AT = "Timestamp"
SORTED_BY = "(head -1 {file}; tail -n +2 {file} | sort -s -t, -k1,1g) > sorted.csv"

_SESSION, _TOOK = "Session ID", "Elapsed time"
_REQUEST, _RESPONSE = "Request tokens", "Response tokens"
_REQUIRED = (AT, _REQUEST, _RESPONSE)
_COLUMNS = (AT, _SESSION, _TOOK, "Model", _REQUEST, _RESPONSE, "Total tokens", "Log Type")


def rows(path: Path) -> Iterator[Row]:
    """The rows in their order, read as they are asked for. Raises InputError when it comes to a bad one.

    A row whose answer failed (no response tokens) is sent like any other: it asks for one token.
    """
    for number, fields in records(path, _COLUMNS, _REQUIRED):
        where = f"{path}:{number}"
        yield Row(
            line=number,
            at_ns=duration_ns(fields[AT], AT, where, NS_PER_S),
            input_tokens=max(1, whole(fields[_REQUEST], _REQUEST, where, at_least=0)),
            output_tokens=max(1, whole(fields[_RESPONSE], _RESPONSE, where, at_least=0)),
            session=fields.get(_SESSION, "").strip() or None,
            took_ns=duration_ns(fields.get(_TOOK, "").strip() or "0", _TOOK, where, NS_PER_S),
        )


def as_turns(rows: Sequence[Row]) -> list[Row]:
    """A session's rows as its user typed them: without the history, and with the pauses between them."""
    turns = [rows[0]]
    for before, row in pairwise(rows):
        assert before.input_tokens is not None
        assert before.output_tokens is not None
        assert row.input_tokens is not None
        assert before.at_ns is not None
        assert row.at_ns is not None
        pause_ns = max(0, row.at_ns - before.at_ns - before.took_ns)
        turns[-1] = msgspec.structs.replace(turns[-1], delay_ns=pause_ns)
        typed = max(1, row.input_tokens - before.input_tokens - before.output_tokens)
        turns.append(msgspec.structs.replace(row, input_tokens=typed))
    return turns
