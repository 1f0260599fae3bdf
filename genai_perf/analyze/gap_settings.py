"""The config of a run that GenAI-Perf made, from what its files say of it: of any release, and incomplete.

Since 25.04 `input_config` has sections, before it was the flat list of the command line's options; the raw
export alone still tells the load, the models and the API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genai_perf.config.schema import (
    Config,
    EndpointConfig,
    InputConfig,
    LoadConfig,
    MetricsConfig,
    OutputConfig,
    TokenizerConfig,
)

_NAMES: Mapping[str, tuple[type, str, str]] = {
    "endpoint.streaming": (bool, "endpoint.streaming", "streaming"),
    "endpoint.backend": (str, "endpoint.backend", "backend"),
    "input.file": (str, "input.file", "input_file"),
    "input.num_dataset_entries": (int, "input.num_dataset_entries", "num_dataset_entries"),
    "input.synthetic_tokens_mean": (int, "input.synthetic_tokens.mean", "synthetic_input_tokens_mean"),
    "input.synthetic_tokens_stddev": (int, "input.synthetic_tokens.stddev", "synthetic_input_tokens_stddev"),
    "input.output_tokens_mean": (int, "input.output_tokens.mean", "output_tokens_mean"),
    "input.output_tokens_stddev": (int, "input.output_tokens.stddev", "output_tokens_stddev"),
    "input.prefix_prompt_num": (int, "input.prefix_prompt.num", "num_prefix_prompts"),
    "input.prefix_prompt_length": (int, "input.prefix_prompt.length", "prefix_prompt_length"),
    "input.batch_size": (int, "input.batch_size", "batch_size"),
    "input.random_seed": (int, "input.random_seed", "random_seed"),
    "metrics.goodput": (dict, "input.goodput", "goodput"),
    "tokenizer.name": (str, "tokenizer.name", "tokenizer"),
    "tokenizer.revision": (str, "tokenizer.revision", "tokenizer_revision"),
    "tokenizer.trust_remote_code": (bool, "tokenizer.trust_remote_code", "tokenizer_trust_remote_code"),
    "output.profile_export_file": (str, "output.profile_export_file", "profile_export_file"),
}
"""What each setting is and where: by sections, and flat. What is not here makes no difference to a figure."""

_ALIASES = {"vision": "multimodal", "tensorrtllm": "kserve", "vllm": "kserve"}

_PATHS = {
    "v1/chat/completions": "chat",
    "v1/completions": "completions",
    "v1/embeddings": "embeddings",
    "v1/ranking": "rankings",
    "rerank": "rankings",
    "v1/infer": "image_retrieval",
}
_WORDS = {
    "chat.completion": "chat",
    "text_completion": "completions",
    "embedding": "embeddings",
    "ranking": "rankings",
    "image_retrieval": "image_retrieval",
    "generated_text": "huggingface_generate",
}
"""In an answer, in GenAI-Perf's order; for paths that say nothing."""

NO_LEVEL = Path("fixed_schedule")
"""For a load that GenAI-Perf gives no level: sessions, and schedules."""


def config_of(
    given: Mapping[str, Any], level: tuple[str, float], endpoint_type: str, model_names: Sequence[str]
) -> Config:
    """The config. `given` is `input_config`, or nothing; `level` and `model_names` are the raw export's."""
    named = _value(list, given, "model_names", "model")
    models = tuple(map(str, named or model_names))
    values: dict[str, dict[str, Any]] = {}
    for key, names in _NAMES.items():
        section, _, name = key.partition(".")
        if (value := _value(names[0], given, *names[1:])) is not None:
            values.setdefault(section, {})[name] = value
    if export := values.get("output", {}).get("profile_export_file"):
        values["output"]["profile_export_file"] = Path(export).name
    return Config(
        endpoint=EndpointConfig(model_names=models, type=endpoint_type, **values.get("endpoint", {})),
        input=InputConfig(**values.get("input", {})),
        load=_load(level),
        tokenizer=TokenizerConfig(**values.get("tokenizer", {})),
        metrics=MetricsConfig(**values.get("metrics", {})),
        output=OutputConfig(**values.get("output", {})),
    )


def _load(level: tuple[str, float]) -> LoadConfig:
    mode, value = level
    if not value:
        return LoadConfig(request_intervals=NO_LEVEL)
    return (
        LoadConfig(request_rate=float(value))
        if mode == "request_rate"
        else LoadConfig(concurrency=int(value))
    )


def endpoint_type_of(
    given: Mapping[str, Any], service_kind: str, path: str, payload: str, answers: Sequence[str]
) -> str | None:
    """The endpoint type: as the config says, else by GenAI-Perf's rules from path and answers."""
    if service_kind == "triton":
        return "kserve"
    named = _value(str, given, "endpoint.type", "endpoint_type")
    if named is not None:
        return _ALIASES.get(named) or str(named)
    path = path.strip("/").lower()
    by_path = _PATHS.get(path)
    if by_path == "chat" and ("image_url" in payload or "input_audio" in payload):
        return "multimodal"
    if by_path is None and "huggingface/generate" in path:
        return "huggingface_generate"
    if by_path is None:
        by_path = next((kind for word, kind in _WORDS.items() if any(word in each for each in answers)), None)
    return by_path or ("generate" if "generate" in path.rpartition("/")[2] else None)


def _value(kind: type, given: Mapping[str, Any], path: str, old: str) -> Any:
    """What is set under either name; None where nothing of that kind is: GenAI-Perf's unset is `""`."""
    both: tuple[Any, ...] = (_at(given, path.split(".")), given.get(old))
    return next((value for value in both if type(value) is kind and value not in ("", [], {})), None)


def _at(given: Any, path: Sequence[str]) -> Any:
    """What stands at the end of a path of keys; None where it breaks off."""
    for name in path:
        given = given.get(name) if isinstance(given, Mapping) else None
    return given
