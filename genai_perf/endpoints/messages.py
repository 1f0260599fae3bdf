"""Anthropic messages, streamed as events that say their type.

The API wants a limit in every request; without one of the options it is `MAX_TOKENS`.
"""

import json
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

MAX_TOKENS = 1024
"""What the API's own examples ask for."""
VERSION = "2023-06-01"
"""The API's only one since then; it wants to be named."""


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """One user message, the system message beside it."""
    content: Any = turn.texts[0]
    if turn.images:
        content = [{"type": "image", "source": _source(url)} for url in turn.images]
        content += [{"type": "text", "text": text} for text in turn.texts]
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": content}],
    }
    if turn.system:
        body["system"] = turn.system
    if streaming:
        body["stream"] = True
    return body


def _source(url: str) -> dict[str, str]:
    found = re.match(r"data:([^;,]+);base64,", url)
    if found is None:
        return {"type": "url", "url": url}
    return {"type": "base64", "media_type": found[1], "data": url[found.end() :]}


def prompt_text(body: Mapping[str, Any]) -> str:
    """System and messages, joined by blanks."""
    contents = [body.get("system"), *(message["content"] for message in body["messages"])]
    return " ".join(text for text in map(said, contents) if text)


def follow(before: Mapping[str, Any], answer: str, body: dict[str, Any]) -> dict[str, Any]:
    """Every message so far, the answer as the assistant's, then the new ones."""
    messages = [*before["messages"], {"role": "assistant", "content": answer}, *body["messages"]]
    return {**body, "messages": messages}


class _Block(msgspec.Struct, gc=False):
    """A block of content, or a delta of one."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    name: str | None = None
    input: Any = None
    stop_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    input_tokens: Count = None
    output_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation_input_tokens: Count = None


class _Message(msgspec.Struct, gc=False):
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Body(_Message, gc=False):
    """A whole answer, or one event of a streamed one."""

    type: str | None = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    error: Any = None


_read = msgspec.json.Decoder(_Body).decode
_read_all = msgspec.json.Decoder(list[_Body]).decode


def _read_any(text: bytes) -> _Body:
    """One JSON object. Raises one of `UNREADABLE`."""
    try:
        return _read(text)
    except UNREADABLE:
        return converted(text, _Body, _Usage, inner="message")


def _take(body: _Body, read: int, shared: bool, answer: Answer) -> None:
    if body.type == "content_block_delta":
        if body.delta is not None:
            _take_block(body.delta, read, shared, answer)
    elif body.type == "content_block_start":
        block = body.content_block
        if block is not None and block.type == "tool_use":
            take_tool(block.name or "", read, shared, answer)  # its input comes as deltas
        elif block is not None:
            _take_block(block, read, shared, answer)
    elif body.type == "error" or body.error is not None:
        take_error(body.error or "error", answer)
    else:
        _take_message(body.message or body, read, shared, answer)
        if body.delta is not None and body.delta.stop_reason is not None:
            answer.finish_reason = body.delta.stop_reason


def _take_message(message: _Message, read: int, shared: bool, answer: Answer) -> None:
    """A whole answer, or what stands beside the content of a streamed one."""
    if message.usage is not None:
        answer.usage = _usage(message.usage, answer.usage)
    if message.stop_reason is not None:
        answer.finish_reason = message.stop_reason
    for block in message.content or ():
        _take_block(block, read, shared, answer)


def _take_block(block: _Block, read: int, shared: bool, answer: Answer) -> None:
    if block.text:
        take_text(block.text, read, shared, answer)
    elif block.thinking:
        take_reasoning(block.thinking, read, answer)
    elif block.partial_json:
        take_tool(block.partial_json, read, shared, answer)
    elif block.type == "tool_use":
        arguments = json.dumps(block.input, ensure_ascii=False, separators=(",", ":"))
        take_tool((block.name or "") + arguments, read, shared, answer)


def _usage(usage: _Usage, before: Usage | None) -> Usage:
    """The counts so far. What came from a cache is not in `input_tokens`, but was sent all the same."""
    given = before or Usage()
    counts = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    return Usage(
        input_tokens=sum(filter(None, counts)) if usage.input_tokens is not None else given.input_tokens,
        output_tokens=given.output_tokens if usage.output_tokens is None else usage.output_tokens,
        cached_tokens=(
            given.cached_tokens if usage.cache_read_input_tokens is None else usage.cache_read_input_tokens
        ),
    )


_SHAPE = Shape(
    read=_read_any,
    read_all=_read_all,
    take=_take,
    mark=re.compile(rb'"type"\s*:\s*"message'),
    holds="message",
)


def _decode(exchange: Exchange) -> Decoding:
    return decode(exchange, _SHAPE)


ENDPOINT = Endpoint(
    name="messages",
    path="v1/messages",
    build=build,
    decode=_decode,
    prompt_text=prompt_text,
    takes_system=True,
    takes_images=True,
    headers={"anthropic-version": VERSION},
    limit=at_most("messages", lambda tokens: {"max_tokens": tokens}),
    follow=follow,
)
