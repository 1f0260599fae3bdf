"""What Perf Analyzer's range, search and report flags come to."""

from pathlib import Path

import pytest

from genai_perf.config.latency_report import LatencyReport
from genai_perf.config.levels import Levels
from genai_perf.config.load import load
from genai_perf.config.options import Given

BASE = {
    "endpoint.model_names": Given(("gpt2",), "--model"),
    "endpoint.type": Given(("chat",), "--endpoint-type"),
}
CONCURRENCY, RATE = "--concurrency-range", "--request-rate-range"


def levels(name, source, start, end, step=1, **more):
    return Levels(name=name, source=source, start=start, end=end, step=step, **more)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", None),
        (f"{CONCURRENCY} 4", levels("concurrency", CONCURRENCY, 4, 4)),
        (f"{CONCURRENCY} 1:4", levels("concurrency", CONCURRENCY, 1, 4)),
        (f"{CONCURRENCY} 2:9:3", levels("concurrency", CONCURRENCY, 2, 9, 3)),
        ("-t 4", levels("concurrency", "-t", 4, 4)),
        (f"{RATE} 2.5", levels("request_rate", RATE, 2.5, 2.5)),
        (f"{RATE} 0.1:0.5:0.1", levels("request_rate", RATE, 0.1, 0.5, 0.1)),
        (f"{CONCURRENCY} 1:4 -l 0", levels("concurrency", CONCURRENCY, 1, 4)),
        (f"{CONCURRENCY} 1:4 -l 500", levels("concurrency", CONCURRENCY, 1, 4, threshold_ms=500)),
        (
            f"--latency-threshold=12.5 {RATE} 1:0:2",
            levels("request_rate", RATE, 1, None, 2, threshold_ms=12.5),
        ),
        (
            f"{CONCURRENCY} 1:64:4 -l 500 --binary-search",
            levels("concurrency", CONCURRENCY, 1, 64, 4, threshold_ms=500, is_binary=True),
        ),
    ],
)
def test_a_command_line_comes_to_these_levels(line, expected):
    assert expected == load(BASE, line.split(), {}).levels


def test_each_level_is_the_run_with_that_load():
    loaded = load(BASE, [CONCURRENCY, "2:8:3", "--request-count", "20"], {})
    assert 2 == loaded.config.load.concurrency
    config = loaded.levels.at(loaded.config, 5)
    assert load(BASE, [CONCURRENCY, "5", "--request-count", "20"], {}).config == config


def test_every_kind_of_traffic_has_the_load_of_the_level(tmp_path):
    file = tmp_path / "traffic.yaml"
    file.write_text("short: {weight: 2, isl: 20}\nlong: {weight: 1}\n")
    layer = BASE | {"input.traffic_file": Given((str(file),), "--traffic")}
    loaded = load(layer, [RATE, "1:3"], {})
    config = loaded.levels.at(loaded.config, 3.0)
    assert [3.0, 3.0] == [kind.config.load.request_rate for kind in config.traffic]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", None),
        ("-f report.csv", LatencyReport(Path("report.csv"))),
        ("-f report.csv --verbose-csv", LatencyReport(Path("report.csv"), is_verbose=True)),
    ],
)
def test_a_report_is_written_where_the_command_line_says(line, expected):
    assert expected == load(BASE, line.split(), {}).report


@pytest.mark.parametrize("line", [f"{CONCURRENCY} 1:4 -l 500 --percentile 95", "-f r.csv --percentile 95"])
def test_a_percentile_is_in_force_where_a_threshold_or_a_report_is_of_it(line):
    loaded = load(BASE, line.split(), {})
    assert 95 == loaded.config.load.stability_percentile
    assert () == loaded.warnings
