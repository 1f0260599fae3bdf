"""What GenAI-Perf calls its records: modules, classes, headers; read off the catalogs, but for oddities.

A *family* is the records of one metric, one for each statistic: `time_to_first_token_p99` is a module of
`genai_perf.record.types` with a class `TimeToFirstTokenP99`. Every metric of the catalogs has one, so that
what is added there is served here; the rows below are where GenAI-Perf's own names follow no rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from genai_perf.metrics.catalog import CATALOG, Unit
from genai_perf.metrics.gpu import GPU_CATALOG
from genai_perf.metrics.names import FINEST, STATISTICS

BASE = "base"
"""The end of the module's name that holds a family's base class."""


@dataclass(frozen=True, slots=True)
class Family:
    """The records of one metric."""

    tag: str
    stem: str
    """What the classes' names begin with."""
    base: str | None
    """Name of their base class; None where there is only an average."""
    heading: str
    """The header, without the statistic in front."""
    unit: Unit
    better: Literal["lower", "higher", ""]
    statistics: tuple[str, ...]
    is_gpu: bool = False
    is_run_level: bool = False
    """One number a run: added over models, where others are averaged."""
    odd_classes: Mapping[str, str] = field(default_factory=dict)
    """Classes whose names do not come from the stem, by statistic."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Statistics whose words in the header are not `Avg. `, `Max `, `Min `, `Std. `, `p99 `."""

    def header(self, statistic: str) -> str:
        """What a column of it is headed; that of the family for its base."""
        if self.is_run_level or statistic == BASE:
            return self.heading
        word = self.words.get(statistic) or _WORDS.get(statistic, statistic.replace("_", "."))
        return f"{word} {self.heading}"

    def class_name(self, statistic: str) -> str:
        """GenAI-Perf's name of the class."""
        if statistic == BASE:
            return str(self.base)
        return self.odd_classes.get(statistic) or self.stem + _suffix(statistic)

    def aliases(self, statistic: str) -> Iterator[str]:
        """Other names of the class: the regular ones, GPU and Gpu, and the `Timeto` of GenAI-Perf's guide."""
        names = {self.class_name(statistic)}
        if statistic != BASE:
            names.add(self.stem + _suffix(statistic))
            if self.base:
                names.add(self.base.removesuffix("Base") + _suffix(statistic))
        for name in tuple(names):
            names.add(name.replace("TimeTo", "Timeto"))
            if name.upper().startswith("GPU"):
                names |= {"GPU" + name[3:], "Gpu" + name[3:]}
        return iter(sorted(names - {self.class_name(statistic)}))


_WORDS = {"avg": "Avg.", "max": "Max", "min": "Min", "std": "Std."}

_AVERAGE = ("avg",)
_PLAIN = {"avg": "Avg", "std": "Std"}
_PLAIN_STD = {"std": "Std"}
_CAPITAL = {name: name.capitalize() for name in STATISTICS if name.startswith("p")}

_ODD_CLASSES: Mapping[str, Mapping[str, str]] = {
    "time_to_first_token": {"std": "TimeToFirstTokenMin"},
    "time_to_second_token": {"std": "TimeToSecondTokenMin"},
    "request_latency": {"max": "RequestLatencyMaX"},
    "gpu_clock_memory": {"p1": "GpuClockMemory1"},
    "gpu_memory_temperature": {"p95": "GpuMemoryTemperatureP95"},
    "gpu_power_usage": {p: f"GpuPowerUsage{p.upper()}" for p in ("p1", "p5", "p10")},
    "gpu_utilization": {p: f"GpuUtilization{p.upper()}" for p in ("p1", "p5", "p10")},
    "thermal_throttle_duration": {"p1": "thermalThrottleDurationP1"},
    "total_ecc_dbe_aggregate": {p: f"ECCdbeAggregateTotal{p.upper()}" for p in ("p10", "p25", "p50")},
    "total_ecc_dbe_volatile": {p: f"ECCdbeVolatileTotal{p.upper()}" for p in ("p10", "p25", "p50")},
    "video_decoder_utilization": {"avg": "VideoDecoderUtilizationAvg"},
}

_ODD_WORDS: Mapping[str, Mapping[str, str]] = {
    "time_to_first_token": _PLAIN,
    "time_to_second_token": _PLAIN,
    "inter_token_latency": _PLAIN,
    "output_sequence_length": _PLAIN_STD,
    "input_sequence_length": _PLAIN_STD,
    "output_token_throughput_per_user": _PLAIN_STD,
    "sm_utilization": _CAPITAL,
    "video_decoder_utilization": _CAPITAL,
}

_ODD_HEADINGS = {
    "request_count": "Request Count (requests/sec)",
    "output_token_throughput": "Avg. Output Token Throughput (tokens/sec)",
}

_GPU_CLASSES = {
    # tag: (stem, base class)
    "energy_consumption": ("GpuEnergyConsumption", "GPUEnergyConsumptionBase"),
    "gpu_clock_memory": ("GpuClockMemory", "GPUClockMemoryBase"),
    "gpu_clock_sm": ("GpuClockSM", "GPUClockSMBase"),
    "gpu_memory_free": ("GpuMemoryFree", "GPUMemoryFreeBase"),
    "gpu_memory_temperature": ("GpuMemoryTemp", "GPUMemoryTemperatureBase"),
    "gpu_memory_used": ("GpuMemoryUsed", "GPUMemoryUsedBase"),
    "gpu_power_limit": ("GPUPowerLimit", "GPUPowerLimitBase"),
    "gpu_power_usage": ("GPUPowerUsage", "GPUPowerUsageBase"),
    "gpu_temperature": ("GpuTemperature", "GPUTemperatureBase"),
    "gpu_utilization": ("GPUUtilization", "GPUUtilizationBase"),
    "memory_copy_utilization": ("MemoryCopyUtilization", "MemoryCopyUtilizationBase"),
    "pcie_receive_throughput": ("PCieReceiveThroughput", "PCieReceiveThroughputBase"),
    "pcie_replay_counter": ("PCieReplayCounter", "PCieReplayCounterBase"),
    "pcie_transmit_throughput": ("PCieTransmitThroughput", "PCieTransmitThroughputBase"),
    "power_throttle_duration": ("PowerThrottleDuration", "PowerThrottleDurationBase"),
    "retired_pages_dbe": ("ECCDBEVolatileTotal", "RetiredPagesDBEBase"),
    "retired_pages_sbe": ("ECCSBEVolatileTotal", "RetiredPagesSBEBase"),
    "sm_utilization": ("SMUtilization", "SMUtilizationBase"),
    "thermal_throttle_duration": ("ThermalThrottleDuration", "ThermalThrottleDurationBase"),
    "total_ecc_dbe_aggregate": ("ECCDBEAggregateTotal", "ECCDBEAggregateTotalBase"),
    "total_ecc_dbe_volatile": ("ECCDBEVolatileTotal", "ECCDBEVolatileTotalBase"),
    "total_ecc_sbe_aggregate": ("ECCSBEAggregateTotal", "ECCSBEAggregateTotalBase"),
    "total_ecc_sbe_volatile": ("ECCSBEVolatileTotal", "ECCSBEVolatileTotalBase"),
    "total_gpu_memory": ("GPUTotalMemory", "GPUTotalMemoryBase"),
    "total_nvlink_crc_data_errors": ("TotalNVLinkCRCDataErrors", "TotalNVLinkCRCDataErrorsBase"),
    "total_nvlink_crc_flit_errors": ("TotalNvLinkCRCFlitErrors", "TotalNVLinkCCRCFlitErrorsBase"),
    "video_decoder_utilization": ("VideoEncoderUtilization", "VideoDecoderUtilizationBase"),
    "video_encoder_utilization": ("VideoEncoderUtilization", "VideoEncoderUtilizationBase"),
    "xid_last_error": ("XidLastError", "XidLastErrorBase"),
}


def _suffix(statistic: str) -> str:
    return statistic.capitalize()


def _families() -> Iterator[Family]:
    for tag, metric in CATALOG.items():
        stem = metric.title.replace(" ", "")
        is_run_level = metric.per == "run"
        yield Family(
            tag,
            stem,
            None if is_run_level else f"{stem}Base",
            _ODD_HEADINGS.get(tag, f"{metric.title} ({metric.unit.label})"),
            metric.unit,
            metric.better,
            _AVERAGE if is_run_level else (*STATISTICS, FINEST),
            is_run_level=is_run_level,
            odd_classes=_ODD_CLASSES.get(tag, {}),
            words=_ODD_WORDS.get(tag, {}),
        )
    # GenAI-Perf's until 25.03; its checkpoints still hold it
    yield Family(
        "output_token_throughput_per_request",
        "OutputTokenThroughputPerRequest",
        "OutputTokenThroughputPerRequestBase",
        "Output Token Throughput Per Request (tokens/sec)",
        Unit.TOKENS_PER_S,
        "higher",
        STATISTICS,
    )
    for tag, row in GPU_CATALOG.items():
        stem, base = _GPU_CLASSES[tag]
        yield Family(
            tag,
            stem,
            base,
            row.heading,
            row.unit,
            row.better,
            _AVERAGE if row.is_constant else STATISTICS,
            is_gpu=True,
            odd_classes=_ODD_CLASSES.get(tag, {}),
            words=_ODD_WORDS.get(tag, {}),
        )


FAMILIES: Mapping[str, Family] = {family.tag: family for family in _families()}
"""By the metric's tag."""

MODULES: Mapping[str, tuple[Family, str]] = {
    f"{family.tag}_{statistic}": (family, statistic)
    for family in FAMILIES.values()
    for statistic in (*family.statistics, *([BASE] if family.base else []))
} | {"gpu_energy_consumption_avg": (FAMILIES["energy_consumption"], "avg")}
"""Family and statistic of every module of `genai_perf.record.types`, each called after its record's tag.

`gpu_energy_consumption_avg` is GenAI-Perf's second module for one record.
"""
