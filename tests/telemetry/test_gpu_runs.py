"""Whole runs with GPUs beside them, by the command line."""

import json
import os
import subprocess
import sys

import pytest
from exporter import Exporter, Wave
from nvml_library import compiled, say, two_gpus

WAVE = Wave(low_w=100.0, high_w=400.0, period_ns=100_000_000)
LOAD = [
    *("-m", "gpt2", "--tokenizer", "builtin", "--endpoint-type", "chat", "--streaming", "--url", "embedded"),
    *("--synthetic-input-tokens-mean", "20", "--output-tokens-mean", "20", "--telemetry-interval", "0.05"),
]


@pytest.fixture
def exporter():
    with Exporter(lambda now_ns: WAVE.page(now_ns) + WAVE.page(now_ns, gpu=1)) as serving:
        yield serving


def run(directory, *arguments, **environment):
    """stdout and stderr of a command that must succeed, in that directory."""
    done = subprocess.run(
        [sys.executable, "-m", "genai_perf", *arguments],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout, done.stderr


def profile(directory, *arguments, **environment):
    return run(
        directory, "profile", *LOAD, "--concurrency", "4", "--request-count", "8", *arguments, **environment
    )


def report(directory):
    (path,) = directory.rglob("profile_export_genai_perf.json")
    return json.loads(path.read_bytes())


def test_a_run_reports_what_an_exporter_said_meanwhile(exporter, tmp_path):
    stdout, stderr = profile(tmp_path, "--gpu-telemetry-url", exporter.address, "-v")
    assert "GenAI-Perf | GPU Telemetry" in stdout
    assert "GPUs: 2 x NVIDIA H100 80GB HBM3: " in stdout
    assert "warning" not in stderr
    made = report(tmp_path)
    assert ["unit", "0", "1"] == list(made["telemetry_stats"]["energy_consumption"])
    gpus = made["gpus"]
    (health,) = gpus["sources"].values()
    assert 0 == health["failures"]
    joules = gpus["efficiency"]["energy"]["avg"]
    assert 2 * WAVE.low_w <= joules / gpus["measured_s"] <= 2 * WAVE.high_w
    tokens = made["output_sequence_length"]["avg"] * 8
    assert joules / tokens == pytest.approx(gpus["efficiency"]["energy_per_output_token"]["avg"])
    (directory,) = (tmp_path / "artifacts").iterdir()
    assert os.uname().nodename == json.loads((directory / "run.json").read_text())["run"]["host"]
    again, _ = run(tmp_path, "report", str(directory))
    assert "GPUs: 2 x NVIDIA H100 80GB HBM3: " in again
    assert gpus == report(tmp_path)["gpus"]


def test_an_exporter_that_is_named_and_not_there_is_one_warning(tmp_path):
    with Exporter(WAVE.page) as gone:
        address = gone.address
    stdout, stderr = profile(tmp_path, "--gpu-telemetry-url", address)
    assert [f"warning: dcgm:{address} does not answer: connection refused; it will be asked again"] == [
        line for line in stderr.splitlines() if "dcgm" in line
    ]
    assert "GPUs:" not in stdout
    assert "telemetry_stats" not in report(tmp_path)


@pytest.mark.parametrize("arguments", [(), ("--gpu-telemetry", "off")])
def test_where_nobody_asked_and_nothing_is_there_nothing_is_said(arguments, tmp_path):
    stdout, stderr = profile(tmp_path, *arguments)
    assert "GPU" not in stdout + stderr
    assert "telemetry_stats" not in report(tmp_path)


def test_the_gpus_of_this_machine_are_found_by_nvml(tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    compiled(library)
    said = tmp_path / "gpus.txt"
    say(said, two_gpus())
    stdout, _ = profile(tmp_path, LD_LIBRARY_PATH=str(library), NVML_STUB=str(said))
    assert "GPUs: 2 x NVIDIA H100 80GB HBM3: 701.0 W, 80.0 % utilization on average" in stdout
    made = report(tmp_path)
    assert {"nvml"} == set(made["gpus"]["sources"])
    assert {"avg": 700.0} == made["telemetry_stats"]["gpu_power_limit"]["0"]


def test_each_scenario_of_a_sweep_has_the_gpus_of_its_own_time(exporter, tmp_path):
    run(
        tmp_path,
        *("analyze", *LOAD, "--request-count", "8", "--sweep-type", "concurrency", "--sweep-list", "2,4"),
        *("--gpu-telemetry-url", exporter.address),
    )
    table = (tmp_path / "analyze_export_genai_perf.csv").read_text().split("\n\n")[-1].splitlines()
    assert ["0", "0", "1", "1", "all", "all"] == [row.split(",")[1] for row in table[1:]]
    energies = [float(row.split(",")[3]) for row in table[1:]]
    assert all(0 < energy < 400 * 60 / 1e6 for energy in energies[:4])
    of_all = [first + second for first, second in zip(energies[:2], energies[2:4], strict=True)]
    assert of_all == pytest.approx(energies[4:], abs=2e-6)  # each is rounded to a joule
    stored = json.loads((tmp_path / "checkpoint" / "checkpoint.json").read_text())["Results"]["run_configs"]
    assert all({"0", "1"} == set(each["measurement"]["_gpu_metrics"]) for each in stored)


def test_a_server_metrics_url_may_be_an_exporter_as_it_was_in_genai_perf(exporter, tmp_path):
    stdout, _ = profile(tmp_path, "--server-metrics-url", f"http://{exporter.address}/metrics")
    assert "GPUs: 2 x NVIDIA H100 80GB HBM3: " in stdout
