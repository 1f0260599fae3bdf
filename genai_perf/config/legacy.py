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
    "--dataset": "--input-dataset",
    "--expected-output-tokens": "--output-tokens-mean",
    "--input-tokens-mean": "--synthetic-input-tokens-mean",
    "--input-tokens-stddev": "--synthetic-input-tokens-stddev",
    "--num-of-output-prompts": "--num-dataset-entries",
    "--num-payloads": "--num-dataset-entries",
    "--num-system-prompts": "--num-prefix-prompts",
    "--synthetic-requested-output-tokens": "--output-tokens-mean",
    "--synthetic-tokens-mean": "--synthetic-input-tokens-mean",
    "--synthetic-tokens-stddev": "--synthetic-input-tokens-stddev",
    "--system-prompt-length": "--prefix-prompt-length",
}
"""Spellings of early releases, of the documentation, and of Model Analyzer's profiles."""

MISTAKEN: Mapping[str, str] = {
    "--input-sequence-length": "--isl",
    "--output-sequence-length": "--osl",
    "--port": "--url",
    "--warmup-prompts": "--warmup-request-count",
}
"""Options of guides that no release ever had, and what they mean; by its letters another would be nearer."""

OUTPUT_FORMATS: Mapping[str, Mapping[str, str]] = {
    "openai_chat_completions": {"--endpoint-type": "chat"},
    "openai_completions": {"--endpoint-type": "completions"},
    "openai_embeddings": {"--endpoint-type": "embeddings"},
    "rankings": {"--endpoint-type": "rankings"},
    "huggingface_generate": {"--endpoint-type": "huggingface_generate"},
    "trtllm": {"--endpoint-type": "kserve", "--backend": "tensorrtllm"},
    "vllm": {"--endpoint-type": "kserve", "--backend": "vllm"},
}
"""Values of the oldest releases' `--output-format`, and today's options."""

RENAMED_VALUES: Mapping[str, Mapping[str, str]] = {
    "endpoint.type": {"vision": "multimodal"},
    "endpoint.backend": {"trtllm": "tensorrtllm"},
}
"""By option: GenAI-Perf's former words, and today's."""

TYPES_BY_PATH: Mapping[str, str] = {"v1/chat/completions": "chat", "v1/completions": "completions"}
"""What 24.03 took from `--endpoint`, before there was an endpoint type."""

TRANSLATED: Mapping[str, Flag] = {
    "--output-format": Flag("--output-format", Takes.ONE, is_current=False),
    "--prompt-source": Flag("--prompt-source", Takes.ONE, is_current=False),
    "--input-type": Flag("--prompt-source", Takes.ONE, is_current=False),
}
"""Old options that `translate` turns into present ones, or checks and drops."""

_ROOT_FLAGS = ("-h", "--help", "--version", "--install-completion", "--show-completion")


def with_command(argv: Sequence[str], commands: Sequence[str]) -> list[str]:
    """`argv` with its command first: without one it is a `profile`, as in 24.06."""
    first = argv[0]
    if first in commands or first.split("=")[0] in _ROOT_FLAGS:
        return list(argv)
    if first.startswith("-"):
        return ["profile", *argv]
    raise UsageError(
        f"no command {first}{did_you_mean(first, commands)}",
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
    mistaken = {
        spelling: Flag(_MEANT + spelling, Takes.SEVERAL, is_current=False)
        for spelling, present in MISTAKEN.items()
        if present in flags
    }
    return {**mistaken, **sweeps, **translated, **old, **flags}


_OF_ANALYZE = "analyze "
"""Before a flag that another command was given."""

_MEANT = "mistaken "
"""Before a flag of `MISTAKEN`: another command may really have it."""


def translate(pairs: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """The pairs of a command line in today's words; UsageError for what is not available."""
    given = dict(pairs)
    translated: list[tuple[str, str | None]] = []
    for name, value in pairs:
        if name.startswith(_OF_ANALYZE):
            raise UsageError(f"{name.removeprefix(_OF_ANALYZE)} is an option of genai-perf analyze")
        if name.startswith(_MEANT):
            spelling = name.removeprefix(_MEANT)
            raise UsageError(f"no option {spelling}; did you mean {MISTAKEN[spelling]}?")
        if name == "--output-format":
            translated += _output_format(str(value), given)
        elif name == "--prompt-source":
            translated += _prompt_source(str(value), given)
        else:
            translated.append((name, value))
    return translated


def _output_format(name: str, given: Mapping[str, str | None]) -> list[tuple[str, str | None]]:
    """The pairs that it comes to."""
    if name not in OUTPUT_FORMATS:
        raise UsageError(
            f"--output-format: {name!r} is not one of {', '.join(OUTPUT_FORMATS)}",
            hint="it named the API in the oldest releases; every run is reported as a table, CSV and JSON",
        )
    for option, meant in OUTPUT_FORMATS[name].items():
        if given.get(option, meant) != meant:
            raise UsageError(f"--output-format {name} contradicts {option} {given[option]}")
    return [(option, meant) for option, meant in OUTPUT_FORMATS[name].items()]


_PROMPT_SOURCES: Mapping[str, str | None] = {
    "synthetic": None,
    "file": "--input-file",
    "dataset": "--input-dataset",
    "url": "--input-dataset",
}
"""The oldest releases' word for where prompts come from, and the option that says so by itself today."""


def _prompt_source(source: str, given: Mapping[str, str | None]) -> list[tuple[str, str | None]]:
    """The pairs that it comes to: none where the option that it asks for is there."""
    if source not in _PROMPT_SOURCES:
        raise UsageError(f"--prompt-source: {source!r} is not one of {', '.join(_PROMPT_SOURCES)}")
    needed = _PROMPT_SOURCES[source]
    for option in ("--input-file", "--input-dataset"):
        if option in given and option != needed:
            raise UsageError(f"--prompt-source {source} contradicts {option}")
    if needed is None or needed in given:
        return []
    if needed == "--input-dataset":
        return [(needed, "openorca")]  # the default of those releases
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
    if implied := _implied_type(layer):
        present["endpoint.type"] = implied
        warnings.append(f"no --endpoint-type: {implied.texts[-1]} is assumed, by {implied.source}")
    return present, warnings


def _implied_type(layer: Layer) -> Given | None:
    """The endpoint type that a line without one can only mean."""
    kind = layer.get("endpoint.service_kind")
    if "endpoint.type" in layer or "endpoint.backend" in layer or (kind and kind.texts[-1] != "openai"):
        return None
    path, extra = layer.get("endpoint.path"), layer.get("input.extra")
    if path and (by_path := TYPES_BY_PATH.get(path.texts[-1].strip(" /"))):
        return Given((by_path,), path.source)
    if extra and any(text.startswith("payload_template:") for text in extra.texts):
        return Given(("template",), extra.source)
    return None


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
