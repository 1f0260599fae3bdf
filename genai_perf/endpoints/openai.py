"""What the OpenAI-style endpoints share: the shape of their answers, and how to read it.

An exchange is read in steps of `EVENTS_PER_STEP` events, because a long answer takes milliseconds to read
and the event loop must not be held for that long.
"""

import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import msgspec

from genai_perf.endpoints import Decoding
from genai_perf.endpoints.frames import find_run
from genai_perf.endpoints.sse import BOM, Events
from genai_perf.endpoints.sse import parse as events
from genai_perf.types import Answer, Exchange, RequestError, Usage

INCLUDE_USAGE = {"stream_options": {"include_usage": True}}
"""How a stream is asked to end with the server's token counts."""

EVENTS_PER_STEP = 128
"""About 0.1 ms of work."""

_WORTH_A_RUN = 16
"""Events from which on it pays to look whether they are alike."""
_SNIPPET = 200
_DONE = b"[DONE]"
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
"""What the parsers raise for bytes that are no JSON, or not of the shape that is wanted."""
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None


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
    cached_tokens: _Count = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: _Count = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
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
    answer = Answer()
    answer.error = exchange.error or http_error(exchange)
    if answer.error is not None and exchange.status >= 300:
        return answer
    reads = plain_reads(exchange, answer)
    if looks_like_events(exchange, reads):
        found = events(reads, complete=exchange.error is None, at_once=EVENTS_PER_STEP)
        for number, step in enumerate(found):
            if number:
                yield
            _take_events(step, answer)
    elif answer.error is None:
        body = parse_whole(exchange, reads, answer)
        if body is not None:
            _take_body(body, len(reads) - 1, False, answer)
    if not (answer.content or answer.reasoning or answer.finish_reason or answer.error):
        text = b"".join(reads)
        if b'"choices":[{' not in text.translate(None, b" \t\r\n"):
            answer.error = RequestError("decode", f"the answer holds no choices: {snippet(text)}")
    return answer


def read_body(text: bytes) -> Body:
    """One JSON object. Raises one of `_UNREADABLE`."""
    try:
        return _decode_body(text)
    except _UNREADABLE:
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


def parse_whole(exchange: Exchange, reads: Sequence[bytes], answer: Answer) -> Body | None:
    """The one JSON body of an answer that is not a stream; None, and `answer.error` set, when it is none."""
    text = b"".join(reads)
    found = content_type(exchange) or "no content type"
    try:
        body = read_body(text)
    except _UNREADABLE as exc:
        body = None
        answer.error = RequestError(
            "decode", f"the answer ({found}) is not what this API sends ({exc}): {snippet(text)}"
        )
    if body is not None and body.error is not None:
        answer.error = RequestError("server", _error_text(body.error))
    elif exchange.request.streaming:
        answer.error = RequestError(
            "not_streamed", f"asked for a stream, the answer is {found}: {snippet(text)}"
        )
    return body if answer.error is None else None


def _take_events(found: Events, answer: Answer) -> None:
    """Read the events of one step."""
    data, reads, shared, names = found
    run = find_run(data) if len(data) >= _WORTH_A_RUN and not names else None
    if (
        run is not None
        and _is_plain(data[run.first], run.texts[0])
        and _is_plain(data[run.end - 1], run.texts[-1])
    ):
        first, end = run.first, run.end
        _take_any_events(data[:first], reads[:first], shared[:first], {}, answer)
        if any(shared[first:end]):
            before = len(answer.content) - first
            answer.content_shared += [before + place for place in range(first, end) if shared[place]]
        answer.content += run.texts
        answer.content_reads += reads[first:end]
        data, reads, shared = data[end:], reads[end:], shared[end:]
    if data:
        _take_any_events(data, reads, shared, names, answer)


def _is_plain(event: bytes, text: str) -> bool:
    """Whether this text, and nothing else of interest, is what the event says."""
    alone = Answer()
    _take_any_events([event], [0], [False], {}, alone)
    return alone == Answer(content=[text], content_reads=[0])


def _take_any_events(
    data: list[bytes], reads: list[int], shared: list[bool], names: dict[int, bytes], answer: Answer
) -> None:
    if data and data[-1] == _DONE:
        data.pop()
    try:
        # One call for all of them costs a third of one call each.
        bodies = _decode_bodies(b"[" + b",".join(data) + b"]")
        if len(bodies) != len(data):
            raise msgspec.DecodeError("an event held more than one value")
    except _UNREADABLE:
        bodies = [_event_body(event, names.get(position)) for position, event in enumerate(data)]
    for position, name in names.items():
        if name == b"error" and position < len(bodies) and bodies[position].error is None:
            bodies[position].error = _told(data[position])
    for body, read, is_shared in zip(bodies, reads, shared):
        _take_body(body, read, is_shared, answer)


def _event_body(event: bytes, name: bytes | None) -> Body:
    """One event by itself, where a step has one that is not JSON."""
    if event.strip() in (b"", _DONE):
        return Body()
    try:
        return read_body(event)
    except _UNREADABLE as exc:
        if name == b"error":
            return Body()
        return Body(error=RequestError("decode", f"an event cannot be read ({exc}): {snippet(event)}"))


def _take_body(body: Body, read: int, shared: bool, answer: Answer) -> None:
    if not body.choices or body.usage is not None or body.error is not None:
        _take_rest(body, answer)
        if not body.choices:
            return
    choice = body.choices[0]
    part = choice.delta or choice.message
    content = choice.text if part is None else part.content
    if content:
        text = content if type(content) is str else _joined_parts(content)
        if text:
            if shared:
                answer.content_shared.append(len(answer.content))
            answer.content.append(text)
            answer.content_reads.append(read)
    if part is not None and (reasoning := part.reasoning_content or part.reasoning):
        answer.reasoning.append(reasoning)
        answer.reasoning_reads.append(read)
    if choice.finish_reason is not None:
        answer.finish_reason = str(choice.finish_reason)


def _take_rest(body: Body, answer: Answer) -> None:
    """What stands beside the choices, or instead of them."""
    if body.usage is not None:
        answer.usage = usage_of(body)
    error = body.error
    if error is None and not body.choices and isinstance(body.message, str):
        error = body.message
    if error is not None and answer.error is None:
        answer.error = (
            error if isinstance(error, RequestError) else RequestError("server", _error_text(error))
        )


def _joined_parts(parts: str | list[Any]) -> str:
    """The text of a message whose content is a list of parts."""
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def joined(texts: str | Sequence[str]) -> str:
    """The texts of a body, joined by blanks; a single one may stand without a list."""
    return texts if isinstance(texts, str) else " ".join(texts)


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
    message = _told(text) if text.strip() else "the answer has no text"
    if 300 <= exchange.status < 400:
        message = f"redirected to {exchange.headers.get('location', 'nowhere')}; redirects are not followed"
    return RequestError(f"http_{exchange.status}", message)


def _told(text: bytes) -> str:
    """The server's words in an error body or event: of JSON the message, else its beginning."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return snippet(text)
    return _error_text(found.get("error") or found) if isinstance(found, dict) else snippet(text)


def _error_text(error: Any) -> str:
    while isinstance(error, dict):
        inner = next((error[key] for key in ("message", "detail", "error", "msg") if error.get(key)), None)
        if inner is None:
            break
        error = inner
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= 2 * _SNIPPET else text[: 2 * _SNIPPET] + "…"


def plain_reads(exchange: Exchange, answer: Answer) -> Sequence[bytes]:
    """The reads without content coding; still one entry a read, so that the stamps fit."""
    coding = exchange.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return exchange.data
    if coding not in _WBITS:
        answer.error = RequestError("encoding", f"the body is {coding}-coded; gzip and deflate can be read")
        return []
    for wbits in _WBITS[coding]:
        with suppress(zlib.error):
            return _inflated(exchange.data, wbits)
    answer.error = RequestError("encoding", f"the body is not {coding}: {snippet(b''.join(exchange.data))}")
    return []


_EITHER = zlib.MAX_WBITS | 32
_WBITS = {"gzip": (_EITHER,), "x-gzip": (_EITHER,), "deflate": (_EITHER, -zlib.MAX_WBITS)}
"""What each coding may be: gzip or zlib by its header; and `deflate` bare, as some servers understand it."""
_GZIP = b"\x1f\x8b"


def _inflated(reads: Sequence[bytes], wbits: int) -> list[bytes]:
    """What each read brought. Raises zlib.error."""
    inflater = zlib.decompressobj(wbits)
    plain = []
    for data in reads:
        found = inflater.decompress(data)
        while inflater.unused_data.startswith(_GZIP):  # another member; anything else there is padding
            data, inflater = inflater.unused_data, zlib.decompressobj(wbits)
            found += inflater.decompress(data)
        plain.append(found)
    return plain


def content_type(exchange: Exchange) -> str:
    """The media type of the answer, without parameters."""
    return exchange.headers.get("content-type", "").partition(";")[0].strip().lower()


def looks_like_events(exchange: Exchange, reads: Sequence[bytes]) -> bool:
    """Whether the body is a stream of events, by its type or, where that is wrong, by its first bytes."""
    if content_type(exchange) == "text/event-stream":
        return True
    return (
        b"".join(reads).removeprefix(BOM).lstrip().startswith((b"data:", b"event:", b"id:", b"retry:", b":"))
    )


def snippet(text: bytes) -> str:
    """The beginning of a body, on one line, for a message."""
    line = " ".join(text[: 4 * _SNIPPET].decode(errors="replace").split())
    return repr(line if len(line) <= _SNIPPET else line[:_SNIPPET] + "…")
