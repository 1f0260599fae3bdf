"""From the bytes of an exchange to an answer: what all APIs with text in JSON have in common.

A `Shape` says how an API's bodies look. An exchange is read in steps of `EVENTS_PER_STEP` events, because a
long answer takes milliseconds to read and the event loop must not be held for that long.
"""

import json
import re
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from genai_perf.endpoints import Decoding
from genai_perf.endpoints.frames import TEXT, find_run
from genai_perf.endpoints.sse import BOM, DONE, Arriving, Events
from genai_perf.endpoints.sse import parse as events
from genai_perf.types import Answer, Exchange, RequestError

EVENTS_PER_STEP = 128
"""About 0.1 ms of work."""
UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
"""What the parsers raise for bytes that are no JSON, or not of the shape that is wanted."""

_WORTH_A_RUN = 16
"""Events from which on it pays to look whether they are alike."""
_SNIPPET = 200


class HasError(Protocol):
    """A body: whatever it holds, it may be an error."""

    @property
    def error(self) -> Any:
        """What the server says went wrong, as it says it; None where nothing did."""


Body = TypeVar("Body", bound=HasError)


@dataclass(frozen=True, slots=True)
class Shape(Generic[Body]):
    """What the answers of an API look like, and what is taken from them."""

    read: Callable[[bytes], Body]
    """One JSON text. Raises one of `UNREADABLE`."""
    read_all: Callable[[bytes], list[Body]]
    """Likewise, a JSON list of the bodies of events; one call for all costs a third of one for each."""
    take: Callable[[Body, int, bool, Answer], None]
    """(body, its read, whether that read went on after it, answer): what an event or a whole answer says."""
    mark: re.Pattern[bytes]
    """What even an answer without any text holds, be it streamed or not."""
    holds: str
    """What that is, for the message that says it is missing."""
    text: re.Pattern[bytes] = TEXT
    """The text in an event that brings some, in group 1."""


def decode(exchange: Exchange, shape: Shape[Body]) -> Decoding:
    """Read an answer, streamed or not."""
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
            _take_events(step, shape, answer)
    elif answer.error is None:
        body = read_whole(exchange, reads, shape.read, answer)
        if body is not None:
            shape.take(body, len(reads) - 1, False, answer)
    if not (answer.content or answer.reasoning or answer.tool or answer.finish_reason or answer.error):
        text = b"".join(reads)
        if not shape.mark.search(text):
            answer.error = RequestError("decode", f"the answer holds no {shape.holds}: {snippet(text)}")
    if answer.tool and not answer.content:
        answer.content, answer.content_reads = [""] * len(answer.tool), list(answer.tool_reads)
        answer.content_shared = list(answer.tool_shared)
    return answer


def read_whole(
    exchange: Exchange, reads: Sequence[bytes], read: Callable[[bytes], Body], answer: Answer
) -> Body | None:
    """The one JSON body of an answer that is not a stream; None, and `answer.error` set, when it is none."""
    text = b"".join(reads)
    found = content_type(exchange) or "no content type"
    body = None
    try:
        body = read(text)
    except UNREADABLE as exc:
        answer.error = RequestError(
            "decode", f"the answer ({found}) is not what this API sends ({exc}): {snippet(text)}"
        )
    if body is not None and body.error is not None:
        answer.error = RequestError("server", error_text(body.error))
    elif exchange.request.streaming:
        answer.error = RequestError(
            "not_streamed", f"asked for a stream, the answer is {found}: {snippet(text)}"
        )
    return body if answer.error is None else None


def decode_textless(
    exchange: Exchange, read: Callable[[bytes], Body], take: Callable[[Body, Answer], None]
) -> Decoding:
    """Read an answer without text, which is one JSON body; its end is its only event.

    `take` looks at what the body holds, and sets `answer.error` where that is not what was asked for.
    """
    answer = Answer()
    answer.error = exchange.error or http_error(exchange)
    yield
    if answer.error is None:
        reads = plain_reads(exchange, answer)
        body = read_whole(exchange, reads, read, answer) if answer.error is None else None
        if body is not None:
            take(body, answer)
        if answer.error is None:
            answer.content, answer.content_reads = [""], [len(reads) - 1]
    return answer


def converted(text: bytes, shape: type[Body], usage: type, *, inner: str) -> Body:
    """A JSON object by Python's own parser, which takes what some servers send and the standard forbids.

    That is lone surrogates and NaN. Counts in an odd shape, its own or those of the object at `inner`, are
    left out: they must not cost the text. Raises one of `UNREADABLE`.
    """
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    for holder in (found, found.get(inner)):
        if isinstance(holder, dict):
            try:
                msgspec.convert(holder.get("usage"), usage | None)
            except msgspec.ValidationError:
                del holder["usage"]
    return msgspec.convert(found, shape)


def _take_events(found: Events, shape: Shape[Body], answer: Answer) -> None:
    """Read the events of one step."""
    data, reads, shared, names = found
    has_run = len(data) >= _WORTH_A_RUN and b"error" not in names.values()
    run = find_run(data, shape.text) if has_run else None
    if (
        run is not None
        and _is_plain(data[run.first], run.texts[0], shape)
        and _is_plain(data[run.end - 1], run.texts[-1], shape)
    ):
        first, end = run.first, run.end
        _take_any_events(data[:first], reads[:first], shared[:first], {}, shape, answer)
        if any(shared[first:end]):
            before = len(answer.content) - first
            answer.content_shared += [before + place for place in range(first, end) if shared[place]]
        answer.content += run.texts
        answer.content_reads += reads[first:end]
        data, reads, shared, names = data[end:], reads[end:], shared[end:], {}
    if data:
        _take_any_events(data, reads, shared, names, shape, answer)


def _is_plain(event: bytes, text: str, shape: Shape[Body]) -> bool:
    """Whether this text, and nothing else of interest, is what the event says."""
    alone = Answer()
    _take_any_events([event], [0], [False], {}, shape, alone)
    return alone == Answer(content=[text], content_reads=[0])


def _take_any_events(
    data: list[bytes],
    reads: list[int],
    shared: list[bool],
    names: dict[int, bytes],
    shape: Shape[Body],
    answer: Answer,
) -> None:
    if data and data[-1] == DONE:
        data.pop()
    try:
        if b"error" in names.values():
            raise msgspec.DecodeError("an event that is an error by its name")
        bodies = shape.read_all(b"[" + b",".join(data) + b"]")
        if len(bodies) != len(data):
            raise msgspec.DecodeError("an event held more than one value")
    except UNREADABLE:
        for position, (event, read, is_shared) in enumerate(zip(data, reads, shared)):
            error = _take_event(event, read, is_shared, names.get(position), shape, answer)
            answer.error = answer.error or error
    else:
        for body, read, is_shared in zip(bodies, reads, shared):
            shape.take(body, read, is_shared, answer)


def _take_event(
    event: bytes, read: int, shared: bool, name: bytes | None, shape: Shape[Body], answer: Answer
) -> RequestError | None:
    """One event by itself, in a step that has one that is no JSON or an error; the error that it is."""
    if name == b"error":
        return RequestError("server", told(event))
    if event.strip() not in (b"", DONE):
        try:
            shape.take(shape.read(event), read, shared, answer)
        except UNREADABLE as exc:
            return RequestError("decode", f"an event cannot be read ({exc}): {snippet(event)}")
    return None


def take_text(text: str, read: int, shared: bool, answer: Answer) -> None:
    """A piece of visible text, not empty."""
    if shared:
        answer.content_shared.append(len(answer.content))
    answer.content.append(text)
    answer.content_reads.append(read)


def take_reasoning(text: str, read: int, answer: Answer) -> None:
    """A piece of reasoning, not empty."""
    answer.reasoning.append(text)
    answer.reasoning_reads.append(read)


def take_tool(text: str, read: int, shared: bool, answer: Answer) -> None:
    """A piece of a tool call, name or arguments, not empty."""
    if shared:
        answer.tool_shared.append(len(answer.tool))
    answer.tool.append(text)
    answer.tool_reads.append(read)


def take_error(error: Any, answer: Answer) -> None:
    """The server's error inside an answer; the first one counts."""
    if answer.error is None:
        answer.error = RequestError("server", error_text(error))


def http_error(exchange: Exchange) -> RequestError | None:
    """What a status outside 2xx says; None when it is fine or never came."""
    if exchange.status == 0 or 200 <= exchange.status < 300:
        return None
    text = b"".join(plain_reads(exchange, Answer()))
    # where a stream fails at once, Triton makes an event of the error, whatever the status is
    message = told(text.removeprefix(b"data:")) if text.strip() else "the answer has no text"
    if 300 <= exchange.status < 400:
        message = f"redirected to {exchange.headers.get('location', 'nowhere')}; redirects are not followed"
    return RequestError(f"http_{exchange.status}", message)


def told(text: bytes) -> str:
    """The server's words in an error body or event: of JSON the message, else its beginning."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return snippet(text)
    return error_text(found.get("error") or found) if isinstance(found, dict) else snippet(text)


def error_text(error: Any) -> str:
    """The server's words in an error, however deep they lie."""
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


def counting_events() -> Callable[[Exchange], int]:
    """A function to call with an exchange after each of its reads: how many events with data are there."""
    arriving = Arriving()

    def count(exchange: Exchange) -> int:
        # coded answers are rare, since nobody asks for them: all is inflated each time then
        is_coded = "content-encoding" in exchange.headers
        reads = plain_reads(exchange, Answer()) if is_coded else exchange.data
        arriving.feed(b"".join(reads[-1:]))
        return arriving.events

    return count


def counting_messages() -> Callable[[Exchange], int]:
    """The same for an exchange whose every entry is a message, as over gRPC."""
    return lambda exchange: len(exchange.data)


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
