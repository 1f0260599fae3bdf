"""A scenario, from its config to its figures."""

from dataclasses import replace
from pathlib import Path

import pytest
from scenarios import CHAT, MS, chat, measured, of, summary

from genai_perf.analyze import Outcome, Scenario
from genai_perf.config.schema import InputConfig, LoadConfig
from genai_perf.exceptions import UsageError
from genai_perf.metrics import ERROR_RATE, GPU_POWER_USAGE, REQUEST_THROUGHPUT, TTFT, TTST


def test_what_was_measured_is_read_in_the_units_people_read() -> None:
    scenario = measured(8, ttft_ms=50, requests_per_s=4)
    assert 50 == scenario.metric(TTFT.avg)
    assert 50 * (0.5 + 1.5 * 0.99) == pytest.approx(scenario.metric(TTFT.p99))
    assert 50 * (0.5 + 1.5 * 0.999) == pytest.approx(scenario.metric(TTFT.p99_9))
    assert 4 == scenario.metric(REQUEST_THROUGHPUT) == scenario.metric("request_throughput_avg")
    assert 100 / 6 == pytest.approx(scenario.metric(ERROR_RATE))
    assert scenario.metric(TTST.p99) is None


def test_records_are_in_base_units() -> None:
    record = measured(8, ttft_ms=50, requests_per_s=4).record(TTFT.avg)
    assert record is not None
    assert (50 * MS, "time_to_first_token_avg") == (record.value(), record.tag)


def test_a_misspelt_tag_is_an_error() -> None:
    with pytest.raises(UsageError, match="time_to_frist"):
        measured(1, 50, 4).metric("time_to_frist_token_p99")


def test_the_summary_comes_back_as_it_was() -> None:
    assert summary(50, 4) == measured(8, ttft_ms=50, requests_per_s=4).summary()


def test_a_figure_that_is_not_finite_is_left_out() -> None:
    broken = summary(50, float("nan"))
    scenario = Scenario.planned(CHAT, {}).measured(broken)
    assert scenario.metric(REQUEST_THROUGHPUT) is None


def test_gpus_are_read_one_by_one_or_on_average() -> None:
    scenario = Scenario.planned(CHAT, {}).measured(
        summary(50, 4), {"0": {"gpu_power_usage_avg": 100.0}, "1": {"gpu_power_usage_avg": 200.0}}
    )
    assert {"0": 100.0, "1": 200.0} == scenario.gpu_metric(GPU_POWER_USAGE.avg)
    assert 150 == scenario.metric(GPU_POWER_USAGE.avg)
    assert scenario.metric(GPU_POWER_USAGE.p99) is None


def test_a_failed_scenario_tells_why_and_has_no_figures() -> None:
    scenario = measured(8, 50, 4).failed("every request failed", summary(50, 4))
    assert (Outcome.FAILED, "every request failed") == (scenario.outcome, scenario.error)
    assert scenario.metric(TTFT.p99) is None
    assert 0 == scenario.summary().requests
    assert {"timeout": (2, "no answer within 1 s")} == scenario.summary().errors
    assert ("gpt2",) == scenario.models


def test_an_interrupted_one_keeps_what_it_has() -> None:
    scenario = Scenario.planned(CHAT, {}).measured(summary(50, 4), is_interrupted=True)
    assert Outcome.INTERRUPTED is scenario.outcome
    assert 50 == scenario.metric(TTFT.avg)


def test_several_models_in_one_run_are_one_result() -> None:
    config = replace(CHAT, endpoint=replace(CHAT.endpoint, model_names=("gpt2", "llama")))
    assert "gpt2_multi" == Scenario.planned(config, {}).model


def test_a_label_is_name_and_parameters() -> None:
    scenario = replace(measured(8, 50, 4), parameters={"concurrency": 8, "batch_size": 2}).named(
        "gpt2_run_config_3"
    )
    assert "gpt2_run_config_3:concurrency8-batch_size2" == scenario.label
    assert 3 == scenario.number
    assert of({}, "by hand").number is None


def test_genai_perfs_own_configs_are_made_of_ours() -> None:
    config = replace(
        chat(8, num_dataset_entries=150),
        load=LoadConfig(request_rate=2.5, warmup_request_count=3, request_count=40),
    )
    scenario = Scenario.planned(config, {"num_dataset_entries": 150}, Path("artifacts/here"))
    parameters = scenario.genai_perf_config["_parameters"]
    assert {"endpoint", "input", "tokenizer", "num_dataset_entries"} == parameters.keys()
    assert 150 == parameters["num_dataset_entries"]
    assert "url" not in parameters["endpoint"]
    assert {"request_rate": 2.5} == scenario.perf_analyzer_config["_parameters"]
    command = " ".join(scenario.perf_analyzer_config["_cli_args"])
    assert (
        "perf_analyzer -m gpt2 --async --warmup-request-count 3 --stability-percentage 999 --request-count 40"
        " -i http --streaming -u localhost:8000 --service-kind openai -H Authorization: ***"
        " --input-data artifacts/here/inputs.json --profile-export-file artifacts/here/profile_export.json"
        " --request-rate-range 2.5"
    ) == command


def test_a_swept_batch_size_goes_to_the_load_engine() -> None:
    scenario = Scenario.planned(replace(CHAT, input=InputConfig(batch_size=4)), {"batch_size": 4})
    assert {"runtime_batch_size": 4, "concurrency": 1} == scenario.perf_analyzer_config["_parameters"]
    assert "-b 4" in " ".join(scenario.perf_analyzer_config["_cli_args"])
