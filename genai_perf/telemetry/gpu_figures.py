"""What is known of a GPU, or of several together, over one stretch of time or several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG, GPUMetric, Kind, Together
from genai_perf.metrics.sampled import (
    LEAST_KNOWN,
    Curve,
    Stretch,
    curve,
    describe_curve,
    growth,
    joined,
    one_value,
    together,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_perf.telemetry.devices import Device
    from genai_perf.types import Stats


@dataclass(slots=True)
class Known:
    """By the metric's tag, in DCGM's units. Stretches of time can be joined, unlike finished figures."""

    curves: dict[str, Curve] = field(default_factory=dict)
    amounts: dict[str, float] = field(default_factory=dict)
    """Of counters, by how much they grew."""

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self.curves or self.amounts)

    def figures(self) -> dict[str, Stats]:
        """Every metric's statistics, in the order of the table."""
        found: dict[str, Stats] = {}
        for tag, metric in GPU_CATALOG.items():
            if tag in self.amounts:
                found[tag] = one_value(self.amounts[tag])
            elif tag in self.curves and (stats := describe_curve(self.curves[tag])) is not None:
                found[tag] = one_value(stats.avg) if metric.is_constant else stats
        return found

    @classmethod
    def joined(cls, stretches: Sequence[Known]) -> Known:
        """Of one stretch after the other. A counter must be known in all of them, or its sum is too low."""
        tags = {tag for each in stretches for tag in each.curves}
        amounts = {tag for each in stretches for tag in each.amounts}
        return cls(
            {tag: joined([each.curves[tag] for each in stretches if tag in each.curves]) for tag in tags},
            {
                tag: math.fsum(each.amounts[tag] for each in stretches)
                for tag in amounts
                if all(tag in each.amounts for each in stretches)
            },
        )


@dataclass(slots=True)
class Measured:
    """A device's figures, and what its totals and notes are made of."""

    device: Device
    known: Known
    known_ns: float = 0.0
    """For how long anything is known of it."""
    asked_ns: int = 0
    """For how long it was to be measured."""
    stale: tuple[int, float | None] | None = None
    """How long was measured, and how often the counter of energy is refreshed (ns), where that is too seldom
    to know the energy."""
    is_torn: bool = False
    """Whether energy is unknown because its counter was read in too little of the time."""
    is_estimated: bool = False
    """Whether energy is average power by time, for want of a counter."""
    changed: set[str] = field(default_factory=set)
    """Counters of errors that did so while it was measured."""

    @property
    def covered(self) -> float:
        """The share of the time in which anything is known of it."""
        return self.known_ns / self.asked_ns

    @classmethod
    def of(cls, device: Device, stretch: Stretch) -> Measured | None:
        """Over one stretch; None where nothing is known of it then."""
        measured = cls(device, Known(), asked_ns=stretch.duration_ns)
        for tag, metric in GPU_CATALOG.items():
            if (readings := device.readings(metric)) is not None:
                measured._take(tag, metric, *readings, stretch)
        power = measured.known.curves.get("gpu_power_usage")
        has_counter = "energy_consumption" in measured.known.amounts or measured.stale or measured.is_torn
        if not has_counter and power is not None and (stats := describe_curve(power)) is not None:
            joules = stats.avg * stretch.duration_ns / NS_PER_S
            measured.known.amounts["energy_consumption"] = joules * Unit.JOULES.base
            measured.is_estimated = True
        return measured if measured.known else None

    def _take(
        self,
        tag: str,
        metric: GPUMetric,
        at_ns: NDArray[np.int64],
        value: NDArray[np.float64],
        stretch: Stretch,
    ) -> None:
        found = curve(at_ns, value, stretch)
        covered_ns = found.covered_ns()
        if not covered_ns:
            return
        self.known_ns = max(self.known_ns, covered_ns)
        if metric.kind is not Kind.GROWTH:
            self.known.curves[tag] = found
            if metric.kind is Kind.TOTAL and found.value.min() < found.value.max():
                self.changed.add(tag)
            return
        is_energy = tag == "energy_consumption"
        grown = growth(at_ns, value, stretch, always_grows=is_energy)
        if grown.amount is not None:
            self.known.amounts[tag] = grown.amount
        elif is_energy:
            read_ns = min(stretch.end_ns, at_ns[-1]) - max(stretch.start_ns, at_ns[0])
            refresh_ns = grown.refresh_ns or math.inf
            self.is_torn = LEAST_KNOWN * stretch.duration_ns > min(read_ns, refresh_ns)
            if not self.is_torn:
                self.stale = stretch.duration_ns, grown.refresh_ns

    @classmethod
    def joined(cls, stretches: Sequence[Measured]) -> Measured:
        """One device over several stretches, of those in which anything is known of it."""
        return cls(
            stretches[0].device,
            Known.joined([each.known for each in stretches]),
            known_ns=math.fsum(each.known_ns for each in stretches),
            asked_ns=sum(each.asked_ns for each in stretches),
            stale=next((each.stale for each in stretches if each.stale), None),
            is_torn=any(each.is_torn for each in stretches),
            is_estimated=any(each.is_estimated for each in stretches),
            changed=set().union(*(each.changed for each in stretches)),
        )


def boards(measured: Iterable[Measured]) -> list[list[Measured]]:
    """Devices by the GPU they are of, the GPU itself first."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for each in measured:
        groups.setdefault(each.device.board, []).append(each)
    return [sorted(group, key=lambda each: each.device.order) for group in groups.values()]


def total(groups: Sequence[Sequence[Measured]]) -> Known:
    """All GPUs of one stretch together, as the table of metrics says how."""
    found = Known()
    for tag, metric in GPU_CATALOG.items():
        members = [each.known for group in groups for each in _members(group, tag)]
        if not members:
            continue
        if metric.kind is not Kind.GROWTH:
            found.curves[tag] = together([each.curves[tag] for each in members], metric.together)
        elif len(members) >= len(groups):  # a sum without some of the GPUs would be too low
            found.amounts[tag] = _combined([each.amounts[tag] for each in members], metric.together)
    return found


def _members(group: Sequence[Measured], tag: str) -> Sequence[Measured]:
    """Of one GPU, who tells its share: its instances where they have the metric, else itself."""
    having = [each for each in group if tag in each.known.curves or tag in each.known.amounts]
    instances = [each for each in having if each.device.instance]
    return instances or having


def _combined(values: Sequence[float], how: Together) -> float:
    if how is Together.MAX:
        return max(values)
    return math.fsum(values) / (len(values) if how is Together.MEAN else 1)
