"""The table of GPU metrics, and the page that shows it."""

from pathlib import Path

import pytest

from genai_perf.metrics.catalog import Unit
from genai_perf.metrics.gpu import GPU_CATALOG, SERIES, Kind, cell, gpu_table_markdown

PAGE = Path(__file__).parents[2] / "docs" / "telemetry.md"


def test_the_documentation_has_the_table_as_it_is():
    assert f"-->\n{gpu_table_markdown()}<!-- gpu-metrics:end -->\n" in PAGE.read_text()


def test_no_two_metrics_are_read_from_one_series():
    names = [name for metric in GPU_CATALOG.values() for name in metric.names]
    assert len(names) == len(set(names)) == len(SERIES)


def test_nvml_has_all_that_is_asked_of_it():
    import pynvml

    for metric in GPU_CATALOG.values():
        if metric.nvml is not None and metric.nvml.call:
            assert hasattr(pynvml, f"nvmlDeviceGet{metric.nvml.call}"), metric.tag
        if metric.nvml is not None and metric.nvml.constant:
            assert hasattr(pynvml, f"NVML_{metric.nvml.constant}"), metric.tag


def test_only_constants_have_nothing_but_an_average():
    constants = [tag for tag, metric in GPU_CATALOG.items() if metric.is_constant]
    assert ["gpu_power_limit", "total_gpu_memory"] == constants
    grown = [tag for tag, metric in GPU_CATALOG.items() if metric.kind is Kind.GROWTH]
    assert ["energy_consumption", "power_throttle_duration", "thermal_throttle_duration"] == grown


@pytest.mark.parametrize(
    ("tag", "title"),
    [
        ("gpu_power_usage", "GPU Power Usage"),
        ("total_gpu_memory", "Total GPU Memory"),
        ("sm_utilization", "Sm Utilization"),
        ("pcie_replay_counter", "Pcie Replay Counter"),
    ],
)
def test_a_title_is_genai_perfs(tag, title):
    assert title == GPU_CATALOG[tag].title


@pytest.mark.parametrize(
    ("unit", "shown", "text"),
    [
        (Unit.WATTS, 1234.567, "1,234.57"),
        (Unit.MEGAJOULES, 0.0012345, "0.001234"),
        (Unit.MEGAJOULES, 1.73, "1.73"),
        (Unit.MEGAJOULES, 0.0, "0.00"),
    ],
)
def test_a_part_of_a_megajoule_shows(unit, shown, text):
    assert text == cell(unit, shown)
