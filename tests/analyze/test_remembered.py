"""`profile --enable-checkpointing`: a run that is remembered, and not made again."""

from pathlib import Path

import pytest

from genai_perf.analyze import Results
from genai_perf.analyze.parameters import load_of
from genai_perf.cli import main
from genai_perf.config.schema import Config, InputConfig, LoadConfig
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings


@pytest.fixture(scope="module")
def url():
    with EmbeddedServer(ServerSettings(port=0, ttft_ms=2, itl_ms=1)) as server:
        yield server.url


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line(url, words, command="profile"):
    fixed = f"{command} -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --isl 20 --osl 4 -u"
    return [*fixed.split(), url, *words.split()]


SKIPPED = "found in checkpoint - skipping profiling..."


def test_a_run_is_remembered_and_not_made_again(url, here, capsys):
    words = "--enable-checkpointing --concurrency 3"
    assert 0 == main(line(url, words))
    first = capsys.readouterr()
    assert "Request Count" in first.out
    [stored] = Results.load("checkpoint.json")
    assert ({"concurrency": 3}, "measured") == (stored.parameters, stored.outcome)
    assert (here / "checkpoint/checkpoint.json").read_bytes() == (here / "checkpoint.json").read_bytes()
    assert 0 == main(line("127.0.0.1:1", words))  # nobody is asked
    again = capsys.readouterr()
    assert f"gpt2_run_config_0:concurrency3 {SKIPPED}\n" == again.out
    assert "its files are in artifacts/gpt2-openai-chat-concurrency3\n" in again.err


def test_without_the_option_nothing_is_remembered(url, here, capsys):
    for _ in range(2):
        assert 0 == main(line(url, ""))
    assert SKIPPED not in capsys.readouterr().out
    assert ["artifacts"] == [path.name for path in here.iterdir()]


def test_a_checkpoint_directory_without_a_checkpoint_is_warned_of(url, here, capsys):
    assert 0 == main(line(url, "--checkpoint-dir kept"))
    assert "--checkpoint-dir has no effect without --enable-checkpointing" in capsys.readouterr().err
    assert not (here / "kept").exists()


def test_the_environment_says_it_as_well(url, here, monkeypatch):
    monkeypatch.setenv("GENAI_PERF_ENABLE_CHECKPOINTING", "true")
    monkeypatch.setenv("GENAI_PERF_CHECKPOINT_DIR", "kept")
    assert 0 == main(line(url, ""))
    assert (here / "kept/checkpoint.json").exists()
    assert not (here / "checkpoint.json").exists()


def test_a_sweep_finds_what_profile_has_measured_and_the_other_way_round(url, capsys):
    assert 0 == main(line(url, "--enable-checkpointing --concurrency 2"))
    assert 0 == main(line(url, "--sweep-list 1,2", "analyze"))
    assert f"gpt2_run_config_0:concurrency2 {SKIPPED}" in capsys.readouterr().out
    assert 0 == main(line(url, "--enable-checkpointing --concurrency 1"))
    assert f"gpt2_run_config_1:concurrency1 {SKIPPED}\n" == capsys.readouterr().out


def test_a_range_after_a_bare_dash_is_remembered_level_by_level(url, capsys):
    assert 0 == main(line(url, "--enable-checkpointing -- --concurrency-range 1:2"))
    assert 0 == main(line(url, "--enable-checkpointing -- --concurrency-range 1:3"))
    lines = [each for each in capsys.readouterr().out.splitlines() if each.endswith(SKIPPED)]
    assert [f"gpt2_run_config_{n}:concurrency{n + 1} {SKIPPED}" for n in (0, 1)] == lines


def test_another_setting_is_noticed_said_and_measured_anew(url, capsys):
    assert 0 == main(line(url, "--enable-checkpointing"))
    assert 0 == main(line(url, "--enable-checkpointing --request-count 12"))
    assert "is not comparable (load.request_count: 10, now 12): measuring anew" in capsys.readouterr().err


def test_a_run_that_fails_is_kept_as_failed_and_made_again(url, capsys):
    words = "--enable-checkpointing --endpoint nowhere"
    for _ in range(2):
        assert 1 == main(line(url, words))
    assert "failed or was interrupted before: measuring it again" in capsys.readouterr().err
    [stored] = Results.load("checkpoint.json")
    assert "failed" == stored.outcome
    assert stored.error.startswith("every request failed: ")


def test_both_switches_at_once_are_refused_before_anything_is_sent(capsys):
    assert 2 == main(line("127.0.0.1:1", "--checkpoint-dir x --no-checkpointing"))
    assert "--checkpoint-dir and --no-checkpointing exclude each other" in capsys.readouterr().err


def test_a_torn_checkpoint_is_told_before_anything_is_sent_and_left_alone(here, capsys):
    (here / "checkpoint.json").write_text('{"Results": {"run_c')
    assert 1 == main(line("127.0.0.1:1", "--enable-checkpointing"))
    assert "error: checkpoint.json: the checkpoint is torn" in capsys.readouterr().err
    assert '{"Results": {"run_c' == (here / "checkpoint.json").read_text()


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (LoadConfig(), ("concurrency", 1)),
        (LoadConfig(concurrency=8), ("concurrency", 8)),
        (LoadConfig(request_rate=5.0), ("request_rate", 5)),
        (LoadConfig(request_rate=2.5), ("request_rate", 2.5)),
        (LoadConfig(session_concurrency=3), ("session_concurrency", 3)),
        (LoadConfig(periodic_concurrency_range="2:8:2"), ("periodic_concurrency_range", "2:8:2")),
        (LoadConfig(session_rate=0.5), ("session_rate", 0.5)),
        (LoadConfig(request_intervals=Path("gaps.txt")), ("request_intervals", "gaps.txt")),
        (LoadConfig(fixed_schedule=True), ("fixed_schedule", "payload:trace.jsonl")),
    ],
)
def test_a_run_alone_is_told_by_its_load(load, told):
    config = Config(load=load, input=InputConfig(file="payload:trace.jsonl"))
    assert told == load_of(config.public())


def test_a_replay_is_told_by_the_run_that_it_replays():
    config = Config(load=LoadConfig(fixed_schedule=True), input=InputConfig(replay=Path("artifacts/former")))
    assert ("replay", "artifacts/former") == load_of(config.public())
