"""Scenarios read from what runs left in their directories."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from scenarios import CHAT, MS, chat, summary

from genai_perf.analyze import Outcome, Results, identity
from genai_perf.analyze.run_directory import recorded_config
from genai_perf.config.schema import Config, InputConfig, LoadConfig, TrafficClassConfig
from genai_perf.exceptions import ArtifactError
from genai_perf.metrics import GPU_POWER_USAGE, REQUEST_THROUGHPUT, TTFT, figure
from genai_perf.reports import Result, json_file
from genai_perf.types import RunEnd, RunInfo, Summary


def leave(
    directory: Path, config: Config, measured: Summary | None, stop_reason: str = "request_count"
) -> None:
    """A run's files, without its records."""
    directory.mkdir(parents=True)
    info = RunInfo("0.1", "genai-perf profile", 0, "chat", True, config.public(), {}, {})
    end = RunEnd(stop_reason)
    (directory / "run.json").write_text(json.dumps({"run": asdict(info), "end": asdict(end)}))
    if measured is not None:
        json_file.write(Result(info, end, None, measured, "v1/chat/completions"), directory)


def leave_as_genai_perf(directory: Path, concurrency: int) -> None:
    directory.mkdir(parents=True)
    (directory / "profile_export_genai_perf.json").write_text(
        json.dumps(
            {
                "request_throughput": {"unit": "requests/sec", "avg": 4.0},
                "request_count": {"unit": "count", "avg": 12.0},
                "time_to_first_token": {
                    "unit": "ms",
                    "avg": 50.0,
                    "p99": 90.0,
                    "min": 1.0,
                    "max": 91,
                    "std": 2,
                },
                "telemetry_stats": {
                    "gpu_power_usage": {"unit": "W", "0": {"avg": 65.1, "p99": 70.0}},
                    "gpu_power_limit": {"unit": "W", "0": {"avg": 280.0}},
                    "total_gpu_memory": {"unit": "GB", "0": {"avg": 25.77}},
                },
                "input_config": {
                    "model_names": ["gpt2"],
                    "perf_analyzer": {"stimulus": {"concurrency": concurrency}},
                    "input": {"synthetic_tokens": {"mean": 550, "stddev": 0}, "output_tokens": {"mean": ""}},
                },
            }
        )
    )


def test_a_run_comes_back_with_its_figures_and_its_settings(tmp_path: Path) -> None:
    leave(tmp_path / "run", chat(8), summary(50, 4))
    [scenario] = Results.load(tmp_path / "run")
    assert ("run", "gpt2", {"concurrency": 8}) == (scenario.name, scenario.model, scenario.parameters)
    assert 50 == pytest.approx(scenario.metric(TTFT.avg))
    assert 100 / 6 == pytest.approx(scenario.metric("error_rate_avg"))
    assert {"timeout": (2, "no answer within 1 s")} == scenario.evidence.errors
    assert 10 == scenario.evidence.requests
    back = scenario.summary()
    assert summary(50, 4).metrics.keys() == back.metrics.keys()
    stats = back.metrics["time_to_first_token"]
    assert 7.0 == pytest.approx(stats.uncertainty["p99"])
    assert 10 == stats.count
    assert 50 * MS * (0.5 + 1.5 * 0.999) == pytest.approx(stats.percentiles["p99.9"])


def test_a_run_is_the_same_result_as_in_a_checkpoint(tmp_path: Path) -> None:
    from scenarios import measured

    leave(tmp_path / "run", chat(8), summary(50, 4))
    [scenario] = Results.load(tmp_path / "run")
    assert measured(8, 50, 4).hash == scenario.hash


def test_a_sweeps_runs_have_as_parameters_what_they_differ_in(tmp_path: Path) -> None:
    for concurrency in (10, 2, 1):
        for isl in (100, 200):
            config = chat(concurrency, synthetic_tokens_mean=isl)
            leave(tmp_path / f"c{concurrency}-{isl}", config, summary(50, concurrency))
    results = Results.load(tmp_path)
    assert ("concurrency", "input_sequence_length") == results.parameters
    assert [(1, 100), (1, 200), (2, 100), (2, 200), (10, 100), (10, 200)] == [
        tuple(each.parameters.values()) for each in results
    ]


def test_an_open_loop_is_told_by_its_rate(tmp_path: Path) -> None:
    leave(tmp_path / "run", replace(CHAT, load=LoadConfig(request_rate=2.5)), summary(50, 2.5))
    assert {"request_rate": 2.5} == Results.load(tmp_path / "run")[0].parameters


def test_a_run_that_failed_or_was_killed_or_interrupted_is_said_to_be(tmp_path: Path) -> None:
    nothing = Summary({"error_count": 3.0}, 0, {"connect": (3, "refused")}, {})
    leave(tmp_path / "a", chat(1), summary(50, 4), "interrupted")
    leave(tmp_path / "b", chat(2), None)
    leave(tmp_path / "c", chat(4), nothing)
    (tmp_path / "plots").mkdir()
    results = Results.load(tmp_path)
    assert [Outcome.INTERRUPTED, Outcome.FAILED, Outcome.FAILED] == [each.outcome for each in results]
    assert [
        None,
        "the run ended before its reports were written",
        "every request failed: 3 with connect: refused",
    ] == [each.error for each in results]


def test_a_directory_that_genai_perf_left_is_read_too(tmp_path: Path) -> None:
    for concurrency in (1, 2):
        leave_as_genai_perf(tmp_path / f"gpt2-openai-chat-concurrency{concurrency}", concurrency)
    results = Results.load(tmp_path)
    assert [{"concurrency": 1}, {"concurrency": 2}] == [each.parameters for each in results]
    first = results[0]
    assert (4.0, 90.0, 65.1) == (
        first.metric(REQUEST_THROUGHPUT),
        first.metric(TTFT.p99),
        first.metric(GPU_POWER_USAGE.avg),
    )
    assert 25.77 == pytest.approx(first.metric(figure("total_gpu_memory", "avg")))
    assert "" == first.hash


def test_a_checkpoint_in_a_directory_is_preferred(tmp_path: Path) -> None:
    from scenarios import measured

    from genai_perf.analyze import checkpoint

    leave(tmp_path / "run", chat(8), summary(50, 4))
    checkpoint.write(tmp_path / "checkpoint.json", [measured(2, 9, 9).named("gpt2_run_config_0")])
    assert ["gpt2_run_config_0"] == [each.name for each in Results.load(tmp_path)]


def test_what_is_neither_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="neither a run nor runs in it"):
        Results.load(tmp_path)
    with pytest.raises(ArtifactError, match="nowhere: not there"):
        Results.load(tmp_path / "nowhere")
    leave(tmp_path / "killed", chat(8), None)
    with pytest.raises(ArtifactError, match="ended before its reports were written") as caught:
        Results.load(tmp_path / "killed")
    assert "genai-perf report" in str(caught.value.hint)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run": {}}', '{"run": {"config": {"endpoint": 3}}}'])
def test_a_torn_file_of_a_run_is_said(content: str, tmp_path: Path) -> None:
    leave(tmp_path / "run", chat(8), summary(50, 4))
    (tmp_path / "run" / "run.json").write_text(content)
    with pytest.raises(ArtifactError, match="run"):
        Results.load(tmp_path / "run")


def test_options_that_this_version_does_not_have_are_passed_over(tmp_path: Path) -> None:
    leave(tmp_path / "run", chat(8), summary(50, 4))
    file = tmp_path / "run" / "run.json"
    document = json.loads(file.read_text())
    document["run"]["config"]["load"]["ramp_up_s"] = 3
    document["run"]["config"]["weather"] = {"rain": True}
    file.write_text(json.dumps(document))
    assert {"concurrency": 8} == Results.load(tmp_path / "run")[0].parameters


def test_a_recorded_config_is_the_config_again() -> None:
    """But for what is secret, and paths, which are text by then."""
    kind = replace(chat(8), input=InputConfig(synthetic_tokens_mean=7))
    config = replace(
        chat(4, random_seed=3), traffic=(TrafficClassConfig(name="short", weight=0.5, config=kind),)
    )
    recorded = json.loads(json.dumps(config.public()))
    assert config.public() == recorded_config(recorded).public()
    assert identity.settings(config) == identity.settings(recorded_config(recorded))
