"""Perf Analyzer's CSV of several levels."""

import csv
from dataclasses import replace

import pytest
from journal_rows import ENDED, row
from runs import CHAT, MS, result, streamed

from genai_perf.config.schema import LoadConfig
from genai_perf.metrics.sampled import one_value
from genai_perf.metrics.server_statistics import during
from genai_perf.reports import latency_report
from genai_perf.telemetry.gpu import GPU, GPUs

STREAMED = "Concurrency,Inferences/Second,Response Throughput,Client Send,Client Recv"
PERCENTILES = "p50 latency,p90 latency,p95 latency,p99 latency"
SERVER = (
    "Network+Server Send/Recv,Server Queue,Server Compute Input,Server Compute Infer,Server Compute Output"
)
GPU_COLUMNS = "Avg GPU Utilization,Avg GPU Power Usage,Max GPU Memory Usage,Total GPU Memory"


def level(concurrency, slowed=1, **more):
    """A streamed run at that concurrency whose arrivals all came so many times later."""
    rows = [
        each
        | {
            "content_ns": [each["start_ns"] + (at - each["start_ns"]) * slowed for at in each["content_ns"]],
            "first_byte_ns": each["start_ns"] + 4 * MS * slowed,
        }
        for each in streamed()
    ]
    return result(rows, replace(CHAT, load=LoadConfig(concurrency=concurrency)), **more)


def whole(load, count=3, **more):
    """A run whose answers came in one piece, 40 ms after they were asked for."""
    config = replace(CHAT, endpoint=replace(CHAT.endpoint, streaming=False), load=load)
    rows = [
        row(n * 100 * MS + 40 * MS, texts=["four"], start_ns=n * 100 * MS, sent_ns=n * 100 * MS + 50_000,
            first_byte_ns=n * 100 * MS + 39 * MS)
        for n in range(count)
    ]  # fmt: skip
    return result(rows, config, **more)


def written(tmp_path, *results, verbose=False):
    rows = [latency_report.row(each, verbose=verbose) for each in results]
    return latency_report.write(rows, tmp_path / "report.csv").read_text()


def cells(text):
    return list(csv.DictReader(text.splitlines()))


def test_levels_stand_by_increasing_throughput(tmp_path, golden):
    text = written(tmp_path, level(1), level(16, slowed=9), level(8, slowed=4))
    golden("csv/latency_report.csv", text)
    assert f"{STREAMED},{PERCENTILES}" == text.splitlines()[0]
    assert ["16", "8", "1"] == [each["Concurrency"] for each in cells(text)]


def test_the_verbose_one_adds_the_average_and_its_parts(tmp_path, golden):
    text = written(tmp_path, level(1), level(8, slowed=4), verbose=True)
    golden("csv/latency_report_verbose.csv", text)
    assert text.splitlines()[0].endswith(f"{PERCENTILES},Avg latency,request/response,response wait")
    for each in cells(text):
        assert int(each["Client Send"]) + int(each["Client Recv"]) == int(each["request/response"])
        parts = int(each["request/response"]) + int(each["response wait"])
        assert pytest.approx(int(each["Avg latency"]), abs=1) == parts


def test_a_percentile_that_is_asked_for_stands_among_the_others_and_instead_of_the_average(tmp_path):
    config = replace(CHAT, load=LoadConfig(concurrency=2, stability_percentile=85))
    header = written(tmp_path, result(streamed(), config), verbose=True).splitlines()[0]
    assert (
        f"{STREAMED},p50 latency,p85 latency,p90 latency,p95 latency,p99 latency,"
        "request/response,response wait" == header
    )


def test_a_percentile_that_is_there_anyway_stands_once(tmp_path):
    config = replace(CHAT, load=LoadConfig(concurrency=2, stability_percentile=95))
    assert f"{STREAMED},{PERCENTILES}" == written(tmp_path, result(streamed(), config)).splitlines()[0]


@pytest.mark.parametrize(
    ("load", "column", "value"),
    [
        (LoadConfig(), "Concurrency", "1"),
        (LoadConfig(session_concurrency=12_345_678), "Concurrency", "12345678"),
        (LoadConfig(request_rate=2.5), "Request Rate", "2.5"),
        (LoadConfig(request_rate=20.0), "Request Rate", "20"),
        (LoadConfig(fixed_schedule=True), "Request Rate", ""),
    ],
)
def test_the_first_column_is_the_load(load, column, value, tmp_path):
    header, first = written(tmp_path, whole(load)).splitlines()
    assert (column, value) == (header.split(",")[0], first.split(",")[0])
    assert "Response Throughput" not in header


def counters(count, **more):
    spent = {"queue": 2, "compute_input": 1, "compute_infer": 30, "compute_output": 3, "success": 37}
    stages = {stage: {"count": count, "ns": count * ms * MS} for stage, ms in spent.items()}
    return {"name": "m", "inference_count": count, "execution_count": count, "inference_stats": stages | more}


def served(row, steps=()):
    return replace(ENDED, server_statistics=during([], [row, *steps], {"m": False}, ("step",)))


def test_a_triton_adds_what_it_says_of_the_measured_model(tmp_path, golden):
    step = counters(3) | {"name": "step"}
    text = written(tmp_path, whole(LoadConfig(), end=served(counters(3), [step])), verbose=True)
    golden("csv/latency_report_triton.csv", text)
    assert f"Concurrency,Inferences/Second,Client Send,{SERVER},Client Recv" in text
    (told,) = cells(text)
    # of 40 ms: 0.05 to send, 1 to receive, 2 + 1 + 30 + 3 in the server
    assert ["2950", "2000", "1000", "30000", "3000"] == [told[name] for name in SERVER.split(",")]


def test_a_response_cache_adds_its_columns(tmp_path):
    cache = {"cache_hit": {"count": 1, "ns": MS // 2}, "cache_miss": {"count": 2, "ns": 2 * MS}}
    (told,) = cells(written(tmp_path, whole(LoadConfig(), end=served(counters(3, **cache)))))
    assert ("500", "1000") == (told["Server Cache Hit"], told["Server Cache Miss"])
    assert f"{2_950 - 2_500 / 3:.0f}" == told["Network+Server Send/Recv"]


def test_a_server_that_counts_more_than_the_client_leaves_nothing_for_the_network(tmp_path):
    slow = {"compute_infer": {"count": 3, "ns": 300 * MS}}
    (told,) = cells(written(tmp_path, whole(LoadConfig(), end=served(counters(3, **slow)))))
    assert ("0", "100000") == (told["Network+Server Send/Recv"], told["Server Compute Infer"])


def test_gpus_stand_by_their_uuid_in_the_units_of_tritons_page(tmp_path):
    figures = {
        "gpu_utilization": one_value(87.5),
        "gpu_power_usage": one_value(512.25),
        "gpu_memory_used": one_value(60_000.0),
        "total_gpu_memory": one_value(81_559.0),
    }
    both = (figures, {tag: stats for tag, stats in figures.items() if tag != "gpu_power_usage"})
    devices = tuple(GPU(f"{n}", f"GPU-{n}", "H100", "h", "dcgm", each, 1.0) for n, each in enumerate(both))
    gpus = GPUs(gpus=devices, total={}, boards=2, duration_s=1.0, sources={})
    text = written(tmp_path, replace(level(1), gpus=gpus), level(2, slowed=2), verbose=True)
    assert text.splitlines()[0].endswith(f",{GPU_COLUMNS}")
    without, with_them = cells(text)
    assert [
        "GPU-0:0.875;GPU-1:0.875;",
        "GPU-0:512.25;",
        "GPU-0:62914560000;GPU-1:62914560000;",
        "GPU-0:85520809984;GPU-1:85520809984;",
    ] == [with_them[name] for name in GPU_COLUMNS.split(",")]
    assert [""] * 4 == [without[name] for name in GPU_COLUMNS.split(",")]
