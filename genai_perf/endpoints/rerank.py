"""How well documents fit a query, as Jina, Cohere, vLLM and llama.cpp ask it."""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Endpoint
from genai_perf.endpoints.scores import decode_scores
from genai_perf.types import Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """A query and its documents."""
    return {"model": model, "query": turn.texts[0], "documents": list(turn.passages)}


def prompt_text(body: Mapping[str, Any]) -> str:
    """Query and documents, joined by blanks."""
    return " ".join([body["query"], *body["documents"]])


ENDPOINT = Endpoint(
    name="rerank",
    path="v1/rerank",
    build=build,
    decode=decode_scores,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_stream=False,
    can_batch=True,
    takes_passages=True,
    title="Rankings Metrics",
)
