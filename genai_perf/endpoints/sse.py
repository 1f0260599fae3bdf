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
from itertools import accumulate, islice
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
DONE = b"[DONE]"
"""What OpenAI's streams end with, as an event's data."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_COMMENTS = re.compile(rb"(?::[^\r\n]*\n+)+")
_DATA = b"\ndata: "
_NAME = b"event: "
_PREFIX = re.compile(rb"data: ?|event: ")
"""What every event of a plain answer begins with, be it one or the other."""
_PIECE_BYTES = 65_536
"""What is looked at in one step, which takes 0.1 ms, however long the answer is."""
_Found = tuple[list[bytes], list[int], dict[int, bytes]]


class Events(NamedTuple):
    """Some events of an answer, in order, as parallel lists: a long answer has thousands."""

    data: list[bytes]
    """The `data` lines of each, joined by newlines."""
    reads: list[int]
    """Index of the read that completed it."""
    shared: list[bool]
    """Whether that read went on after the event, so that its stamp may be another's."""
    names: dict[int, bytes]
    """The `event` field, by position, of those that have one."""


def parse(reads: Sequence[bytes], *, complete: bool, at_once: int) -> Iterator[Events]:
    """Every event that has data, `at_once` at a time.

    `complete` says whether the body came to its proper end.
    """
    body = b"".join(reads) if len(reads) != 1 else reads[0]
    read_ends = list(accumulate(map(len, reads)))
    for data, ends, names in _found(body, complete, at_once):
        at = [bisect_left(read_ends, end) for end in ends] if len(reads) > 1 else [0] * len(ends)
        shared = [read_ends[read] > end for read, end in zip(at, ends)]
        yield Events(data, at, shared, names)


class Arriving:
    """Counts the events that have data while their answer arrives, by the same standard, but for `[DONE]`.

    Only what is complete, with the blank line after it, counts. Made for the first few events of an answer:
    each read costs some microseconds here.
    """

    __slots__ = ("_rest", "events")

    def __init__(self) -> None:
        self.events = 0
        self._rest = b""
        """What belongs to no event that is complete; behind the first, with the end of the line before it, so
        that what begins there is not taken for the beginning of the answer."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, however they were cut."""
        rest = self._rest + data
        complete = 0
        for lines, end, terminated in _blocks(rest, 0):
            if terminated:
                self.events += _fields(lines)[1] not in (None, DONE)
                complete = end
        self._rest = rest[max(0, complete - 1) :]


def _found(body: bytes, complete: bool, at_once: int) -> Iterator[_Found]:
    """(data, end offsets, names by position): the plain events first, then by the letter of the standard."""
    start = _after_comments(body, 0)
    while start < len(body) and (plain := _plain_events(body, start)):
        frame_bytes = plain.frame_bytes
        for first in range(0, len(plain.data), at_once):
            data, names = plain.data[first : first + at_once], plain.names[first : first + at_once]
            if names:
                sizes = zip(data, names)
                ends = [start := start + len(line) + len(name) + frame_bytes for line, name in sizes]
            else:
                ends = [start := start + len(line) + frame_bytes for line in data]
            yield data, ends, dict(enumerate(names))
        start = _after_comments(body, start)
    if start == len(body):
        return
    found = (
        (value, end, name)
        for lines, end, terminated in _blocks(body, start)
        for name, value in [_fields(lines)]
        if value is not None and (terminated or complete)
    )
    while some := list(islice(found, at_once)):
        yield (
            [value for value, _, _ in some],
            [end for _, end, _ in some],
            {position: name for position, (_, _, name) in enumerate(some) if name},
        )


def _after_comments(body: bytes, start: int) -> int:
    """Where the comments end that begin there."""
    found = _COMMENTS.match(body, start)
    return found.end() if found else start


class _Plain(NamedTuple):
    data: list[bytes]
    names: list[bytes]
    """Empty where the events have none."""
    frame_bytes: int
    """What stands around the data, and the name, of each."""


def _plain_events(body: bytes, start: int) -> _Plain | None:
    """The events from there on, as many as a piece holds; None where any is not plain.

    Plain is one `data` line ended by a bare newline, maybe after one `event` line: nearly every event of
    nearly every server.
    """
    begins = _PREFIX.match(body, start)
    end = body.rfind(b"\n\n", start, start + _PIECE_BYTES) + 2
    if begins is None or end < begins.end() + 2:
        return None
    prefix = begins.group()
    piece = body[start:end]
    if prefix == _NAME:
        piece = piece.removesuffix(b"data: [DONE]\n\n")  # which has no name, and comes by itself then
    if b"\r" in piece:
        return None
    blocks = piece[len(prefix) : -2].split(b"\n\n" + prefix)
    lines = piece.count(b"\n")
    if prefix != _NAME:
        is_plain = lines == 2 * len(blocks) and b"" not in blocks
        if prefix == b"data:" and b"\n\ndata: " in piece:
            is_plain = False
        return _Plain(blocks, [], len(prefix) + 2) if is_plain else None
    pairs = [block.partition(_DATA) for block in blocks]
    names, data = [pair[0] for pair in pairs], [pair[2] for pair in pairs]
    if lines != 3 * len(blocks) or b"" in data or b"" in names:
        return None
    return _Plain(data, names, len(_NAME) + len(_DATA) + 2)


def _blocks(body: bytes, start: int) -> Iterator[tuple[list[bytes], int, bool]]:
    """(lines, end offset, whether a blank line ended them); lines end in CRLF, LF or CR."""
    lines: list[bytes] = []
    if start == 0 and body.startswith(BOM):
        start = len(BOM)
    for line_end in _LINE_END.finditer(body, start):
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
    """The event's name and data; data is None where there is none (comments, retry, id, empty `data`)."""
    name = b""
    data: list[bytes] = []
    for line in lines:
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, b"\n".join(data) or None
