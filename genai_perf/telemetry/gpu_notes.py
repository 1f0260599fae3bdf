"""What a reader of GPU figures should know: one line for what is so of several GPUs, however many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG

if TYPE_CHECKING:
    from genai_perf.telemetry.gpu_figures import Measured
    from genai_perf.telemetry.store import Health

_WELL_COVERED = 0.9
_ODD_POWER = 0.1
_THROTTLED = 0.01
"""Share of the time; less is how a GPU finds its clocks."""


def notes(gpus: Mapping[str, Measured], sources: Mapping[str, Health]) -> Iterator[str]:
    """A line each; `gpus` by the names that they are shown with."""
    for name, health in sources.items():
        if health.failures:
            why = max(health.errors, key=lambda error: health.errors[error])
            often = f"{health.failures:,} of {health.scrapes:,} times"
            yield f"{name} did not answer {often} that it was asked: {why}."
    yield from _stale_energy(gpus)
    yield from _odd_power(gpus)
    if estimated := [name for name, each in gpus.items() if each.is_estimated]:
        yield f"{_gpus(estimated)}: no energy counter; the energy is the average power by the time."
    yield from _covered(gpus)
    if torn := [name for name, each in gpus.items() if each.is_torn]:
        yield f"{_gpus(torn)}: the energy is unknown, it was read in less than half of the measured time."
    yield from _throttled(gpus)
    for tag, metric in GPU_CATALOG.items():
        if changed := [name for name, each in gpus.items() if tag in each.changed]:
            yield f"{_gpus(changed)}: {metric.heading} changed while it was measured."


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


def _odd_power(gpus: Mapping[str, Measured]) -> Iterator[str]:
    """Readings that missed what the counters of energy have seen."""
    odd = []
    by_energy = by_power = 0.0
    readings = 0
    for name, each in gpus.items():
        figures = each.known.figures()
        energy, power = figures.get("energy_consumption"), figures.get("gpu_power_usage")
        if energy is None or power is None or each.is_estimated:
            continue
        watts = Unit.JOULES.of(energy.avg) * NS_PER_S / each.asked_ns
        if abs(watts - power.avg) > _ODD_POWER * watts:
            odd.append(name)
            by_energy, by_power, readings = by_energy + watts, by_power + power.avg, readings + power.count
    if odd:
        yield (
            f"{_gpus(odd)}: {by_energy:,.1f} W on average by the energy, {by_power:,.1f} W by {readings:,} "
            "readings of the power; the energy misses nothing."
        )


def _covered(gpus: Mapping[str, Measured]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for name, each in gpus.items():
        if each.covered < _WELL_COVERED:
            names.setdefault(f"{each.covered:.0%}", []).append(name)
    for share, of_share in names.items():
        yield f"{_gpus(of_share)}: known for {share} of the measured time; the figures are of that."


def _throttled(gpus: Mapping[str, Measured]) -> Iterator[str]:
    for tag, why in (("power_throttle_duration", "power limit"), ("thermal_throttle_duration", "heat")):
        slowed = {
            name: each.known.amounts[tag] / NS_PER_S
            for name, each in gpus.items()
            if each.known.amounts.get(tag, 0.0) > _THROTTLED * each.asked_ns
        }
        if slowed:
            most = f"{'up to ' if len(slowed) > 1 else ''}{max(slowed.values()):,.3g}"
            measured_s = max(gpus[name].asked_ns for name in slowed) / NS_PER_S
            yield f"{_gpus(list(slowed))}: slowed down by the {why} for {most} of {measured_s:,.3g} s."


def _gpus(names: Sequence[str]) -> str:
    return f"GPU{'s' * (len(names) > 1)} {', '.join(names)}"
