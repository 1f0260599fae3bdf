"""When several runs measured: at the same time, one after the other, or partly so. Pure.

Rule 1. A run measured from its first benchmark request to the last content of any: the span that all its
        throughputs are over.
Rule 2. Several runs measured wherever any of them did: the union of their spans. A throughput of all is what
        all of them did, over that union. So rates add up where runs overlap, and do not where they do not.
Rule 3. Time in which none measured is cut out: later runs move to an earlier time, by as much. What overlaps
        keeps its place to the nanosecond.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class How(StrEnum):
    """How several runs lie in time."""

    ALONE = "alone"
    TOGETHER = "at the same time"
    """There is an instant at which all of them measured."""
    PARTLY = "partly at the same time"
    APART = "one after the other"


@dataclass(frozen=True, slots=True)
class Span:
    """From here to there, in ns since the epoch."""

    start_ns: int
    end_ns: int

    def overlaps(self, other: "Span") -> bool:
        """Whether both measured at some time; to end when the other begins is not to overlap."""
        return self.start_ns < other.end_ns and other.start_ns < self.end_ns


def how(spans: Sequence[Span]) -> How:
    """How they lie in time."""
    if len(spans) < 2:
        return How.ALONE
    if max(span.start_ns for span in spans) < min(span.end_ns for span in spans):
        return How.TOGETHER
    return How.PARTLY if overlapped_ns(spans) else How.APART


def moves_ns(spans: Sequence[Span]) -> list[int]:
    """By how much each is to be earlier, so that at no time between them none measures."""
    moves = [0] * len(spans)
    idle_ns, until_ns = 0, None
    for place in sorted(range(len(spans)), key=lambda place: spans[place].start_ns):
        span = spans[place]
        if until_ns is not None:
            idle_ns += max(0, span.start_ns - until_ns)
        moves[place] = idle_ns
        until_ns = span.end_ns if until_ns is None else max(until_ns, span.end_ns)
    return moves


def stretches(spans: Sequence[Span]) -> list[list[int]]:
    """The places of those that overlap, directly or by others between them, together; in order of time."""
    found: list[list[int]] = []
    until_ns = 0
    for place in sorted(range(len(spans)), key=lambda place: spans[place].start_ns):
        span = spans[place]
        if found and span.start_ns < until_ns:
            found[-1].append(place)
            until_ns = max(until_ns, span.end_ns)
        else:
            found.append([place])
            until_ns = span.end_ns
    return found


def measured_ns(spans: Sequence[Span]) -> int:
    """How long any of them measured."""
    return sum(length for length, running in _stretches(spans) if running)


def overlapped_ns(spans: Sequence[Span]) -> int:
    """How long two of them or more measured at the same time."""
    return sum(length for length, running in _stretches(spans) if running > 1)


def _stretches(spans: Sequence[Span]) -> list[tuple[int, int]]:
    """(length in ns, how many run) between any two instants at which one begins or ends."""
    steps: dict[int, int] = {}
    for span in spans:
        steps[span.start_ns] = steps.get(span.start_ns, 0) + 1
        steps[span.end_ns] = steps.get(span.end_ns, 0) - 1
    stretches, running = [], 0
    for instant, following in pairwise(sorted(steps)):
        running += steps[instant]
        stretches.append((following - instant, running))
    return stretches
