"""Bodies that are there: the bytes they go over the wire as, and what is in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import tee
from typing import Any

import msgspec

from genai_perf import endpoints
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import UsageError
from genai_perf.types import Request
from genai_perf.workload.tokenizer import Tokenizer

_IMAGE_PARTS = ("image_url", "input_image", "image")
"""How the APIs call the part of a message that is an image."""


def encode(body: Mapping[str, Any]) -> bytes:
    """The bytes that a body goes over the wire as: compact JSON in UTF-8."""
    try:
        # A copy, because what msgspec gives holds on to half as much memory again as it has grown into.
        return bytes(memoryview(msgspec.json.encode(body)))
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError) as exc:
        raise UsageError(f"--extra-inputs: cannot be written as JSON: {exc}") from exc


def counted(requests: Iterable[Request], endpoint: Endpoint, tokenizer: Tokenizer) -> Iterator[Request]:
    """The requests with the input tokens of each, where it can be told which text of its body that is.

    Some at a time are held, and decoded.
    """
    kept, read = tee(requests)
    found = (msgspec.json.decode(request.body) for request in read)
    for request, tokens in zip(kept, endpoints.count_prompts(endpoint, found, tokenizer.count)):
        yield replace(request, input_tokens=tokens)


def images_in(body: Mapping[str, Any]) -> int:
    """How many images are in it: parts of a message, or of an input."""
    said = [each for key in ("messages", "input") if isinstance(body.get(key), list) for each in body[key]]
    parts = [part for each in said for part in (each, *_contents(each))]
    return sum(_is_image(part) for part in parts)


def _contents(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, list) else []


def _is_image(part: Any) -> bool:
    if isinstance(part, str):
        return part.startswith("data:image/")
    return isinstance(part, dict) and part.get("type") in _IMAGE_PARTS
