"""GenAI-Perf's words for what this program calls otherwise."""

from collections.abc import Mapping
from typing import Any

OUTPUT_FORMATS = {
    "chat": "openai_chat_completions",
    "completions": "openai_completions",
    "embeddings": "openai_embeddings",
    "multimodal": "openai_multimodal",
    "generate": "triton_generate",
}
"""By endpoint type, where the word is another: in its messages and its `input_config`."""

_LOADS = (
    "session_concurrency",
    "session_rate",
    "request_rate",
    "request_intervals",
    "request_rate_schedule",
    "concurrency_schedule",
    "periodic_concurrency_range",
    "fixed_schedule",
)
"""Load options other than a plain concurrency; they exclude each other."""


def stimulus(load: Mapping[str, Any]) -> tuple[str, Any]:
    """What a load is told by: (option, value), of a config's load section.

    The value is a level, the file that says it over time, the range of a periodic concurrency, or True for a
    trace's own instants.
    """
    for option in _LOADS:
        if (value := load.get(option)) is not None:
            return option, value
    return "concurrency", load.get("concurrency") or 1
