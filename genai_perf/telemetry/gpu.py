"""What the GPUs did in the measured window, from what was sampled of them; `devices` tells whose is what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG
from genai_perf.metrics.sampled import Stretch
from genai_perf.telemetry import gpu_notes, kind_of
from genai_perf.telemetry.devices import devices, named
from genai_perf.telemetry.gpu_figures import Known, Measured, boards, total
from genai_perf.telemetry.gpu_sources import FOUND, is_found
from genai_perf.telemetry.store import all_health

if TYPE_CHECKING:
    from genai_perf.telemetry.store import Health, Telemetry
    from genai_perf.types import Stats, Summary


_IN_PART = "GPUs were sampled beside some of the runs only: the figures are of those, the energy is unknown."


@dataclass(frozen=True, slots=True)
class GPU:
    """One GPU, or a MIG instance of one."""

    id: str
    """As reports call it: `0`, an instance `0/1`; `node1:0` where several hosts have a GPU 0."""
    uuid: str
    model: str
    host: str
    source: str
    figures: Mapping[str, Stats]
    """By the metric's tag, in the units of DCGM."""
    covered: float
    """The share of the measured window in which anything is known of it."""


@dataclass(frozen=True, slots=True)
class GPUs:
    """All GPUs of a run, over the time from its first benchmark request to its last answer."""

    gpus: tuple[GPU, ...]
    total: Mapping[str, Stats]
    """Of all GPUs together, as the table of metrics says how."""
    boards: int
    """How many GPUs, without their instances."""
    duration_s: float
    sources: Mapping[str, Health]
    notes: tuple[str, ...] = ()
    at_once: float | None = None
    """How many of them worked at a time, on average, where runs one after the other had others."""

    def values(self) -> dict[str, dict[str, float]]:
        """Values by GPU and tag of the record, as checkpoints have them."""
        return {gpu.id: dict(_records(gpu.figures)) for gpu in self.gpus}

    def total_values(self) -> dict[str, float]:
        """Those of all together; empty where there is but one."""
        return dict(_records(self.total)) if len(self.gpus) > 1 else {}

    def efficiency(self, summary: Summary) -> dict[str, tuple[str, float]]:
        """What the energy was spent on: (unit, value) by name; empty where energy is unknown."""
        tokens_per_s = summary.metrics.get("output_token_throughput")
        found: dict[str, tuple[str, float]] = {}
        if isinstance(tokens_per_s, float):
            per_gpu = tokens_per_s / (self.at_once or self.boards)
            found["output_token_throughput_per_gpu"] = "tokens/sec/GPU", per_gpu
        energy = self.total.get("energy_consumption")
        if energy is None or not energy.avg:
            return found
        joules = Unit.JOULES.of(energy.avg)
        found["energy"] = "J", joules
        found["average_power"] = "W", joules / self.duration_s
        if summary.requests:
            found["energy_per_request"] = "J/request", joules / summary.requests
        if isinstance(tokens_per_s, float) and tokens_per_s:
            tokens = tokens_per_s * self.duration_s
            found["energy_per_output_token"] = "J/token", joules / tokens
            found["output_tokens_per_joule"] = "tokens/J", tokens / joules
        return found


def _records(figures: Mapping[str, Stats]) -> Iterator[tuple[str, float]]:
    for tag, stats in figures.items():
        yield f"{tag}_avg", stats.avg
        if not GPU_CATALOG[tag].is_constant:
            yield from ((f"{tag}_min", stats.min), (f"{tag}_max", stats.max), (f"{tag}_std", stats.std))
            for name, value in stats.percentiles.items():
                if name != "p99.9":
                    yield f"{tag}_{name}", value


def unanswered(sources: Mapping[str, Health]) -> list[str]:
    """A note for each source of GPUs that was named and never answered."""
    return [
        f"{name} was asked for GPUs {health.often} and never answered: {', '.join(health.errors)}."
        for name, health in sources.items()
        if kind_of(name) in FOUND and not is_found(name) and health.failures == health.scrapes
    ]


def read(telemetry: Telemetry, start_ns: int, end_ns: int) -> GPUs | None:
    """What the GPUs did between two instants of the run; None where nothing was sampled of any."""
    return read_all([(telemetry, Stretch(start_ns, end_ns))])


def read_all(sampled: Sequence[tuple[Telemetry, Stretch]]) -> GPUs | None:
    """The same of several stretches of time, each by what was sampled beside it.

    A GPU's figures are of the stretches in which it was asked for; those of all together are at each time of
    the GPUs that were asked for then.
    """
    stretches: dict[tuple[str, str, str], list[Measured]] = {}
    totals = []
    boards_ns = 0  # how many, times how long
    for telemetry, stretch in sampled:
        told = (Measured.of(device, stretch) for device in devices(telemetry.series()))
        seen = [measured for measured in told if measured is not None]
        for measured in seen:
            stretches.setdefault(measured.device.identity, []).append(measured)
        totals.append(total(boards(seen)))
        boards_ns += len(boards(seen)) * stretch.duration_ns
    if not stretches:
        return None
    names = named(each[0].device for each in stretches.values())
    gpus = {name: Measured.joined(stretches[device.identity]) for name, device in names.items()}
    used = {measured.device.source for each in stretches.values() for measured in each}
    sources = {
        name: health for name, health in all_health(each for each, _ in sampled).items() if name in used
    }
    duration_ns = sum(stretch.duration_ns for _, stretch in sampled)
    return GPUs(
        gpus=tuple(
            GPU(
                id=name,
                uuid=measured.device.uuid,
                model=measured.device.model,
                host=measured.device.host,
                source=measured.device.source,
                figures=measured.known.figures(),
                covered=measured.covered,
            )
            for name, measured in gpus.items()
        ),
        total=Known.joined(totals).figures(),
        boards=len(boards(gpus.values())),
        duration_s=duration_ns / NS_PER_S,
        sources=sources,
        notes=(*gpu_notes.notes(gpus, sources), *([] if all(totals) else [_IN_PART])),
        at_once=boards_ns / duration_ns if all(totals) else None,
    )
