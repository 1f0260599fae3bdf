"""A trace over gRPC: its messages are made by the process that reads it."""

import json
from collections.abc import Callable
from pathlib import Path

from made_run import MadeRun
from triton_server import TritonServer

from genai_perf.config.schema import TokenizerConfig
from genai_perf.workload.tokenizer import load


def test_a_trace_is_sent_to_triton_by_its_own_instants(
    triton: TritonServer, measure: Callable[..., MadeRun], tmp_path: Path
) -> None:
    rows = [
        {"timestamp": at, "input_length": 600, "output_length": 4, "hash_ids": [1, at]} for at in (10, 30, 70)
    ]
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kind = ("--service-kind", "triton", "--backend", "tensorrtllm", "--streaming")
    run = measure("-m", "tensorrtllm_like", "-u", triton.grpc, *kind, "--input-file", f"payload:{trace}")
    assert 0 == run.exit_code, run.stderr
    assert {None} == {request["error_kind"] for request in run.requests}
    due_ns = sorted(request["due_ns"] for request in run.requests)
    assert [0, 20_000_000, 60_000_000] == [due - due_ns[0] for due in due_ns]
    assert [[0], [20], [60]] == [row["timestamp"] for row in run.inputs]
    (tokens,) = {
        tuple(load(TokenizerConfig(name="builtin"), "m").encode(row["text_input"][0]))[:512]
        for row in run.inputs
    }
    assert 512 == len(tokens)
