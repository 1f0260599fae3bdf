"""What is said of prompts: where they come from, and how long they are."""

from pathlib import Path

import pytest

from genai_perf.config import legacy
from genai_perf.config.inputs import split
from genai_perf.config.load import load
from genai_perf.config.options import Given
from genai_perf.exceptions import GenAIPerfError, UsageError

KEYS = {
    "--input-file": "input.file",
    "--input-dataset": "input.dataset",
    "--dataset-split": "input.dataset_split",
    "--dataset-config": "input.dataset_config",
    "--dataset-columns": "input.columns",
    "--input-row-limit": "input.row_limit",
    "--isl-osl": "input.isl_osl",
    "--input-length-distribution": "input.input_length_distribution",
    "--output-length-distribution": "input.output_length_distribution",
    "--isl": "input.synthetic_tokens_mean",
    "--synthetic-input-tokens-stddev": "input.synthetic_tokens_stddev",
    "--osl": "input.output_tokens_mean",
    "--output-tokens-mean-deterministic": "input.output_tokens_deterministic",
    "--num-sessions": "input.num_sessions",
    "--session-concurrency": "load.session_concurrency",
    "--endpoint-type": "endpoint.type",
}


def read(*words: str, kind: str = "chat"):
    """Of flags and values in turn."""
    layer = {"endpoint.model_names": Given(("m",), "-m"), "endpoint.type": Given((kind,), "--endpoint-type")}
    layer |= {KEYS[flag]: Given((value,), flag) for flag, value in zip(words[::2], words[1::2], strict=True)}
    return load(layer, [], {})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").write_text("text\nhello\n")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("a.csv", ("", "a.csv")),
        ("csv:a", ("csv", "a")),
        ("sharegpt:dir/a.json", ("sharegpt", "dir/a.json")),
        ("conversations:a", ("conversations", "a")),
        ("other:a", ("", "other:a")),
        ("csv", ("", "csv")),
    ],
)
def test_a_known_word_before_a_colon_is_a_format(said, expected):
    assert expected == split(said)


@pytest.mark.parametrize("said", ["rows", "csv:rows", "txt:rows", "sharegpt:rows", "conversations:rows", "."])
def test_a_file_may_have_a_format_before_it(said):
    config = read("--input-file", said).config
    assert not config.input.is_synthetic
    assert ("conversations" in said) == config.has_sessions


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input-file", "csv:gone"], "--input-file: 'gone' is not a valid file or directory"),
        (["--input-file", "csv:"], "--input-file: '' is not a valid file or directory"),
        (
            ["--input-file", "sharegtp:rows"],
            "--input-file: 'sharegtp:rows' is not a valid file or directory; did you mean sharegpt?",
        ),
        (
            ["--input-file", "rows", "--input-dataset", "x"],
            "--input-file and --input-dataset exclude each other",
        ),
        (["--dataset-split", "test"], "--dataset-split needs --input-dataset"),
        (["--input-file", "rows", "--dataset-config", "en"], "--dataset-config needs --input-dataset"),
        (
            ["--input-dataset", "OpenOrca", "--dataset-split", "test"],
            "--dataset-split: OpenOrca is one certain part of a dataset",
        ),
        (["--dataset-columns", "prompt:a"], "--dataset-columns needs --input-file or --input-dataset"),
        (
            ["--input-file", "rows", "--dataset-columns", "promt:a"],
            "--dataset-columns: 'promt' is not one of ",
        ),
        (
            ["--input-file", "rows", "--dataset-columns", "prompt"],
            "--dataset-columns: 'prompt' is not ROLE:COLUMN",
        ),
        (["--input-row-limit", "5"], "--input-row-limit needs --input-file"),
        (["--input-dataset", "x", "--input-row-limit", "5"], "--input-row-limit needs --input-file"),
        (["--isl", "5", "--isl-osl", "1/2"], "--isl and --isl-osl exclude each other"),
        (["--osl", "5", "--isl-osl", "1/2"], "--osl and --isl-osl exclude each other"),
        (["--input-file", "rows", "--isl-osl", "1/2"], "--isl-osl makes prompts, --input-file reads them"),
        (["--input-dataset", "x", "--isl-osl", "1/2"], "--isl-osl makes prompts, --input-dataset reads them"),
        (
            ["--input-length-distribution", "5", "--synthetic-input-tokens-stddev", "1"],
            "--synthetic-input-tokens-stddev belongs to --synthetic-input-tokens-mean",
        ),
        (
            ["--input-length-distribution", "5", "--isl", "1"],
            "--isl and --input-length-distribution exclude each other",
        ),
        (["--input-length-distribution", "x"], "--input-length-distribution: 'x' describes no lengths"),
        (["--output-length-distribution", "normal:1"], "--output-length-distribution: 'normal:1' is not "),
        (["--isl-osl", "1:2"], "--isl-osl: '1:2' is not ISL/OSL:WEIGHT"),
        (
            ["--input-dataset", "x", "--num-sessions", "2"],
            "--num-sessions makes conversations, --input-dataset reads them",
        ),
        (
            ["--output-tokens-mean-deterministic", "true"],
            "If output tokens deterministic is set, mean must also be set",
        ),
    ],
)
def test_what_does_not_go_together_is_said(words, message):
    with pytest.raises(GenAIPerfError) as raised:
        read(*words)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize("words", [["--isl-osl", "5/7"], ["--output-length-distribution", "7"]])
def test_any_output_length_can_be_asked_for_exactly(words):
    config = read("--output-tokens-mean-deterministic", "true", *words).config
    assert config.input.limits_output


def test_lengths_of_made_prompts_have_no_effect_on_read_ones():
    loaded = read("--input-file", "rows", "--input-length-distribution", "normal:5:1")
    assert ("--input-length-distribution has no effect with --input-file",) == loaded.warnings
    loaded = read("--input-dataset", "x", "--isl", "5")
    assert ("--isl has no effect with --input-dataset",) == loaded.warnings


def test_sessions_of_a_data_set_need_no_file():
    config = read("--input-dataset", "x", "--session-concurrency", "2").config
    assert config.has_sessions


@pytest.mark.parametrize(
    ("source", "given", "message"),
    [
        ("synthetic", {}, None),
        ("file", {"--input-file": "rows"}, None),
        ("dataset", {"--input-dataset": "openorca"}, None),
        ("file", {}, "--prompt-source file: needs --input-file"),
        ("file", {"--input-dataset": "x"}, "--prompt-source file contradicts --input-dataset"),
        ("dataset", {"--input-file": "rows"}, "--prompt-source dataset contradicts --input-file"),
        ("synthetic", {"--input-dataset": "x"}, "--prompt-source synthetic contradicts --input-dataset"),
        ("url", {"--input-file": "rows"}, "--prompt-source url contradicts --input-file"),
        ("web", {}, "--prompt-source: 'web' is not one of synthetic, file, dataset, url"),
    ],
)
def test_the_old_word_for_the_source_must_agree_with_what_says_it_today(source, given, message):
    pairs = [("--prompt-source", source), *given.items()]
    if message is None:
        assert list(given.items()) == legacy.translate(pairs)
        return
    with pytest.raises(UsageError) as raised:
        legacy.translate(pairs)
    assert message == raised.value.message


@pytest.mark.parametrize("source", ["dataset", "url"])
def test_without_a_name_the_data_set_was_openorca(source):
    assert [("--input-dataset", "openorca")] == legacy.translate([("--prompt-source", source)])
