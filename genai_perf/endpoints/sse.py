"""Server-sent events, from the bytes of a finished answer.

Rule 1: an event is complete when the blank line after it has arrived, and its instant is that of the read
which brought the end of that line (WHATWG HTML, section 9.2.6).
Rule 2: however the bytes were cut into reads, the events are the same; only their reads differ. This holds
by construction: the reads are joined first, and an event finds its read by its offset.
Rule 3: a last event whose blank line never came counts when the answer was complete. The standard drops it,
but servers exist that end the body right after the data, and a token the user would see is a token.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BETWEEN = b"\n\ndata: "
_FRAME_BYTES = len(_BETWEEN)


@dataclass(frozen=True, slots=True)
class Events:
    """The events of an answer that have data, as parallel lists: a long answer has thousands."""

    data: list[bytes]
    """The `data` lines of each, joined by newlines."""
    reads: list[int]
    """Index of the read that completed it."""
    shared: list[bool]
    """Whether that read went on after the event, so that its stamp may be another's."""
    names: dict[int, bytes]
    """The `event` field, by position, of those that have one."""


def parse(reads: Sequence[bytes], *, complete: bool) -> Events:
    """Every event in order. `complete` says whether the body came to its proper end."""
    body = b"".join(reads)
    data, ends, names = _plain_events(body) or _any_events(body, complete)
    read_ends = list(accumulate(map(len, reads)))
    at = [bisect_left(read_ends, end) for end in ends]
    shared = [read_ends[read] > end for read, end in zip(at, ends, strict=True)]
    return Events(data, at, shared, names)


def _plain_events(body: bytes) -> tuple[list[bytes], list[int], dict[int, bytes]] | None:
    """(data, end offsets, no names) where every event is one `data: ` line ended by a bare newline.

    That is nearly every event of nearly every server, and needs no loop. None where anything is different.
    """
    if not (body.startswith(b"data: ") and body.endswith(b"\n\n")) or b"\r" in body:
        return None
    data = body[6:-2].split(_BETWEEN)
    if body.count(b"\n") != 2 * len(data):
        return None
    return data, list(accumulate([len(line) + _FRAME_BYTES for line in data])), {}


def _any_events(body: bytes, complete: bool) -> tuple[list[bytes], list[int], dict[int, bytes]]:
    """The same by the letter of the standard."""
    data: list[bytes] = []
    ends: list[int] = []
    names: dict[int, bytes] = {}
    for lines, end, terminated in _blocks(body):
        name, value = _fields(lines)
        if value is not None and (terminated or complete):
            if name:
                names[len(data)] = name
            data.append(value)
            ends.append(end)
    return data, ends, names


def _blocks(body: bytes) -> Iterator[tuple[list[bytes], int, bool]]:
    """(lines, end offset, whether a blank line ended them); lines end in CRLF, LF or CR."""
    lines: list[bytes] = []
    start = 0
    for line_end in _LINE_END.finditer(body):
        if line_end.start() > start:
            lines.append(body[start : line_end.start()])
        elif lines:
            yield lines, line_end.end(), True
            lines = []
        start = line_end.end()
    if start < len(body):
        lines.append(body[start:])
    if lines:
        yield lines, len(body), False


def _fields(lines: list[bytes]) -> tuple[bytes, bytes | None]:
    """The event's name and data; data is None where there is no `data` line (comments, retry, id)."""
    name = b""
    data: list[bytes] = []
    for line in lines:
        field, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, b"\n".join(data) if data else None
