"""What the GPUs did in the measured window, from what was sampled of them; `devices` tells whose is what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG
from genai_perf.metrics.sampled import Stretch
from genai_perf.telemetry import kind_of
from genai_perf.telemetry.devices import devices, named
from genai_perf.telemetry.gpu_figures import Known, Measured, boards, total
from genai_perf.telemetry.gpu_sources import FOUND, is_found
from genai_perf.telemetry.store import all_health

if TYPE_CHECKING:
    from genai_perf.telemetry.store import Health, Telemetry
    from genai_perf.types import Stats, Summary

_WELL_COVERED = 0.9
_ODD_POWER = 0.1
_THROTTLED = 0.01
"""Share of the time; less is how a GPU finds its clocks."""


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

    def values(self) -> dict[str, dict[str, float]]:
        """Values by GPU and tag of the record, as checkpoints have them."""
        return {gpu.id: dict(_records(gpu)) for gpu in self.gpus}

    def efficiency(self, summary: Summary) -> dict[str, tuple[str, float]]:
        """What the energy was spent on: (unit, value) by name; empty where energy is unknown."""
        tokens_per_s = summary.metrics.get("output_token_throughput")
        found: dict[str, tuple[str, float]] = {}
        if isinstance(tokens_per_s, float):
            found["output_token_throughput_per_gpu"] = "tokens/sec/GPU", tokens_per_s / self.boards
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


def _records(gpu: GPU) -> Iterator[tuple[str, float]]:
    for tag, stats in gpu.figures.items():
        yield f"{tag}_avg", stats.avg
        if not GPU_CATALOG[tag].is_constant:
            yield from ((f"{tag}_min", stats.min), (f"{tag}_max", stats.max), (f"{tag}_std", stats.std))
            for name, value in stats.percentiles.items():
                if name != "p99.9":
                    yield f"{tag}_{name}", value


def unanswered(sources: Mapping[str, Health]) -> list[str]:
    """A note for each source of GPUs that was named and never answered."""
    return [
        f"{name} was asked for GPUs {health.scrapes:,} times and never answered: {', '.join(health.errors)}."
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
    for telemetry, stretch in sampled:
        told = (Measured.of(device, stretch) for device in devices(telemetry.series()))
        seen = [measured for measured in told if measured is not None]
        for measured in seen:
            stretches.setdefault(measured.device.identity, []).append(measured)
        if seen:
            totals.append(total(boards(seen)))
    if not stretches:
        return None
    names = named(each[0].device for each in stretches.values())
    gpus = {name: Measured.joined(stretches[device.identity]) for name, device in names.items()}
    used = {measured.device.source for each in stretches.values() for measured in each}
    sources = {
        name: health for name, health in all_health(each for each, _ in sampled).items() if name in used
    }
    duration_s = sum(stretch.duration_ns for _, stretch in sampled) / NS_PER_S
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
        duration_s=duration_s,
        sources=sources,
        notes=tuple(_notes(gpus, sources)),
    )


# -- what a reader should know ----------------------------------------------------------------------------


def _notes(gpus: Mapping[str, Measured], sources: Mapping[str, Health]) -> Iterator[str]:
    for name, health in sources.items():
        if health.failures:
            why = max(health.errors, key=lambda error: health.errors[error])
            often = f"{health.failures:,} of {health.scrapes:,} times"
            yield f"{name} did not answer {often} that it was asked: {why}."
    yield from _stale_energy(gpus)
    figures = {name: each.known.figures() for name, each in gpus.items()}
    for name, each in gpus.items():
        if not each.is_estimated:
            yield from _odd_power(name, figures[name], each.asked_ns / NS_PER_S)
    if estimated := [name for name, each in gpus.items() if each.is_estimated]:
        yield f"{_gpus(estimated)}: no energy counter; the energy is the average power by the time."
    for name, each in gpus.items():
        asked_s = each.asked_ns / NS_PER_S
        if each.covered < _WELL_COVERED:
            yield f"GPU {name}: known for {each.covered:.0%} of the measured time, which its figures are of."
        if each.is_torn:
            yield f"GPU {name}: its energy is unknown, it was read in less than half of the measured time."
        for tag, why in (("power_throttle_duration", "power limit"), ("thermal_throttle_duration", "heat")):
            stats = figures[name].get(tag)
            throttled_s = stats.avg / NS_PER_S if stats else 0.0
            if throttled_s > _THROTTLED * asked_s:
                yield f"GPU {name}: slowed down by its {why} for {throttled_s:,.3g} of {asked_s:,.3g} s."
        for tag in GPU_CATALOG:
            if tag in each.changed:
                yield f"GPU {name}: {GPU_CATALOG[tag].heading} changed while it was measured."


def _stale_energy(gpus: Mapping[str, Measured]) -> Iterator[str]:
    stale = {name: each.stale for name, each in gpus.items() if each.stale is not None}
    if stale:
        seldom = [refresh_ns for _, refresh_ns in stale.values() if refresh_ns]
        often = f"every {max(seldom) / NS_PER_S:,.3g} s" if seldom else "less often than it was measured"
        measured_s = max(measured_ns for measured_ns, _ in stale.values()) / NS_PER_S
        yield (
            f"{_gpus(list(stale))}: readings are refreshed {often}, and {measured_s:,.3g} s were measured: "
            "the energy is unknown, and other figures are older than they seem; DCGM_EXPORTER_INTERVAL (ms) "
            "sets how often an exporter does it."
        )


def _odd_power(name: str, figures: Mapping[str, Stats], duration_s: float) -> Iterator[str]:
    """Readings that missed what the counter of energy has seen."""
    energy, power = figures.get("energy_consumption"), figures.get("gpu_power_usage")
    if energy is None or power is None:
        return
    watts = Unit.JOULES.of(energy.avg) / duration_s
    if abs(watts - power.avg) > _ODD_POWER * watts:
        yield (
            f"GPU {name}: {watts:,.1f} W on average by its energy, {power.avg:,.1f} W by {power.count:,} "
            "readings of its power; the energy misses nothing."
        )


def _gpus(names: Sequence[str]) -> str:
    return f"GPU{'s' * (len(names) > 1)} {', '.join(names)}"
