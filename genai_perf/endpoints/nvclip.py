"""Embeddings of texts and images together, as NVIDIA's CLIP microservice takes them."""

import re
from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Endpoint
from genai_perf.endpoints.embeddings import decode
from genai_perf.endpoints.openai import joined
from genai_perf.types import Turn

_IMAGE = re.compile(r"data:image/|https?://\S+$")


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """One list: the texts that are not empty, then the images."""
    return {"model": model, "input": [*filter(None, turn.texts), *turn.images]}


def prompt_text(body: Mapping[str, Any]) -> str:
    """The texts, joined by blanks; the images among them are known by their URLs."""
    return joined([each for each in body["input"] if not _IMAGE.match(each)])


ENDPOINT = Endpoint(
    name="nvclip",
    path="v1/embeddings",
    build=build,
    decode=decode,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_stream=False,
    can_batch=True,
    takes_images=True,
)
