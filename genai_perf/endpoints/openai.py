"""What the OpenAI-style endpoints share: the shape of their answers, and how to read it.

An exchange is read in steps of `EVENTS_PER_STEP` events, because a long answer takes milliseconds to read
and the event loop must not be held for that long.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec

from genai_perf.endpoints import Decoding
from genai_perf.endpoints.sse import Events
from genai_perf.endpoints.sse import parse as events
from genai_perf.types import Answer, Exchange, RequestError, Usage

EVENTS_PER_STEP = 128
"""About 0.1 ms of work."""

_SNIPPET = 200
_DONE = b"[DONE]"


class _Text(msgspec.Struct, gc=False):
    """A `message` or `delta`."""

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    """As vLLM, SGLang and DeepSeek name it."""
    reasoning: str | None = None
    """As OpenRouter and newer vLLM name it."""


class _Choice(msgspec.Struct, gc=False):
    delta: _Text | None = None
    message: _Text | None = None
    text: str | None = None
    finish_reason: Any = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class Body(msgspec.Struct, gc=False):
    """A whole answer or one chunk of a streamed one; whatever else it holds is not looked at."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    data: list[msgspec.Raw] | None = None
    """The vectors of an embeddings answer."""


_decode_body = msgspec.json.Decoder(Body).decode
_decode_bodies = msgspec.json.Decoder(list[Body]).decode


def decode_text(exchange: Exchange) -> Decoding:
    """Read a chat or text completion, streamed or not."""
    answer = Answer()
    answer.error = exchange.error or http_error(exchange)
    if answer.error is not None and exchange.status >= 400:
        return answer
    reads = plain_reads(exchange, answer)
    if looks_like_events(exchange, reads):
        for found in events(reads, complete=exchange.error is None, at_once=EVENTS_PER_STEP):
            _take_events(found, answer)
            yield
    elif answer.error is None:
        body = parse_whole(exchange, reads, answer)
        if body is not None:
            _take_body(body, len(reads) - 1, False, answer)
    return answer


def parse_whole(exchange: Exchange, reads: Sequence[bytes], answer: Answer) -> Body | None:
    """The one JSON body of an answer that is not a stream; None, and `answer.error` set, when it is none."""
    text = b"".join(reads)
    found = content_type(exchange) or "no content type"
    if exchange.request.streaming:
        answer.error = RequestError(
            "not_streamed", f"asked for a stream, the answer is {found}: {snippet(text)}"
        )
        return None
    try:
        body = _decode_body(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        answer.error = RequestError(
            "decode", f"the answer ({found}) is not what this API sends ({exc}): {snippet(text)}"
        )
        return None
    if body.error is not None:
        answer.error = RequestError("server", _error_text(body.error))
        return None
    return body


def _take_events(found: Events, answer: Answer) -> None:
    """Read the events of one step."""
    data, reads, shared, names = found
    if data[-1] == _DONE:
        data.pop()
    try:
        # One call for all of them costs a third of one call each.
        bodies = _decode_bodies(b"[" + b",".join(data) + b"]")
        if len(bodies) != len(data):
            raise msgspec.DecodeError("an event held more than one value")
    except (msgspec.DecodeError, UnicodeDecodeError):
        bodies = [_event_body(event, names.get(position), answer) for position, event in enumerate(data)]
    for position, name in names.items():
        if name == b"error" and position < len(bodies) and bodies[position].error is None:
            bodies[position].error = data[position].decode(errors="replace")
    for body, read, is_shared in zip(bodies, reads, shared):
        _take_body(body, read, is_shared, answer)


def _event_body(event: bytes, name: bytes | None, answer: Answer) -> Body:
    """One event by itself, where a step has one that is not JSON."""
    if event == _DONE:
        return Body()
    try:
        return _decode_body(event)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        if name == b"error":
            return Body(error=event.decode(errors="replace"))
        if answer.error is None:
            answer.error = RequestError("decode", f"an event cannot be read ({exc}): {snippet(event)}")
        return Body()


def _take_body(body: Body, read: int, shared: bool, answer: Answer) -> None:
    if body.error is not None and answer.error is None:
        answer.error = RequestError("server", _error_text(body.error))
    if body.usage is not None:
        answer.usage = usage_of(body)
    if not body.choices:
        return
    choice = body.choices[0]
    if choice.finish_reason is not None:
        answer.finish_reason = str(choice.finish_reason)
    part = choice.delta or choice.message
    content: str | list[Any] | None = choice.text
    if part is not None:
        content = part.content
        if reasoning := part.reasoning_content or part.reasoning:
            answer.reasoning.append(reasoning)
            answer.reasoning_reads.append(read)
    if content:
        if shared:
            answer.content_shared.append(len(answer.content))
        answer.content.append(content if type(content) is str else _joined_parts(content))
        answer.content_reads.append(read)


def _joined_parts(parts: str | list[Any]) -> str:
    """The text of a message whose content is a list of parts."""
    return "".join(part.get("text") or "" for part in parts if isinstance(part, dict))


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


def http_error(exchange: Exchange) -> RequestError | None:
    """What a status outside 2xx says; None when it is fine or never came."""
    if exchange.status == 0 or 200 <= exchange.status < 300:
        return None
    text = b"".join(plain_reads(exchange, Answer()))
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    message = _error_text(found.get("error", found)) if isinstance(found, dict) else snippet(text)
    if 300 <= exchange.status < 400:
        message = f"redirected to {exchange.headers.get('location', 'nowhere')}; redirects are not followed"
    return RequestError(f"http_{exchange.status}", message or "the answer has no text")


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        for key in ("message", "detail", "error", "msg"):
            if error.get(key):
                return _error_text(error[key])
    text = error if isinstance(error, str) else msgspec.json.encode(error).decode()
    return text if len(text) <= 2 * _SNIPPET else text[: 2 * _SNIPPET] + "…"


def plain_reads(exchange: Exchange, answer: Answer) -> Sequence[bytes]:
    """The reads without content coding; still one entry a read, so that the stamps fit."""
    coding = exchange.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return exchange.data
    if coding not in ("gzip", "x-gzip", "deflate"):
        answer.error = RequestError("encoding", f"the body is {coding}-coded; gzip and deflate can be read")
        return []
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress
    try:
        return [inflate(data) for data in exchange.data]
    except zlib.error as exc:
        answer.error = RequestError("encoding", f"the body is not {coding} ({exc})")
        return []


def content_type(exchange: Exchange) -> str:
    """The media type of the answer, without parameters."""
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


def looks_like_events(exchange: Exchange, reads: Sequence[bytes]) -> bool:
    """Whether the body is a stream of events, by its type or, where that is wrong, by its first bytes."""
    if content_type(exchange) == "text/event-stream":
        return True
    first = next((read for read in reads if read), b"").lstrip()
    return first.startswith((b"data:", b"event:", b": "))


def snippet(text: bytes) -> str:
    """The beginning of a body, on one line, for a message."""
    line = " ".join(text[: 4 * _SNIPPET].decode(errors="replace").split())
    return repr(line if len(line) <= _SNIPPET else line[:_SNIPPET] + "…")
