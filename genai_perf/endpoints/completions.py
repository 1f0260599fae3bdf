"""OpenAI text completions."""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Endpoint
from genai_perf.endpoints.openai import INCLUDE_USAGE, decode_text, joined
from genai_perf.types import Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """The prompt is always a list, as GenAI-Perf sends it."""
    body: dict[str, Any] = {"model": model, "prompt": list(turn.texts)}
    if streaming:
        body["stream"] = True
    return body


def prompt_text(body: Mapping[str, Any]) -> str:
    """The prompts, joined by blanks."""
    return joined(body["prompt"])


ENDPOINT = Endpoint(
    name="completions",
    path="v1/completions",
    build=build,
    decode=decode_text,
    prompt_text=prompt_text,
    can_batch=True,
    usage_request=INCLUDE_USAGE,
)
