"""The table of GPU metrics: one row each, as `catalog` is for requests.

Values are kept as DCGM reports them (mJ, MiB, bytes/s …); `Unit` knows what users read.
"""

from dataclasses import dataclass
from typing import Literal

from genai_perf.metrics.catalog import Unit


@dataclass(frozen=True, slots=True)
class GPUMetric:
    """One row."""

    tag: str
    unit: Unit
    better: Literal["lower", "higher"]
    heading: str
    """GenAI-Perf's wording, with the unit where it has one."""
    is_constant: bool = False
    """Whether an average is all there is to say."""


# fmt: off
_ROWS = (
    GPUMetric("gpu_power_usage", Unit.WATTS, "lower", "GPU Power Usage (W)"),
    GPUMetric("gpu_power_limit", Unit.WATTS, "higher", "GPU Power Limit (W)", is_constant=True),
    GPUMetric("energy_consumption", Unit.MEGAJOULES, "lower", "GPU Energy Consumption (MJ)"),
    GPUMetric("total_gpu_memory", Unit.GIGABYTES, "higher", "GPU Total Memory (GB)", is_constant=True),
    GPUMetric("gpu_memory_used", Unit.GIGABYTES, "higher", "GPU Memory Used (GB)"),
    GPUMetric("gpu_memory_free", Unit.GIGABYTES, "higher", "GPU Memory Free (GB)"),
    GPUMetric("gpu_utilization", Unit.PERCENTAGE, "higher", "GPU Utilization (%)"),
    GPUMetric("sm_utilization", Unit.PERCENT, "higher", "SM Utilization (%)"),
    GPUMetric("memory_copy_utilization", Unit.PERCENTAGE, "higher", "Memory Copy Utilization (%)"),
    GPUMetric("video_encoder_utilization", Unit.PERCENTAGE, "higher", "Video Encoder Utilization (%)"),
    GPUMetric("video_decoder_utilization", Unit.PERCENTAGE, "higher", "Video Decoder Utilization (%)"),
    GPUMetric("gpu_clock_sm", Unit.MEGAHERTZ, "higher", "GPU Clock SM (MHz)"),
    GPUMetric("gpu_clock_memory", Unit.MEGAHERTZ, "higher", "GPU Clock Memory (MHz)"),
    GPUMetric("gpu_temperature", Unit.CELSIUS, "lower", "GPU Temperature (°C)"),
    GPUMetric("gpu_memory_temperature", Unit.CELSIUS, "lower", "GPU Memory Temperature (C)"),
    GPUMetric("total_ecc_sbe_volatile", Unit.ERRORS, "lower", "Total ECC SBE Volatile Errors"),
    GPUMetric("total_ecc_dbe_volatile", Unit.ERRORS, "lower", "Total ECC DBE Volatile Errors"),
    GPUMetric("total_ecc_sbe_aggregate", Unit.ERRORS, "lower", "Total ECC SBE aggregate Errors"),
    GPUMetric("total_ecc_dbe_aggregate", Unit.ERRORS, "lower", "Total ECC DBE aggregate Errors"),
    GPUMetric("xid_last_error", Unit.ERRORS, "lower", "Xid Last Error"),
    GPUMetric("power_throttle_duration", Unit.MICROSECONDS, "lower", "Power Throttle Duration (us)"),
    GPUMetric("thermal_throttle_duration", Unit.MICROSECONDS, "lower", "Thermal Throttle Duration (us)"),
    GPUMetric("retired_pages_sbe", Unit.PAGES, "lower", "Total Single Bit Error Retired Pages"),
    GPUMetric("retired_pages_dbe", Unit.PAGES, "lower", "Total Double Bit Error Retired Pages"),
    GPUMetric("total_nvlink_crc_flit_errors", Unit.ERRORS, "lower", "Total NVLink CRC flow-control errors"),
    GPUMetric("total_nvlink_crc_data_errors", Unit.ERRORS, "lower", "Total NVLink CRC Data Errors"),
    GPUMetric("pcie_transmit_throughput", Unit.KILOBYTES_PER_S, "higher", "PCie Transmit Throughput (KB/s)"),
    GPUMetric("pcie_receive_throughput", Unit.KILOBYTES_PER_S, "higher", "PCie Receive Throughput (KB/s)"),
    GPUMetric("pcie_replay_counter", Unit.RETRIES, "lower", "PCie Replay Counter"),
)
# fmt: on

GPU_CATALOG = {metric.tag: metric for metric in _ROWS}
"""By tag, in GenAI-Perf's order of display."""
