"""Triton's generate extension: `generate`, and `generate_stream` with --streaming.

Oddities of the server: a stream just ends, without `[DONE]`; an error may stand in an answer of status 200
and in the middle of a stream; a model that answers with several responses must be asked for a stream, or it
says so in such an error. Keys of the body that are no input of the model become parameters of the request.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.openai import (
    EVENTS_PER_STEP,
    content_type,
    http_error,
    joined,
    looks_like_events,
    plain_reads,
    snippet,
)
from genai_perf.endpoints.sse import parse as events
from genai_perf.types import Answer, Exchange, RequestError, Turn, Usage


class _Body(msgspec.Struct, gc=False):
    """A whole answer or one event; whatever else it holds is not looked at."""

    text_output: str | list[str] | None = None
    error: Any = None
    num_input_tokens: Any = None
    """Of the vLLM backend, where it was asked to count."""
    num_output_tokens: Any = None
    finish_reason: Any = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_bodies = msgspec.json.Decoder(list[_Body]).decode


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """The prompt is always a list, as GenAI-Perf sends it; the model's name stands in the path."""
    body: dict[str, Any] = {"text_input": list(turn.texts)}
    if streaming:
        body["stream"] = True
    return body


def prompt_text(body: Mapping[str, Any]) -> str:
    """The prompts, joined by blanks."""
    return joined(body["text_input"])


def decode(exchange: Exchange) -> Decoding:
    """Read a whole answer or a stream of events."""
    answer = Answer()
    answer.error = exchange.error or http_error(_plain_error(exchange))
    if answer.error is not None and exchange.status >= 300:
        return answer
    reads = plain_reads(exchange, answer)
    if looks_like_events(exchange, reads):
        found = events(reads, complete=exchange.error is None, at_once=EVENTS_PER_STEP)
        for number, step in enumerate(found):
            if number:
                yield
            _take_events(step.data, step.reads, step.shared, answer)
    elif answer.error is None:
        _take_whole(exchange, reads, answer)
    if not (answer.content or answer.error) and exchange.request.streaming and not b"".join(reads).strip():
        answer.error = RequestError("decode", "the stream ended without an event")
    return answer


def _plain_error(exchange: Exchange) -> Exchange:
    """An error's JSON by itself: where a stream fails at once, it is an event though the status is 400."""
    if exchange.status < 300 or not exchange.data or not exchange.data[0].startswith(b"data:"):
        return exchange
    return msgspec.structs.replace(exchange, data=[b"".join(exchange.data).removeprefix(b"data:")])


def _take_whole(exchange: Exchange, reads: Sequence[bytes], answer: Answer) -> None:
    text = b"".join(reads)
    try:
        body = _decode_body(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        found = content_type(exchange) or "no content type"
        answer.error = RequestError(
            "decode", f"the answer ({found}) is not what this API sends ({exc}): {snippet(text)}"
        )
        return
    if body.text_output is None and body.error is None:
        answer.error = RequestError("decode", f"the answer holds no text_output: {snippet(text)}")
    elif body.error is None and exchange.request.streaming:
        answer.error = RequestError("not_streamed", f"asked for a stream, the answer is {snippet(text)}")
    else:
        _take_body(body, len(reads) - 1, False, answer)


def _take_events(data: list[bytes], reads: list[int], shared: list[bool], answer: Answer) -> None:
    try:
        # One call for all of them costs a third of one call each.
        bodies = _decode_bodies(b"[" + b",".join(data) + b"]")
        if len(bodies) != len(data):
            raise msgspec.DecodeError("an event held more than one value")
    except (msgspec.DecodeError, UnicodeDecodeError):
        bodies = [_event_body(event) for event in data]
    for body, read, is_shared in zip(bodies, reads, shared):
        _take_body(body, read, is_shared, answer)


def _event_body(event: bytes) -> _Body:
    """One event by itself, where a step has one that cannot be read."""
    try:
        return _decode_body(event)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        if event.strip() in (b"", b"[DONE]"):  # of a server that only looks like Triton
            return _Body()
        return _Body(error=f"an event cannot be read ({exc}): {snippet(event)}")


def _take_body(body: _Body, read: int, is_shared: bool, answer: Answer) -> None:
    text = body.text_output
    if text:
        text = text if type(text) is str else "".join(text)
        if is_shared:
            answer.content_shared.append(len(answer.content))
        answer.content.append(text)
        answer.content_reads.append(read)
    if body.error is not None and answer.error is None:
        answer.error = RequestError("server", body.error if isinstance(body.error, str) else str(body.error))
    if body.finish_reason is not None:
        answer.finish_reason = str(body.finish_reason)
    if type(body.num_output_tokens) is int and type(body.num_input_tokens) is int:
        earlier = answer.usage.output_tokens or 0 if answer.usage is not None else 0
        # each response says what it brought itself
        answer.usage = Usage(body.num_input_tokens, earlier + body.num_output_tokens)


ENDPOINT = Endpoint(
    name="generate",
    path="v2/models/{model}/generate",
    streaming_path="v2/models/{model}/generate_stream",
    build=build,
    decode=decode,
    prompt_text=prompt_text,
    can_batch=True,
    usage_request={"return_num_input_tokens": True, "return_num_output_tokens": True},
    usage_unasked=False,
    is_triton=True,
)
