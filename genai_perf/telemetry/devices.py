"""Whose a reading is, by its labels: DCGM's `gpu`, `UUID`, `GPU_I_ID`, `Hostname`, or Triton's `gpu_uuid`.

NVML's are called as DCGM's.

Rule 1. A GPU is known by its UUID. Two sources that tell of one GPU count once. Where a source that was named
        tells of GPUs, so does the server, what was only found on this machine adds none to them.
Rule 2. A MIG instance stands beside its GPU. What is of the whole board, power first of all, is the GPU's and
        counts once, for however many instances an exporter repeats it.
Rule 3. Numbers that mean "not supported" are no readings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_perf.metrics.gpu import SERIES, GPUMetric, Of
from genai_perf.telemetry import kind_of
from genai_perf.telemetry.gpu_sources import is_found

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_perf.telemetry.store import Series


@dataclass(slots=True)
class Device:
    """A GPU or an instance, as one source tells of it."""

    source: str
    uuid: str
    index: str
    instance: str
    host: str
    model: str = ""
    series: dict[str, list[Series]] = field(default_factory=dict)
    """By the series' name; several where labels changed, or an exporter has a row for each pod."""

    @property
    def number(self) -> str:
        """`0`, or `0/1` for its instance 1."""
        return f"{self.index}/{self.instance}" if self.instance else self.index

    @property
    def board(self) -> tuple[str, str]:
        """Which GPU it is, or is an instance of."""
        return ("", self.uuid) if self.uuid else (self.source, self.index)

    @property
    def identity(self) -> tuple[str, str, str]:
        """What it has in common with itself in another stretch of time."""
        return (*self.board, self.instance)

    @property
    def order(self) -> tuple[int, str, int]:
        """Numbers as such."""
        index = int(self.index) if self.index.isdecimal() else 1 << 30
        return index, self.index, int(self.instance) if self.instance.isdecimal() else -1

    def readings(self, metric: GPUMetric) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Instants and values, in DCGM's unit; None where there are none."""
        import numpy as np

        name = next((name for name in metric.names if name in self.series), None)
        if name is None:
            return None
        at_ns = np.concatenate([each.at_ns for each in self.series[name]])
        value = np.concatenate([each.value for each in self.series[name]])
        kept = is_reading(value)
        at_ns, first = np.unique(at_ns[kept], return_index=True)
        return (at_ns, value[kept][first] * SERIES[name][1]) if len(at_ns) else None


def is_reading(value: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of them are numbers, and none of DCGM's for "not supported".

    Those are 2**63 - 16 to 2**63 - 13 for whole numbers, and 2**47 to 2**47 + 3 for others.
    """
    import numpy as np

    fraction_blank = (value >= 2.0**47) & (value <= 2.0**47 + 3)
    kept: NDArray[np.bool_] = np.isfinite(value) & (value < 2.0**63 - 1024) & ~fraction_blank
    return kept


def devices(series: Iterable[Series]) -> list[Device]:
    """One for each GPU and instance."""
    return _once(_gathered(series))


def _gathered(series: Iterable[Series]) -> list[Device]:
    """One for each source and GPU or instance; the whole GPU has what is of its board."""
    found: dict[tuple[str, str, str], Device] = {}
    indexes: dict[tuple[str, str], str] = {}
    for each in series:
        if each.name not in SERIES:
            continue
        labels = each.labels
        uuid = labels.get("UUID") or labels.get("uuid") or labels.get("gpu_uuid") or ""
        index = labels.get("gpu", "")
        if not uuid and not index:
            continue  # of a switch or a CPU
        if not index:  # Triton's have no number but their order
            known = [name for source, name in indexes if source == each.source]
            index = indexes.setdefault((each.source, uuid), str(len(known)))
        instance = "" if SERIES[each.name][0].of is Of.BOARD else labels.get("GPU_I_ID", "")
        key = (each.source, uuid or index, instance)
        host = labels.get("Hostname") or each.source.partition(":")[2]
        device = found.setdefault(key, Device(each.source, uuid, index, instance, host))
        device.model = device.model or labels.get("modelName", "")
        device.series.setdefault(each.name, []).append(each)
    return list(found.values())


def _once(devices: list[Device]) -> list[Device]:
    """Each GPU by one source: exporters before a server's own page, which says less."""
    elsewhere = {device.uuid for device in devices if not is_found(device.source)}
    if elsewhere:
        devices = [each for each in devices if not is_found(each.source) or each.uuid in elsewhere]
    devices = sorted(devices, key=lambda device: kind_of(device.source) == "server")
    told: dict[str, str] = {}
    return [
        device
        for device in devices
        if not device.uuid or told.setdefault(device.uuid, device.source) == device.source
    ]


def named(devices: Iterable[Device]) -> dict[str, Device]:
    """By the name that each is shown with: the shortest that tell them all apart."""
    devices = sorted(devices, key=lambda device: (device.host, device.source, device.order))
    ways = (
        lambda device: device.number,
        lambda device: f"{device.host}:{device.number}",
        lambda device: f"{device.source.partition(':')[2] or device.source}:{device.number}",
        lambda device: f"{device.source}:{device.uuid}:{device.number}",
    )
    for way in ways:
        names = [way(device) for device in devices]
        if len(set(names)) == len(names):
            break
    return dict(zip(names, devices, strict=True))
