"""The table of GPU metrics: one row each, as `catalog` is for requests.

Values are kept as DCGM reports them (mJ, MiB, bytes/s …); `Unit` knows what users read. Triton's own page and
NVML say some of the same in other units: their columns say how to get there. NVML's calls stand here by name,
since this package does no I/O; `telemetry.nvml` makes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from genai_perf.metrics.catalog import Unit


class Kind(StrEnum):
    """How readings become a figure."""

    GAUGE = "gauge"
    """What is so at an instant; its distribution over the measured window counts."""
    CONSTANT = "constant"
    """An average is all there is to say."""
    GROWTH = "growth"
    """A counter since some day in the past, of which the difference over the measured window counts."""
    TOTAL = "total"
    """A counter that is shown as it stands: errors that a GPU has had in its life."""


class Together(StrEnum):
    """How several GPUs' figures become one."""

    SUM = "sum"
    MEAN = "mean"
    MAX = "max"


class Of(StrEnum):
    """What a reading is of where a GPU is cut into MIG instances."""

    BOARD = "board"
    """The whole GPU; an exporter repeats it for every instance."""
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Nvml:
    """`pynvml.nvmlDeviceGet<call>(handle, …)`, or a field of `nvmlDeviceGetFieldValues`."""

    call: str = ""
    """Empty for a field: all of a GPU's are asked for in one call."""
    constant: str = ""
    """Name of the constant that is its argument, or of the field, without `NVML_`."""
    part: str | int = ""
    """Attribute or item of what it returns; empty where that is a number."""
    factor: float = 1
    """To DCGM's unit."""
    is_rate: bool = False
    """Whether the difference to the last reading, per second, is what DCGM reports."""


@dataclass(frozen=True, slots=True)
class Triton:
    """A series of Triton's metrics page, which GenAI-Perf read until 25.05."""

    series: str
    factor: float = 1
    """To DCGM's unit."""


@dataclass(frozen=True, slots=True)
class GPUMetric:
    """One row."""

    tag: str
    unit: Unit
    better: Literal["lower", "higher"]
    heading: str
    """GenAI-Perf's wording in records, with the unit where it has one."""
    series: tuple[str, ...]
    """DCGM's names, the preferred one first."""
    kind: Kind
    together: Together
    of: Of
    nvml: Nvml | None = None
    triton: Triton | None = None

    @property
    def is_constant(self) -> bool:
        """Whether an average is all there is to say."""
        return self.kind is Kind.CONSTANT

    @property
    def names(self) -> tuple[str, ...]:
        """Of all series that tell of it, the preferred one first; the tag stands for NVML's."""
        return (*self.series, self.tag, *([self.triton.series] if self.triton else []))

    @property
    def title(self) -> str:
        """GenAI-Perf's wording in reports: `GPU Power Usage`, `Sm Utilization`."""
        words = self.tag.split("_")
        return " ".join("GPU" if word == "gpu" else word.capitalize() for word in words)


_GAUGE, _CONSTANT, _GROWTH, _TOTAL = Kind.GAUGE, Kind.CONSTANT, Kind.GROWTH, Kind.TOTAL
_SUM, _MEAN, _MAX = Together.SUM, Together.MEAN, Together.MAX
_BOARD, _INSTANCE = Of.BOARD, Of.INSTANCE
_BYTES_TO_MIB = 2**-20


def _field(name: str, *, is_rate: bool = False) -> Nvml:
    return Nvml(constant=f"FI_DEV_{name}", is_rate=is_rate)


# fmt: off
_ROWS = (
    GPUMetric("gpu_power_usage", Unit.WATTS, "lower", "GPU Power Usage (W)",
              ("DCGM_FI_DEV_POWER_USAGE",), _GAUGE, _SUM, _BOARD,
              Nvml("PowerUsage", factor=1e-3), Triton("nv_gpu_power_usage")),
    GPUMetric("gpu_power_limit", Unit.WATTS, "higher", "GPU Power Limit (W)",
              ("DCGM_FI_DEV_POWER_MGMT_LIMIT", "DCGM_FI_DEV_ENFORCED_POWER_LIMIT"), _CONSTANT, _SUM, _BOARD,
              Nvml("EnforcedPowerLimit", factor=1e-3), Triton("nv_gpu_power_limit")),
    GPUMetric("energy_consumption", Unit.MEGAJOULES, "lower", "GPU Energy Consumption (MJ)",
              ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",), _GROWTH, _SUM, _BOARD,
              Nvml("TotalEnergyConsumption"), Triton("nv_energy_consumption", 1000)),
    GPUMetric("total_gpu_memory", Unit.GIGABYTES, "higher", "GPU Total Memory (GB)",
              ("DCGM_FI_DEV_FB_TOTAL",), _CONSTANT, _SUM, _INSTANCE,
              Nvml("MemoryInfo", part="total", factor=_BYTES_TO_MIB),
              Triton("nv_gpu_memory_total_bytes", _BYTES_TO_MIB)),
    GPUMetric("gpu_memory_used", Unit.GIGABYTES, "higher", "GPU Memory Used (GB)",
              ("DCGM_FI_DEV_FB_USED",), _GAUGE, _SUM, _INSTANCE,
              Nvml("MemoryInfo", part="used", factor=_BYTES_TO_MIB),
              Triton("nv_gpu_memory_used_bytes", _BYTES_TO_MIB)),
    GPUMetric("gpu_memory_free", Unit.GIGABYTES, "higher", "GPU Memory Free (GB)",
              ("DCGM_FI_DEV_FB_FREE",), _GAUGE, _SUM, _INSTANCE,
              Nvml("MemoryInfo", part="free", factor=_BYTES_TO_MIB)),
    GPUMetric("gpu_utilization", Unit.PERCENTAGE, "higher", "GPU Utilization (%)",
              ("DCGM_FI_DEV_GPU_UTIL",), _GAUGE, _MEAN, _INSTANCE,
              Nvml("UtilizationRates", part="gpu"), Triton("nv_gpu_utilization", 100)),
    GPUMetric("sm_utilization", Unit.PERCENT, "higher", "SM Utilization (%)",
              ("DCGM_FI_PROF_SM_ACTIVE",), _GAUGE, _MEAN, _INSTANCE),
    GPUMetric("memory_copy_utilization", Unit.PERCENTAGE, "higher", "Memory Copy Utilization (%)",
              ("DCGM_FI_DEV_MEM_COPY_UTIL",), _GAUGE, _MEAN, _INSTANCE,
              Nvml("UtilizationRates", part="memory")),
    GPUMetric("video_encoder_utilization", Unit.PERCENTAGE, "higher", "Video Encoder Utilization (%)",
              ("DCGM_FI_DEV_ENC_UTIL",), _GAUGE, _MEAN, _INSTANCE, Nvml("EncoderUtilization", part=0)),
    GPUMetric("video_decoder_utilization", Unit.PERCENTAGE, "higher", "Video Decoder Utilization (%)",
              ("DCGM_FI_DEV_DEC_UTIL",), _GAUGE, _MEAN, _INSTANCE, Nvml("DecoderUtilization", part=0)),
    GPUMetric("gpu_clock_sm", Unit.MEGAHERTZ, "higher", "GPU Clock SM (MHz)",
              ("DCGM_FI_DEV_SM_CLOCK",), _GAUGE, _MEAN, _BOARD, Nvml("ClockInfo", "CLOCK_SM")),
    GPUMetric("gpu_clock_memory", Unit.MEGAHERTZ, "higher", "GPU Clock Memory (MHz)",
              ("DCGM_FI_DEV_MEM_CLOCK",), _GAUGE, _MEAN, _BOARD, Nvml("ClockInfo", "CLOCK_MEM")),
    GPUMetric("gpu_temperature", Unit.CELSIUS, "lower", "GPU Temperature (°C)",
              ("DCGM_FI_DEV_GPU_TEMP",), _GAUGE, _MAX, _BOARD, Nvml("Temperature", "TEMPERATURE_GPU")),
    GPUMetric("gpu_memory_temperature", Unit.CELSIUS, "lower", "GPU Memory Temperature (C)",
              ("DCGM_FI_DEV_MEMORY_TEMP",), _GAUGE, _MAX, _BOARD, _field("MEMORY_TEMP")),
    GPUMetric("total_ecc_sbe_volatile", Unit.ERRORS, "lower", "Total ECC SBE Volatile Errors",
              ("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",), _TOTAL, _SUM, _BOARD, _field("ECC_SBE_VOL_TOTAL")),
    GPUMetric("total_ecc_dbe_volatile", Unit.ERRORS, "lower", "Total ECC DBE Volatile Errors",
              ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",), _TOTAL, _SUM, _BOARD, _field("ECC_DBE_VOL_TOTAL")),
    GPUMetric("total_ecc_sbe_aggregate", Unit.ERRORS, "lower", "Total ECC SBE aggregate Errors",
              ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL",), _TOTAL, _SUM, _BOARD, _field("ECC_SBE_AGG_TOTAL")),
    GPUMetric("total_ecc_dbe_aggregate", Unit.ERRORS, "lower", "Total ECC DBE aggregate Errors",
              ("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL",), _TOTAL, _SUM, _BOARD, _field("ECC_DBE_AGG_TOTAL")),
    GPUMetric("xid_last_error", Unit.ERRORS, "lower", "Xid Last Error",
              ("DCGM_FI_DEV_XID_ERRORS",), _TOTAL, _MAX, _BOARD),
    GPUMetric("power_throttle_duration", Unit.MICROSECONDS, "lower", "Power Throttle Duration (us)",
              ("DCGM_FI_DEV_POWER_VIOLATION",), _GROWTH, _MAX, _BOARD, _field("PERF_POLICY_POWER")),
    GPUMetric("thermal_throttle_duration", Unit.MICROSECONDS, "lower", "Thermal Throttle Duration (us)",
              ("DCGM_FI_DEV_THERMAL_VIOLATION",), _GROWTH, _MAX, _BOARD, _field("PERF_POLICY_THERMAL")),
    GPUMetric("retired_pages_sbe", Unit.PAGES, "lower", "Total Single Bit Error Retired Pages",
              ("DCGM_FI_DEV_RETIRED_SBE",), _TOTAL, _SUM, _BOARD, _field("RETIRED_SBE")),
    GPUMetric("retired_pages_dbe", Unit.PAGES, "lower", "Total Double Bit Error Retired Pages",
              ("DCGM_FI_DEV_RETIRED_DBE",), _TOTAL, _SUM, _BOARD, _field("RETIRED_DBE")),
    GPUMetric("total_nvlink_crc_flit_errors", Unit.ERRORS, "lower", "Total NVLink CRC flow-control errors",
              ("DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL",), _TOTAL, _SUM, _BOARD,
              _field("NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL")),
    GPUMetric("total_nvlink_crc_data_errors", Unit.ERRORS, "lower", "Total NVLink CRC Data Errors",
              ("DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL",), _TOTAL, _SUM, _BOARD,
              _field("NVLINK_CRC_DATA_ERROR_COUNT_TOTAL")),
    GPUMetric("pcie_transmit_throughput", Unit.KILOBYTES_PER_S, "higher", "PCie Transmit Throughput (KB/s)",
              ("DCGM_FI_PROF_PCIE_TX_BYTES",), _GAUGE, _SUM, _BOARD,
              _field("PCIE_COUNT_TX_BYTES", is_rate=True)),
    GPUMetric("pcie_receive_throughput", Unit.KILOBYTES_PER_S, "higher", "PCie Receive Throughput (KB/s)",
              ("DCGM_FI_PROF_PCIE_RX_BYTES",), _GAUGE, _SUM, _BOARD,
              _field("PCIE_COUNT_RX_BYTES", is_rate=True)),
    GPUMetric("pcie_replay_counter", Unit.RETRIES, "lower", "PCie Replay Counter",
              ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER",), _TOTAL, _SUM, _BOARD, _field("PCIE_REPLAY_COUNTER")),
)
# fmt: on

GPU_CATALOG = {metric.tag: metric for metric in _ROWS}
"""By tag, in GenAI-Perf's order of display."""

SERIES: Mapping[str, tuple[GPUMetric, float]] = {
    **{name: (metric, 1.0) for metric in _ROWS for name in (metric.tag, *metric.series)},
    **{metric.triton.series: (metric, metric.triton.factor) for metric in _ROWS if metric.triton},
}
"""What the value of a series is, times what it is in DCGM's unit: by DCGM's name, Triton's, or the tag."""


def cell(unit: Unit, shown: float) -> str:
    """An amount in its unit as GenAI-Perf has it, with two decimals; a part of a megajoule with six.

    A run uses kilojoules, which two would show as nothing.
    """
    decimals = 6 if unit is Unit.MEGAJOULES and 0 < abs(shown) < 1 else 2
    return f"{shown:,.{decimals}f}"


def gpu_table_markdown() -> str:
    """The table for the documentation."""
    lines = [
        "| metric | unit | what | several GPUs | DCGM | NVML | Triton |",
        "|---|---|---|---|---|---|---|",
    ]
    for m in _ROWS:
        nvml = f"`{m.nvml.call or m.nvml.constant}`" if m.nvml else ""
        triton = f"`{m.triton.series}`" if m.triton else ""
        series = " or ".join(f"`{name}`" for name in m.series)
        lines.append(
            f"| `{m.tag}` | {m.unit.label} | {m.kind} of the {m.of} | {m.together} "
            f"| {series} | {nvml} | {triton} |"
        )
    return "\n".join(lines) + "\n"
