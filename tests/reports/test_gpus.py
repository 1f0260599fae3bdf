"""What the reports say of GPUs."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from runs import chat, write_inputs

from genai_perf.metrics.gpu import GPU_CATALOG, Together
from genai_perf.metrics.sampled import one_value
from genai_perf.reports import Result, console, csv_file, gpus, json_file
from genai_perf.telemetry.gpu import GPU, GPUs
from genai_perf.telemetry.store import Health
from genai_perf.types import Stats

HERE = Path("artifacts/gpt2-openai-chat-concurrency8")
PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)


def spread(low: float, high: float) -> Stats:
    """Evenly between the two."""
    percentiles = {f"p{p:g}": low + (high - low) * p / 100 for p in PERCENTS}
    return Stats(
        count=12, avg=(low + high) / 2, std=(high - low) / 4, min=low, max=high, percentiles=percentiles
    )


def doubled(stats: Stats) -> Stats:
    """Of two GPUs that did the same."""
    return replace(
        stats,
        avg=2 * stats.avg,
        std=2 * stats.std,
        min=2 * stats.min,
        max=2 * stats.max,
        percentiles={name: 2 * value for name, value in stats.percentiles.items()},
    )


def figures(number: int) -> dict[str, Stats]:
    """A metric of every kind; the second GPU is without the fifth."""
    found = {
        "gpu_power_usage": spread(300.0, 650.0),
        "gpu_power_limit": one_value(700.0),
        "energy_consumption": one_value(1_234_567.0),
        "total_gpu_memory": one_value(81_559.0),
        "gpu_memory_used": spread(60_000.0, 70_000.0),
        "gpu_utilization": spread(80.0, 100.0),
        "sm_utilization": spread(0.7, 0.9),
        "gpu_clock_sm": spread(1_200.0, 1_980.0),
        "gpu_temperature": spread(55.0, 61.0),
        "total_ecc_sbe_volatile": spread(0.0, 0.0),
        "power_throttle_duration": one_value(12_500_000.0),
        "pcie_transmit_throughput": spread(1e6, 5e9),
    }
    if number:
        del found["sm_utilization"]
    return {tag: found[tag] for tag in GPU_CATALOG if tag in found}


def with_gpus() -> Result:
    """The plain case, beside which two GPUs were sampled."""
    devices = tuple(
        GPU(str(n), f"GPU-{n}", "NVIDIA H100 80GB HBM3", "node1", "dcgm:node1:9400", figures(n), 1.0)
        for n in range(2)
    )
    both = {tag: doubled(stats) for tag, stats in figures(0).items()}
    total = {
        tag: both[tag] if GPU_CATALOG[tag].together is Together.SUM else stats
        for tag, stats in figures(0).items()
    }
    found = GPUs(
        gpus=devices,
        total=total,
        boards=2,
        duration_s=2.5,
        sources={"dcgm:node1:9400": Health(12, 1, {"connection refused": 1})},
    )
    return replace(chat(), gpus=found)


def printed(run: Result, *, verbose: bool = False, width: int | None = None) -> str:
    out = io.StringIO()
    console.write(run, HERE, file=out, verbose=verbose, width=width)
    return out.getvalue()


@pytest.fixture(autouse=True)
def no_terminal_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def test_the_csv_has_genai_perfs_two_tables_of_gpus_and_one_of_all_together(tmp_path, golden):
    golden("csv/gpus.csv", csv_file.write(with_gpus(), tmp_path).read_bytes())
    tables = csv_file.render(with_gpus()).split("\r\n\r\n")
    assert 5 == len(tables)
    assert csv_file.render(chat()) == "\r\n\r\n".join(tables[:2]) + "\r\n"
    rows = list(csv.DictReader(tables[2].splitlines()))
    assert ("GPU Power Usage (W)", "0", "475.00") == (rows[0]["Metric"], rows[0]["GPU"], rows[0]["avg"])
    assert "GPU Power Limit (W),0,700.00" in tables[3]
    assert tables[4].splitlines()[1].startswith("GPU Power Usage (W),sum,950.00,")


def test_of_one_gpu_the_csv_has_no_more_than_genai_perfs(golden):
    run = with_gpus()
    alone = replace(run, gpus=replace(run.gpus, gpus=run.gpus.gpus[:1], boards=1))
    assert 4 == len(csv_file.render(alone).split("\r\n\r\n"))


def test_the_json_has_genai_perfs_block_where_it_stood(tmp_path, golden):
    write_inputs(tmp_path, "chat")
    document = json.loads(json_file.write(with_gpus(), tmp_path).read_bytes())
    ours = {key: document[key] for key in ("telemetry_stats", "gpus")}
    golden("json/gpus.json", json.dumps(ours, indent=2) + "\n")
    keys = list(document)
    assert keys.index("telemetry_stats") + 1 == keys.index("input_config")
    power = document["telemetry_stats"]["gpu_power_usage"]
    assert ["unit", "0", "1"] == list(power)
    assert [
        *("avg", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "min", "max", "std"),
        *("p99.9", "count"),
    ] == list(power["0"])
    assert {"unit": "W", "0": {"avg": 700.0}, "1": {"avg": 700.0}} == document["telemetry_stats"][
        "gpu_power_limit"
    ]
    assert ["unit", "0"] == list(document["telemetry_stats"]["sm_utilization"])
    without = json_file.document(chat())
    assert without == {key: document[key] for key in without}
    assert {"telemetry_stats", "gpus"} == document.keys() - without.keys()


def test_the_table_of_gpus_is_for_those_who_want_more(golden):
    golden("console/gpus_verbose.txt", printed(with_gpus(), verbose=True))
    golden("console/gpus.txt", printed(with_gpus()))
    assert "GPU Telemetry" not in printed(with_gpus())


@pytest.mark.parametrize(("width", "left_out"), [(80, " p90 and p75"), (100, ""), (160, "")])
@pytest.mark.parametrize("host", ["", "node1:"])
def test_on_a_narrow_terminal_the_last_columns_are_left_out_and_no_word_is_cut(width, left_out, host):
    run = with_gpus()
    named = replace(run.gpus, gpus=tuple(replace(gpu, id=f"{host}{gpu.id}") for gpu in run.gpus.gpus))
    text = printed(replace(run, gpus=named), verbose=True, width=width)
    of_gpus = text[text.index("GPU Telemetry") :].partition("Requests:")[0]
    assert "…" not in of_gpus
    assert max(map(len, of_gpus.splitlines())) <= width
    assert bool(left_out) == (f"no room for{left_out}; the files have all" in of_gpus)


def test_without_gpus_nothing_is_said_of_them():
    assert "GPU" not in printed(chat(), verbose=True)
    assert "GPU" not in csv_file.render(chat())


def test_gpus_of_several_kinds_are_only_counted():
    run = with_gpus()
    mixed = replace(run.gpus, gpus=(replace(run.gpus.gpus[0], model="NVIDIA L4"), run.gpus.gpus[1]))
    assert gpus.line(mixed, run.summary).startswith("GPUs: 2: 987.7 W, ")


def test_a_line_has_what_is_known():
    run = with_gpus()
    bare = replace(run.gpus, total={"gpu_utilization": spread(80.0, 100.0)})
    assert "GPUs: 2 x NVIDIA H100 80GB HBM3: 90.0 % utilization on average" == gpus.line(bare, run.summary)
    assert "GPUs: 2 x NVIDIA H100 80GB HBM3" == gpus.line(replace(bare, total={}), run.summary)


def test_a_sum_of_memory_is_in_gb_of_ten_to_the_ninth():
    stats = gpus.telemetry_stats(with_gpus().gpus)["total_gpu_memory"]
    assert pytest.approx(85.5207938) == stats["0"]["avg"]
