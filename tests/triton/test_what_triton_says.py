"""Triton's own page of metrics beside what we measured: real names, real counters."""

from collections.abc import Callable

import pytest
from made_run import MadeRun
from triton_server import TritonServer

REQUESTS = 24
LOAD = ("--isl", "20", "--osl", "12", "--concurrency", "4", "--request-count", str(REQUESTS))
LOAD += ("--warmup-request-count", "3")


@pytest.mark.parametrize(
    ("model", "options", "is_decoupled"),
    [
        ("vllm_like", ("--service-kind", "triton", "--backend", "vllm", "--streaming"), True),
        ("ensemble", ("--service-kind", "triton", "--backend", "tensorrtllm", "--streaming"), False),
        ("tensorrtllm_like", ("--endpoint-type", "generate"), True),
    ],
)
def test_its_page_counts_the_measured_requests_of_the_model_alone(
    model: str,
    options: tuple[str, ...],
    is_decoupled: bool,
    triton: TritonServer,
    measure: Callable[..., MadeRun],
) -> None:
    url = triton.http if "generate" in options else triton.grpc
    run = measure("-m", model, *options, "-u", url, "--server-metrics-url", triton.metrics, *LOAD)
    assert 0 == run.exit_code, run.stderr
    told = run.export["server_metrics"]
    (page,) = told["pages"]
    assert ("Triton", 0, f"server:{triton.metrics}") == (page["server"], page["failures"], page["source"])
    assert 0 == told["comparison"]["requests_succeeded"]["total"]["difference"]
    assert REQUESTS == told["comparison"]["requests_succeeded"]["total"]["server"]
    latency = told["comparison"]["request_latency"]["avg"]
    assert 0 < latency["server"] < latency["ours"]
    # of a decoupled model it is another thing, and the line that shows it says so
    assert is_decoupled == (latency["server"] < latency["ours"] / 10)
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("Server: ")]
    assert "; of a decoupled model only until its execute() returns)" in line
    assert 0 <= told["comparison"]["queue_time"]["avg"]["server"] < latency["ours"]
