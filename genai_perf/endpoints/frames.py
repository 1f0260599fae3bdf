"""Texts out of chunks that are alike in everything else.

The chunks of one streamed answer repeat the same id, model and time around one changing string. Where a run
of them is the same, byte by byte, up to that string and after it, only the strings need to be parsed, in one
call: that takes a third of the time of parsing every chunk.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

TEXT = re.compile(rb'"(?:content|text)": ?"((?:[^"\\]|\\.)*)"')
"""The text in an event of a chat or text completion, and of others that call it so."""
_decode_texts = msgspec.json.Decoder(list[str]).decode


class Run(NamedTuple):
    """Events that differ in one string value only."""

    first: int
    end: int
    """One past the last."""
    texts: list[str]
    """The value in each of them, never empty."""


def find_run(events: Sequence[bytes], text: re.Pattern[bytes] = TEXT) -> Run | None:
    """The run around the middle of these events; None when there is none to be sure of.

    `text` finds the string that changes, in its group 1. What it means, and whether the events hold anything
    else of interest, is seen on any one of them.
    """
    sample = events[len(events) // 2]
    match = text.search(sample)
    if match is None:
        return None
    start = match.start(1)
    head, tail = sample[:start], sample[match.end(1) :]
    neighbour = events[len(events) // 2 - 1]
    if not (neighbour.startswith(head) and neighbour.endswith(tail)):
        return None  # most likely all differ, by a number each: then a look at every one is in vain
    alike = [event.startswith(head) and event.endswith(tail) for event in events]
    first = alike.index(True)
    end = len(alike) - alike[::-1].index(True)
    run = events[first:end]
    if not all(alike[first:end]) or min(map(len, run)) < len(head) + len(tail):
        return None
    inside = slice(start, -len(tail))
    joined = b'","'.join([event[inside] for event in run])
    if b'\\","' in joined or joined.endswith(b"\\"):
        return None  # a backslash before a closing quote: let the parser of whole events decide what it means
    try:
        texts = _decode_texts(b'["' + joined + b'"]')
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    # An unescaped quote would have split its event in two, and nothing else can join two into one.
    return Run(first, end, texts) if len(texts) == len(run) and "" not in texts else None
