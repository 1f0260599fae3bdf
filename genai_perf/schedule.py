"""When to send: arrivals, as iterators of `Slot`. Pure and seeded; the runner waits for them.

An open loop is an arrival process at a rate that may change. The process counts arrivals ("the 3.7th"), the
rate says when that count is reached: any process keeps its character under any rate.

A `due_ns` counts from the start of its phase. Slots are numbered over the whole run, so that the benchmark
goes on in the dataset where the warm-up stopped, and does not meet prompts that the server has cached.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle, islice, repeat

from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import Config, LoadConfig
from genai_perf.types import Phase, Slot


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time over which a load, requests/s or places, goes evenly from one value to another."""

    seconds: float
    """Infinite for the last of a load that lasts."""
    start: float
    end: float

    @property
    def area(self) -> float:
        """Of a rate: how many arrivals it brings."""
        mean = (self.start + self.end) / 2
        return mean * self.seconds if mean else 0.0


@dataclass(frozen=True, slots=True)
class LoadFile:
    """What a file of the load options says; empty where they name none."""

    intervals_us: Sequence[int] = ()
    """`--request-intervals`: gaps between arrivals."""
    stretches: Sequence[Stretch] = ()
    """`--request-rate-schedule`, `--concurrency-schedule`: the load over time."""

    @property
    def seconds(self) -> float | None:
        """How long the load lasts; None where a file does not say."""
        return sum(stretch.seconds for stretch in self.stretches) if self.stretches else None


def steady(level: float, ramp_up_s: float | None = None, *, start: float = 0.0) -> tuple[Stretch, ...]:
    """That load for ever, after a rise from `start` where there is a ramp."""
    hold = Stretch(math.inf, level, level)
    return (Stretch(ramp_up_s, start, level), hold) if ramp_up_s else (hold,)


def rate_of(load: LoadConfig, file: LoadFile) -> Sequence[Stretch]:
    """The rate of an open loop, in requests/s or conversations/s."""
    return file.stretches or steady(load.request_rate or load.session_rate or 0.0, load.ramp_up_s)


def concurrency_of(load: LoadConfig, file: LoadFile) -> Sequence[Stretch]:
    """The width of a closed loop. One that rises begins with a single place."""
    return file.stretches or steady(
        load.session_concurrency or load.concurrency or 1, load.ramp_up_s, start=1
    )


def arrivals(
    config: Config, file: LoadFile, *, expected: int | None = None
) -> Iterator[int] | Iterator[None]:
    """Due times (ns) of an open loop, as long as its rate lasts; None for ever for a closed one.

    `expected` is how many of them will be used, where that is known.
    """
    load = config.load
    if load.request_intervals is not None:
        return intervals(file.intervals_us)
    if not config.is_open_loop:
        return closed_loop()
    random_ = random.Random(f"{config.input.random_seed}:arrivals")
    if load.burstiness is not None:
        process = gamma(load.burstiness, random_, expected)
    elif load.request_distribution == "poisson":
        process = poisson(random_, expected)
    else:
        process = evenly()
    return at_rate(process, rate_of(load, file))


# -- processes: when each arrival comes, in arrivals ----------------------------------------------------


def evenly() -> Iterator[float]:
    """One after the other; the first at once."""
    return map(float, count())


def poisson(random_: random.Random, expected: int | None = None) -> Iterator[float]:
    """Exponential gaps; the first arrival after one of them. `expected`: see `gamma`."""
    return _gaps(random_, lambda draw: draw.expovariate(1.0), expected)


def gamma(shape: float, random_: random.Random, expected: int | None = None) -> Iterator[float]:
    """Gaps of a gamma distribution: bursts where its shape is below 1, more even above, Poisson at 1.

    As vLLM's and others' `burstiness`. Any such process has by chance more or fewer arrivals than its rate
    says: 1 % in 10,000. With `expected` it is conditioned on exactly that many in the time they should take,
    which leaves their places as random as before and makes the rate the one that was asked for.
    """
    return _gaps(random_, lambda draw: draw.gammavariate(shape, 1 / shape), expected)


def _gaps(
    random_: random.Random, draw: Callable[[random.Random], float], expected: int | None
) -> Iterator[float]:
    scale = 1.0
    if expected is not None:
        state = random_.getstate()
        drawn = sum(draw(random_) for _ in range(expected + 1))
        random_.setstate(state)
        scale = expected / drawn
    at = 0.0
    while True:
        at += draw(random_)
        yield at * scale


# -- due times ------------------------------------------------------------------------------------------


def at_rate(arrivals: Iterator[float], rate: Sequence[Stretch]) -> Iterator[int]:
    """The instants (ns) at which a changing rate has brought so many; ends when it brings no more."""
    stretches = iter(rate)
    begun_s = begun = 0.0
    now = next(stretches, None)
    for arrival in arrivals:
        while now is not None and arrival - begun >= now.area and not math.isinf(now.seconds):
            begun_s, begun, now = begun_s + now.seconds, begun + now.area, next(stretches, None)
        if now is None:
            return
        yield round((begun_s + _time_to(arrival - begun, now)) * NS_PER_S)


def _time_to(arrivals: float, stretch: Stretch) -> float:
    """Seconds until a stretch has brought so many: the root of start·t + slope·t²/2."""
    if stretch.start == stretch.end:
        return arrivals / stretch.start
    slope = (stretch.end - stretch.start) / stretch.seconds
    root = math.sqrt(max(0.0, stretch.start**2 + 2 * slope * arrivals))
    return 2 * arrivals / (stretch.start + root) if arrivals else 0.0  # this form loses no digits


def arrivals_until(rate: Sequence[Stretch], seconds: float) -> float:
    """How many arrivals a rate brings in its first so many seconds."""
    total = 0.0
    for stretch in rate:
        if seconds <= 0:
            break
        within = min(seconds, stretch.seconds)
        slope = (stretch.end - stretch.start) / stretch.seconds
        total += (stretch.start + slope * within / 2) * within
        seconds -= within
    return total


def closed_loop() -> Iterator[None]:
    """As soon as there is a place."""
    return repeat(None)


def intervals(gaps_us: Sequence[int]) -> Iterator[int]:
    """The gaps of a list, over and over; the first arrival comes after the first of them (Perf Analyzer)."""
    due_ns = 0
    for gap_us in cycle(gaps_us):
        due_ns += gap_us * 1_000
        yield due_ns


# -- places ---------------------------------------------------------------------------------------------


def places(concurrency: Sequence[Stretch]) -> Iterator[tuple[int, int]]:
    """(instant in ns, how many may be in flight from then on), at each change; the first at 0.

    Between whole numbers it is the nearest one, so that a rise from 1 to 3 has 2 for half of the time.
    """
    begun_s = 0.0
    last: int | None = None
    for stretch in concurrency:
        for at_s, level in _levels(stretch):
            if level != last:
                yield round((begun_s + at_s) * NS_PER_S), level
            last = level
        begun_s += stretch.seconds


def _levels(stretch: Stretch) -> Iterator[tuple[float, int]]:
    start, end = _nearest(stretch.start), _nearest(stretch.end)
    yield 0.0, start
    step = 1 if end > start else -1
    for level in range(start + step, end + step, step) if start != end else ():
        border = level - step / 2
        yield (border - stretch.start) / (stretch.end - stretch.start) * stretch.seconds, level


def _nearest(value: float) -> int:
    return math.floor(value + 0.5)


# -- slots ----------------------------------------------------------------------------------------------


def slots(
    due: Iterator[int | None] | Iterator[int] | Iterator[None],
    first: int,
    phase: Phase,
    *,
    requests: int | None = None,
    duration_ns: float | None = None,
) -> Iterator[Slot]:
    """Number the arrivals of one phase from `first`; end after so many, or at a due time past the duration.

    A closed loop has no due times to end by: there the runner watches the clock.
    """
    for index, due_ns in enumerate(islice(due, requests), first):
        if duration_ns is not None and due_ns is not None and due_ns >= duration_ns:
            return
        yield Slot(index, due_ns, phase)
