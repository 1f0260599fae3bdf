"""Typed names of figures: `TTFT.p99` is the 99th percentile of the time to first token, everywhere.

A `Figures` names the statistics of a metric that has a distribution; a metric that is one number for a run
is a single `Figure`. Their `tag` is what checkpoints, objectives and constraints are keyed by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from genai_perf.metrics.catalog import CATALOG, Unit
from genai_perf.metrics.gpu import GPU_CATALOG

STATISTICS = ("avg", "min", "max", "std", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99")
"""GenAI-Perf's, by the end of their tags."""

FINEST = "p99_9"
"""Ours beside those; in files that are not made of tags it is called p99.9."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a run has: a metric and which statistic of it."""

    metric: str
    """The metric's tag, as in the catalog."""
    statistic: str
    unit: Unit
    """What it is read in; it is kept in base units."""
    better: Literal["lower", "higher", ""]
    is_gpu: bool = False

    @property
    def tag(self) -> str:
        """`time_to_first_token_p99`."""
        return f"{self.metric}_{self.statistic}"

    @property
    def heading(self) -> str:
        """`p99 Time To First Token (ms)`; one number a run has no statistic in front."""
        statistic = self.statistic.replace("_", ".")
        if self.is_gpu:
            return f"{statistic} {GPU_CATALOG[self.metric].heading}"
        row = CATALOG[self.metric]
        return row.heading if row.per == "run" else f"{statistic} {row.heading}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Every statistic of one metric."""

    avg: Figure
    min: Figure
    max: Figure
    std: Figure
    p1: Figure
    p5: Figure
    p10: Figure
    p25: Figure
    p50: Figure
    p75: Figure
    p90: Figure
    p95: Figure
    p99: Figure
    p99_9: Figure


def figure(metric: str, statistic: str) -> Figure:
    """The name of a statistic of the metric with that tag; KeyError for a tag in neither catalog."""
    if row := GPU_CATALOG.get(metric):
        return Figure(metric, statistic, row.unit, row.better, is_gpu=True)
    return Figure(metric, statistic, CATALOG[metric].unit, CATALOG[metric].better)


def figures(metric: str) -> Figures:
    """The names of all statistics of the metric with that tag; KeyError for a tag in neither catalog."""
    return Figures(**{name: figure(metric, name) for name in (*STATISTICS, FINEST)})


TIME_TO_FIRST_TOKEN = TTFT = figures("time_to_first_token")
TIME_TO_SECOND_TOKEN = TTST = figures("time_to_second_token")
REQUEST_LATENCY = figures("request_latency")
INTER_TOKEN_LATENCY = ITL = figures("inter_token_latency")
OUTPUT_TOKEN_THROUGHPUT_PER_USER = figures("output_token_throughput_per_user")
OUTPUT_SEQUENCE_LENGTH = OSL = figures("output_sequence_length")
INPUT_SEQUENCE_LENGTH = ISL = figures("input_sequence_length")
OUTPUT_TOKEN_THROUGHPUT = figure("output_token_throughput", "avg")
IMAGE_THROUGHPUT = figures("image_throughput")
IMAGE_LATENCY = figures("image_latency")
REQUEST_THROUGHPUT = figure("request_throughput", "avg")
REQUEST_GOODPUT = figure("request_goodput", "avg")
REQUEST_COUNT = figure("request_count", "avg")
TIME_TO_FIRST_TOKEN_FROM_DUE = figures("time_to_first_token_from_due")
REQUEST_LATENCY_FROM_DUE = figures("request_latency_from_due")
SEND_LATENESS = figures("send_lateness")
INTER_CHUNK_LATENCY = figures("inter_chunk_latency")
ERROR_COUNT = figure("error_count", "avg")
ERROR_RATE = figure("error_rate", "avg")
GPU_POWER_USAGE = figures("gpu_power_usage")
GPU_UTILIZATION = figures("gpu_utilization")
GPU_MEMORY_USED = figures("gpu_memory_used")
ENERGY_CONSUMPTION = figures("energy_consumption")
