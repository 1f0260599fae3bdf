"""End to end against NVIDIA's Triton: what a user types, what the server counts, and what the files say."""

import json
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path

import pytest
from made_run import MadeRun
from triton_run import (
    GENERATE,
    LOAD,
    REQUESTS,
    TENSORRTLLM,
    TOKENS,
    VLLM,
    WARMUP,
    WORKLOAD,
    Measure,
    genai_perf,
)
from triton_server import TritonServer

SENTENCE = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
PREFILL_NS, TOKEN_NS = 20_000_000, 4_000_000
"""How long the models sleep at least; see `models/llm.py`."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is measured, and how."""

    model: str
    options: tuple[str, ...]
    streaming: bool = True
    over_http: bool = False

    @property
    def texts(self) -> list[str]:
        """The parts of every answer."""
        words = [f" {word}" if place else word for place, word in enumerate(islice(cycle(SENTENCE), TOKENS))]
        return words if self.streaming else ["".join(words)]


SCENARIOS = {
    "vllm streaming": Scenario("vllm_like", (*VLLM, "--streaming")),
    "vllm whole": Scenario("vllm_like", VLLM, streaming=False),
    "tensorrtllm streaming": Scenario("tensorrtllm_like", (*TENSORRTLLM, "--streaming")),
    "tensorrtllm whole": Scenario("tensorrtllm_like", ("--endpoint-type", "kserve"), streaming=False),
    "ensemble": Scenario("ensemble", (*TENSORRTLLM, "--streaming")),
    "bls": Scenario("bls", (*TENSORRTLLM, "--streaming")),
    "generate_stream": Scenario("tensorrtllm_like", (*GENERATE, "--streaming"), over_http=True),
    "generate": Scenario(
        "tensorrtllm_like",
        (*GENERATE, "--extra-inputs", "exclude_input_in_output:true"),
        streaming=False,
        over_http=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A scenario's run, and by how much it raised the server's own counts of its model."""

    scenario: Scenario
    run: MadeRun
    counted: dict[str, int]


@pytest.fixture(scope="module", params=list(SCENARIOS.values()), ids=list(SCENARIOS))
def measured(request: pytest.FixtureRequest, triton: TritonServer, measure: Measure) -> Measured:
    scenario: Scenario = request.param
    url = triton.http if scenario.over_http else triton.grpc
    before = triton.statistics(scenario.model)
    run = measure("-m", scenario.model, "-u", url, *scenario.options, *WORKLOAD, *LOAD, "--verbose")
    assert run.exit_code == 0, run.stderr
    after = triton.statistics(scenario.model)
    return Measured(scenario, run, {name: after[name] - before[name] for name in after})


def test_every_request_brings_every_word_and_nothing_else_is_a_token(measured: Measured) -> None:
    requests = measured.run.requests
    assert REQUESTS == len(requests)
    for request in requests:
        assert request["error_kind"] is None
        ends = [sum(request["content_chars"][: place + 1]) for place in range(len(request["content_chars"]))]
        parts = [request["text"][start:end] for start, end in zip([0, *ends], ends, strict=False)]
        assert measured.scenario.texts == parts
        assert sorted(request["content_ns"]) == request["content_ns"]
    assert "0 failed" in measured.run.stdout


def test_no_answer_comes_sooner_than_the_model_gives_it(measured: Measured) -> None:
    for request in measured.run.requests:
        first, last = (request["content_ns"][place] - request["start_ns"] for place in (0, -1))
        assert PREFILL_NS <= first
        assert PREFILL_NS + (TOKENS - 1) * TOKEN_NS <= last


def test_metrics_of_a_stream_are_those_of_streams_only(measured: Measured) -> None:
    export = measured.run.export
    assert REQUESTS == export["request_count"]["avg"]
    if measured.scenario.streaming:
        assert TOKEN_NS / 1e6 <= export["inter_chunk_latency"]["avg"]
        assert PREFILL_NS / 1e6 <= export["time_to_first_token"]["min"]
    else:
        assert "inter_token_latency" not in export


def test_the_server_counts_the_same_requests(measured: Measured) -> None:
    assert REQUESTS + WARMUP == measured.counted["count"]
    told = measured.run.export["server_statistics"][measured.scenario.model]
    expected = {"part": "measured", "inference_count": REQUESTS, "success_count": REQUESTS, "fail_count": 0}
    assert expected == {name: told[name] for name in expected}
    assert 0 < told["queue"]["total"] <= told["success"]["total"]


def test_the_verbose_console_and_the_csv_tell_what_the_models_did(measured: Measured) -> None:
    assert "What Triton says of its models" in measured.run.stdout
    file = measured.run.directory / "profile_export_genai_perf.csv"
    section = file.read_text().split("\n\n")[-1].splitlines()
    assert section[0].startswith("Model,Inferences,Executions,Failed,Request avg (ms),Queue avg (ms)")
    assert section[1].startswith(f"{measured.scenario.model},{REQUESTS},")


def test_inputs_and_raw_export_have_the_form_of_the_service_kind(measured: Measured) -> None:
    run, row = measured.run, measured.run.inputs[0]
    request = run.raw["experiments"][0]["requests"][0]
    if measured.scenario.over_http:
        assert ["payload"] == list(row)
        assert ("openai", f"v2/models/{measured.scenario.model}/generate") == (
            run.raw["service_kind"],
            run.raw["endpoint"].removesuffix("_stream"),
        )
        assert measured.scenario.streaming == run.raw["endpoint"].endswith("_stream")
        assert isinstance(json.loads(request["request_inputs"]["payload"])["text_input"], list)
    else:
        assert measured.scenario.model == row["model"]
        assert ("triton", "") == (run.raw["service_kind"], run.raw["endpoint"])
        assert isinstance(request["request_inputs"]["text_input"], str)
        assert measured.scenario.texts == [output["text_output"] for output in request["response_outputs"]]
    assert len(request["response_timestamps"]) == len(request["response_outputs"])


def test_the_reports_of_a_run_can_be_made_again_without_the_server(measured: Measured) -> None:
    run = measured.run
    before = run.export["server_statistics"]
    code, _, stderr = genai_perf("report", str(run.directory))
    assert 0 == code, stderr
    assert before == run.export["server_statistics"]


def test_an_ensemble_is_told_of_with_its_steps(triton: TritonServer, measure: Measure) -> None:
    run = measure("-m", "ensemble", "-u", triton.grpc, *TENSORRTLLM, "--streaming", *WORKLOAD, *LOAD)
    models = run.export["server_statistics"]
    assert [
        ("ensemble", "measured", REQUESTS),
        ("preprocessing", "step", REQUESTS),
        ("engine", "step", REQUESTS),
        ("postprocessing", "step", REQUESTS * TOKENS),
    ] == [(name, told["part"], told["inference_count"]) for name, told in models.items()]


def test_a_model_that_calls_another_is_told_of_with_the_other(triton: TritonServer, measure: Measure) -> None:
    run = measure("-m", "bls", "-u", triton.grpc, *TENSORRTLLM, "--streaming", *WORKLOAD, *LOAD)
    models = run.export["server_statistics"]
    assert [("bls", "measured", REQUESTS), ("engine", "beside", REQUESTS)] == [
        (name, told["part"], told["inference_count"]) for name, told in models.items()
    ]


@pytest.mark.parametrize("over_http", [False, True], ids=["grpc", "http"])
def test_models_that_a_bls_model_is_said_to_call_are_told_of_apart(
    over_http: bool, triton: TritonServer, measure: Measure
) -> None:
    url, options = (triton.http, GENERATE) if over_http else (triton.grpc, TENSORRTLLM)
    named = ("--", "--bls-composing-models", "engine,postprocessing:1")
    run = measure("-m", "bls", "-u", url, *options, "--streaming", *WORKLOAD, *LOAD, "--verbose", *named)
    assert 0 == run.exit_code, run.stderr
    models = run.export["server_statistics"]
    assert [
        ("bls", "measured", REQUESTS),
        ("engine", "called", REQUESTS),
        ("postprocessing", "called", 0),
    ] == [(name, told["part"], told["inference_count"]) for name, told in models.items()]
    assert (True, None) == (models["engine"]["decoupled"], models["postprocessing"]["queue"]["avg"])
    assert "engine (called)" in run.stdout
    assert "(called): as --bls-composing-models says." in " ".join(run.stdout.split())


def test_the_vllm_backend_counts_tokens_itself_where_it_is_asked_to(
    triton: TritonServer, measure: Measure
) -> None:
    for streaming in (["--streaming"], []):
        options = (*VLLM, *streaming, "--use-server-token-count", *WORKLOAD, *LOAD)
        run = measure("-m", "vllm_like", "-u", triton.grpc, *options)
        assert (TOKENS, TOKENS) == tuple(
            run.export["output_sequence_length"][stat] for stat in ("min", "max")
        )
        words = [len(row["text_input"][0].split()) for row in run.inputs]
        assert {request["usage_input_tokens"] for request in run.requests} == set(words)


def test_a_failed_inference_is_a_failed_request_and_the_others_count(
    triton: TritonServer, measure: Measure, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.jsonl"
    texts = ["go on", "please fail", "fail later", "say nothing"]
    prompts.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    load = ("--concurrency", "1", "--request-count", "8", "--input-file", str(prompts), "--osl", "5")
    for url, options in (
        (triton.grpc, (*TENSORRTLLM, "--streaming")),
        (triton.http, (*GENERATE, "--streaming")),
    ):
        run = measure("-m", "tensorrtllm_like", "-u", url, *options, *load)
        assert 0 == run.exit_code, run.stderr
        by_text = {texts[row["input_index"]]: row for row in run.requests}
        assert [5, 0, 2, 4] == [len(by_text[text]["content_ns"]) for text in texts]
        assert "the model fails, as it was asked to" == by_text["please fail"]["error_message"]
        assert ("server", "the model fails later, as it was asked to") == tuple(
            by_text["fail later"][name] for name in ("error_kind", "error_message")
        )
        assert 4 == run.export["request_count"]["avg"]
        assert " quick brown fox jumps" == by_text["say nothing"]["text"]


def test_a_model_that_sends_several_responses_must_be_asked_for_a_stream(
    triton: TritonServer, measure: Measure
) -> None:
    several = ("--extra-inputs", "stream:true", "--request-count", "2", "--osl", "3")
    run = measure("-m", "vllm_like", "-u", triton.http, *GENERATE, *several)
    assert 1 == run.exit_code
    assert "generate expects model to produce exactly 1 response" in run.error


def test_flags_behind_the_dashes_reach_the_server(triton: TritonServer, measure: Measure) -> None:
    # the model reads the request's parameters where it is given no sampling parameters
    behind = ("--", "--request-parameter", "max_tokens:5:int", "--model-version", "1", "-i", "grpc")
    run = measure("-m", "vllm_like", "-u", triton.grpc, *VLLM, "--streaming", "--isl", "20", *LOAD, *behind)
    assert 0 == run.exit_code, run.stderr
    assert {5} == {len(request["content_ns"]) for request in run.requests}


@pytest.mark.parametrize("name", ["vllm streaming", "generate_stream"])
def test_a_batch_is_sent_when_all_of_the_former_has_had_its_responses(
    name: str, triton: TritonServer, measure: Measure
) -> None:
    scenario = SCENARIOS[name]
    url = triton.http if scenario.over_http else triton.grpc
    behind = ("--", "--periodic-concurrency-range", "2:6:2", "--request-period", "5")
    run = measure("-m", scenario.model, "-u", url, *scenario.options, *WORKLOAD, *behind)
    assert 0 == run.exit_code, run.stderr
    rows = sorted(run.answered, key=lambda row: row["index"])
    assert 6 == len(rows)
    for former, batch in pairwise([rows[:2], rows[2:4], rows[4:]]):
        ready_ns = max(row["content_ns"][4] for row in former)
        assert ready_ns <= min(row["start_ns"] for row in batch)
        assert all(row["end_ns"] > ready_ns for row in former)


def test_a_sweep_asks_for_the_model_once_and_names_runs_by_the_backend(
    triton: TritonServer, tmp_path: Path
) -> None:
    code, _, stderr = genai_perf(
        *("analyze", "-m", "vllm_like", "-u", triton.grpc, *VLLM, "--streaming", *WORKLOAD),
        *("--request-count", "8", "--sweep-type", "concurrency", "--sweep-list", "1,4", "--no-checkpointing"),
        *("--tokenizer", "builtin", "--artifact-dir", str(tmp_path)),
    )
    assert 0 == code, stderr
    runs = {f"vllm_like-triton-vllm-concurrency{level}" for level in (1, 4)}
    assert runs <= {path.name for path in tmp_path.iterdir()}
