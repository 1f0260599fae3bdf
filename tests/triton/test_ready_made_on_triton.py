"""Rows of tensors, as Perf Analyzer's `--input-data` has them, sent to a real Triton."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import MadeRun
from triton_server import TritonServer

Measure = Callable[..., MadeRun]

TENSORRTLLM = ("-m", "tensorrtllm_like", "--service-kind", "triton", "--streaming")
ROWS: list[dict[str, Any]] = [
    {"text_input": ["one two"], "max_tokens": [3], "stream": [True]},
    {"model": "tensorrtllm_like", "text_input": "three", "max_tokens": 5, "stream": True},
    {
        "text_input": {"content": ["four five six"], "shape": [1]},
        "max_tokens": {"content": [2], "shape": [1]},
        "temperature": [0.5],
        "stop_words": ["x"],
    },
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text(json.dumps({"data": rows}, indent=2))
    return path


def test_rows_of_tensors_are_sent_as_they_stand(
    triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    file = write(tmp_path / "mine.json", ROWS)
    before = triton.statistics("tensorrtllm_like")["count"]
    load = ("--concurrency", "1", "--request-count", "6")
    run = measure(*TENSORRTLLM, "-u", triton.grpc, *load, "--", "--input-data", str(file))
    assert run.exit_code == 0, run.stderr
    assert triton.statistics("tensorrtllm_like")["count"] == before + 6
    assert (run.directory / "inputs.json").read_bytes() == file.read_bytes()
    rows = sorted(run.requests, key=lambda row: row["index"])
    assert [row["error_kind"] for row in rows] == [None] * 6
    assert [row["input_index"] for row in rows] == [0, 1, 2, 0, 1, 2]
    assert [len(row["content_ns"]) for row in rows] == [3, 5, 1, 3, 5, 1]
    assert [row["input_tokens"] for row in rows][:3] == [row["input_tokens"] for row in rows][3:]
    assert None not in [row["input_tokens"] for row in rows]


def test_what_a_run_left_is_sent_again_message_by_message(triton: TritonServer, measure: Measure) -> None:
    made = ("--isl", "20", "--osl", "4", "--num-prompts", "5", "--request-count", "5", "-u", triton.grpc)
    former = measure(*TENSORRTLLM, *made)
    assert former.exit_code == 0, former.stderr
    file = former.directory / "inputs.json"
    now = measure(*TENSORRTLLM, "-u", triton.grpc, "--request-count", "5", "--input-file", f"inputs:{file}")
    assert now.exit_code == 0, now.stderr
    lock, again = (json.loads((run.directory / "workload.lock").read_text()) for run in (former, now))
    assert (lock["bodies"], lock["messages"]) == (again["bodies"], again["messages"])
    assert lock["messages"]


def test_tensors_have_their_instants_and_are_replayed(
    triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    timed = [{**row, "timestamp": [10 * place]} for place, row in enumerate(ROWS)]
    file = write(tmp_path / "mine.json", timed)
    run = measure(*TENSORRTLLM, "-u", triton.grpc, "--input-file", f"inputs:{file}")
    assert run.exit_code == 0, run.stderr
    due_ns = [row["due_ns"] for row in sorted(run.requests, key=lambda row: row["index"])]
    assert [due - due_ns[0] for due in due_ns] == [0, 10_000_000, 20_000_000]
    assert (run.directory / "inputs.json").read_bytes() == file.read_bytes()
    now = measure("--replay", str(run.directory))
    assert now.exit_code == 0, now.stderr
    assert sorted(row["request_bytes"] for row in now.requests) == sorted(
        row["request_bytes"] for row in run.requests
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text_inputs": ["a"], "max_tokens": [1]}, "model tensorrtllm_like has no input 'text_inputs'"),
        ({"text_input": ["a"]}, "model tensorrtllm_like needs an input max_tokens"),
        (
            {"text_input": ["a"], "max_tokens": ["1"]},
            "model tensorrtllm_like: input 'max_tokens' wants INT32",
        ),
        ({"model": "engine", "text_input": ["a"]}, "\"model\" is 'engine', which --model does not name"),
    ],
)
def test_a_row_that_does_not_fit_the_model_is_told(
    row: dict[str, Any], message: str, triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    file = write(tmp_path / "mine.json", [ROWS[0], row])
    run = measure(*TENSORRTLLM, "-u", triton.grpc, "--input-file", f"inputs:{file}")
    assert run.exit_code == 2
    assert f"error: {file}: row 2: {message}" in run.stderr


def test_generate_takes_bodies_like_any_http_api(
    triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    body = {"text_input": "one two", "max_tokens": 4, "stream": True}
    file = write(tmp_path / "mine.json", [{"payload": [body]}])
    options = ("-m", "tensorrtllm_like", "--endpoint-type", "generate", "--streaming", "-u", triton.http)
    run = measure(*options, "--request-count", "3", "--input-file", f"inputs:{file}")
    assert run.exit_code == 0, run.stderr
    assert [row["request_bytes"] for row in run.requests] == [
        len(json.dumps(body, separators=(",", ":")))
    ] * 3
