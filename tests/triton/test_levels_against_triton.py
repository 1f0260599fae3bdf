"""Several levels against Triton: its own figures stand in Perf Analyzer's CSV."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from made_run import MadeRun
from triton_server import TritonServer

PREFILL_US, TOKEN_US, TOKENS = 20_000, 4_000, 6
"""How long the model sleeps at least; see `models/llm.py`. It is decoupled, so Triton's counters have only
the call that takes the request, and not this."""

WHOLE = ("-m", "tensorrtllm_like", "--endpoint-type", "kserve")
STREAMED = ("-m", "vllm_like", "--endpoint-type", "kserve", "--backend", "vllm", "--streaming")
OVER_HTTP = ("-m", "tensorrtllm_like", "--endpoint-type", "generate")
SERVER = ("Server Queue", "Server Compute Input", "Server Compute Infer", "Server Compute Output")


@pytest.mark.parametrize("options", [WHOLE, OVER_HTTP, STREAMED], ids=["kserve", "generate", "streamed"])
def test_the_csv_of_several_levels_has_what_the_server_says(
    options: tuple[str, ...], triton: TritonServer, measure: Callable[..., MadeRun], tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    url = triton.http if options is OVER_HTTP else triton.grpc
    workload = ("--isl", "20", "--osl", f"{TOKENS}", "--request-count", "6", "-u", url)
    behind = ("--concurrency-range", "1:2", "-f", f"{report}", "--verbose-csv")
    run = measure(*options, *workload, "--", *behind)
    assert 0 == run.exit_code, run.stderr
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert {"1", "2"} == {row["Concurrency"] for row in rows}
    for row in rows:
        server = sum(int(row[name]) for name in SERVER)
        assert 0 < server < PREFILL_US
        assert ("Response Throughput" in row) == (options is STREAMED)
        receive = int(row["Client Recv"])
        assert receive >= (TOKENS - 1) * TOKEN_US if options is STREAMED else receive < TOKEN_US
        client = int(row["request/response"]) + int(row["Network+Server Send/Recv"])
        assert pytest.approx(int(row["Avg latency"]), abs=5) == client + server  # each is rounded
