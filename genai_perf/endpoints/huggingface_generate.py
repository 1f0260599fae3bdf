"""Hugging Face text generation (TGI and its like): the root, and `generate_stream` with --streaming.

Oddities of the server: an answer may be an object or a list of one; a stream's last event repeats the whole
text; special tokens are events too, but no text; an error may stand in an answer of status 200.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from genai_perf.endpoints import Decoding, Endpoint, at_most
from genai_perf.endpoints.openai import Count
from genai_perf.endpoints.reading import UNREADABLE, Shape, decode, take_error, take_text
from genai_perf.types import Answer, Exchange, Turn, Usage


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """System message and texts, joined by blanks, after the images as Markdown.

    `stream` is for servers that stream at the root; `generate_stream` does not look at it.
    """
    parts = [f"![]({url})" for url in turn.images]
    parts += [turn.system, *turn.texts] if turn.system else turn.texts
    body: dict[str, Any] = {"model": model, "inputs": " ".join(parts)}
    if streaming:
        body["stream"] = True
    return body


def extend(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """An extra that is among the parameters already replaces that; `parameters` are added to them."""
    parameters = dict(body.get("parameters", {}))
    others = {}
    for key, value in extra.items():
        if key in parameters:
            parameters[key] = value
        elif key == "parameters" and isinstance(value, dict):
            parameters |= value
        else:
            others[key] = value
    return {**body, **({"parameters": parameters} if parameters else {}), **others}


_IMAGES = re.compile(r"(?:!\[\]\((?:data:|https?:)[^)]*\) ?)+")


def prompt_text(body: Mapping[str, Any]) -> str:
    """The inputs without the images at their beginning, which are no text."""
    inputs: str = body["inputs"]
    images = _IMAGES.match(inputs)
    return inputs[images.end() :] if images else inputs


class _Token(msgspec.Struct, gc=False):
    text: str | None = None
    special: bool = False


class _Details(msgspec.Struct, gc=False):
    finish_reason: str | None = None
    generated_tokens: Count = None
    input_length: Count = None


class _Body(msgspec.Struct, gc=False):
    """A whole answer or one event."""

    token: _Token | None = None
    generated_text: str | None = None
    details: _Details | None = None
    error: Any = None


_read = msgspec.json.Decoder(_Body | list[_Body]).decode
_read_all = msgspec.json.Decoder(list[_Body]).decode


def _read_any(text: bytes) -> _Body:
    """One JSON object, or the first of a list of them. Raises one of `UNREADABLE`."""
    found: _Body | list[_Body]
    try:
        found = _read(text)
    except UNREADABLE:
        # Python's own parser takes what some servers send and the standard forbids: lone surrogates, NaN.
        found = msgspec.convert(json.loads(text), type=_Body | list[_Body])
    if isinstance(found, _Body):
        return found
    if not found:
        raise ValueError("an empty list")
    return found[0]


def _take(body: _Body, read: int, shared: bool, answer: Answer) -> None:
    if body.error is not None:
        take_error(body.error, answer)
    token = body.token
    if token is not None:
        if token.text and not token.special:
            take_text(token.text, read, shared, answer)
    elif body.generated_text and not answer.content:
        take_text(body.generated_text, read, shared, answer)
    details = body.details
    if details is not None:
        answer.usage = Usage(details.input_length, details.generated_tokens)
        answer.finish_reason = details.finish_reason


_SHAPE = Shape(
    read=_read_any,
    read_all=_read_all,
    take=_take,
    mark=re.compile(rb'"(?:generated_text|token)"\s*:'),
    holds="generated text",
)


def _decode(exchange: Exchange) -> Decoding:
    return decode(exchange, _SHAPE)


ENDPOINT = Endpoint(
    name="huggingface_generate",
    path="/",
    streaming_path="generate_stream",
    build=build,
    decode=_decode,
    prompt_text=prompt_text,
    takes_system=True,
    can_batch=True,
    takes_images=True,
    limit=at_most("huggingface_generate", lambda tokens: {"parameters": {"max_new_tokens": tokens}}),
    extend=extend,
)
