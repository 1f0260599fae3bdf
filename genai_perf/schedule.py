"""When to send: arrivals, as iterators of `Slot`. Pure and seeded; the runner waits for them.

A `due_ns` counts from the start of its phase. Slots are numbered over the whole run, so that the benchmark
goes on in the dataset where the warm-up stopped, and does not meet prompts that the server has cached.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count, cycle, islice, repeat

from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import Config
from genai_perf.types import Phase, Slot


def arrivals(
    config: Config, intervals_us: Sequence[int] = (), *, expected: int | None = None
) -> Iterator[int | None]:
    """Due times (ns) of an open loop, without end; None for ever for a closed one.

    `intervals_us` is the content of the file that `--request-intervals` names. `expected` is how many
    arrivals will be used, where that is known.
    """
    load = config.load
    if load.request_intervals is not None:
        return intervals(intervals_us)
    if load.request_rate is None:
        return closed_loop()
    if load.request_distribution == "poisson":
        return poisson(load.request_rate, random.Random(f"{config.input.random_seed}:arrivals"), expected)
    return constant(load.request_rate)


def closed_loop() -> Iterator[None]:
    """As soon as there is a place."""
    return repeat(None)


def constant(rate_per_s: float) -> Iterator[int]:
    """Equal gaps; the first at once. Each is computed from its number, so that no rounding adds up."""
    period_ns = NS_PER_S / rate_per_s
    return (round(number * period_ns) for number in count())


def poisson(rate_per_s: float, random_: random.Random, expected: int | None = None) -> Iterator[int]:
    """Exponential gaps with mean 1 / rate; the first after one of them.

    A Poisson process has by chance more or fewer arrivals than its rate says: 1 % in 10,000. With `expected`
    it is conditioned on exactly that many in `expected / rate` seconds, which leaves their places as random
    as before (uniform order statistics) and makes the rate the one that was asked for.
    """
    scale_ns = float(NS_PER_S)
    if expected is not None:
        state = random_.getstate()
        drawn_s = sum(random_.expovariate(rate_per_s) for _ in range(expected + 1))
        random_.setstate(state)
        scale_ns *= expected / rate_per_s / drawn_s
    due_ns = 0.0
    while True:
        due_ns += random_.expovariate(rate_per_s) * scale_ns
        yield round(due_ns)


def intervals(gaps_us: Sequence[int]) -> Iterator[int]:
    """The gaps of a list, over and over; the first arrival comes after the first of them (Perf Analyzer)."""
    due_ns = 0
    for gap_us in cycle(gaps_us):
        due_ns += gap_us * 1_000
        yield due_ns


def slots(
    due: Iterator[int | None],
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
