"""Runs over gRPC are replayed, and repeated from the file that they left, message by message."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_run import MadeRun
from triton_run import genai_perf
from triton_server import TritonServer

Measure = Callable[..., MadeRun]

LOAD = ("--isl", "20", "--osl", "4", "--request-rate", "100", "--request-count", "12", "--num-prompts", "14")
SCENARIOS = {
    "vllm": ("vllm_like", ("--service-kind", "triton", "--backend", "vllm", "--streaming")),
    "tensorrtllm": (
        "tensorrtllm_like",
        ("--service-kind", "triton", "--backend", "tensorrtllm", "--streaming"),
    ),
    "generate": ("tensorrtllm_like", ("--endpoint-type", "generate", "--streaming")),
}


@pytest.mark.parametrize(("model", "options"), SCENARIOS.values(), ids=list(SCENARIOS))
def test_what_was_sent_to_triton_is_sent_again(
    model: str, options: tuple[str, ...], triton: TritonServer, measure: Measure
) -> None:
    url = triton.http if "generate" in options else triton.grpc
    former = measure("-m", model, "-u", url, *options, *LOAD, "--warmup-request-count", "2")
    assert former.exit_code == 0, former.stderr
    now = measure("--replay", str(former.directory))
    assert now.exit_code == 0, now.stderr
    assert former.inputs == now.inputs
    before = [row["request_bytes"] for row in sorted(former.requests, key=lambda row: row["start_ns"])]
    assert before == [row["request_bytes"] for row in sorted(now.requests, key=lambda row: row["index"])]
    lock, again = (json.loads((run.directory / "workload.lock").read_text()) for run in (former, now))
    assert (lock["bodies"], lock["messages"]) == (again["bodies"], again["messages"])
    assert ("generate" in options) == (lock["messages"] == "")


def test_a_trace_is_replayed_without_its_instants_for_a_tensor(
    triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    model, options = SCENARIOS["tensorrtllm"]
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(f'{{"timestamp": {at}, "input_length": 9}}\n' for at in (0, 5, 20)))
    former = measure("-m", model, "-u", triton.grpc, *options, "--input-file", f"payload:{trace}")
    assert former.exit_code == 0, former.stderr
    now = measure("--replay", str(former.directory))
    assert now.exit_code == 0, now.stderr
    before, after = (sorted(row["request_bytes"] for row in run.requests) for run in (former, now))
    assert before == after


def test_a_run_on_triton_is_repeated_from_its_effective_config(
    triton: TritonServer, measure: Measure
) -> None:
    model, options = SCENARIOS["tensorrtllm"]
    run = measure("-m", model, "-u", triton.grpc, *options, *LOAD)
    before = (run.directory / "workload.lock").read_bytes()
    code, _, said = genai_perf("config", "-f", str(run.directory))
    assert (0, before) == (code, (run.directory / "workload.lock").read_bytes())
    assert "the same workload as in" in said
