"""A sweep with GPUs beside it: its summary's second table, its checkpoint, GenAI-Perf's Results API."""

import json
from pathlib import Path

import pytest
from sampled_run import S, rows, sampled
from scenarios import chat
from scenarios import summary as figures

from genai_perf.analyze import summary
from genai_perf.analyze.checkpoint import Checkpoint
from genai_perf.analyze.results import Results
from genai_perf.analyze.scenario import Scenario
from genai_perf.telemetry import gpu


def scenario(directory: Path, concurrency: int, watts: float) -> Scenario:
    """So much power on GPU 0 and half of it on GPU 1, for ten seconds."""

    def page(second: float) -> str:
        return "".join(
            rows(
                number,
                {
                    "DEV_POWER_USAGE": share * watts,
                    "DEV_TOTAL_ENERGY_CONSUMPTION": 5e9 + share * watts * second * 1000,
                    "DEV_GPU_UTIL": 80.0,
                    "DEV_FB_USED": 1000.0,
                    "DEV_POWER_MGMT_LIMIT": 700.0,
                },
            )
            for number, share in ((0, 1.0), (1, 0.5))
        )

    place = directory / f"c{concurrency}"
    place.mkdir()
    telemetry = sampled(place, [(n / 2, "dcgm", page(n / 2)) for n in range(40)])
    found = gpu.read(telemetry, 5 * S, 15 * S)
    assert found is not None
    planned = Scenario.planned(chat(concurrency), {"concurrency": concurrency}, place)
    return planned.measured(
        figures(20.0 * concurrency, 10.0 * concurrency), found.values(), found.total_values()
    )


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A checkpoint of two scenarios, the second with twice the power; the directory it is in."""
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint.open(tmp_path / "checkpoint")
    checkpoint.add(scenario(tmp_path, 1, 300.0))
    checkpoint.add(scenario(tmp_path, 2, 600.0))
    return tmp_path / "checkpoint"


def test_the_second_table_has_a_row_for_each_gpu_and_scenario_and_for_all_gpus_together(kept):
    results = Results.load(kept / "checkpoint.json")
    second = summary.render_csv(summary.best_first(results)).split("\r\n\r\n")[1]
    assert [
        "Config Name,GPU,p99 GPU Power Usage (W),p99 GPU Energy Consumption (MJ),p99 GPU Utilization (%),"
        "p99 GPU Memory Used (GB),Avg. GPU Power Limit (W),Avg. GPU Total Memory (GB)",
        "gpt2_run_config_1,0,600.00,0.006000,80.00,1.05,700.00,0.00",
        "gpt2_run_config_0,0,300.00,0.003000,80.00,1.05,700.00,0.00",
        "gpt2_run_config_1,1,300.00,0.003000,80.00,1.05,700.00,0.00",
        "gpt2_run_config_0,1,150.00,0.001500,80.00,1.05,700.00,0.00",
        "gpt2_run_config_1,all,900.00,0.009000,80.00,2.10,1400.00,0.00",
        "gpt2_run_config_0,all,450.00,0.004500,80.00,2.10,1400.00,0.00",
    ] == second.splitlines()


def test_a_scenario_has_the_gpus_of_its_own_run_alone(kept):
    first, second = Results.load(kept / "checkpoint.json")
    assert {"0": 300, "1": 150} == first.gpu_metric("gpu_power_usage_avg")
    assert {"0": 600, "1": 300} == second.gpu_metric("gpu_power_usage_avg")
    assert {"0": 600, "1": 300} == second.gpu_metric("gpu_power_usage_max")
    assert 0.0045 == pytest.approx(second.metric("energy_consumption_avg"))


def test_the_checkpoint_knows_whose_a_gpus_figures_are(kept):
    stored = json.loads((kept / "checkpoint.json").read_text())["Results"]["run_configs"][0]
    power = stored["measurement"]["_gpu_metrics"]["1"]["gpu_power_usage_avg"]
    assert ["gpu_power_usage_avg", {"_value": 150.0, "_timestamp": 0, "_device_uuid": "1"}] == power


def test_genai_perfs_own_api_ranks_by_what_the_gpus_did(kept):
    from genai_perf.record.types.energy_consumption_avg import GpuEnergyConsumptionAvg
    from genai_perf.record.types.gpu_power_usage_p99 import GPUPowerUsageP99

    from genai_perf.checkpoint.checkpoint import Checkpoint as Published
    from genai_perf.config.input.config_command import ConfigCommand

    results = Published(ConfigCommand(model_names=["gpt2"])).results
    names = lambda: [run_config.name for run_config in results.run_configs]  # noqa: E731
    assert ["gpt2_run_config_1", "gpt2_run_config_0"] == names()
    results.set_gpu_metric_objectives({"gpt2": {GPUPowerUsageP99.tag: 1}})
    assert ["gpt2_run_config_0", "gpt2_run_config_1"] == names()
    best = results.run_configs[0]
    assert 300 == best.get_gpu_metric_value("gpu0", GPUPowerUsageP99.tag)
    assert 0.0015 == pytest.approx(best.get_gpu_metric_value(1, GpuEnergyConsumptionAvg.tag))
