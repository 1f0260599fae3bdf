"""What the OpenAI-style endpoints share: the shape of their answers."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import msgspec

from genai_perf.endpoints import Decoding
from genai_perf.endpoints.reading import (
    UNREADABLE,
    Shape,
    decode,
    take_error,
    take_reasoning,
    take_text,
    take_tool,
)
from genai_perf.types import Answer, Exchange, Usage

INCLUDE_USAGE = {"stream_options": {"include_usage": True}}
"""How a stream is asked to end with the server's token counts."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None
"""A number of tokens that the journal can hold."""


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None


class _Text(msgspec.Struct, gc=False):
    """A `message` or `delta`."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    """As vLLM, SGLang and DeepSeek name it."""
    reasoning: str | None = None
    """As OpenRouter and newer vLLM name it."""
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Text | None = None
    message: _Text | None = None
    text: str | None = None
    finish_reason: Any = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class Body(msgspec.Struct, gc=False):
    """A whole answer or one chunk of a streamed one; whatever else it holds is not looked at."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    message: Any = None
    """Of an error that has no object of its own around it, as older vLLM sends it."""
    data: list[msgspec.Raw] | None = None
    """The vectors of an embeddings answer."""


_decode_body = msgspec.json.Decoder(Body).decode
_decode_bodies = msgspec.json.Decoder(list[Body]).decode


def decode_text(exchange: Exchange) -> Decoding:
    """Read a chat or text completion, streamed or not."""
    return decode(exchange, _SHAPE)


def read_body(text: bytes) -> Body:
    """One JSON object. Raises one of `UNREADABLE`."""
    try:
        return _decode_body(text)
    except UNREADABLE:
        # Python's own parser takes what some servers send and the standard forbids: lone surrogates, NaN.
        found = json.loads(text)
        if not isinstance(found, dict):
            raise
        body = Body(error=found.get("error"), message=found.get("message"))
        body.choices = msgspec.convert(found.get("choices"), list[_Choice] | None)
        with suppress(msgspec.ValidationError):  # counts in an odd shape must not cost the text
            body.usage = msgspec.convert(found.get("usage"), _Usage | None, strict=False)
        with suppress(msgspec.ValidationError):
            body.data = msgspec.convert(found.get("data"), list[Any] | None)
        return body


def _take_body(body: Body, read: int, shared: bool, answer: Answer) -> None:
    if not body.choices or body.usage is not None or body.error is not None:
        _take_rest(body, answer)
        if not body.choices:
            return
    choice = body.choices[0]
    part = choice.delta or choice.message
    content = choice.text if part is None else part.content
    if content:
        text = content if isinstance(content, str) else joined_parts(content)
        if text:
            take_text(text, read, shared, answer)
    if part is not None:
        if reasoning := part.reasoning_content or part.reasoning:
            take_reasoning(reasoning, read, answer)
        if part.tool_calls and (call := "".join(map(_called, part.tool_calls))):
            take_tool(call, read, shared, answer)
    if choice.finish_reason is not None:
        answer.finish_reason = str(choice.finish_reason)


def _called(call: _ToolCall) -> str:
    """What a tool call, or a part of one, says: its function's name, its arguments, or both."""
    function = call.function
    return (function.name or "") + (function.arguments or "") if function is not None else ""


def _take_rest(body: Body, answer: Answer) -> None:
    """What stands beside the choices, or instead of them."""
    if body.usage is not None:
        answer.usage = usage_of(body)
    error = body.error
    if error is None and not body.choices and isinstance(body.message, str):
        error = body.message
    if error is not None:
        take_error(error, answer)


def joined_parts(parts: list[Any]) -> str:
    """The text of a message whose content is a list of parts."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def joined(texts: str | Sequence[str]) -> str:
    """The texts of a body, joined by blanks; a single one may stand without a list."""
    return texts if isinstance(texts, str) else " ".join(texts)


def said(content: str | list[Any] | None) -> str:
    """The text of a message in a request, be it in parts; parts are joined by blanks."""
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if part.get("text"))
    return content or ""


def usage_of(body: Body) -> Usage | None:
    """The server's own token counts."""
    usage = body.usage
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        completion.reasoning_tokens if completion else None,
        prompt.cached_tokens if prompt else None,
    )


_SHAPE = Shape(
    read=read_body,
    read_all=_decode_bodies,
    take=_take_body,
    mark=re.compile(rb'"choices"\s*:\s*\[\s*\{'),
    holds="choices",
)
