"""What may stand before the path in `--input-file`: how the file is to be read.

    prompts.csv                  by its suffix, or else its content
    csv:prompts                  as it is said: jsonl, json, csv, tsv, parquet, txt
    sharegpt:chats.json          conversations; of each the first turn, unless sessions are asked for
    conversations:chats.json     the same, and sessions are asked for
    payload:trace.jsonl          a trace (`config/traces.py`)
    inputs:inputs.json           requests as they are to be sent (`config/ready_made.py`)

What a word means, the modules of `workload` say: `tables`, `chats`.
"""

from collections.abc import Iterator
from pathlib import Path

from genai_perf.config import lengths, ready_made
from genai_perf.config.arguments import did_you_mean
from genai_perf.config.options import Layer
from genai_perf.config.schema import READY_MADE, TRACES, Config
from genai_perf.exceptions import InputError, UsageError

TABLES = ("jsonl", "json", "csv", "tsv", "parquet", "txt")
CHATS = ("sharegpt", "conversations")
DATASETS = ("openorca", "cnn_dailymail")
"""Those of the hub that GenAI-Perf knows by a short name."""


def split(file: str) -> tuple[str, str]:
    """(format, path) of what `--input-file` says; the format is empty where it is only a path."""
    word, colon, path = file.partition(":")
    return (word, path) if colon and word in (*TABLES, *CHATS) else ("", file)


def check(config: Config, given: Layer) -> None:
    """Raise UsageError for the first rule that is broken: what is said of prompts and of their lengths."""
    _check_source(config, given)
    _check_lengths(config, given)


def _check_source(config: Config, given: Layer) -> None:
    inputs = config.input
    if inputs.ready_made:
        ready_made.check(config, given)
    elif inputs.file is not None and not inputs.is_synthetic and inputs.trace is None:
        _, path = split(inputs.file)
        if not path or not Path(path).expanduser().exists():
            source = given["input.file"].source
            word, colon, rest = path.partition(":")
            known = (*TABLES, *CHATS, *TRACES, READY_MADE)
            near = did_you_mean(word, known) if colon and Path(rest).exists() else ""
            raise InputError(f"{source}: '{path}' is not a valid file or directory{near}")
    for key in ("dataset_split", "dataset_config", "dataset_revision"):
        if f"input.{key}" in given and inputs.dataset is None:
            raise UsageError(f"{given[f'input.{key}'].source} needs --input-dataset")
    if inputs.dataset is not None and inputs.dataset.lower() in DATASETS:
        for key in ("dataset_split", "dataset_config", "dataset_revision"):
            if f"input.{key}" in given:
                raise UsageError(
                    f"{given[f'input.{key}'].source}: {inputs.dataset} is one certain part of a dataset",
                    hint="give its whole name on the hub instead of the short one",
                )
    if inputs.columns and inputs.is_synthetic:
        raise UsageError(f"{given['input.columns'].source} needs --input-file or --input-dataset")
    if inputs.row_limit is not None and (inputs.file is None or inputs.is_synthetic):
        raise UsageError(
            f"{given['input.row_limit'].source} needs --input-file",
            hint="of a dataset, --num-dataset-entries rows are taken",
        )


def _check_lengths(config: Config, given: Layer) -> None:
    inputs = config.input
    for key, value in (
        ("input.input_length_distribution", inputs.input_length_distribution),
        ("input.output_length_distribution", inputs.output_length_distribution),
    ):
        if value is not None:
            lengths.parse(value, given[key].source)
    if inputs.isl_osl is not None:
        lengths.parse_pairs(inputs.isl_osl, given["input.isl_osl"].source)
        if not inputs.is_synthetic:
            raise UsageError(
                f"{given['input.isl_osl'].source} makes prompts, {inputs.source} reads them",
                hint="leave one of them out, or give --output-length-distribution alone",
            )
    instead = inputs.input_length_distribution or inputs.isl_osl
    if instead and "input.synthetic_tokens_stddev" in given:
        raise UsageError(
            f"{given['input.synthetic_tokens_stddev'].source} belongs to --synthetic-input-tokens-mean",
            hint="normal:MEAN:STDDEV is a distribution too",
        )
    if inputs.output_tokens_mean is None and inputs.output_tokens_stddev:
        raise UsageError(
            "If output tokens stddev is set, mean must also be set", hint="give --output-tokens-mean"
        )
    if inputs.output_tokens_deterministic and not inputs.limits_output:
        raise UsageError(
            "If output tokens deterministic is set, mean must also be set", hint="give --output-tokens-mean"
        )


def check_own_form(config: Config, name: str) -> None:
    """Refuse what is for files of rows, where an endpoint's files are not such. Raises UsageError."""
    inputs = config.input
    for option, is_given in (
        ("--input-dataset", inputs.dataset is not None),
        ("--dataset-columns", bool(inputs.columns)),
        ("--input-row-limit", inputs.row_limit is not None),
        ("--input-file", inputs.file is not None and bool(split(inputs.file)[0])),
    ):
        if is_given:
            raise UsageError(
                f"{option}: {name} reads JSONL of a form of its own",
                hint="give --input-file without a format",
            )


def without_effect(config: Config, given: Layer) -> Iterator[str]:
    """A line for each option that changes nothing in this run."""
    if config.input.ready_made:
        yield from ready_made.without_effect(config, given)
    elif not config.input.is_synthetic and config.input.trace is None:
        for key in _OF_MADE_PROMPTS:
            if key in given:
                yield f"{given[key].source} has no effect with {config.input.source}"


_OF_MADE_PROMPTS = (
    "input.synthetic_tokens_mean",
    "input.synthetic_tokens_stddev",
    "input.input_length_distribution",
)
