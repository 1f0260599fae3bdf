"""OpenAI embeddings."""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.openai import Body, joined, read_body, usage_of
from genai_perf.endpoints.reading import decode_textless
from genai_perf.types import Answer, Exchange, RequestError, Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """A list of texts, whatever the batch size."""
    return {"model": model, "input": list(turn.texts)}


def prompt_text(body: Mapping[str, Any]) -> str:
    """The texts, joined by blanks."""
    return joined(body["input"])


def decode(exchange: Exchange) -> Decoding:
    """Check that there are vectors; they are not kept."""
    return decode_textless(exchange, read_body, _take)


def _take(body: Body, answer: Answer) -> None:
    if body.data:
        answer.usage = usage_of(body)
    else:
        answer.error = RequestError("decode", "the answer holds no embeddings")


ENDPOINT = Endpoint(
    name="embeddings",
    path="v1/embeddings",
    build=build,
    decode=decode,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_stream=False,
    can_batch=True,
    title="Embeddings Metrics",
)
