"""OpenAI embeddings."""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.openai import http_error, joined, parse_whole, plain_reads, usage_of
from genai_perf.types import Answer, Exchange, RequestError, Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """A list of texts, whatever the batch size."""
    return {"model": model, "input": list(turn.texts)}


def prompt_text(body: Mapping[str, Any]) -> str:
    """The texts, joined by blanks."""
    return joined(body["input"])


def decode(exchange: Exchange) -> Decoding:
    """Check that there are vectors; they are not kept."""
    answer = Answer()
    answer.error = exchange.error or http_error(exchange)
    yield
    if answer.error is None:
        reads = plain_reads(exchange, answer)
        body = parse_whole(exchange, reads, answer) if answer.error is None else None
        if body is not None and not body.data:
            answer.error = RequestError("decode", "the answer holds no embeddings")
        elif body is not None:
            answer.usage = usage_of(body)
            answer.content, answer.content_reads = [""], [len(reads) - 1]
    return answer


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
