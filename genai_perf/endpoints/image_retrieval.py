"""What is in a picture, or on a page, by NVIDIA's image retrieval microservices (`v1/infer`).

Requests hold images alone, and how long they take is told for each image too.
"""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.openai import read_body
from genai_perf.endpoints.reading import decode_textless
from genai_perf.types import Exchange, Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """The images; the server has one model, so none is named."""
    return {"input": [{"type": "image_url", "url": url} for url in turn.images]}


def prompt_text(body: Mapping[str, Any]) -> str:  # noqa: ARG001
    """Nothing: there is no text."""
    return ""


def decode(exchange: Exchange) -> Decoding:
    """Check that there is a JSON object without an error; what was found in the images is not looked at."""
    return decode_textless(exchange, read_body, lambda _body, _answer: None)


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
