"""What a model on Triton does not take is said before anything is sent, with what it does take."""

from pathlib import Path

import pytest
from triton_run import GENERATE, VLLM, Measure
from triton_server import TritonServer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["-m", "tensorrtllm_like", "--extra-inputs", "temprature:0.5"],
            "error: model tensorrtllm_like has no input 'temprature'; did you mean 'temperature'?\n"
            "hint: tensorrtllm_like takes text_input BYTES[1], max_tokens INT32[1], stream BOOL[1] (opt",
        ),
        (
            ["-m", "tensorrtllm_like", "--extra-inputs", "temperature:hot"],
            "error: model tensorrtllm_like: input 'temperature' wants FP32[1], not 'hot'",
        ),
        (
            ["-m", "tensorrtllm_like", "--extra-inputs", "max_tokens:3000000000"],
            "error: model tensorrtllm_like: input 'max_tokens' wants INT32[1], not 3000000000",
        ),
        (
            ["-m", "tensorrtllm_like", "--extra-inputs", '{"stop_words": ["a", "b"]}'],
            "error: model tensorrtllm_like: input 'stop_words' wants BYTES[1], not 2 values",
        ),
        (
            ["-m", "vllm_like"],
            "error: model vllm_like has no input 'max_tokens'\n"
            "hint: it looks like a model for --backend vllm; vllm_like takes ",
        ),
        (
            ["-m", "postprocessing"],
            "error: model postprocessing has no input 'text_input'",
        ),
        (
            ["-m", "engine", "--extra-inputs", "prompt:x"],
            "error: model engine has no input 'text_input'\nhint: engine takes prompt BYTES[1], max_tokens",
        ),
        (["-m", "lama"], "error: {grpc} has no model 'lama'\nhint: it has: bls, engine, ensemble, "),
        (
            ["-m", "vllm_like", "--backend", "vllm", "--", "--model-version", "7"],
            "error: {grpc} has no model 'vllm_like:7'",
        ),
        (
            ["-m", "bls", "--", "--bls-composing-models", "engin"],
            "error: --bls-composing-models: {grpc} has no model 'engin'\nhint: it has: bls, engine, ",
        ),
        (
            ["-m", "tensorrtllm_like", "--", "--shape", "no_such:1"],
            "error: --shape: model tensorrtllm_like has no input 'no_such'",
        ),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_the_first_request(
    options: list[str], message: str, triton: TritonServer, measure: Measure
) -> None:
    names = ("tensorrtllm_like", "vllm_like", "engine", "postprocessing")
    before = [triton.statistics(name) for name in names]
    place = options.index("--") if "--" in options else len(options)
    run = measure(*options[:place], "-u", triton.grpc, "--service-kind", "triton", *options[place:])
    assert run.error.startswith(message.format(grpc=triton.grpc)), run.stderr
    assert run.exit_code in (1, 2)
    assert before == [triton.statistics(name) for name in names]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["-m", "tensorrtllm_like", "--osl", "4", "--extra-inputs", "temperature:hot"],
            "error: model tensorrtllm_like: input 'temperature' wants FP32[1], not 'hot'",
        ),
        (
            ["-m", "tensorrtllm_like", "--osl", "4", "--extra-inputs", "temperature:-0.5"],
            "error: model tensorrtllm_like: input 'temperature' wants FP32[1], not '-0.5'\n"
            "hint: a number with a sign or an exponent is given as JSON: "
            "--extra-inputs '{\"temperature\": -0.5}'",
        ),
        (["-m", "tensorrtllm_like"], "error: model tensorrtllm_like needs an input max_tokens INT32[1]\n"),
        (
            ["-m", "engine", "--osl", "4"],
            "error: model engine has no input 'text_input'\nhint: engine ",
        ),
        (["-m", "preprocessing"], "error: model preprocessing has no output 'text_output'\n"),
        (["-m", "bls", "vllm_like", "--osl", "4"], "error: --model: generate names its model in the path, "),
    ],
)
def test_what_the_model_does_not_take_over_http_is_refused_before_the_first_request(
    options: list[str], message: str, triton: TritonServer, measure: Measure
) -> None:
    names = ("tensorrtllm_like", "engine", "preprocessing", "bls")
    before = [triton.statistics(name) for name in names]
    run = measure(*options, "-u", triton.http, *GENERATE)
    assert 2 == run.exit_code
    assert run.error.startswith(message), run.stderr
    assert before == [triton.statistics(name) for name in names]


def test_a_slip_in_what_generate_passes_on_is_told(
    triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.jsonl"  # whose rows say how long answers are
    prompts.write_text('{"text": "go on", "output_length": 3}\n')
    slip = ("--extra-inputs", "temprature:0.5", "--request-count", "2", "--input-file", str(prompts))
    run = measure("-m", "tensorrtllm_like", "-u", triton.http, *GENERATE, *slip)
    assert 0 == run.exit_code, run.stderr
    assert (
        "warning: --extra-inputs: model tensorrtllm_like has no input 'temprature', and gets it as a "
        "parameter of the request; did you mean 'temperature'?" in run.stderr
    )


def test_generate_names_the_models_that_are_there(triton: TritonServer, measure: Measure) -> None:
    run = measure("-m", "lama", "-u", triton.http, *GENERATE)
    assert run.error.startswith(f"error: {triton.http} has no model 'lama'\nhint: it has: bls, engine, ")


@pytest.mark.parametrize("endpoint_type", ["kserve", "generate"])
def test_a_row_without_its_text_is_named_with_file_and_line(
    endpoint_type: str, triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "one"}\n{"txt": "two"}\n')
    url = triton.grpc if endpoint_type == "kserve" else triton.http
    given = ("--endpoint-type", endpoint_type, "--osl", "4", "--input-file", str(rows))
    run = measure("-m", "tensorrtllm_like", "-u", url, *given)
    assert (2, f'error: {rows}:2: no "text" field') == (run.exit_code, run.error)


def test_the_http_port_is_not_the_grpc_port(triton: TritonServer, measure: Measure) -> None:
    run = measure("-m", "vllm_like", "-u", triton.http, *VLLM)
    assert 1 == run.exit_code
    assert run.error.startswith(f"error: --url {triton.http}: ")
    assert "hint: Triton's gRPC is at port 8001 unless it was told otherwise" in run.error


def test_a_model_that_cannot_stream_is_told_of(triton: TritonServer, measure: Measure) -> None:
    run = measure("-m", "preprocessing", "-u", triton.grpc, *VLLM, "--streaming")
    assert (
        "warning: --streaming: model preprocessing is not decoupled: it answers with one response, and "
        "streams nothing" in run.stderr
    )
    assert run.error.startswith("error: model preprocessing has no output 'text_output'\nhint: its outputs: ")
