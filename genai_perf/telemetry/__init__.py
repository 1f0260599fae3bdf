"""What is sampled beside a run: the server's own metrics, and the GPUs.

A process of its own asks `Source`s at an interval and appends what they say to a file in the run's
directory, so that nothing of it happens in the process that sends requests.

    sampler   starts that process and tells it of each run        (the load generator's side)
    process   asks the sources, a thread each                     (the other side)
    log       the file it writes
    store     the Arrow file made of that: `read(directory) -> Telemetry`
    sources   which sources a configuration asks for

A source is one file with `source(spec) -> Source`, and the file's name is its `Spec.kind`: `page` is any page
of Prometheus metrics. Which of those tell of the server and which of GPUs is seen by the names in it, later.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Sample(NamedTuple):
    """One value of one series."""

    name: str
    labels: Mapping[str, str]
    value: float
    type: str = "unknown"
    """counter, gauge, histogram, summary; unknown where nobody says."""


def kind_of(source: str) -> str:
    """`server`, `dcgm` or `nvml`, by a source's name; a merged run's begin with the name of the run."""
    found = _KIND.search(source)
    return found[1] if found else ""


_KIND = re.compile(r"(?:^|/)(server|dcgm|nvml)(?=:|$)")


class ScrapeError(Exception):
    """A source cannot be asked now. The message says why, in a few words without secrets."""


class Source(Protocol):
    """One thing that is asked again and again, in the sampling process, by one thread."""

    name: str
    """Unique in a run: `server:host:8000`, `dcgm:host:9400`, `nvml`."""

    def sample(self) -> Iterable[Sample]:
        """What it says now; may block for seconds. Raises ScrapeError when it cannot be asked now."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Spec:
    """How to make a source: plain values, which go to the sampling process as JSON."""

    kind: str
    """The module in this package that makes it."""
    name: str
    interval_s: float
    optional: bool = False
    """Nobody asked for it by name: when it does not answer the first time, it is not there, silently."""
    settings: Mapping[str, Any] = field(default_factory=dict)
