"""Answers that rate passages: `rankings` (NVIDIA), `results` (Jina, Cohere, vLLM), or a bare list (TEI)."""

import json
from typing import Any

import msgspec

from genai_perf.endpoints import Decoding
from genai_perf.endpoints.openai import Count
from genai_perf.endpoints.reading import UNREADABLE, decode_textless
from genai_perf.types import Answer, Exchange, RequestError, Usage


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: Count = None
    total_tokens: Count = None


class _Body(msgspec.Struct, gc=False):
    rankings: list[msgspec.Raw] | None = None
    results: list[msgspec.Raw] | None = None
    usage: _Usage | None = None
    error: Any = None


_decode_any = msgspec.json.Decoder(_Body | list[msgspec.Raw]).decode


def _read(text: bytes) -> _Body:
    """One JSON object, or a list. Raises one of `UNREADABLE`."""
    try:
        found = _decode_any(text)
    except UNREADABLE:
        given = json.loads(text)
        if not isinstance(given, dict):
            raise
        # counts in an odd shape must not cost the scores, nor scores that the standard forbids (NaN)
        scores = given.get("rankings") or given.get("results")
        body = _Body(error=given.get("error"))
        body.results = [msgspec.Raw()] * len(scores) if isinstance(scores, list) else None
        return body
    return found if isinstance(found, _Body) else _Body(results=found)


def decode_scores(exchange: Exchange) -> Decoding:
    """Check that there are scores; they are not kept."""
    return decode_textless(exchange, _read, _take)


def _take(body: _Body, answer: Answer) -> None:
    if not (body.rankings or body.results):
        answer.error = RequestError("decode", "the answer holds no scores")
    elif body.usage is not None:
        told = body.usage.prompt_tokens
        answer.usage = Usage(body.usage.total_tokens if told is None else told)
