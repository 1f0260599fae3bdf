"""GenAI-Perf's own files, of every release, as runs to merge."""

import json
from dataclasses import asdict, replace

import pytest
from merging import (
    CHAT,
    DONE,
    MS,
    NEWER,
    NOON_NS,
    OLDER,
    answered,
    body,
    event,
    exported,
    failed,
    leave_export,
    leave_run,
)  # fmt: skip

from genai_perf.analyze.merge import merge
from genai_perf.config.schema import LoadConfig, OutputConfig, TokenizerConfig
from genai_perf.exceptions import ArtifactError
from genai_perf.profile import report, summarize


def merged(runs, artifacts, **options):
    assert 0 == merge(runs, OutputConfig(artifact_dir=artifacts), command="process", **options)
    (directory,) = artifacts.iterdir()
    return summarize(directory)


def ms(result, tag):
    """(min, avg, max) in ms."""
    stats = result.summary.metrics[tag]
    return tuple(round(value / MS, 6) for value in (stats.min, stats.avg, stats.max))


PLAIN = [(5, event(None)), (10, event("one")), (12, event(" two")), (16, event(" three")), (17, DONE)]
"""Four tokens by the built-in tokenizer: TTFT 10, TTST 2, latency 16, (16 - 10) / 3 between them."""
TOKENS = 4


def request(start_ms, responses=PLAIN, **fields):
    return exported(start_ms, [(start_ms + at_ms, text) for at_ms, text in responses], **fields)


def test_the_figures_are_those_that_genai_perf_computes(tmp_path):
    leave_export(tmp_path / "runs/a", [request(0), request(84)])
    result = merged(tmp_path / "runs", tmp_path / "out")
    tokens = result.summary.metrics["output_sequence_length"].avg
    assert (10, 10, 10) == ms(result, "time_to_first_token")
    assert (2, 2, 2) == ms(result, "time_to_second_token")
    assert (16, 16, 16) == ms(result, "request_latency")
    assert ms(result, "inter_token_latency")[1] == pytest.approx(6 / (tokens - 1), abs=1e-6)
    assert 2 / 0.1 == result.summary.metrics["request_throughput"]
    assert 2 * tokens / 0.1 == result.summary.metrics["output_token_throughput"]
    assert NOON_NS == result.info.started_wall_ns
    assert ["user", "user"] == result.records["stamp"].to_pylist()


def test_nobody_claims_to_know_how_exact_they_are(tmp_path):
    leave_export(tmp_path / "runs/a", [request(0)])
    leave_run(tmp_path / "runs/b", [answered(0)])
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert all(getattr(figure, "uncertainty", None) is None for figure in result.summary.metrics.values())
    assert any(
        note.startswith("The stamps of a are of an export, taken by whatever client it was")
        for note in result.summary.notes
    )


TWO_IN_ONE = [(5, event(None)), (10, event("one") + event(" two")), (16, event(" three") + DONE)]
CUT = event(" two")
SPLINTERS = [(10, event("one") + CUT[:20]), (12, CUT[20:40]), (13, CUT[40:]), (16, event(" three"))]
NO_BLANK_LINES = [(at_ms, text.rstrip("\n")) for at_ms, text in PLAIN]
EMPTY_END = [*PLAIN[:4], (17, event(None, usage={"prompt_tokens": 3, "completion_tokens": 4})), (18, "")]


@pytest.mark.parametrize(
    ("responses", "second_ms"),
    [(PLAIN, 2), (TWO_IN_ONE, 6), (SPLINTERS, 3), (NO_BLANK_LINES, 2), (EMPTY_END, 2)],
    ids=["plain", "two in one", "splinters", "no blank lines", "empty end"],
)
def test_a_response_is_one_arrival_whatever_it_holds(tmp_path, responses, second_ms):
    leave_export(tmp_path / "runs/a", [request(0, responses)])
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert ["one two three"] == result.records["text"].to_pylist()
    assert (10, 10, 10) == ms(result, "time_to_first_token")
    assert (second_ms,) * 3 == ms(result, "time_to_second_token")
    assert (16, 16, 16) == ms(result, "request_latency")


@pytest.mark.parametrize("config", [NEWER, OLDER, None], ids=["newer", "older", "none"])
def test_the_config_is_read_as_every_release_left_it(tmp_path, config):
    leave_export(tmp_path / "runs/a", [request(0)], config=config)
    result = merged(tmp_path / "runs", tmp_path / "out", tokenizer=TokenizerConfig(name="builtin"))
    assert (tmp_path / "out/gpt2-openai-chat-concurrency8").is_dir()
    assert result.info.streaming
    assert "v1/chat/completions" == result.endpoint_path
    if config is not None:
        assert 200 == result.info.config["input"]["synthetic_tokens_mean"]
        assert 100 == result.info.config["input"]["num_dataset_entries"]


def test_the_prompts_are_counted_and_stand_once_in_the_inputs(tmp_path):
    requests = [request(0, prompt="one two three"), request(1, prompt="four"), request(2, prompt="four")]
    leave_export(tmp_path / "runs/a", requests)
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert [0, 1, 1] == result.records["input_index"].to_pylist()
    first, second, third = result.records["input_tokens"].to_pylist()
    assert first > second == third
    inputs = json.loads((tmp_path / "out/gpt2-openai-chat-concurrency8/inputs.json").read_text())
    assert [[body("one two three")], [body("four")]] == [row["payload"] for row in inputs["data"]]


def test_a_file_of_another_name_is_found_among_others(tmp_path):
    leave_export(tmp_path / "runs/a", [request(0)], name="mine")
    (tmp_path / "runs/a/notes.json").write_text("{}")
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert "profile_export.json" == result.raw_name


def test_what_is_no_run_is_left_out_and_said(tmp_path, caplog):
    leave_export(tmp_path / "runs/a", [request(0)])
    (tmp_path / "runs/b").mkdir()
    (tmp_path / "runs/b/other.json").write_text('{"a": 1}')
    assert 1 == merged(tmp_path / "runs", tmp_path / "out").summary.requests
    assert "runs/b is left out: neither a journal nor a profile_export.json in it" in caplog.text


def test_every_level_of_an_export_is_a_run(tmp_path):
    run = leave_export(tmp_path / "runs/a", [request(0)])
    path = run / "profile_export.json"
    export = json.loads(path.read_text())
    more = json.loads(json.dumps(export["experiments"][0]))
    more["experiment"]["value"] = 16
    more["requests"] = [request(1000)]
    export["experiments"].append(more)
    path.write_text(json.dumps(export))
    assert 0 == merge(tmp_path / "runs", OutputConfig(artifact_dir=tmp_path / "out"), command="")
    assert ["gpt2-openai-chat-concurrency16", "gpt2-openai-chat-concurrency8"] == sorted(
        each.name for each in (tmp_path / "out").iterdir()
    )


def test_a_rate_has_its_name_and_sessions_have_no_level(tmp_path):
    leave_export(tmp_path / "rate/a", [request(0)], level=("request_rate", 5.0))
    merged(tmp_path / "rate", tmp_path / "out")
    assert (tmp_path / "out/gpt2-openai-chat-request_rate5.0").is_dir()
    turns = [request(20), request(0), request(40)]
    for turn in turns[:2]:
        turn["request_inputs"]["session_id"] = "s1"
    leave_export(tmp_path / "sessions/a", turns, level=("request_rate", 0.0))
    result = merged(tmp_path / "sessions", tmp_path / "other")
    assert [("s1", 0), ("s1", 1), ("2", 0)] == list(
        zip(result.records["conversation"].to_pylist(), result.records["turn"].to_pylist(), strict=True)
    )


def test_triton_answers_in_tensors(tmp_path):
    tensors = {"text_input": "one two", "max_tokens": 16, "stream": True}
    answer = {
        "timestamp": NOON_NS,
        "request_inputs": tensors,
        "response_timestamps": [NOON_NS + at * MS for at in (10, 12, 13)],
        "response_outputs": [{"text_output": "one"}, {"text_output": " two"}, {"text_output": ""}],
    }
    config = {**NEWER, "endpoint": {"type": "kserve", "backend": "vllm", "streaming": True}}
    leave_export(tmp_path / "runs/a", [answer], kind="triton", path="", config=config)
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert ["one two"] == result.records["text"].to_pylist()
    assert (12, 12, 12) == ms(result, "request_latency")
    assert (tmp_path / "out/gpt2-triton-vllm-concurrency8").is_dir()


def test_answers_without_text_have_a_latency(tmp_path):
    vectors = '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}]}'
    sent = {"payload": json.dumps({"model": "e5", "input": ["a"]})}
    requests = [{**exported(0, [(30, vectors)]), "request_inputs": sent}]
    leave_export(tmp_path / "runs/a", requests, path="v1/embeddings", config=None)
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert (30, 30, 30) == ms(result, "request_latency")
    assert not result.produces_tokens
    assert (tmp_path / "out/e5-openai-embeddings-concurrency8").is_dir()


def test_our_own_export_without_its_journal_gives_back_what_it_says(tmp_path):
    rows = [answered(10, due_ns=9 * MS), answered(100, due_ns=90 * MS), failed(50)]
    run = leave_run(tmp_path / "run", rows, config=replace(CHAT, load=LoadConfig(request_rate=10.0)))
    assert 0 == report(run)
    own = summarize(run)
    (run / "records.arrows").unlink()
    (run / "run.json").unlink()
    result = merged(tmp_path / "run", tmp_path / "out")
    for tag in ("time_to_first_token", "request_latency", "inter_token_latency", "request_latency_from_due"):
        mine, theirs = (asdict(each.summary.metrics[tag]) for each in (own, result))
        assert {**mine, "uncertainty": None} == theirs
    assert own.summary.errors == result.summary.errors
    assert own.summary.metrics["request_throughput"] == result.summary.metrics["request_throughput"]


def test_gpus_of_several_runs_stay_apart(tmp_path):
    stats = {"gpu_power_usage": {"unit": "W", "0": {"avg": 300.0}, "1": {"avg": 310.0}}}
    other = {"gpu_power_usage": {"unit": "W", "0": {"avg": 500.0}}}
    leave_export(tmp_path / "runs/a", [request(0)], report={"telemetry_stats": stats})
    leave_export(tmp_path / "runs/b", [request(1)], report={"telemetry_stats": other})
    merged(tmp_path / "runs", tmp_path / "out")
    told = json.loads(
        (tmp_path / "out/gpt2-openai-chat-concurrency8/profile_export_genai_perf.json").read_text()
    )
    assert {
        "gpu_power_usage": {
            "unit": "W", "a:0": {"avg": 300.0}, "1": {"avg": 310.0}, "b:0": {"avg": 500.0},
        }
    } == told["telemetry_stats"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"experiments": [{"requests": [', "torn, or no JSON: "),
        ("", "torn, or no JSON: "),
        ('{"experiments": [{"requests": []}]}', "no request in it"),
        ('{"experiments": [{"requests": [{}]}]}', "a request is not as GenAI-Perf leaves it: "),
        (
            '{"experiments": [{"requests": [{"timestamp": 1}]}], "endpoint": "v9/x"}',
            "the API cannot be told, or is unknown here: endpoint type None, path 'v9/x'",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, expected):
    run = leave_export(tmp_path / "runs/a", [], config=None)
    (run / "profile_export.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"runs/a/profile_export\.json: ") as raised:
        merge(tmp_path / "runs", OutputConfig(artifact_dir=tmp_path / "out"), command="")
    assert expected in raised.value.message


def test_tool_calls_that_one_response_brings_are_one_arrival(tmp_path):
    def called(arguments):
        delta = {"tool_calls": [{"function": {"arguments": arguments}}]}
        return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n"

    leave_export(tmp_path / "runs/a", [request(0, [(10, called("{}") + called(" ")), (16, called(";"))])])
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert (10, 10, 10) == ms(result, "time_to_first_token")
    assert (6, 6, 6) == ms(result, "time_to_second_token")
