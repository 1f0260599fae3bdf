"""Server-sent events, from the bytes of a finished answer.

Rule 1: an event is complete when the blank line after it has arrived, and its instant is that of the read
which brought the end of that line (WHATWG HTML, section 9.2.6).
Rule 2: however the bytes were cut into reads, the events are the same; only their reads differ. This holds
by construction: the reads are joined first, and an event finds its read by its offset.
Rule 3: a last event whose blank line never came counts when the answer was complete. The standard drops it,
but servers exist that end the body right after the data, and a token the user would see is a token.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event; a tuple, because a long answer has thousands."""

    data: bytes
    """The `data` lines, joined by newlines."""
    read: int
    """Index of the read that completed it."""
    shared: bool
    """Whether that read went on after the event, so that its stamp may be another's."""
    name: bytes = b""
    """The `event` field, empty when there is none."""


def events(reads: Sequence[bytes], *, complete: bool) -> Iterator[Event]:
    """Every event that has data, in order. `complete` says whether the body came to its proper end."""
    body = b"".join(reads)
    ends = list(accumulate(map(len, reads)))
    blocks = _plain_blocks(body) if b"\r" not in body else _any_blocks(body)
    read = 0
    for block, end, terminated in blocks:
        if not (terminated or complete):
            return
        while ends[read] < end:
            read += 1
        # Nearly every event of nearly every server is one line of data.
        if block.startswith(b"data: ") and b"\n" not in block:
            yield Event(block[6:], read, end < ends[read])
        else:
            name, data = _fields(block)
            if data is not None:
                yield Event(data, read, end < ends[read], name)


def _plain_blocks(body: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """(lines, end offset, whether a blank line ended it), where every line ends in a bare newline."""
    *blocks, rest = body.split(b"\n\n")
    end = 0
    for block in blocks:
        end += len(block) + 2
        yield block, end, True
    if rest.strip(b"\n"):
        yield rest, end + len(rest), False


def _any_blocks(body: bytes) -> Iterator[tuple[bytes, int, bool]]:
    """The same for CRLF, CR and mixed line ends; lines come out joined by newlines."""
    lines: list[bytes] = []
    start = 0
    for line_end in _LINE_END.finditer(body):
        if line_end.start() > start:
            lines.append(body[start : line_end.start()])
        elif lines:
            yield b"\n".join(lines), line_end.end(), True
            lines = []
        start = line_end.end()
    if start < len(body):
        lines.append(body[start:])
    if lines:
        yield b"\n".join(lines), len(body), False


def _fields(block: bytes) -> tuple[bytes, bytes | None]:
    """The event's name and data; data is None where there is no `data` line (comments, retry, id)."""
    name = b""
    data: list[bytes] = []
    for line in block.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, b"\n".join(data) if data else None
