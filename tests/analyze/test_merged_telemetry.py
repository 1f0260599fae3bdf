"""What was sampled beside several runs, as one run's: nothing counts twice, nor what was between them."""

import json

import pytest
from merging import MS, answered, leave_run, merged

from genai_perf.profile import report
from genai_perf.profile.directory import JOURNAL
from genai_perf.telemetry import Sample
from genai_perf.telemetry.log import LOG, Log
from genai_perf.types import Phase

ROWS = [answered(1000 + 100 * number, ttft_ms=20, itl_ms=20) for number in range(20)]
"""From 1 s to 3 s after the run began."""
SERVED = 39 - 9
"""By the counter of `leave`: from the answer before the first request to the last one of all."""


def leave(directory, after_s, watts, *, source="dcgm:node:9400", uuid="GPU-a", host="client", until_s=4.0,
          skew_ms=0, rows=ROWS, server="server:node:8000"):  # fmt: skip
    """A run that begins so long after noon, and what a GPU and a server said from 1 s before it on.

    `watts` is the power at an instant of the day; the counters, of energy and of one request each 100 ms of
    the day, have counted since noon. `skew_ms`: how late this client's clock is.
    """
    run = leave_run(directory, rows, after_s=after_s, host=host)
    log = Log(run / LOG, 0)
    labels = {"gpu": "0", "UUID": uuid}
    for at_ms in range(0, round(until_s * 1000), 100):
        now_s = after_s + (at_ms - skew_ms) / 1000
        joules = sum(watts(step / 10) / 10 for step in range(round(now_s * 10)))
        power = Sample("DCGM_FI_DEV_POWER_USAGE", labels, watts(now_s), "gauge")
        energy = Sample("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", labels, joules * 1000 + 5e9, "counter")
        log.add(source, at_ms * MS, MS, [power, energy])
        served = Sample("vllm:request_success_total", {"model_name": "gpt2"}, round(now_s * 10), "counter")
        running = Sample("vllm:num_requests_running", {"model_name": "gpt2"}, watts(now_s) / 100, "gauge")
        log.add(server, at_ms * MS + 1, MS, [served, running])
    log.close()
    return run


def busy(second):
    """100 W in the first minute after noon, 300 W in the second, and so on."""
    return 100.0 + 200 * (second // 60)


def joules(result):
    return result.gpus.total["energy_consumption"].avg / 1000


def said(result, tag, statistic):
    (row,) = [row for row in result.server.rows if (row.quantity.tag, row.statistic) == (tag, statistic)]
    return row.server


def test_runs_one_after_the_other_have_what_was_used_and_served_while_each_measured(tmp_path):
    for place, after_s in enumerate((0, 60, 120)):
        leave(tmp_path / f"runs/{place}", after_s, busy)
    result = merged(tmp_path / "runs", tmp_path / "out")
    (gpu,) = result.gpus.gpus
    assert (1.0, "0", "dcgm:node:9400") == (gpu.covered, gpu.id, gpu.source)
    figures = gpu.figures["gpu_power_usage"]
    assert (300, 100, 500) == (pytest.approx(figures.avg), figures.min, figures.max)
    assert pytest.approx((100 + 300 + 500) * 2, rel=0.02) == joules(result)
    assert pytest.approx(300, rel=0.02) == joules(result) / result.gpus.duration_s
    assert 3 * 40 == result.gpus.sources["dcgm:node:9400"].scrapes
    assert 3 * SERVED == said(result, "requests_succeeded", "total")
    assert pytest.approx(3) == said(result, "requests_running", "avg")
    assert "server:node:8000" == result.server.pages[0].source
    assert not [note for note in result.summary.notes if "GPU" in note or "page" in note]


def test_what_was_said_while_a_run_warmed_up_is_no_other_runs(tmp_path):
    warm_up = [answered(100 * number, phase=Phase.WARMUP) for number in range(10)]
    hot = lambda second: 900.0 if second % 60 < 0.95 or second % 60 > 3.1 else 100.0  # noqa: E731
    for place, after_s in enumerate((0, 60)):
        leave(tmp_path / f"runs/{place}", after_s, hot, rows=[*warm_up, *ROWS])
    figures = merged(tmp_path / "runs", tmp_path / "out").gpus.gpus[0].figures["gpu_power_usage"]
    assert (100, 100) == (figures.min, figures.max)


@pytest.mark.parametrize("skew_ms", [0, 150, -150])
def test_what_two_clients_sampled_at_the_same_time_counts_once(tmp_path, skew_ms):
    leave(tmp_path / "runs/a", 0, busy, host="a")
    leave(tmp_path / "runs/b", 1, busy, host="b", skew_ms=skew_ms)
    result = merged(tmp_path / "runs", tmp_path / "out")
    (gpu,) = result.gpus.gpus
    assert pytest.approx(3, rel=0.01) == result.gpus.duration_s
    assert 1.0 == gpu.covered
    # what is amiss is what the clocks are, and a reading of the counter
    assert pytest.approx(100 * 3, abs=100 * abs(skew_ms) / 1000 + 10) == joules(result)
    assert pytest.approx(39, abs=3) == said(result, "requests_succeeded", "total")
    assert 1 == len(result.server.pages)
    assert 0 == max(counter.resets for counter in result.server.pages[0].counters.values())


@pytest.mark.parametrize(
    ("hosts", "sources"),
    [
        (("one", "one"), ["dcgm:localhost:9400"]),
        (("one", "two"), ["a/dcgm:localhost:9400", "b/dcgm:localhost:9400"]),
        (("", ""), ["a/dcgm:localhost:9400", "b/dcgm:localhost:9400"]),
    ],
    ids=["one machine", "two", "nobody knows"],
)
def test_what_is_called_localhost_is_another_thing_on_another_machine(tmp_path, hosts, sources):
    for name, host, uuid in zip(
        "ab", hosts, ("GPU-a", "GPU-a" if len(sources) == 1 else "GPU-b"), strict=True
    ):
        leave(tmp_path / f"runs/{name}", 0, busy, host=host, source="dcgm:localhost:9400", uuid=uuid,
              server="server:127.0.0.1:8000")  # fmt: skip
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert sources == list(result.gpus.sources)
    assert pytest.approx(100 * 2 * len(sources), rel=0.02) == joules(result)
    assert len(sources) == len(result.gpus.gpus) == len(result.server.pages)
    assert SERVED * len(sources) == said(result, "requests_succeeded", "total")


def test_gpus_of_two_hosts_one_after_the_other_are_together_what_was_used(tmp_path):
    leave(tmp_path / "runs/a", 0, busy, uuid="GPU-a", source="dcgm:node1:9400")
    leave(tmp_path / "runs/b", 60, busy, uuid="GPU-b", source="dcgm:node2:9400")
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert 2 == len(result.gpus.gpus)
    assert pytest.approx((100 + 300) * 2, rel=0.02) == joules(result)
    assert pytest.approx(200) == result.gpus.total["gpu_power_usage"].avg
    assert [1.0, 1.0] == [gpu.covered for gpu in result.gpus.gpus]
    per_gpu = result.gpus.efficiency(result.summary)["output_token_throughput_per_gpu"][1]
    assert pytest.approx(result.summary.metrics["output_token_throughput"]) == per_gpu  # one at a time


def test_of_a_run_whose_journal_is_gone_gpus_are_those_of_its_report(tmp_path):
    leave(tmp_path / "runs/a", 0, busy)
    run = leave(tmp_path / "runs/b", 60, busy, uuid="GPU-b")
    report(run)
    (run / JOURNAL).unlink()
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert ["GPU-a"] == [gpu.uuid for gpu in result.gpus.gpus]
    # half of the tokens were made with energy that nobody has counted
    assert "energy_consumption" not in result.gpus.total
    assert pytest.approx(100) == result.gpus.total["gpu_power_usage"].avg
    assert {"requests_running", "requests_waiting"} >= {row.quantity.tag for row in result.server.rows}
    assert [
        "GPUs were sampled beside some of the runs only: the figures are of those, the energy is unknown.",
        "Servers were sampled beside some of the runs only: what they count is not compared.",
    ] == [note for note in result.summary.notes if "beside some of the runs" in note]
    told = json.loads(next((tmp_path / "out").rglob("profile_export_genai_perf.json")).read_bytes())
    assert {"unit", "0", "b:0"} == told["telemetry_stats"]["gpu_power_usage"].keys()
    assert 300 == told["telemetry_stats"]["gpu_power_usage"]["b:0"]["avg"]


def test_energy_that_is_unknown_of_one_run_is_so_of_all(tmp_path):
    leave(tmp_path / "runs/a", 0, busy)
    leave(tmp_path / "runs/b", 60, busy, until_s=1.5)
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert "energy_consumption" not in result.gpus.total
    assert (
        "GPU 0: the energy is unknown, it was read in less than half of the measured time."
        in result.summary.notes
    )
    # neither of its last answers is after the last request: nothing is known of the whole
    assert "requests_succeeded" not in {row.quantity.tag for row in result.server.rows}
    (note,) = [note for note in result.summary.notes if "metrics page" in note]
    assert "did not answer right before the first request and after the last one" in note


def test_the_json_of_a_merged_run_is_made_again_from_its_files(tmp_path):
    for place, after_s in enumerate((0, 60)):
        leave(tmp_path / f"runs/{place}", after_s, busy)
    merged(tmp_path / "runs", tmp_path / "out")
    (path,) = (tmp_path / "out").rglob("profile_export_genai_perf.json")
    before = json.loads(path.read_bytes())
    report(path.parent)
    assert before["gpus"] == json.loads(path.read_bytes())["gpus"]
    assert before["server_metrics"] == json.loads(path.read_bytes())["server_metrics"]
