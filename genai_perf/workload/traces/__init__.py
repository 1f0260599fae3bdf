"""Traces: requests as somebody once sent them, with their instants and lengths.

A file of a format, `payload:FILE` and others, becomes a stream of rows. Sent by their own instants, the rows
are read while the run goes on, by a process that makes the bodies and is some seconds ahead (`produce`,
`feed`). Under any other load they are data like a file of prompts, and made before the run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genai_perf.workload.traces import azure, burstgpt, mooncake
from genai_perf.workload.traces.rows import Row


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of trace is read."""

    rows: Callable[[Path], Iterator[Row]]
    """Its rows in their order, read as they are asked for. Raises InputError."""
    at: str
    """The field that says when."""
    sorted_by: str
    """A command that puts a `{file}` into order."""
    as_turns: Callable[[Sequence[Row]], Sequence[Row]] = lambda rows: rows
    """The rows of a session as its user said them."""


FORMATS = {
    "payload": Format(mooncake.rows, mooncake.AT, mooncake.SORTED_BY),
    "azure": Format(azure.rows, azure.AT, azure.SORTED_BY),
    "burstgpt": Format(burstgpt.rows, burstgpt.AT, burstgpt.SORTED_BY, burstgpt.as_turns),
}
"""By what stands before the colon in `--input-file`."""
