"""GenAI-Perf's Results API: the published sample, and each class and method by its description."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scenarios import MS, PERF, SCHEMAS, genai_perf_checkpoint, measured, newer

from genai_perf.analyze import checkpoint as store
from genai_perf.checkpoint.checkpoint import Checkpoint, CheckpointDefaults, checkpoint_encoder
from genai_perf.config.generate.genai_perf_config import GenAIPerfConfig
from genai_perf.config.generate.perf_analyzer_config import PerfAnalyzerConfig
from genai_perf.config.input.config_command import ConfigCommand
from genai_perf.config.run.results import Results
from genai_perf.config.run.run_config import RunConfig
from genai_perf.exceptions import ArtifactError, UsageError
from genai_perf.measurements.model_config_measurement import (
    ModelConfigMeasurement,
    ModelConfigMeasurementDefaults,
)
from genai_perf.measurements.run_config_measurement import RunConfigMeasurement
from genai_perf.measurements.run_constraints import ModelConstraints, RunConstraints
from genai_perf.record.record import RecordType

SAMPLE = """
from genai_perf.checkpoint.checkpoint import Checkpoint
from genai_perf.config.input.config_command import ConfigCommand
from genai_perf.config.run.results import Results
from genai_perf.record.types.input_sequence_length_p99 import InputSequenceLengthP99
from genai_perf.record.types.time_to_first_token_p99 import TimeToFirstTokenP99


# Read in the Checkpoint
model_name = "gpt2"
config = ConfigCommand(model_names=[model_name])
checkpoint = Checkpoint(config)
results = checkpoint.results

# Sort results based on Time-to-First Token latency
results.set_perf_metric_objectives({model_name: {TimeToFirstTokenP99.tag: 1}})

# Create lists of ISL along with their corresponding Time-to-First token latency (sorted by lowest latency)
isl = []
ttftl = []
for run_config in results.run_configs:
  isl.append(run_config.get_model_perf_metric_value(model_name, InputSequenceLengthP99.tag))
  ttftl.append(run_config.get_model_perf_metric_value(model_name, TimeToFirstTokenP99.tag))
"""
"""As GenAI-Perf's guide has it, but for `append`, which it assigns to instead of calling."""

TTFT, THROUGHPUT = "time_to_first_token_p99", "request_throughput_avg"
POWER = "gpu_power_usage_avg"


@pytest.fixture(params=SCHEMAS)
def results(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(tmp_path)
    Path("checkpoint.json").write_bytes(genai_perf_checkpoint(request.param))
    return Checkpoint(ConfigCommand(model_names=["gpt2"])).results


def names(results: Results) -> list[str]:
    return [run_config.get_name_id() for run_config in results.run_configs]


def of(perf: dict[str, float], name: str = "gpt2_run_config_0", model: str = "gpt2") -> RunConfig:
    made = RunConfig(name=name)
    made.add_perf_metrics(model, [RecordType.get(tag)(value) for tag, value in perf.items()])
    return made


# -- the guide ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("place", ["checkpoint.json", "checkpoint/checkpoint.json"])
def test_the_published_sample_runs_as_it_stands(schema: str, place: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(genai_perf_checkpoint(schema))
    script = SAMPLE + "\nimport json; print(json.dumps([isl, ttftl]))\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [[201.0, 201.0, 201.0], pytest.approx([33.13, 33.54, 82.02])] == json.loads(done.stdout)


def test_the_published_sample_runs_on_what_this_program_measured(tmp_path: Path) -> None:
    runs = [measured(1, 50, 4).named("gpt2_run_config_0"), measured(2, 40, 5).named("gpt2_run_config_1")]
    store.write(tmp_path / "checkpoint.json", runs)
    script = SAMPLE + "\nprint(*[f'{each:.1f}' for each in ttftl])\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "79.4 99.2" == done.stdout.strip()


def test_the_guides_other_statements_work(results: Results) -> None:
    from genai_perf.record.types.gpu_power_usage_avg import GPUPowerUsageAvg
    from genai_perf.record.types.inter_token_latency_p90 import InterTokenLatencyP90
    from genai_perf.record.types.time_to_first_token_avg import TimetoFirstTokenAvg
    from genai_perf.record.types.time_to_first_token_p99 import TimetoFirstTokenP99

    results.set_perf_metric_objectives({"gpt2": {TimetoFirstTokenP99.tag: 1}})
    results.set_gpu_metric_objectives({"gpt2": {GPUPowerUsageAvg.tag: 1}})
    results.set_perf_metric_objectives({"gpt2": {TimetoFirstTokenAvg.tag: 1, InterTokenLatencyP90.tag: 3}})
    model_constraints = ModelConstraints({TimetoFirstTokenP99.tag: 50})
    run_constraints = RunConstraints({"gpt2": model_constraints})
    results.set_constraints(run_constraints)
    assert ["1", "2"] == sorted(names(results.get_results_passing_constraints()))
    run_config = results.run_configs[0]
    assert run_config.get_gpu_metric_value("gpu0", GPUPowerUsageAvg.tag) > 60


def test_run_configs_come_best_first(results: Results) -> None:
    assert ["2", "1", "0"] == names(results)  # by request throughput


# -- RunConfig ---------------------------------------------------------------------------------------


def test_a_run_config_tells_its_parameters(tmp_path: Path) -> None:
    run_config = RunConfig.create_class_from_checkpoint(newer(0, 100, PERF))
    assert {"endpoint", "input", "tokenizer", "num_dataset_entries"} == (
        run_config.get_genai_perf_parameters().keys()
    )
    assert {} == run_config.get_perf_analyzer_parameters()
    ours = RunConfig.from_scenario(measured(8, 50, 4))
    assert {"concurrency": 8} == ours.get_perf_analyzer_parameters()
    assert ("concurrency", 8) == (
        ours.perf_analyzer_config.get_inference_type(),
        ours.perf_analyzer_config.get_inference_value(),
    )
    assert Path("artifacts/c8") == ours.perf_analyzer_config.get_artifact_directory()
    assert Path("artifacts/c8/profile_export.json") == ours.perf_analyzer_config.get_profile_export_file()


def test_until_25_05_parameters_are_what_was_swept() -> None:
    run_config = RunConfig.create_class_from_checkpoint(SCHEMAS["older"](0, 100, PERF))
    assert {"num_dataset_entries": 100} == run_config.get_genai_perf_parameters()


def test_a_run_config_tells_its_figures(results: Results) -> None:
    run_config = next(each for each in results.run_configs if each.get_name_id() == "0")
    assert 82.02 == pytest.approx(run_config.get_model_perf_metric_value("gpt2", TTFT))
    assert 82.02 * MS == run_config.get_model_perf_metric("gpt2", TTFT).value()
    assert PERF.keys() == run_config.get_model_perf_metrics("gpt2").keys()
    assert {"gpt2"} == run_config.get_all_perf_metrics().keys()
    assert {"gpt2": pytest.approx(82.02)} == run_config.get_weighted_perf_metric_values(TTFT)


def test_what_is_not_there_is_none_or_the_value_given(results: Results) -> None:
    run_config = results.run_configs[0]
    assert run_config.get_model_perf_metric("gpt2", "time_to_second_token_p99") is None
    assert 0 == run_config.get_model_perf_metric_value("gpt2", "time_to_second_token_p99")
    assert -1 == run_config.get_model_perf_metric_value("llama", TTFT, -1)
    assert run_config.get_model_perf_metrics("llama") is None
    assert run_config.get_model_perf_metric("llama", TTFT) is None
    assert -1 == run_config.get_gpu_metric_value("gpu7", POWER, return_value=-1)
    assert run_config.get_gpu_metric("gpu_temperature_avg") is None
    assert {} == of({}).get_gpu_metric(POWER)


@pytest.mark.parametrize("gpu", ["gpu0", "0", 0])
def test_a_gpu_answers_to_all_its_names(results: Results, gpu: str | int) -> None:
    run_config = results.run_configs[0]
    assert run_config.get_gpu_metric_value(gpu, POWER) in (63.09, 65.1)
    assert POWER in run_config.get_all_gpu_metrics()[gpu]
    assert gpu in run_config.get_all_gpu_metrics()
    assert [POWER] == list(run_config.get_gpu_metric(POWER)[gpu])
    assert run_config.get_all_gpu_metrics().get("gpu7") is None
    with pytest.raises(KeyError):
        run_config.get_all_gpu_metrics()["gpu7"]


def test_run_configs_compare_by_how_good_they_are() -> None:
    worse, better = of({THROUGHPUT: 1}), of({THROUGHPUT: 2})
    assert better > worse
    assert better.is_better_than(worse)
    assert 2 / 3 == pytest.approx(better.get_score(worse))
    assert 100 == better.calculate_weighted_percentage_gain(worse)
    assert worse == of({THROUGHPUT: 1})
    with pytest.raises(TypeError):
        hash(worse)


def test_a_representation_leaves_places_out() -> None:
    one, other = newer(0, 100, PERF), newer(1, 100, PERF)
    command = other["perf_analyzer_config"]["_cli_args"]
    command[command.index("-u") + 1] = "elsewhere:9000"
    command.append("--verbose")
    first, second = (RunConfig.create_class_from_checkpoint(each) for each in (one, other))
    assert first.representation() == second.representation()
    assert (
        "-m gpt2 --async --stability-percentage 999 --request-count 10 --service-kind openai"
        " --endpoint v1/chat/completions --concurrency-range 1"
    ) == first.perf_analyzer_config.representation().strip()
    changed = RunConfig.create_class_from_checkpoint(newer(2, 150, PERF))
    assert first.representation() != changed.representation()


def test_configs_come_back_as_they_were() -> None:
    entry = newer(0, 100, PERF)
    for kind, key in ((GenAIPerfConfig, "genai_perf_config"), (PerfAnalyzerConfig, "perf_analyzer_config")):
        assert entry[key] == kind.create_class_from_checkpoint(entry[key]).create_checkpoint_object()
    assert ("none", 1) == (
        PerfAnalyzerConfig().get_inference_type(),
        PerfAnalyzerConfig().get_inference_value(),
    )
    rate = PerfAnalyzerConfig({"_cli_args": ["perf_analyzer", "--request-rate-range", "5.5"]})
    assert ("request_rate", 5.5) == (rate.get_inference_type(), rate.get_inference_value())
    assert rate.get_artifact_directory() is None


# -- Results -----------------------------------------------------------------------------------------


def test_objectives_sort_again(results: Results) -> None:
    results.set_perf_metric_objectives({"gpt2": {TTFT: 1}})
    assert ["1", "2", "0"] == names(results)


def test_an_objective_of_a_model_that_was_not_measured_is_refused(results: Results) -> None:
    with pytest.raises(AssertionError, match="llama"):
        results.set_perf_metric_objectives({"llama": {TTFT: 1}})
    with pytest.raises(AssertionError, match="llama"):
        results.set_gpu_metric_objectives({"llama": {POWER: 1}})
    with pytest.raises(AssertionError):
        results.set_model_weighting({"gpt2": 1, "llama": 1})
    with pytest.raises(UsageError, match="no record has the tag"):
        results.set_perf_metric_objectives({"gpt2": {"time_to_first_tokn": 1}})


def test_results_of_other_models_come_last() -> None:
    results = Results([of({THROUGHPUT: 100}, "llama_run_config_1", "llama"), of({THROUGHPUT: 1, TTFT: 5})])
    results.set_perf_metric_objectives({"gpt2": {TTFT: 1}})
    assert ["0", "1"] == names(results)


def test_model_weighting_sorts_again() -> None:
    def two(name: str, first: float, second: float) -> RunConfig:
        made = of({THROUGHPUT: first}, name, "m1")
        made.add_perf_metrics("m2", {THROUGHPUT: RecordType.get(THROUGHPUT)(second)})
        return made

    results = Results([two("x_0", 10, 20), two("x_1", 20, 11)])
    assert ["1", "0"] == names(results)
    results.set_model_weighting({"m1": 1, "m2": 9})
    assert ["0", "1"] == names(results)
    assert {"m1": 1, "m2": 18} == results.run_configs[0].get_weighted_perf_metric_values(THROUGHPUT)


def test_gpu_objectives_count(results: Results) -> None:
    cool = of({THROUGHPUT: 1.0}, "gpt2_run_config_8")
    cool.measurement.get_all_gpu_metrics()["0"] = {POWER: RecordType.get(POWER)(1.0)}
    results.add_run_config(cool)
    assert "8" == names(results)[-1]
    results.set_gpu_metric_objectives({"gpt2": {POWER: 1}})
    assert "8" == names(results)[0]


def test_a_run_config_that_is_added_is_a_copy(results: Results) -> None:
    added = of({THROUGHPUT: 99}, "gpt2_run_config_9")
    results.add_run_config(added)
    assert "9" == names(results)[0]
    assert added is not results.run_configs[0]
    added.name = "changed"
    assert "gpt2_run_config_9" == results.run_configs[0].name


def test_the_pairwise_ranking_can_be_had(results: Results) -> None:
    results.set_pairwise_ranking()
    assert ["2", "1", "0"] == names(results)


@pytest.mark.parametrize(
    ("constraints", "passing"),
    [
        (ModelConstraints({TTFT: 50}), ["1", "2"]),
        (ModelConstraints({TTFT: 10}), []),
        (ModelConstraints({TTFT: 50}, raw=True), []),
        (ModelConstraints({TTFT: 50 * MS}, raw=True), ["1", "2"]),
        (ModelConstraints({THROUGHPUT: 1.31}), ["1", "2"]),
        (ModelConstraints({THROUGHPUT: 1.32}), ["2"]),
        (ModelConstraints({POWER: 100}), ["0", "1", "2"]),
        (ModelConstraints({POWER: 10}), []),
        (ModelConstraints({"time_to_second_token_p99": 1}), ["0", "1", "2"]),
        (ModelConstraints(), ["0", "1", "2"]),
        (None, ["0", "1", "2"]),
    ],
)
def test_constraints_part_results_in_documented_units(
    results: Results, constraints: ModelConstraints | None, passing: list[str]
) -> None:
    results.set_constraints(RunConstraints({"gpt2": constraints}))
    passed, failed = results.get_results_passing_constraints(), results.get_results_failing_constraints()
    assert passing == sorted(names(passed))
    assert {"0", "1", "2"} - set(passing) == set(names(failed))
    assert names(passed) == names(results.get_results_passing_constriants())
    assert names(failed) == names(results.get_results_failing_constriants())


def test_constraints_of_other_models_do_not_count(results: Results) -> None:
    results.set_constraints(RunConstraints({"llama": ModelConstraints({TTFT: 0.001})}))
    assert 3 == len(results.get_results_passing_constraints().run_configs)
    results.set_constraints(None)
    assert all(run_config.is_passing_constraints() for run_config in results.run_configs)


def test_constraints_can_be_asked_for() -> None:
    constraints = RunConstraints({"gpt2": ModelConstraints({TTFT: 50}), "llama": None})
    assert constraints.has_constraint("gpt2", TTFT)
    assert not constraints.has_constraint("gpt2", THROUGHPUT)
    assert not constraints.has_constraint("llama", TTFT)
    assert not RunConstraints().has_constraint("gpt2", TTFT)
    with pytest.raises(UsageError):
        ModelConstraints({"time_to_first_tokn": 1})


def test_what_passes_keeps_its_objectives(results: Results) -> None:
    results.set_perf_metric_objectives({"gpt2": {TTFT: 1}})
    results.set_constraints(RunConstraints({"gpt2": ModelConstraints({TTFT: 50})}))
    assert ["1", "2"] == names(results.get_results_passing_constraints())


def test_representations_are_found_and_named(results: Results) -> None:
    known = results.run_configs[0]
    assert results.found_representation(known.representation())
    assert not results.found_representation("another")
    assert known.name == results.get_run_config_name_based_on_representation("gpt2", known.representation())
    assert "gpt2_run_config_3" == results.get_run_config_name_based_on_representation("gpt2", "another")
    assert "gpt2_run_config_0" == Results().get_run_config_name_based_on_representation("gpt2", "another")


# -- measurements ------------------------------------------------------------------------------------


def test_a_models_measurement_scores_itself() -> None:
    def measurement(throughput: float, ttft: float) -> ModelConfigMeasurement:
        return ModelConfigMeasurement(
            {THROUGHPUT: RecordType.get(THROUGHPUT)(throughput), TTFT: RecordType.get(TTFT)(ttft)}
        )

    assert {THROUGHPUT: 1.0} == ModelConfigMeasurementDefaults.METRIC_OBJECTIVE
    a, b = measurement(20, 30 * MS), measurement(10, 10 * MS)
    assert a > b
    assert a.is_better_than(b)
    a.set_metric_objectives({THROUGHPUT: 1, TTFT: 3})
    assert 0.25 * 10 / 15 - 0.75 * 20 / 20 == pytest.approx(a.get_weighted_score(b))
    assert 0.25 * 100 - 0.75 * 200 / 3 == pytest.approx(a.calculate_weighted_percentage_gain(b))
    assert a < b
    assert 30 == a.get_perf_metric_value(TTFT)
    assert 7 == a.get_perf_metric_value("time_to_second_token_p99", 7)
    assert a.get_perf_metric("time_to_second_token_p99") is None
    assert a == measurement(20, 30 * MS)
    assert a != 5


def test_a_runs_measurement_takes_constraints_and_gpus() -> None:
    measurement = RunConfigMeasurement(
        {"0": {POWER: RecordType.get(POWER)(100.0, "0")}},
        RunConstraints({"gpt2": ModelConstraints({POWER: 50})}),
    )
    assert not measurement.is_passing_constraints()
    measurement.set_constraints(None)
    assert measurement.is_passing_constraints()
    measurement.add_perf_metrics("gpt2", [RecordType.get(THROUGHPUT)(5.0)])
    assert 5.0 == measurement.get_model_config_measurement("gpt2").get_perf_metric_value(THROUGHPUT)
    assert {"gpt2"} == measurement.get_model_config_measurements().keys()
    assert measurement.get_model_config_measurement("llama") is None


# -- ConfigCommand and Checkpoint ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "config",
    [
        lambda: ConfigCommand(model_names=["gpt2", "llama"]),
        lambda: ConfigCommand(["gpt2", "llama"]),
        lambda: ConfigCommand({"model_names": ["gpt2", "llama"]}),
        lambda: ConfigCommand({"model_name": "gpt2, llama"}),
        lambda: ConfigCommand(user_config={"model_names": "gpt2,llama"}, enable_debug_logging=False),
    ],
)
def test_models_are_named_in_any_of_the_published_ways(config) -> None:
    assert ["gpt2", "llama"] == config().model_names


def test_one_model_may_be_a_word() -> None:
    assert ["gpt2"] == ConfigCommand(model_names="gpt2").model_names == ConfigCommand("gpt2").model_names


def test_no_model_is_an_error_unless_nothing_is_to_be_checked() -> None:
    with pytest.raises(UsageError, match="no model is named"):
        ConfigCommand({})
    with pytest.raises(UsageError, match="5 is no model's name"):
        ConfigCommand(model_names=5)
    assert [] == ConfigCommand(skip_inferencing_and_checking=True).model_names


@pytest.mark.parametrize(
    "config",
    [
        lambda path: ConfigCommand(model_names="gpt2", checkpoint_directory=str(path)),
        lambda path: ConfigCommand({"model_name": "gpt2", "output": {"checkpoint_directory": path}}),
    ],
)
def test_the_checkpoint_may_be_elsewhere(config, tmp_path: Path) -> None:
    (tmp_path / CheckpointDefaults.FILENAME).write_bytes(genai_perf_checkpoint("newer"))
    assert 3 == len(Checkpoint(config(tmp_path)).results.run_configs)


def test_without_a_file_the_results_are_those_given_and_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level("DEBUG", logger="genai_perf")
    config = ConfigCommand(model_names=["gpt2"])
    empty = Checkpoint(config)
    assert [] == empty.results.run_configs
    assert "no checkpoint in" in caplog.text
    timed = of({THROUGHPUT: 5}, "gpt2_run_config_0")
    timed.add_perf_metrics("gpt2", [RecordType.get(THROUGHPUT)(5, timestamp=7)])
    Checkpoint(config, Results([timed])).create_checkpoint_object()
    again = Checkpoint(config)
    assert "Checkpoint loaded from checkpoint/checkpoint.json" in caplog.text
    record = again.results.run_configs[0].get_model_perf_metric("gpt2", THROUGHPUT)
    assert (5, 7) == (record.value(), record.timestamp())
    again.create_checkpoint_object()
    assert 1 == len(Checkpoint(config).results.run_configs)


def test_a_torn_checkpoint_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("checkpoint.json").write_bytes(genai_perf_checkpoint("newer")[:500])
    with pytest.raises(ArtifactError, match="torn"):
        Checkpoint(ConfigCommand(model_names=["gpt2"]))


def test_results_are_encoded_as_json_and_come_back(results: Results) -> None:
    text = json.dumps({"Results": results}, default=checkpoint_encoder)
    again = Results.create_class_from_checkpoint(json.loads(text)["Results"])
    assert names(results) == names(again)
    assert "a" == checkpoint_encoder(b"a")
    with pytest.raises(ValueError, match="measurement"):
        RunConfig.create_class_from_checkpoint(
            {"name": "x", "genai_perf_config": {}, "perf_analyzer_config": {}}
        )


def test_the_other_import_paths_lead_somewhere() -> None:
    from genai_perf.cli import main as cli_main
    from genai_perf.main import main
    from genai_perf.measurements.model_constraints import ModelConstraints as Same
    from genai_perf.tokenizer import Tokenizer, get_tokenizer

    assert main is cli_main
    assert Same is ModelConstraints
    config = ConfigCommand({"model_name": "gpt2", "tokenizer": {"name": "builtin"}})
    tokenizer = get_tokenizer(config)
    assert isinstance(tokenizer, Tokenizer)
    assert [2] == tokenizer.count(["two words"])
