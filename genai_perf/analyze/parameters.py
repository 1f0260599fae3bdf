"""What a sweep can vary: its names on the command line, and the options they stand for."""

from collections.abc import Mapping

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
