"""Every module of GenAI-Perf's `record.types`, against the list of what it published."""

import csv
import importlib
import pickle
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from statistics import mean

import pytest

from genai_perf.analyze.families import MODULES
from genai_perf.metrics.catalog import CATALOG
from genai_perf.record.gpu_record import DecreasingGPURecord, IncreasingGPURecord
from genai_perf.record.record import DecreasingRecord, IncreasingRecord, Record, RecordType, ReductionFactor

with (Path(__file__).parent / "published_records.tsv").open() as lines:
    PUBLISHED = list(csv.DictReader(lines, delimiter="\t"))

MENDED_FACTORS = {
    "0.001048576": ReductionFactor.MIB_TO_GB,  # was applied as a power of ten
    "0.0009765625": ReductionFactor.BYTES_TO_KB,  # likewise
}
MENDED_HEADERS = {
    "gpu_memory_temperature_avg": "Avg. GPU Memory Temperature (C)",  # the other twelve say C
    "retired_pages_dbe_p75": "p75 Total Double Bit Error Retired Pages",  # said Single
}


def load(module: str) -> type[Record]:
    return importlib.import_module(f"genai_perf.record.types.{module}").__dict__[
        next(row["class"] for row in PUBLISHED if row["module"] == module)
    ]


def test_all_485_modules_are_there() -> None:
    assert 485 == len(PUBLISHED)
    assert {row["module"] for row in PUBLISHED} <= MODULES.keys()


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row["module"])
def test_a_module_has_the_published_class(row: dict[str, str]) -> None:
    record = load(row["module"])
    assert row["class"] == record.__name__
    assert row["parent"] == record.__mro__[1].__name__
    assert row["tag"] == record.tag
    assert (row["better"] == "lower") == (record.direction == -1)
    assert (sum if row["value"] == "sum" else mean) is record.value_function()
    if row["parent"].endswith("Base") or row["tag"]:
        assert MENDED_HEADERS.get(row["module"], row["header"]) == record.header()
    factor = MENDED_FACTORS.get(row["factor"]) or float(row["factor"])
    if "energy" in row["module"]:
        factor = ReductionFactor.MJ_TO_MEGAJOULE
    if "throttle" in row["module"]:
        factor = 3  # DCGM counts nanoseconds, whatever its exporter used to say
    assert factor == record.reduction_factor


def test_a_base_class_is_headed_by_its_metric() -> None:
    assert load("time_to_first_token_base").header() == "Time To First Token (ms)"


def test_no_two_records_share_a_tag() -> None:
    kinds = RecordType.get_all_record_types()
    assert {row["tag"] for row in PUBLISHED if row["tag"]} <= kinds.keys()
    assert len(kinds) == len(set(kinds.values()))
    assert all(kind.tag == tag for tag, kind in kinds.items())


def test_the_two_modules_for_energy_hold_one_class() -> None:
    assert load("gpu_energy_consumption_avg") is load("energy_consumption_avg")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("time_to_first_token_p99", "TimeToFirstTokenP99 TimetoFirstTokenP99"),
        ("time_to_first_token_avg", "TimeToFirstTokenAvg TimetoFirstTokenAvg"),
        ("time_to_first_token_std", "TimeToFirstTokenMin TimeToFirstTokenStd TimetoFirstTokenStd"),
        ("time_to_second_token_std", "TimeToSecondTokenMin TimeToSecondTokenStd"),
        ("request_latency_max", "RequestLatencyMaX RequestLatencyMax"),
        ("gpu_power_usage_p99", "GPUPowerUsageP99 GpuPowerUsageP99"),
        ("gpu_power_usage_p1", "GpuPowerUsageP1 GPUPowerUsageP1"),
        ("gpu_utilization_p5", "GpuUtilizationP5 GPUUtilizationP5"),
        ("gpu_clock_memory_p1", "GpuClockMemory1 GpuClockMemoryP1 GPUClockMemoryP1"),
        ("gpu_memory_temperature_p95", "GpuMemoryTemperatureP95 GpuMemoryTempP95 GPUMemoryTemperatureP95"),
        ("thermal_throttle_duration_p1", "thermalThrottleDurationP1 ThermalThrottleDurationP1"),
        ("total_ecc_dbe_volatile_p25", "ECCdbeVolatileTotalP25 ECCDBEVolatileTotalP25"),
        ("retired_pages_dbe_avg", "ECCDBEVolatileTotalAvg RetiredPagesDBEAvg"),
        ("video_decoder_utilization_max", "VideoEncoderUtilizationMax VideoDecoderUtilizationMax"),
    ],
)
def test_an_irregular_class_has_its_regular_name_too(module: str, names: str) -> None:
    loaded = importlib.import_module(f"genai_perf.record.types.{module}")
    assert 1 == len({getattr(loaded, name) for name in names.split()})


def test_the_last_releases_family_is_served_as_well() -> None:
    from genai_perf.record.types.output_token_throughput_per_request_p99 import (
        OutputTokenThroughputPerRequestP99,
    )

    assert "output_token_throughput_per_request_p99" == OutputTokenThroughputPerRequestP99.tag


@pytest.mark.parametrize("metric", [each for each in CATALOG.values() if each.per != "run"])
def test_every_metric_of_the_catalog_has_records(metric) -> None:
    assert f"{metric.tag}_p99_9" == RecordType.get(f"{metric.tag}_p99_9").tag


def test_what_is_no_record_is_no_module() -> None:
    with pytest.raises(ModuleNotFoundError, match="time_to_third_token_p99"):
        importlib.import_module("genai_perf.record.types.time_to_third_token_p99")
    with pytest.raises(KeyError):
        RecordType.get("time_to_third_token_p99")
    with pytest.raises(KeyError):
        RecordType.get("time_to_first_token_base")


def test_a_record_can_be_pickled_and_copied() -> None:
    record = load("gpu_power_usage_avg")(65.1, "GPU-1", 5)
    again = pickle.loads(pickle.dumps(record))
    assert (65.1, 5, "GPU-1") == (again.value(), again.timestamp(), again.device_uuid())
    assert deepcopy(record) == record


def test_importing_a_record_loads_nothing_heavy() -> None:
    script = (
        "import sys, genai_perf.record.types.time_to_first_token_p99\n"
        "heavy = {'numpy', 'pyarrow', 'msgspec', 'httpx', 'typer', 'asyncio', 'statistics'}\n"
        "print(*heavy & sys.modules.keys())"
    )
    assert (
        ""
        == subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        ).stdout.strip()
    )


def test_the_four_kinds_of_record_are_published() -> None:
    assert issubclass(load("time_to_first_token_p99"), DecreasingRecord)
    assert issubclass(load("request_throughput_avg"), IncreasingRecord)
    assert issubclass(load("gpu_power_usage_p99"), DecreasingGPURecord)
    assert issubclass(load("gpu_utilization_p99"), IncreasingGPURecord)
