"""Several loads in one command: what Perf Analyzer's range and search flags come to.

Which level is measured next is `analyze/search.py`'s to say; here is what the user asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from genai_perf.config.options import Given, Layer, parse_number
from genai_perf.config.schema import Config
from genai_perf.exceptions import UsageError

Level = int | float
"""So many requests in flight, or so many a second."""

RANGES: Mapping[str, Literal["concurrency", "request_rate"]] = {
    "--concurrency-range": "concurrency",
    "-t": "concurrency",
    "--request-rate-range": "request_rate",
}
"""Perf Analyzer's flags for the load, and what each sets."""

SEARCH_FLAGS = (*RANGES, "--latency-threshold", "--binary-search")


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Loads to measure one after the other."""

    name: Literal["concurrency", "request_rate"]
    source: str
    """The flag that says so."""
    start: Level
    end: Level | None
    """Included; None goes on until the threshold is exceeded."""
    step: Level
    """From one to the next; of a binary search, how closely the level is to be found."""
    threshold_ms: float | None = None
    """The request latency that ends the search: the average, or the percentile that `--percentile` names."""
    is_binary: bool = False

    @property
    def bounds(self) -> tuple[Level, ...]:
        """The least and the most load, as far as they are known before anything is measured."""
        ends = (self.start,) if self.end is None else (self.start, self.end)
        return tuple(dict.fromkeys(ends))

    def layer(self, level: Level) -> Layer:
        """What the flag says for one level."""
        return {f"load.{self.name}": Given((repr(level),), self.source)}

    def at(self, config: Config, level: Level) -> Config:
        """The run of that level."""
        chosen: dict[str, Any] = {self.name: level}
        load = replace(config.load, **chosen)
        traffic = tuple(replace(kind, config=replace(kind.config, load=load)) for kind in config.traffic)
        return replace(config, load=load, traffic=traffic)


def read_levels(flags: Mapping[str, str]) -> tuple[Levels | None, list[str]]:
    """The levels that the search flags ask for, and warnings. Raises UsageError.

    None where no range is given: the load is what stands before the `--`.
    """
    sources = [source for source in RANGES if source in flags]
    if len(sources) > 1:
        raise UsageError(f"{sources[0]} and {sources[1]} exclude each other")
    threshold_ms = _threshold(flags)
    is_binary = "--binary-search" in flags
    if not sources:
        if is_binary:
            raise UsageError(
                "--binary-search needs --concurrency-range or --request-rate-range",
                hint="for example --concurrency-range 1:64 --latency-threshold 500 --binary-search",
            )
        idle = "--latency-threshold has no effect without --concurrency-range or --request-rate-range"
        return None, [idle] if threshold_ms is not None else []
    (source,) = sources
    text = flags[source]
    start, end, step = _range(text, source, whole=RANGES[source] == "concurrency")
    if threshold_ms is None and (end is None or is_binary):
        why = "--binary-search" if is_binary else f"{source}: {text!r}: an END of 0"
        raise UsageError(
            f"{why} needs --latency-threshold", hint="for example --latency-threshold 500, in ms"
        )
    if is_binary and (end is None or ":" not in text):
        raise UsageError(f"--binary-search needs an END in {source}, {text!r} has none")
    return (
        Levels(
            name=RANGES[source],
            source=source,
            start=start,
            end=end,
            step=step,
            threshold_ms=threshold_ms,
            is_binary=is_binary,
        ),
        [],
    )


def _threshold(flags: Mapping[str, str]) -> float | None:
    """In ms; None where it is not given, or is 0, Perf Analyzer's way to say so."""
    source = "--latency-threshold"
    if source not in flags:
        return None
    threshold_ms = parse_number(flags[source], source)
    if threshold_ms < 0:
        raise UsageError(f"{source}: {flags[source]} is not at least 0")
    return threshold_ms or None


def _range(text: str, source: str, *, whole: bool) -> tuple[Level, Level | None, Level]:
    """What `START[:END[:STEP]]` says; the end None where it is 0."""
    parts = text.split(":")
    if len(parts) > 3:
        raise UsageError(f"{source}: {text!r} is not START[:END[:STEP]]")
    numbers: list[Level] = [parse_number(part, source) for part in parts]
    if whole:
        if any(number != int(number) for number in numbers):
            raise UsageError(f"{source}: {text!r} is not made of whole numbers")
        numbers = [int(number) for number in numbers]
    start = numbers[0]
    end = numbers[1] if len(numbers) > 1 else start
    step = numbers[2] if len(numbers) > 2 else 1
    if start <= 0 or step <= 0:
        raise UsageError(f"{source}: {text!r}: start and step must be more than 0")
    if end != 0 and end < start:
        raise UsageError(f"{source}: {text!r} ends before it starts")
    return start, end or None, step
