"""A run, and its repetition from the file it left: the same requests, byte for byte, at the same instants."""

import hashlib
import json

import pytest

from genai_perf.cli import main
from genai_perf.engine.journal import read

FIXED = "--endpoint-type chat --tokenizer builtin --isl 12 --osl 3 --gpu-telemetry off --no-server-metrics -q"


@pytest.fixture
def made(url, tmp_path, monkeypatch, capsys):
    """A run with these options; gives its directory."""
    monkeypatch.chdir(tmp_path)

    def made(words, model="gpt2"):
        assert 0 == main(["profile", "-m", model, "-u", url, *FIXED.split(), *words.split()])
        (directory,) = (tmp_path / "artifacts").iterdir()
        capsys.readouterr()
        return directory.relative_to(tmp_path)

    return made


def files(directory):
    """All that must be the same again."""
    return {name: (directory / name).read_bytes() for name in ("inputs.json", "workload.lock")}


def lock(directory):
    return json.loads((directory / "workload.lock").read_text())


def planned(directory):
    """Which row each slot took, and when it was due after the first of its phase, where the plan says."""
    rows = read(directory / "records.arrows")[1].to_pylist()
    rows.sort(key=lambda row: (row["index"], row["turn"]))
    first = {}
    for row in rows:
        if row["due_ns"] is not None:
            first.setdefault(row["phase"], row["due_ns"])
    return [
        (
            row["phase"],
            row["input_index"],
            row["due_ns"] and not row["turn"] and row["due_ns"] - first[row["phase"]],
        )
        for row in rows
    ]


LOADS = {
    "closed": "--concurrency 3 --request-count 9",
    "open": "--request-rate 200 --request-count 20 --request-distribution poisson --random-seed 5 "
    "--warmup-request-count 3",
    "duration": "--request-rate 100 --benchmark-duration 0.2 --request-rate-burstiness 0.5",
    "windows": "--concurrency 2 -p 30 -s 999",
    "options": "--concurrency 1 --ramp-up 0.1 --streaming --extra-inputs temperature:0.5 "
    "--goodput request_latency:50 --num-prefix-prompts 2 --prefix-prompt-length 5 "
    "--synthetic-input-tokens-stddev 4 --output-tokens-stddev 1",
    "sessions": "--num-sessions 4 --session-concurrency 2 --session-turns-mean 2 --session-turn-delay-mean 5",
}


@pytest.mark.parametrize("words", LOADS.values(), ids=list(LOADS))
def test_a_run_is_repeated_from_its_effective_config(words, made, capsys, tmp_path):
    directory = made(words)
    before, plan = files(directory), planned(directory)
    assert hashlib.sha256(before["inputs.json"]).hexdigest() == lock(directory)["bodies"]
    for stale in directory.glob("*.json"):
        stale.unlink()  # what is there afterwards is the second run's
    assert 0 == main(["config", "-f", str(directory / "config.yaml"), "-v", "--override-config"])
    said = capsys.readouterr().err
    assert f"the same workload as in {directory}/workload.lock\n" in said
    assert before == files(directory)
    now = planned(directory)
    common = min(len(plan), len(now)) if "-p" in words else None  # windows end when they are stable
    assert plan[:common] == now[:common]


def test_the_effective_config_of_the_repetition_is_the_same_but_for_its_command(made):
    directory = made("--concurrency 1")
    before = (directory / "config.yaml").read_text().splitlines()
    assert 0 == main(["config", "-f", str(directory)])
    after = (directory / "config.yaml").read_text().splitlines()
    assert before[2:] == after[2:]
    assert "#   genai-perf config -f " in after[1]


def test_one_line_says_what_differs(made, capsys):
    directory = made("--concurrency 1")
    assert 0 == main(["config", "-f", str(directory), "--override-config", "--isl", "13", "--verbose"])
    expected = (
        f"warning: not the workload of {directory}/workload.lock: other bodies and settings "
        "(input.synthetic_tokens_mean was 12, is 13)"
    )
    assert expected in capsys.readouterr().err.splitlines()


def test_an_input_file_that_has_changed_is_told(made, tmp_path, capsys):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"text": "one"}\n{"text": "two"}\n')
    directory = made("--input-file prompts.jsonl")
    prompts.write_text('{"text": "one"}\n{"text": "three"}\n')
    assert 0 == main(["config", "-f", str(directory), "-v"])
    told = "other bodies and settings (prompts.jsonl has changed)"
    assert f"not the workload of {directory}/workload.lock: {told}" in capsys.readouterr().err


def test_each_run_of_a_sweep_can_be_repeated(url, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "--sweep-type concurrency --sweep-list 1,2 --no-checkpointing"
    assert 0 == main(["analyze", "-m", "gpt2", "-u", url, *FIXED.split(), *words.split()])
    capsys.readouterr()
    directory = tmp_path / "artifacts" / "gpt2-openai-chat-concurrency2"
    before = files(directory)
    assert 0 == main(["config", "-f", str(directory), "-v"])
    assert before == files(directory)


def test_the_embedded_server_is_started_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "--request-count 2 --concurrency 1"
    assert 0 == main(["profile", "-m", "gpt2", "-u", "embedded", *FIXED.split(), *words.split()])
    (directory,) = (tmp_path / "artifacts").iterdir()
    assert "  url: [embedded]\n" in (directory / "config.yaml").read_text()
    assert 0 == main(["config", "-f", str(directory)])


def test_secrets_are_in_no_file_and_have_to_be_given_again(made, monkeypatch, capsys):
    directory = made("--concurrency 1 -H X-Key:hunter2")
    for path in directory.iterdir():
        assert b"hunter2" not in path.read_bytes(), path
    assert 2 == main(["config", "-f", str(directory)])
    assert "input.header: the value of X-Key was not written down" in capsys.readouterr().err
    before = files(directory)
    monkeypatch.setenv("GENAI_PERF_HEADER", "X-Key: hunter3")
    assert 0 == main(["config", "-f", str(directory)])
    assert before == files(directory)  # who sends is no part of what is sent


def test_a_trace_that_was_sent_to_its_end_has_its_bodies_in_the_lock(made, tmp_path, capsys):
    trace = tmp_path / "trace.jsonl"
    rows = [{"timestamp": 10 * number, "input_length": 20, "output_length": 3} for number in range(5)]
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    directory = made("--input-file payload:trace.jsonl".replace("--isl 12 --osl 3", ""))
    before = files(directory)
    assert hashlib.sha256(before["inputs.json"]).hexdigest() == lock(directory)["bodies"]
    assert 0 == main(["config", "-f", str(directory), "-v"])
    assert before == files(directory)
