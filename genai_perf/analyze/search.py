"""Which level to measure next, by what was seen of those before: the searches themselves, without any I/O.

Levels are loads, or whatever else can be had in steps; a level *meets* the objective or misses it, as whoever
measures it judges. A search is a function from what was seen to the next level, so it can be asked anew at
any time, and goes on from wherever an earlier one stopped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from genai_perf.config.levels import Level


@dataclass(frozen=True, slots=True)
class Seen:
    """A level that was measured."""

    level: Level
    meets: bool


def next_linear(seen: Sequence[Seen], start: Level, end: Level | None, step: Level) -> Level | None:
    """`start`, `start + step`, … up to the end, or to the first that misses; None when it is over.

    An end of None is none: somebody must miss some day.
    """
    if seen and not seen[-1].meets:
        return None
    level = _exact(start) + len(seen) * _exact(step)
    return None if end is not None and level > _exact(end) else _plain(level, like=start)


def next_binary(seen: Sequence[Seen], start: Level, end: Level, step: Level) -> Level | None:
    """The start, the end, then the middle of what lies between, until that is no more than a step.

    It is over at once where the start misses, or the end meets. In between, levels are taken to meet up to
    one and to miss beyond it.
    """
    if not seen:
        return start
    if not seen[0].meets or start == end:
        return None
    if len(seen) == 1:
        return end
    if seen[1].meets:
        return None
    low = _exact(max(each.level for each in seen if each.meets))
    high = _exact(min(each.level for each in seen if not each.meets))
    if high - low <= _exact(step):
        return None
    middle = _plain((low + high) / 2, like=start)
    return middle if low < middle < high else None  # there is no number between them


def _exact(level: Level) -> Fraction:
    """The number that was written: a tenth, rather than the float next to it."""
    return Fraction(str(level))


def _plain(level: Fraction, *, like: Level) -> Level:
    return math.floor(level) if isinstance(like, int) else float(level)
