"""OpenAI responses, streamed as events that say their type.

An answer is a list of items: messages, reasoning, function calls. Their texts come as deltas; a server that
sends none of them may still have the whole in its last event, and is read from there.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from genai_perf.endpoints import Decoding, Endpoint, at_most
from genai_perf.endpoints.openai import Count, said
from genai_perf.endpoints.reading import (
    UNREADABLE,
    Shape,
    converted,
    decode,
    take_error,
    take_reasoning,
    take_text,
    take_tool,
)
from genai_perf.types import Answer, Exchange, Turn, Usage


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """The prompt as `input`, a system message as `instructions`."""
    body: dict[str, Any] = {"model": model, "input": turn.texts[0]}
    if turn.images:
        parts = [{"type": "input_text", "text": text} for text in turn.texts]
        parts += [{"type": "input_image", "image_url": url} for url in turn.images]
        body["input"] = [{"role": "user", "content": parts}]
    if turn.system:
        body["instructions"] = turn.system
    if streaming:
        body["stream"] = True
    return body


def prompt_text(body: Mapping[str, Any]) -> str:
    """Instructions and input, joined by blanks."""
    given = body["input"]
    if not isinstance(given, str):
        given = " ".join(said(message.get("content")) for message in given)
    return " ".join(text for text in (body.get("instructions"), given) if text)


def follow(before: Mapping[str, Any], answer: str, body: dict[str, Any]) -> dict[str, Any]:
    """All that was said so far as a list of messages, then the new input."""
    return {**body, "input": [*_messages(before), {"role": "assistant", "content": answer}, *_messages(body)]}


def _messages(body: Mapping[str, Any]) -> list[Any]:
    given = body["input"]
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    refusal: str | None = None


class _Item(msgspec.Struct, gc=False):
    type: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: Count = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: Count = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Reason(msgspec.Struct, gc=False):
    reason: str | None = None


class _Response(msgspec.Struct, gc=False):
    status: str | None = None
    output: list[_Item] | None = None
    usage: _Usage | None = None
    incomplete_details: _Reason | None = None
    error: Any = None


class _Body(_Response, gc=False):
    """A whole answer, or one event of a streamed one."""

    type: str | None = None
    delta: str | None = None
    item: _Item | None = None
    response: _Response | None = None
    message: Any = None
    """Of an `error` event."""


_read = msgspec.json.Decoder(_Body).decode
_read_all = msgspec.json.Decoder(list[_Body]).decode


def _read_any(text: bytes) -> _Body:
    """One JSON object. Raises one of `UNREADABLE`."""
    try:
        return _read(text)
    except UNREADABLE:
        return converted(text, _Body, _Usage, inner="response")


def _take(body: _Body, read: int, shared: bool, answer: Answer) -> None:
    kind, delta = body.type, body.delta
    if delta and kind == "response.output_text.delta":  # nearly all of them: no detours
        if shared:
            answer.content_shared.append(len(answer.content))
        answer.content.append(delta)
        answer.content_reads.append(read)
    elif delta:
        _take_delta(str(kind), delta, read, shared, answer)
    elif delta is not None:
        return
    elif kind is None or body.response is not None:
        _take_response(body.response or body, read, shared, answer)
    elif kind == "response.output_item.added":
        if body.item is not None and body.item.type == "function_call" and body.item.name:
            take_tool(body.item.name, read, shared, answer)
    elif kind == "error" or body.error is not None:
        take_error(body.error or body.message or "error", answer)


def _take_delta(kind: str, delta: str, read: int, shared: bool, answer: Answer) -> None:
    if kind == "response.refusal.delta":
        take_text(delta, read, shared, answer)
    elif kind.startswith("response.reasoning"):  # …_text.delta, …_summary_text.delta
        take_reasoning(delta, read, answer)
    elif kind == "response.function_call_arguments.delta":
        take_tool(delta, read, shared, answer)


_ENDED = ("completed", "incomplete", "failed", "cancelled")


def _take_response(response: _Response, read: int, shared: bool, answer: Answer) -> None:
    """A whole answer, or what the first and last events say of it."""
    if response.error is not None:
        take_error(response.error, answer)
    if response.usage is not None:
        answer.usage = _usage(response.usage)
    if response.status in _ENDED:
        details = response.incomplete_details
        answer.finish_reason = (details.reason if details else None) or response.status
        if response.status == "failed":
            take_error("the response failed", answer)
    if not (answer.content or answer.reasoning or answer.tool):
        for item in response.output or ():
            _take_item(item, read, shared, answer)


def _take_item(item: _Item, read: int, shared: bool, answer: Answer) -> None:
    text = "".join(part.text or part.refusal or "" for part in item.content or ())
    if item.type == "function_call":
        if call := (item.name or "") + (item.arguments or ""):
            take_tool(call, read, shared, answer)
    elif item.type == "reasoning":
        if text := text or "".join(part.text or "" for part in item.summary or ()):
            take_reasoning(text, read, answer)
    elif text:
        take_text(text, read, shared, answer)


def _usage(usage: _Usage) -> Usage:
    given, made = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        made.reasoning_tokens if made else None,
        given.cached_tokens if given else None,
    )


_SHAPE = Shape(
    read=_read_any,
    read_all=_read_all,
    take=_take,
    mark=re.compile(rb'"object"\s*:\s*"response"|"type"\s*:\s*"response\.'),
    holds="response",
    text=re.compile(rb'"delta": ?"((?:[^"\\]|\\.)*)"'),
)


def _decode(exchange: Exchange) -> Decoding:
    return decode(exchange, _SHAPE)


ENDPOINT = Endpoint(
    name="responses",
    path="v1/responses",
    build=build,
    decode=_decode,
    prompt_text=prompt_text,
    takes_system=True,
    takes_images=True,
    limit=at_most("responses", lambda tokens: {"max_output_tokens": tokens}),
    follow=follow,
)
