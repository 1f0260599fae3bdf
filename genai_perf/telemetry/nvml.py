"""The GPUs of this machine, by NVIDIA's management library through its own bindings (`pynvml`).

What is asked for is a column of `metrics.gpu`. A call that a GPU, a MIG instance or an old driver does not
support is not made again. A GPU that is lost is left out while it is; the others go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from genai_perf.clock import NS_PER_S, monotonic_ns
from genai_perf.metrics.gpu import GPU_CATALOG, GPUMetric, Of
from genai_perf.telemetry import Sample, ScrapeError, Source, Spec

_LIBRARY = "libnvidia-ml.so.1"


def is_installed() -> bool:
    """Whether the library is there; a fraction of a millisecond where it is not."""
    import ctypes

    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    return True


def spec(*, interval_s: float, optional: bool = False, name: str | None = None) -> Spec:
    """All GPUs of this machine; `optional` when nobody asked for them."""
    return Spec("nvml", name or f"nvml:{os.uname().nodename}", interval_s, optional)


def source(spec: Spec) -> Source:
    """What the sampling process asks."""
    return _Nvml(spec.name)


@dataclass(slots=True)
class _Device:
    """A GPU or a MIG instance, and what is asked of it."""

    handle: Any
    labels: Mapping[str, str]
    calls: dict[tuple[str, str], list[GPUMetric]]
    """By function and argument; several metrics are parts of one answer."""
    fields: list[GPUMetric]
    counted: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Instant and value of the last reading, of metrics that are rates."""


class _Nvml:
    def __init__(self, name: str) -> None:
        self.name = name
        self._devices: list[_Device] | None = None

    def sample(self) -> list[Sample]:
        """A sample for each metric and GPU that can say it. Raises ScrapeError when none can."""
        import pynvml

        samples: list[Sample] = []
        failures: list[str] = []
        try:
            if self._devices is None:
                self._devices = _opened()
        except pynvml.NVMLError as exc:
            raise ScrapeError(str(exc)) from exc
        for device in self._devices:
            try:
                samples += _read(device)
            except pynvml.NVMLError as exc:
                failures.append(f"GPU {device.labels['gpu']}: {exc}")
        if not samples:
            raise ScrapeError(failures[0] if failures else "no GPU")
        return samples

    def close(self) -> None:
        if self._devices is not None:
            import pynvml

            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
            self._devices = None


def _opened() -> list[_Device]:
    import pynvml

    pynvml.nvmlInit()
    devices = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        with suppress(pynvml.NVMLError):  # one that has been lost before
            gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
            labels = {
                "gpu": str(index),
                "UUID": pynvml.nvmlDeviceGetUUID(gpu),
                "modelName": pynvml.nvmlDeviceGetName(gpu),
                "Hostname": os.uname().nodename,
            }
            devices.append(_device(gpu, labels, GPU_CATALOG))
            of_instances = {tag: row for tag, row in GPU_CATALOG.items() if row.of is Of.INSTANCE}
            devices += [
                _device(handle, {**labels, "GPU_I_ID": number}, of_instances)
                for number, handle in _instances(gpu).items()
            ]
    return devices


def _instances(gpu: Any) -> dict[str, Any]:
    """A handle for each MIG instance, by its number."""
    import pynvml

    found: dict[str, Any] = {}
    with suppress(pynvml.NVMLError):  # no MIG on this GPU, or not with this driver
        if pynvml.nvmlDeviceGetMigMode(gpu)[0]:
            for place in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
                with suppress(pynvml.NVMLError):  # a place that is not taken
                    handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, place)
                    found.setdefault(str(pynvml.nvmlDeviceGetGpuInstanceId(handle)), handle)
    return found


def _device(handle: Any, labels: Mapping[str, str], rows: Mapping[str, GPUMetric]) -> _Device:
    calls: dict[tuple[str, str], list[GPUMetric]] = {}
    fields = []
    for row in rows.values():
        if row.nvml is not None and row.nvml.call:
            calls.setdefault((row.nvml.call, row.nvml.constant), []).append(row)
        elif row.nvml is not None:
            fields.append(row)
    return _Device(handle, labels, calls, fields)


def _read(device: _Device) -> Iterator[Sample]:
    """What one GPU says. Raises NVMLError when it is lost."""
    import pynvml

    for (call, constant), rows in tuple(device.calls.items()):
        function: Callable[..., Any] = getattr(pynvml, f"nvmlDeviceGet{call}")
        arguments = (getattr(pynvml, f"NVML_{constant}"),) if constant else ()
        try:
            answer = function(device.handle, *arguments)
        except pynvml.NVMLError as exc:
            if not _is_unsupported(exc.value):
                raise
            del device.calls[call, constant]
            continue
        for row in rows:
            yield from _samples(device, row, _part(answer, row))
    if device.fields:
        yield from _read_fields(device)


def _read_fields(device: _Device) -> Iterator[Sample]:
    import pynvml

    numbers = [getattr(pynvml, f"NVML_{row.nvml.constant}") for row in device.fields if row.nvml]
    try:
        answers = pynvml.nvmlDeviceGetFieldValues(device.handle, numbers)
    except pynvml.NVMLError as exc:
        if not _is_unsupported(exc.value):
            raise
        device.fields = []
        return
    for row, answer in zip(tuple(device.fields), answers, strict=True):
        if answer.nvmlReturn == pynvml.NVML_SUCCESS:
            yield from _samples(device, row, getattr(answer.value, _VALUE_PARTS[answer.valueType]))
        elif _is_unsupported(answer.nvmlReturn):
            device.fields.remove(row)


_VALUE_PARTS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""By `NVML_VALUE_TYPE_…`."""


def _samples(device: _Device, row: GPUMetric, value: float) -> Iterator[Sample]:
    """One; none for the first reading of a rate, or when its counter wrapped."""
    assert row.nvml is not None
    if row.nvml.is_rate:
        now_ns = monotonic_ns()
        before_ns, before = device.counted.get(row.tag, (now_ns, value))
        device.counted[row.tag] = now_ns, value
        if value < before or now_ns == before_ns:
            return
        value = (value - before) * NS_PER_S / (now_ns - before_ns)
    yield Sample(row.tag, device.labels, value * row.nvml.factor, "gauge")


def _part(answer: Any, row: GPUMetric) -> float:
    part = row.nvml.part if row.nvml else ""
    if part == "":
        return float(answer)
    return float(answer[part] if isinstance(part, int) else getattr(answer, part))


def _is_unsupported(code: int) -> bool:
    """Whether it is no use to ask for that again."""
    import pynvml

    return code in (
        pynvml.NVML_ERROR_INVALID_ARGUMENT,
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    )
