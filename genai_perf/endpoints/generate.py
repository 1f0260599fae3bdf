"""Triton's generate extension: `generate`, and `generate_stream` with --streaming.

Oddities of the server: a stream just ends, without `[DONE]`; an error may stand in an answer of status 200
and in the middle of a stream; a model that answers with several responses must be asked for a stream, or it
says so in such an error. Keys of the body that are no input of the model become parameters of the request.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.kserve import TEXT_INPUT, TEXT_OUTPUT
from genai_perf.endpoints.openai import joined
from genai_perf.endpoints.reading import Shape, decode, take_error, take_text
from genai_perf.endpoints.tensors import Interface, check_names, check_values
from genai_perf.types import Answer, Exchange, Turn, Usage


class _Body(msgspec.Struct, gc=False):
    """A whole answer or one event; whatever else it holds is not looked at."""

    text_output: str | list[str] | None = None
    error: Any = None
    num_input_tokens: Any = None
    """Of the vLLM backend, where it was asked to count."""
    num_output_tokens: Any = None
    finish_reason: Any = None


_read = msgspec.json.Decoder(_Body).decode
_read_all = msgspec.json.Decoder(list[_Body]).decode


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """The prompt is always a list, as GenAI-Perf sends it; the model's name stands in the path."""
    body: dict[str, Any] = {"text_input": list(turn.texts)}
    if streaming:
        body["stream"] = True
    return body


def prompt_text(body: Mapping[str, Any]) -> str:
    """The prompts, joined by blanks."""
    return joined(body["text_input"])


def check(body: Mapping[str, Any], interface: Interface) -> None:
    """UsageError for what the model does not take; keys that are no input of it are Triton's to pass on."""
    inputs = {name: value for name, value in body.items() if name in interface.inputs or name == TEXT_INPUT}
    check_names(interface, inputs, output=TEXT_OUTPUT)
    for name, value in inputs.items():
        check_values(interface, name, value)


def _take(body: _Body, read: int, shared: bool, answer: Answer) -> None:
    text = body.text_output
    if text:
        take_text(text if isinstance(text, str) else "".join(text), read, shared, answer)
    if body.error is not None:
        take_error(body.error, answer)
    if body.finish_reason is not None:
        answer.finish_reason = str(body.finish_reason)
    if type(body.num_output_tokens) is int and type(body.num_input_tokens) is int:
        earlier = answer.usage.output_tokens or 0 if answer.usage is not None else 0
        # each response says what it brought itself
        answer.usage = Usage(body.num_input_tokens, earlier + body.num_output_tokens)


_SHAPE = Shape(
    read=_read,
    read_all=_read_all,
    take=_take,
    mark=re.compile(rb'"text_output"\s*:\s*["\[]'),
    holds="text_output",
    text=re.compile(rb'"text_output": ?"((?:[^"\\]|\\.)*)"'),
)


def _decode(exchange: Exchange) -> Decoding:
    return decode(exchange, _SHAPE)


ENDPOINT = Endpoint(
    name="generate",
    path="v2/models/{model}/generate",
    streaming_path="v2/models/{model}/generate_stream",
    build=build,
    decode=_decode,
    prompt_text=prompt_text,
    can_batch=True,
    usage_request={"return_num_input_tokens": True, "return_num_output_tokens": True},
    usage_unasked=False,
    is_triton=True,
)
