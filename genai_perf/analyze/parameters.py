"""What a run is told by: what a sweep can vary, and the load of one that no sweep made."""

from collections.abc import Mapping
from typing import Any

from genai_perf.config.gap_words import stimulus

PARAMETERS: Mapping[str, str] = {
    "concurrency": "load.concurrency",
    "request_rate": "load.request_rate",
    "batch_size": "input.batch_size",
    "input_sequence_length": "input.synthetic_tokens_mean",
    "output_sequence_length": "input.output_tokens_mean",
    "num_dataset_entries": "input.num_dataset_entries",
    "num_prefix_prompts": "input.prefix_prompt_num",
    "prefix_prompt_length": "input.prefix_prompt_length",
}
"""Sweep type to section and field of the config."""

LOAD_PARAMETERS: Mapping[str, str] = {
    "concurrency": "concurrency",
    "request_rate": "request_rate",
    "batch_size": "runtime_batch_size",
}
"""Those that GenAI-Perf hands to its load engine, with its names for them; the others shape the input."""


def load_of(config: Mapping[str, Mapping[str, Any]]) -> tuple[str, int | float | str]:
    """(name, level) of the load in a recorded config; where it has no level, the file that it comes from."""
    if replayed := config["input"].get("replay"):
        return "replay", str(replayed)
    option, value = stimulus(config["load"])
    if value is True:
        return option, str(config["input"]["file"])
    if isinstance(value, float) and value.is_integer():
        return option, int(value)
    return option, value
