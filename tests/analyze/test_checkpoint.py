"""The checkpoint's file: both schemas, torn and foreign ones, and what is kept in it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from scenarios import MS, SCHEMAS, chat, genai_perf_checkpoint, measured

from genai_perf.analyze import Outcome, Scenario, checkpoint
from genai_perf.analyze.checkpoint import Checkpoint
from genai_perf.exceptions import ArtifactError
from genai_perf.metrics import GPU_MEMORY_USED, GPU_POWER_USAGE, GPU_UTILIZATION, TTFT, figure


@pytest.fixture(autouse=True)
def _nothing_is_in_the_working_directory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint there is read where the directory's own is missing."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def planned(concurrency: int, **inputs: object) -> Scenario:
    return Scenario.planned(chat(concurrency, **inputs), {"concurrency": concurrency})


def names(scenarios: object) -> list[str]:
    return [each.name for each in scenarios]


# -- what is written and read ------------------------------------------------------------------------


def test_a_scenario_comes_back_as_it_was(tmp_path: Path) -> None:
    scenario = replace(
        measured(8, 50, 4),
        gpus=Scenario.planned(chat(1), {})
        .measured(measured(1, 1, 1).summary(), {"0": {"gpu_power_usage_avg": 65.1}})
        .gpus,
    ).named("gpt2_run_config_0")
    path = tmp_path / "checkpoint.json"
    checkpoint.write(path, [scenario])
    [again] = checkpoint.read(path)
    for name in (
        "name",
        "model",
        "parameters",
        "outcome",
        "error",
        "directory",
        "settings",
        "hash",
        "evidence",
    ):
        assert getattr(scenario, name) == getattr(again, name), name
    assert scenario.genai_perf_config == again.genai_perf_config
    assert scenario.perf_analyzer_config == again.perf_analyzer_config
    assert scenario.summary() == again.summary()
    assert {"0": 65.1} == again.gpu_metric(GPU_POWER_USAGE.avg)


def test_the_file_has_genai_perfs_newer_schema_and_ours_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    checkpoint.write(path, [measured(8, 50, 4).named("gpt2_run_config_0")])
    text = path.read_text()
    assert ": " not in text.partition('"measurement"')[2].partition('"scenario"')[0]  # compact, as theirs
    [entry] = json.loads(text)["Results"]["run_configs"]
    assert ["name", "genai_perf_config", "perf_analyzer_config", "measurement", "scenario"] == list(entry)
    perf = entry["measurement"]["_model_config_measurements"]["gpt2"]["_perf_metrics"]
    assert ["time_to_first_token_avg", {"_value": 50.0 * MS, "_timestamp": 0}] == perf[
        "time_to_first_token_avg"
    ]
    assert "request_latency_from_due_avg" not in perf  # GenAI-Perf's reader has no such record
    assert "time_to_first_token_p99_9" not in perf
    assert "request_latency_from_due_avg" in entry["scenario"]["more_metrics"]["gpt2"]
    assert "secret" not in text


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_genai_perf_measured_is_read(schema: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(genai_perf_checkpoint(schema))
    scenarios = checkpoint.read(path)
    assert ["gpt2_run_config_0", "gpt2_run_config_1", "gpt2_run_config_2"] == names(scenarios)
    first = scenarios[0]
    assert ("gpt2", {"num_dataset_entries": 100}) == (first.model, first.parameters)
    assert "gpt2_run_config_0:num_dataset_entries100" == first.label
    assert 82.02 == pytest.approx(first.metric(TTFT.p99))
    assert Outcome.MEASURED is first.outcome
    assert first.hash == ""
    assert Path("artifacts") == first.directory.parent
    assert 22.63 == pytest.approx(first.metric(GPU_MEMORY_USED.p99), abs=1e-3)


def test_gpus_as_triton_measured_them_are_brought_into_dcgms_units(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(genai_perf_checkpoint("older"))
    first = checkpoint.read(path)[0]
    assert {"gpu0": pytest.approx(20.0)} == first.gpu_metric(GPU_UTILIZATION.p99)
    assert {"gpu0": pytest.approx(1.73)} == first.gpu_metric(figure("energy_consumption", "p99"))
    assert {"gpu0": 63.09} == first.gpu_metric(GPU_POWER_USAGE.avg)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_genai_perf_wrote_is_written_again_without_loss(schema: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(genai_perf_checkpoint(schema))
    before = json.loads(path.read_bytes())["Results"]["run_configs"]
    scenarios = checkpoint.read(path)
    checkpoint.write(path, scenarios)
    after = json.loads(path.read_bytes())["Results"]["run_configs"]
    for old, new in zip(before, after, strict=True):
        for key in ("name", "genai_perf_config", "perf_analyzer_config"):
            assert old[key] == new[key]
        key = "_model_config_measurements"
        assert old["measurement"][key] == new["measurement"][key]
    checkpoint.write(path, checkpoint.read(path))
    assert after == json.loads(path.read_bytes())["Results"]["run_configs"]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_genai_perf_could_not_measure_is_read_as_no_value(word: str, tmp_path: Path) -> None:
    """It wrote Python's words for such numbers, which are no JSON."""
    path = tmp_path / "checkpoint.json"
    path.write_bytes(genai_perf_checkpoint("newer").replace(b'"_value":1.3,', f'"_value":{word},'.encode()))
    assert word in path.read_text()
    [first, second, _] = checkpoint.read(path)
    assert first.metric(figure("request_throughput", "avg")) is None
    assert 82.02 == pytest.approx(first.metric(TTFT.p99))
    assert 1.32 == second.metric(figure("request_throughput", "avg"))
    checkpoint.write(path, checkpoint.read(path))
    assert 3 == len(checkpoint.read(path))


def test_figures_of_a_metric_that_this_version_does_not_know_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    document = json.loads(genai_perf_checkpoint("newer"))
    perf = document["Results"]["run_configs"][0]["measurement"]["_model_config_measurements"]["gpt2"][
        "_perf_metrics"
    ]
    perf["time_to_third_token_p99"] = ["time_to_third_token_p99", {"_value": 7.0, "_timestamp": 0}]
    path.write_text(json.dumps(document))
    checkpoint.write(path, checkpoint.read(path))
    record = checkpoint.read(path)[0].perf["gpt2"]["time_to_third_token_p99"]
    assert ("time_to_third_token_p99", 7.0) == (record.tag, record.value())


# -- what is wrong with it -----------------------------------------------------------------------------


def broken(change: object) -> bytes:
    document = json.loads(genai_perf_checkpoint("newer"))
    change(document["Results"]["run_configs"][1])
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the checkpoint is empty"),
        (b"\n", "the checkpoint is empty"),
        (genai_perf_checkpoint("newer")[:1000], "torn, or no JSON"),
        (genai_perf_checkpoint("newer")[:-1], "torn, or no JSON"),
        (genai_perf_checkpoint("newer").replace(b'"_value":1.3,', b'"_value":NaN,')[:-1], "torn, or no JSON"),
        (b'{"epoch": 3, "loss": NaN}', "not a checkpoint of genai-perf.*`Results`"),
        (genai_perf_checkpoint("newer") + b"}", "torn, or no JSON"),
        (b"\x80\x02}q\x00.", "torn, or no JSON"),
        (b'{"Results": "\xff"}', "not a checkpoint of genai-perf|torn"),
        (b'{"Results":{"run_configs":[{"genai_perf_config":{"a":' + b"[" * 100_000, "torn, or no JSON"),
        (b"[1, 2]", "not a checkpoint of genai-perf"),
        (b"null", "not a checkpoint of genai-perf"),
        (b'{"epoch": 3, "loss": 0.1}', "not a checkpoint of genai-perf.*`Results`"),
        (b'{"Results": {"run_configs": {}}}', "not a checkpoint of genai-perf.*run_configs"),
        (broken(lambda entry: entry.pop("measurement")), r"not a checkpoint .*`measurement`"),
        (broken(lambda entry: entry.update(name=5)), "not a checkpoint of genai-perf.*name"),
        (
            broken(
                lambda entry: entry["measurement"]["_model_config_measurements"]["gpt2"][
                    "_perf_metrics"
                ].update(request_throughput_avg=["request_throughput_avg", {"_value": "fast"}])
            ),
            "not a checkpoint of genai-perf.*_value",
        ),
    ],
)
def test_a_torn_or_foreign_file_is_said_and_left_alone(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"checkpoint\.json: .*({message})") as caught:
        Checkpoint.open(cwd=tmp_path)
    assert "\n" not in caught.value.message
    assert caught.value.hint == "move it away to begin anew"
    assert content == path.read_bytes()
    assert [path] == list(tmp_path.rglob("*.*"))


@pytest.mark.parametrize("cut", range(0, 3000, 97))
def test_a_file_that_is_cut_anywhere_is_torn(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    path.write_bytes(genai_perf_checkpoint("older")[:cut])
    with pytest.raises(ArtifactError, match=r"empty|torn"):
        checkpoint.read(path)


def test_a_file_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").mkdir()
    with pytest.raises(ArtifactError, match="cannot be read: Is a directory"):
        Checkpoint.open(tmp_path)
    (tmp_path / "file").write_text("")
    store = Checkpoint.open(tmp_path / "file" / "below")
    with pytest.raises(ArtifactError, match="cannot be written"):
        store.add(measured(1, 50, 4))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Checkpoint.open(tmp_path)
    store.add(measured(1, 50, 4))
    before = (tmp_path / "checkpoint.json").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match="cannot be written: No space left on device"):
        store.add(measured(2, 50, 4))
    assert before == (tmp_path / "checkpoint.json").read_bytes()
    assert ["checkpoint.json"] == [path.name for path in tmp_path.iterdir()]


# -- where it is -------------------------------------------------------------------------------------


def test_without_a_directory_both_places_hold_it(tmp_path: Path) -> None:
    store = Checkpoint.open(cwd=tmp_path)
    assert () == store.read_from
    store.add(measured(1, 50, 4))
    newer, older = tmp_path / "checkpoint" / "checkpoint.json", tmp_path / "checkpoint.json"
    assert newer.read_bytes() == older.read_bytes()
    assert (newer, older) == Checkpoint.open(cwd=tmp_path).read_from


def test_where_the_two_places_differ_all_scenarios_are_kept(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "checkpoint.json").write_bytes(genai_perf_checkpoint("newer"))
    ours = [measured(1, 50, 4).named("gpt2_run_config_0"), measured(2, 50, 4).named("gpt2_run_config_7")]
    checkpoint.write(tmp_path / "checkpoint.json", ours)
    store = Checkpoint.open(cwd=tmp_path)
    assert [
        "gpt2_run_config_0",
        "gpt2_run_config_1",
        "gpt2_run_config_2",
        "gpt2_run_config_3",
        "gpt2_run_config_7",
    ] == (names(store.scenarios))
    assert ours[0].hash == store.scenarios[3].hash
    store.write()
    assert names(store.scenarios) == names(Checkpoint.open(cwd=tmp_path).scenarios)


def test_with_a_directory_that_one_is_written_and_the_working_directorys_is_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_bytes(genai_perf_checkpoint("older"))
    elsewhere = tmp_path / "elsewhere"
    store = Checkpoint.open(elsewhere, cwd=tmp_path)
    assert (tmp_path / "checkpoint.json",) == store.read_from
    assert "gpt2_run_config_3" == store.add(measured(1, 50, 4)).name
    assert genai_perf_checkpoint("older") == (tmp_path / "checkpoint.json").read_bytes()
    assert (elsewhere / "checkpoint.json",) == Checkpoint.open(elsewhere, cwd=tmp_path).read_from
    assert 4 == len(Checkpoint.open(elsewhere, cwd=tmp_path).scenarios)


# -- what is in it -----------------------------------------------------------------------------------


def test_scenarios_are_numbered_in_the_order_in_which_they_come(tmp_path: Path) -> None:
    store = Checkpoint.open(tmp_path)
    assert ["gpt2_run_config_0", "gpt2_run_config_1"] == [
        store.add(measured(n, 50 / n, n)).name for n in (1, 2)
    ]
    assert "gpt2_run_config_2" == store.name_of(planned(3))
    assert "gpt2_run_config_1" == store.name_of(planned(2))


def test_the_next_number_follows_the_highest_of_all_models(tmp_path: Path) -> None:
    store = Checkpoint.open(tmp_path)
    store.add(measured(1, 50, 4).named("llama_run_config_6"))
    assert "gpt2_run_config_7" == store.add(measured(2, 50, 4)).name


def test_what_was_measured_is_found_again(tmp_path: Path) -> None:
    Checkpoint.open(tmp_path).add(measured(8, 50, 4))
    store = Checkpoint.open(tmp_path)
    assert "gpt2_run_config_0:concurrency8" == store.found(planned(8)).label
    assert store.found(planned(4)) is None


def test_what_failed_or_was_interrupted_is_not_found_but_keeps_its_name(tmp_path: Path) -> None:
    store = Checkpoint.open(tmp_path)
    store.add(measured(1, 50, 4))
    store.add(planned(2).failed("every request failed"))
    store.add(planned(4).measured(measured(4, 9, 9).summary(), is_interrupted=True))
    store = Checkpoint.open(tmp_path)
    assert store.found(planned(2)) is None
    assert store.found(planned(4)) is None
    assert Outcome.FAILED is store.unfinished(planned(2)).outcome
    assert Outcome.INTERRUPTED is store.unfinished(planned(4)).outcome
    assert store.unfinished(planned(1)) is None
    assert "gpt2_run_config_1" == store.add(measured(2, 50, 4)).name
    assert ["gpt2_run_config_0", "gpt2_run_config_1", "gpt2_run_config_2"] == names(store.scenarios)
    assert store.found(planned(2)) is not None


def test_a_changed_setting_is_noticed_and_told(tmp_path: Path) -> None:
    store = Checkpoint.open(tmp_path)
    store.add(measured(8, 50, 4, output_tokens_mean=100))
    assert store.found(planned(8, output_tokens_mean=200)) is None
    stored, lines = store.changed(planned(8, output_tokens_mean=200))
    assert ("gpt2_run_config_0", ["input.output_tokens_mean: 100, now 200"]) == (stored.name, lines)
    assert store.changed(planned(8, output_tokens_mean=100)) is None
    assert store.changed(planned(4, output_tokens_mean=200)) is None


def test_what_genai_perf_measured_is_never_taken_for_ours(tmp_path: Path) -> None:
    """Another program's figures are listed, but not comparable."""
    (tmp_path / "checkpoint.json").write_bytes(genai_perf_checkpoint("newer"))
    store = Checkpoint.open(cwd=tmp_path)
    same = Scenario.planned(chat(1), {"num_dataset_entries": 100})
    assert store.found(same) is None
    stored, lines = store.changed(same)
    assert ("gpt2_run_config_0", []) == (stored.name, lines)


def test_a_thousand_scenarios_are_kept_in_order(tmp_path: Path) -> None:
    scenario = measured(1, 50, 4)
    path = tmp_path / "checkpoint.json"
    checkpoint.write(path, [scenario.named(f"gpt2_run_config_{n}") for n in range(1000)])
    assert [f"gpt2_run_config_{n}" for n in range(1000)] == names(checkpoint.read(path))
