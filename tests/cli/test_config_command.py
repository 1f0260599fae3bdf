"""`config` and `create-template`: from a file and flags to what is run, in this process."""

import json
import os
from importlib import import_module
from pathlib import Path

import pytest

from genai_perf.cli import main

CHAT = "model_names: gpt2\nendpoint: {type: chat}\n"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("GENAI_PERF_"):
            monkeypatch.delenv(name)


@pytest.fixture
def handed_on(monkeypatch):
    """What the command hands on, call by call: its kind, the config, the rest. Nothing is sent."""
    calls = []

    def kept(kind):
        return lambda what, *args, **kinds: calls.append((kind, what, args, kinds)) or 0

    for name, kind in (
        ("profile.run", "profile"),
        ("analyze.run.run", "analyze"),
        ("analyze.merge.merge", "process"),
        ("analyze.remembered.run", "remembered"),
    ):
        module, _, function = f"genai_perf.{name}".rpartition(".")
        monkeypatch.setattr(import_module(module), function, kept(kind))
    return calls


@pytest.fixture
def config(handed_on):
    """Runs `config` with a file of this text and these words behind it; gives what it was handed on."""

    def config(text, words=""):
        Path("perf.yaml").write_text(text)
        assert 0 == main(["config", "-f", "perf.yaml", *words.split()])
        ((kind, what, _, kinds),) = handed_on
        return kind, what, kinds

    return config


def test_a_file_is_a_run(config):
    kind, run, kinds = config(CHAT + "perf_analyzer: {stimulus: {concurrency: 8}}")
    assert ("profile", ("gpt2",), 8) == (kind, run.endpoint.model_names, run.load.concurrency)
    assert {"command": "genai-perf config -f perf.yaml", "repeats": None, "then": None} == kinds


def test_options_go_over_the_file_when_they_are_meant_to(config):
    text = CHAT + "perf_analyzer: {stimulus: {request_rate: 2}, warmup_request_count: 1}"
    _, run, _ = config(text, "--override-config --warmup-request-count 100 --concurrency 32")
    assert (32, None, 100) == (run.load.concurrency, run.load.request_rate, run.load.warmup_request_count)


@pytest.mark.parametrize(
    "words", ["--concurrency 4", "-H a:b --isl 3", "--random-seed 0", "--sweep-type concurrency"]
)
def test_without_that_flag_they_are_an_error(words, capsys, handed_on):
    Path("perf.yaml").write_text(CHAT)
    assert 2 == main(["config", "-f", "perf.yaml", *words.split()])
    expected = (
        "error: In order to use the CLI to override the config, the --override-config flag must be set."
    )
    assert expected == capsys.readouterr().err.splitlines()[0]
    assert [] == handed_on


@pytest.mark.parametrize("flag", ["-v", "-q"])
def test_how_much_is_said_goes_with_any_file(flag, config):
    _, run, _ = config(CHAT, flag)
    assert run.output.verbose or run.output.quiet


def test_perf_analyzers_flags_may_follow(config):
    _, run, _ = config(CHAT, "-- --max-trials 3 -p 100")
    assert (3, 100) == (run.load.max_trials, run.load.measurement_interval_ms)


def test_a_run_with_a_memory_is_one(config):
    kind, run, _ = config(CHAT + "output: {enable_checkpointing: True, checkpoint_directory: here}")
    assert ("remembered", "chat") == (kind, run.config.endpoint.type)


def test_a_sweep_is_analyze(config):
    kind, sweep, _ = config(CHAT + "analyze: {concurrency: [1, 2]}\noutput: {checkpoint_directory: here}")
    assert ("analyze", [1, 2]) == (kind, [step.config.load.concurrency for step in sweep.steps])
    assert (Path("here"), True) == (sweep.memory.checkpoint_dir, sweep.memory.enable_checkpointing)


def test_a_sweep_can_come_from_the_command_line(config):
    kind, sweep, _ = config(CHAT, "--override-config --sweep-type concurrency --sweep-list 3,5")
    assert ("analyze", [3, 5]) == (kind, [step.config.load.concurrency for step in sweep.steps])


def test_a_merge_is_process_export_files(handed_on):
    Path("perf.yaml").write_text("process: {input_path: hosts}\noutput: {artifact_directory: merged}")
    assert 0 == main(["config", "-f", "perf.yaml"])
    ((kind, directory, (output,), kinds),) = handed_on
    assert ("process", Path("hosts"), Path("merged")) == (kind, directory, output.artifact_dir)
    assert (None, None) == (kinds["metrics"], kinds["tokenizer"])


def test_a_backend_that_a_template_names_goes_with_any_endpoint_type(config):
    _, run, _ = config("model_names: m\nendpoint: {backend: tensorrtllm, type: chat}")
    assert run.endpoint.backend is None


def test_so_it_does_when_the_type_is_given_on_the_command_line(config):
    text = "model_names: m\nendpoint: {backend: tensorrtllm, type: kserve}"
    _, run, _ = config(text, "--override-config --endpoint-type chat")
    assert ("chat", None) == (run.endpoint.type, run.endpoint.backend)


def test_the_directory_of_a_run_stands_for_the_config_in_it(handed_on):
    Path("run").mkdir()
    Path("run/config.yaml").write_text(CHAT)
    Path("run/workload.lock").write_text("{}")
    assert 0 == main(["config", "-f", "run"])
    assert Path("run/workload.lock") == handed_on[0][3]["repeats"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("endpoint: {type: chat}", "perf.yaml:1: Required field model_names is not set"),
        ("\nmodel_names:\nendpoint: {type: chat}", "perf.yaml:2: Required field model_names is not set"),
        (
            CHAT + "input:\n  header: ['Authorization: ***', 'X-Id: ***']",
            "perf.yaml:4: input.header: the value of Authorization was not written down",
        ),
        (
            CHAT + "endpoint2:\n",
            "perf.yaml:3: User Config: endpoint2 is not a valid top-level parameter; did you mean endpoint?",
        ),
        (
            "model_names: gpt2\nendpoint:\n  type: chats",
            "perf.yaml:3: endpoint.type: no endpoint type named 'chats'; did you mean chat?",
        ),
        (
            CHAT + "input:\n  goodput: {ttft: 5}",
            "perf.yaml:4: input.goodput: no metric named 'ttft'",
        ),
    ],
)
def test_what_is_missing_is_told_with_its_place(text, message, capsys, handed_on):
    Path("perf.yaml").write_text(text)
    assert 2 == main(["config", "-f", "perf.yaml"])
    assert f"error: {message}" == capsys.readouterr().err.splitlines()[0]
    assert [] == handed_on


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model_names: gpt2\nendpoint:\n  type: template",
            "perf.yaml:3: endpoint.type template needs --endpoint",
        ),
        ("process:\n  input_path: nowhere", "perf.yaml:2: process.input_path: nowhere is not a directory"),
        (CHAT + "input:\n  file: nope", "perf.yaml:4: input.file: 'nope' is not a valid file or directory"),
    ],
)
def test_so_is_what_only_shows_when_the_run_is_made(text, message, capsys):
    Path("perf.yaml").write_text(text)
    assert 2 == main(["config", "-f", "perf.yaml"])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert [f"error: {message}"] == errors


def test_what_the_command_line_says_wrong_is_told_of_the_command_line(capsys, handed_on):
    Path("perf.yaml").write_text(CHAT + "input: {goodput: {request_latency: 5}}")
    assert 2 == main(["config", "-f", "perf.yaml", "--override-config", "--goodput", "request_latencies:5"])
    assert capsys.readouterr().err.startswith("error: --goodput: no metric named 'request_latencies'")


def test_a_sweep_and_a_merge_exclude_each_other_also_on_the_command_line(capsys, handed_on):
    Path("perf.yaml").write_text(CHAT + "analyze: {concurrency: {start: 1, stop: 4}}")
    assert 2 == main(["config", "-f", "perf.yaml", "--override-config", "--input-directory", "runs"])
    assert "error: perf.yaml: a sweep and a merge exclude each other\n" == capsys.readouterr().err


def test_a_model_may_come_from_the_environment(monkeypatch, config):
    monkeypatch.setenv("GENAI_PERF_MODEL", "other")
    assert ("other",) == config("endpoint: {type: chat}")[1].endpoint.model_names


SECRETS = "input:\n  header: ['Authorization: ***']\nendpoint: {transport: httpx, proxy: '***', type: chat}\n"


def test_blanked_secrets_are_given_again_by_variables(monkeypatch, config):
    monkeypatch.setenv("GENAI_PERF_HEADER", "authorization: Bearer x")
    monkeypatch.setenv("GENAI_PERF_PROXY", "http://proxy:3128")
    _, run, _ = config("model_names: m\n" + SECRETS)
    assert (("authorization: Bearer x",), "http://proxy:3128") == (run.endpoint.headers, run.endpoint.proxy)


def test_or_by_flags(handed_on):
    Path("perf.yaml").write_text("model_names: m\n" + SECRETS)
    argv = ["config", "-f", "perf.yaml", "--override-config", "-H", "Authorization: Bearer x"]
    assert 2 == main(argv)
    assert 0 == main([*argv, "--proxy", "http://proxy:3128"])
    assert ("Authorization: Bearer x",) == handed_on[0][1].endpoint.headers


# -- create-template ------------------------------------------------------------------------------------


def test_a_template_is_written_without_a_word(capsys):
    assert 0 == main(["create-template"])
    assert 0 == main(["create-template", "-v", "-f", "other.yaml"])
    assert ("", "") == capsys.readouterr()
    assert len(Path("genai_perf_config.yaml").read_text()) < len(Path("other.yaml").read_text())
    assert "genai-perf config -f other.yaml" in Path("other.yaml").read_text()


def test_no_file_is_written_over(capsys):
    Path("genai_perf_config.yaml").write_text("mine")
    assert 2 == main(["create-template"])
    expected = "error: File 'genai_perf_config.yaml' already exists. Please specify a different filename.\n"
    assert expected == capsys.readouterr().err
    assert "mine" == Path("genai_perf_config.yaml").read_text()


def test_a_template_without_a_model_is_no_run_and_with_one_it_is(capsys, handed_on):
    assert 0 == main(["create-template"])
    assert 2 == main(["config", "-f", "genai_perf_config.yaml"])
    assert [
        "error: genai_perf_config.yaml:3: Required field model_names is not set",
        "hint: write `model_names: NAME` into genai_perf_config.yaml",
    ] == capsys.readouterr().err.splitlines()
    path = Path("genai_perf_config.yaml")
    path.write_text(
        path.read_text().replace("model_names:", "model_names: gpt2").replace("kserve", "chat", 2)
    )
    assert 0 == main(["config", "-f", "genai_perf_config.yaml"])
    assert "" == capsys.readouterr().err
    ((_, run, _, _),) = handed_on
    assert ("chat", 1) == (run.endpoint.type, run.load.concurrency)
    assert json.dumps(run.public())
