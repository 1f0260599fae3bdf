"""What is in a picture, or on a page, by NVIDIA's image retrieval microservices (`v1/infer`).

Requests hold images alone, and how long they take is told for each image too.
"""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.openai import parse_whole
from genai_perf.endpoints.reading import http_error, plain_reads
from genai_perf.types import Answer, Exchange, Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """The images; the server has one model, so none is named."""
    return {"input": [{"type": "image_url", "url": url} for url in turn.images]}


def prompt_text(body: Mapping[str, Any]) -> str:  # noqa: ARG001
    """Nothing: there is no text."""
    return ""


def decode(exchange: Exchange) -> Decoding:
    """Check that there is a JSON object without an error; what was found in the images is not looked at."""
    answer = Answer()
    answer.error = exchange.error or http_error(exchange)
    yield
    if answer.error is None:
        reads = plain_reads(exchange, answer)
        if answer.error is None and parse_whole(exchange, reads, answer) is not None:
            answer.content, answer.content_reads = [""], [len(reads) - 1]
    return answer


ENDPOINT = Endpoint(
    name="image_retrieval",
    path="v1/infer",
    build=build,
    decode=decode,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_stream=False,
    takes_text=False,
    takes_images=True,
    title="Image Retrieval Metrics",
)
