"""What the GPUs did in the measured window, from what was sampled of them; `devices` tells whose is what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG, GPUMetric, Kind, Together
from genai_perf.metrics.sampled import Curve, Stretch, curve, describe_curve, growth, one_value, together
from genai_perf.telemetry.devices import Device, devices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


def unanswered(telemetry: Telemetry) -> list[str]:
    """A note for each source of GPUs that was named and never answered."""
    return [
        f"{name} was asked for GPUs {health.scrapes:,} times and never answered: {', '.join(health.errors)}."
        for name, health in telemetry.sources.items()
        if name.startswith(("dcgm:", "nvml:")) and health.failures == health.scrapes
    ]


def read(telemetry: Telemetry, start_ns: int, end_ns: int) -> GPUs | None:
    """What the GPUs did between two instants of the run; None where nothing was sampled of any."""
    stretch = Stretch(start_ns, end_ns)
    found = devices(telemetry.series())
    seen = {name: measured for name, device in found.items() if (measured := _Measured.of(device, stretch))}
    if not seen:
        return None
    groups = _groups(list(seen.values()))
    used = {measured.device.source for measured in seen.values()}
    sources = {name: health for name, health in telemetry.sources.items() if name in used}
    return GPUs(
        gpus=tuple(
            GPU(
                id=name,
                uuid=measured.device.uuid,
                model=measured.device.model,
                host=measured.device.host,
                source=measured.device.source,
                figures={tag: measured.figures[tag] for tag in GPU_CATALOG if tag in measured.figures},
                covered=measured.covered,
            )
            for name, measured in seen.items()
        ),
        total=dict(_total(groups)),
        boards=len(groups),
        duration_s=stretch.duration_ns / NS_PER_S,
        sources=sources,
        notes=tuple(_notes(seen, sources, stretch)),
    )


# -- figures ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Measured:
    """A device's figures, and what the totals and notes are made of."""

    device: Device
    figures: dict[str, Stats] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    covered: float = 0.0
    refresh_ns: float | None = None
    """Of the energy counter; 0 where it is refreshed often enough."""
    is_stale: bool = False
    """Whether energy is unknown because the counter is refreshed too seldom."""
    is_estimated: bool = False
    """Whether energy is average power by time, for want of a counter."""
    grown: dict[str, float] = field(default_factory=dict)
    """By how much counters of errors grew."""

    @classmethod
    def of(cls, device: Device, stretch: Stretch) -> _Measured | None:
        measured = cls(device)
        for tag, metric in GPU_CATALOG.items():
            if (readings := device.readings(metric)) is not None:
                measured._take(tag, metric, *readings, stretch)
        power = measured.curves.get("gpu_power_usage")
        if power is not None and "energy_consumption" not in measured.figures and not measured.is_stale:
            watts = measured.figures["gpu_power_usage"].avg
            joules = watts * stretch.duration_ns / NS_PER_S
            measured.figures["energy_consumption"] = one_value(joules * Unit.JOULES.base)
            measured.is_estimated = True
        return measured if measured.figures else None

    def _take(
        self,
        tag: str,
        metric: GPUMetric,
        at_ns: NDArray[np.int64],
        value: NDArray[np.float64],
        stretch: Stretch,
    ) -> None:
        known = curve(at_ns, value, stretch)
        covered = known.covered_ns() / stretch.duration_ns
        self.covered = max(self.covered, covered)
        stats = describe_curve(known)
        if stats is None:
            return
        if metric.kind is Kind.GROWTH:
            grown = growth(at_ns, value, stretch, always_grows=tag == "energy_consumption")
            if grown.amount is not None:
                self.figures[tag] = one_value(grown.amount)
            elif tag == "energy_consumption":
                self.is_stale, self.refresh_ns = True, grown.refresh_ns
            return
        self.curves[tag] = known
        self.figures[tag] = one_value(stats.avg) if metric.is_constant else stats
        if metric.kind is Kind.TOTAL and stats.max > stats.min:
            self.grown[tag] = stats.max - stats.min


def _groups(measured: Sequence[_Measured]) -> list[list[_Measured]]:
    """Devices by the GPU they are of, the GPU itself first."""
    groups: dict[tuple[str, str], list[_Measured]] = {}
    for each in measured:
        groups.setdefault((each.device.source, each.device.uuid or each.device.index), []).append(each)
    return [sorted(group, key=lambda each: each.device.order) for group in groups.values()]


def _total(groups: list[list[_Measured]]) -> Iterator[tuple[str, Stats]]:
    for tag, metric in GPU_CATALOG.items():
        members = [each for group in groups for each in _members(group, tag)]
        if not members or (metric.kind is Kind.GROWTH and len(members) < len(groups)):
            continue  # a sum without some of the GPUs would be too low
        if metric.kind is Kind.GROWTH or metric.is_constant:
            yield tag, one_value(_combined([each.figures[tag].avg for each in members], metric.together))
        elif stats := describe_curve(together([each.curves[tag] for each in members], metric.together)):
            yield tag, stats


def _members(group: list[_Measured], tag: str) -> list[_Measured]:
    """Of one GPU, who tells its share: its instances where they have the metric, else itself."""
    having = [each for each in group if tag in each.figures]
    instances = [each for each in having if each.device.instance]
    return instances or having


def _combined(values: Sequence[float], how: Together) -> float:
    if how is Together.MAX:
        return max(values)
    return math.fsum(values) / (len(values) if how is Together.MEAN else 1)


# -- what a reader should know ----------------------------------------------------------------------------


def _notes(seen: Mapping[str, _Measured], sources: Mapping[str, Health], stretch: Stretch) -> Iterator[str]:
    for name, health in sources.items():
        if health.failures:
            why = max(health.errors, key=lambda error: health.errors[error])
            often = f"{health.failures:,} of {health.scrapes:,} times"
            yield f"{name} did not answer {often} that it was asked: {why}."
    duration_s = stretch.duration_ns / NS_PER_S
    if stale := [name for name, each in seen.items() if each.is_stale]:
        seldom = [each.refresh_ns for each in seen.values() if each.is_stale and each.refresh_ns]
        often = f"every {max(seldom) / NS_PER_S:,.3g} s" if seldom else "less often than it was measured"
        yield (
            f"{_gpus(stale)}: readings are refreshed {often}, and {duration_s:,.3g} s were measured: the "
            "energy is unknown, and other figures are older than they seem; DCGM_EXPORTER_INTERVAL (ms) sets "
            "how often an exporter does it."
        )
    for name, each in seen.items():
        yield from _odd_power(name, each, duration_s)
    if estimated := [name for name, each in seen.items() if each.is_estimated]:
        yield f"{_gpus(estimated)}: no energy counter; the energy is the average power by the time."
    for name, each in seen.items():
        if each.covered < _WELL_COVERED:
            yield f"GPU {name}: known for {each.covered:.0%} of the measured time, which its figures are of."
        for tag, why in (("power_throttle_duration", "power limit"), ("thermal_throttle_duration", "heat")):
            stats = each.figures.get(tag)
            throttled_s = stats.avg / NS_PER_S if stats else 0.0
            if throttled_s > _THROTTLED * duration_s:
                yield f"GPU {name}: slowed down by its {why} for {throttled_s:,.3g} of {duration_s:,.3g} s."
        for tag in each.grown:
            yield f"GPU {name}: {GPU_CATALOG[tag].heading} changed while it was measured."


def _odd_power(name: str, measured: _Measured, duration_s: float) -> Iterator[str]:
    """Readings that missed what the counter of energy has seen."""
    energy, power = (measured.figures.get(tag) for tag in ("energy_consumption", "gpu_power_usage"))
    if energy is None or power is None or measured.is_estimated:
        return
    watts = Unit.JOULES.of(energy.avg) / duration_s
    if abs(watts - power.avg) > _ODD_POWER * watts:
        yield (
            f"GPU {name}: {watts:,.1f} W on average by its energy, {power.avg:,.1f} W by {power.count:,} "
            "readings of its power; the energy misses nothing."
        )


def _gpus(names: Sequence[str]) -> str:
    return f"GPU{'s' * (len(names) > 1)} {', '.join(names)}"
