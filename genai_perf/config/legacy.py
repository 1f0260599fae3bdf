"""GenAI-Perf's other words: old spellings, and what this version does not have yet.

What is known but not available is rejected by name, never accepted and ignored. Whoever brings a feature
deletes its row here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from genai_perf.config.arguments import Flag, Takes, did_you_mean
from genai_perf.config.options import ANALYZE_OPTIONS, Given, Layer
from genai_perf.config.schema import Config
from genai_perf.exceptions import UsageError

ALIASES: Mapping[str, str] = {
    "--expected-output-tokens": "--output-tokens-mean",
    "--input-tokens-mean": "--synthetic-input-tokens-mean",
    "--input-tokens-stddev": "--synthetic-input-tokens-stddev",
    "--num-of-output-prompts": "--num-dataset-entries",
    "--num-payloads": "--num-dataset-entries",
}
"""Spellings of early releases, of the documentation, and of Model Analyzer's profiles."""

OUTPUT_FORMATS: Mapping[str, str] = {
    "openai_chat_completions": "chat",
    "openai_completions": "completions",
    "openai_embeddings": "embeddings",
    "rankings": "rankings",
    "huggingface_generate": "huggingface_generate",
}
"""Values of the oldest releases' `--output-format`, and today's endpoint type."""

RENAMED_VALUES: Mapping[str, Mapping[str, str]] = {"endpoint.type": {"vision": "multimodal"}}
"""By option: GenAI-Perf's former words, and today's."""

TRANSLATED: Mapping[str, Flag] = {
    "--output-format": Flag("--output-format", Takes.ONE, is_current=False),
    "--prompt-source": Flag("--prompt-source", Takes.ONE, is_current=False),
    "--input-type": Flag("--prompt-source", Takes.ONE, is_current=False),
}
"""Old options that `translate` turns into present ones, or checks and drops."""

LATER_COMMANDS: Sequence[str] = ("compare",)

_ROOT_FLAGS = ("-h", "--help", "--version", "--install-completion", "--show-completion")


def with_command(argv: Sequence[str], commands: Sequence[str]) -> list[str]:
    """`argv` with its command first: without one it is a `profile`, as in 24.06."""
    first = argv[0]
    if first in commands or first.split("=")[0] in _ROOT_FLAGS:
        return list(argv)
    if first.startswith("-"):
        return ["profile", *argv]
    if first in LATER_COMMANDS:
        raise UsageError(f"genai-perf {first} is not available in this version")
    raise UsageError(
        f"no command {first}{did_you_mean(first, [*commands, *LATER_COMMANDS])}",
        hint=f"commands: {', '.join(commands)}",
    )


def known_flags(flags: Mapping[str, Flag]) -> dict[str, Flag]:
    """A command's own `flags`, with the old spellings of them beside them."""
    old = {
        spelling: replace(flags[present], is_current=False)
        for spelling, present in ALIASES.items()
        if present in flags
    }
    translated = TRANSLATED if "--endpoint-type" in flags else {}
    sweeps = {
        spelling: Flag(
            _OF_ANALYZE + spelling, Takes.NOTHING if row.is_switch else Takes.SEVERAL, is_current=False
        )
        for row in ANALYZE_OPTIONS.values()
        for spelling in row.flags
    }
    return {**sweeps, **translated, **old, **flags}


_OF_ANALYZE = "analyze "
"""Before a flag that another command was given."""


def translate(pairs: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The pairs of a command line in today's words; UsageError for what is not available."""
    given = dict(pairs)
    translated: list[tuple[str, str | None]] = []
    for name, value in pairs:
        if name.startswith(_OF_ANALYZE):
            raise UsageError(f"{name.removeprefix(_OF_ANALYZE)} is an option of genai-perf analyze")
        if name == "--output-format":
            translated.append(("--endpoint-type", _endpoint_type(str(value), given.get("--endpoint-type"))))
        elif name == "--prompt-source":
            _check_prompt_source(str(value), given)
        else:
            translated.append((name, value))
    return translated


def _endpoint_type(output_format: str, endpoint_type: str | None) -> str:
    if output_format not in OUTPUT_FORMATS:
        raise UsageError(f"--output-format: {output_format} is not available in this version")
    meant = OUTPUT_FORMATS[output_format]
    if endpoint_type not in (None, meant):
        raise UsageError(f"--output-format {output_format} contradicts --endpoint-type {endpoint_type}")
    return meant


_PROMPT_SOURCES: Mapping[str, str | None] = {
    "synthetic": None,
    "file": "--input-file",
    "dataset": "--input-dataset",
}
"""The oldest releases' word for where prompts come from, and the option that says so by itself today."""


def _check_prompt_source(source: str, given: Mapping[str, str | None]) -> None:
    if source == "url":
        raise UsageError(f"--prompt-source: {source} is not available in this version")
    if source not in _PROMPT_SOURCES:
        raise UsageError(f"--prompt-source: {source!r} is not one of {', '.join(_PROMPT_SOURCES)}")
    needed = _PROMPT_SOURCES[source]
    for option in ("--input-file", "--input-dataset"):
        if option in given and option != needed:
            raise UsageError(f"--prompt-source {source} contradicts {option}")
    if needed is not None and needed not in given:
        raise UsageError(f"--prompt-source {source}: needs {needed}")


def with_endpoint_type(config: Config) -> tuple[Config, str | None]:
    """The config with an endpoint type, GenAI-Perf's default where none is given; and a note if it is."""
    endpoint = config.endpoint
    if endpoint.type is not None:
        return config, None
    note = None
    if endpoint.service_kind is None and endpoint.backend is None:
        note = (
            "no --endpoint-type: kserve is assumed, Triton over gRPC; OpenAI-style servers need "
            "--endpoint-type chat, completions or embeddings"
        )
    assumed = "dynamic_grpc" if endpoint.service_kind == "dynamic_grpc" else "kserve"
    return replace(config, endpoint=replace(endpoint, type=assumed)), note


_ENGINE = "tensorrtllm_engine"


def renamed_values(layer: Mapping[str, Given]) -> tuple[dict[str, Given], list[str]]:
    """The layer in today's words, and a warning for each that was not."""
    present, warnings = dict(layer), []
    for key, words in RENAMED_VALUES.items():
        if key in layer and (now := words.get(layer[key].texts[-1])):
            present[key] = Given((now,), layer[key].source)
            warnings.append(f"{layer[key].source}: {layer[key].texts[-1]} is called {now} today")
    return present, warnings


def reject_later_values(layer: Layer) -> None:
    """UsageError for a value that GenAI-Perf knows and this version does not."""
    for key in ("endpoint.type", "endpoint.service_kind"):
        if key in layer and layer[key].texts[-1] == _ENGINE:
            raise UsageError(
                f"{layer[key].source}: {_ENGINE} runs inside its client's process: it is no endpoint, and "
                "no request is sent to it",
                hint="measure it as it is served: by trtllm-serve with --endpoint-type chat, or by Triton "
                "with --endpoint-type kserve --backend tensorrtllm",
            )
