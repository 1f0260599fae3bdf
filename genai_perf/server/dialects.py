"""Other words for the same: OpenAI's responses, Anthropic's messages, TGI, and scores for passages. Pure."""

import json
from collections.abc import Callable
from functools import partial
from hashlib import shake_128
from typing import Any

import msgspec

from genai_perf.server import answers
from genai_perf.server.answers import Pieces, Reply
from genai_perf.server.openai import (
    Api,
    Ask,
    Message,
    Part,
    Reader,
    Refusal,
    conversation,
    invalid,
    no_model,
    said,
)

# -- what is asked ------------------------------------------------------------------------------------


class _Responses(msgspec.Struct):
    input: str | list[Message]
    model: str | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    stream: bool | None = None


class _Messages(msgspec.Struct):
    messages: list[Message]
    max_tokens: int
    model: str | None = None
    system: str | list[Part] | None = None
    stream: bool | None = None


class _Parameters(msgspec.Struct):
    max_new_tokens: int | None = None
    details: bool | None = None


class _Tgi(msgspec.Struct):
    inputs: str
    parameters: _Parameters | None = None
    stream: bool | None = None


class _Text(msgspec.Struct):
    text: str


class _Rerank(msgspec.Struct):
    query: str
    documents: list[str]
    model: str | None = None


class _Ranking(msgspec.Struct):
    query: _Text
    passages: list[_Text]
    model: str | None = None


class _TeiRerank(msgspec.Struct):
    query: str
    texts: list[str]


_read_responses = msgspec.json.Decoder(_Responses).decode
_read_messages = msgspec.json.Decoder(_Messages).decode
_read_tgi = msgspec.json.Decoder(_Tgi).decode
_read_rerank = msgspec.json.Decoder(_Rerank).decode
_read_ranking = msgspec.json.Decoder(_Ranking).decode
_read_tei = msgspec.json.Decoder(_TeiRerank).decode


def _responses(body: bytes) -> Ask | Refusal:
    asked = _read_responses(body)
    given = [asked.input] if isinstance(asked.input, str) else [conversation(asked.input)]
    texts = [asked.instructions, *given] if asked.instructions else given
    return _generation(
        Api.RESPONSES, asked.model, texts, "max_output_tokens", asked.max_output_tokens, bool(asked.stream)
    )


def _messages(body: bytes) -> Ask | Refusal:
    asked = _read_messages(body)
    if not asked.messages:
        return invalid("messages", "is empty; at least one message is needed")
    texts = [*said(asked.system), conversation(asked.messages)]
    return _generation(Api.MESSAGES, asked.model, texts, "max_tokens", asked.max_tokens, bool(asked.stream))


def _tgi(api: Api, body: bytes) -> Ask | Refusal:
    asked = _read_tgi(body)
    parameters = asked.parameters or _Parameters()
    streaming = api is Api.TGI_STREAM or (api is Api.TGI and bool(asked.stream))
    limit = parameters.max_new_tokens
    refusal = _check_limit("parameters.max_new_tokens", limit)
    # its model has no name, or rather: none is looked at
    return refusal or Ask(
        api,
        "",
        (asked.inputs,),
        max_tokens=limit,
        streaming=streaming,
        include_usage=streaming or bool(parameters.details),
    )


def _generation(
    api: Api, model: str | None, texts: list[str], name: str, limit: int | None, streaming: bool
) -> Ask | Refusal:
    if not model:
        return no_model()
    refusal = _check_limit(name, limit)
    text = "\n".join(texts)
    return refusal or Ask(api, model, (text,), max_tokens=limit, streaming=streaming, include_usage=True)


def _check_limit(name: str, limit: int | None) -> Refusal | None:
    return invalid(name, f"is {limit}; it must be at least 1") if limit is not None and limit < 1 else None


def _rerank(body: bytes) -> Ask | Refusal:
    asked = _read_rerank(body)
    return _ranked(Api.RERANK, asked.model, asked.query, "documents", asked.documents)


def _ranking(body: bytes) -> Ask | Refusal:
    asked = _read_ranking(body)
    passages = [passage.text for passage in asked.passages]
    return _ranked(Api.RANKING, asked.model, asked.query.text, "passages", passages)


def _tei_rerank(body: bytes) -> Ask | Refusal:
    asked = _read_tei(body)
    return _ranked(Api.TEI_RERANK, "", asked.query, "texts", asked.texts)


def _ranked(api: Api, model: str | None, query: str, name: str, passages: list[str]) -> Ask | Refusal:
    if not model and api is not Api.TEI_RERANK:
        return no_model()
    if not passages:
        return invalid(name, "is empty; there is nothing to rank")
    return Ask(api, model or "", (query, *passages))


READERS: dict[Api, Reader] = {
    Api.RESPONSES: _responses,
    Api.MESSAGES: _messages,
    **{api: partial(_tgi, api) for api in (Api.TGI, Api.TGI_WHOLE, Api.TGI_STREAM)},
    Api.RERANK: _rerank,
    Api.RANKING: _ranking,
    Api.TEI_RERANK: _tei_rerank,
}

# -- what is answered ---------------------------------------------------------------------------------


def completion(reply: Reply) -> bytes:
    """The whole answer as one JSON object, by whichever API it was asked."""
    make = _WHOLE.get(reply.ask.api)
    return msgspec.json.encode(make(reply)) if make is not None else answers.completion(reply)


def pieces(reply: Reply) -> Pieces:
    """What stands around the words of a streamed answer, by whichever API it was asked."""
    return _PIECES.get(reply.ask.api, answers.pieces)(reply)


def scores(ask: Ask, input_tokens: int) -> bytes:
    """How well each passage fits the query, best first; always the same for the same texts."""
    query, *passages = ask.texts
    drawn = {
        index: int.from_bytes(shake_128(f"{query}\0{passage}".encode("utf-8", "surrogatepass")).digest(4))
        for index, passage in enumerate(passages)
    }
    found = [(index, number / 2**32) for index, number in sorted(drawn.items(), key=lambda item: -item[1])]
    usage = {"prompt_tokens": input_tokens, "total_tokens": input_tokens}
    if ask.api is Api.TEI_RERANK:
        return msgspec.json.encode([{"index": index, "score": score} for index, score in found])
    if ask.api is Api.RANKING:
        rankings = [{"index": index, "logit": 20 * score - 10} for index, score in found]
        return msgspec.json.encode({"rankings": rankings, "usage": usage})
    results = [{"index": index, "relevance_score": score} for index, score in found]
    return msgspec.json.encode({"model": ask.model, "results": results, "usage": usage})


RANKERS = frozenset({Api.RERANK, Api.RANKING, Api.TEI_RERANK})
THINKERS = frozenset({Api.CHAT, Api.RESPONSES, Api.MESSAGES})
"""The APIs that have words for reasoning."""


def _event(kind: str, *parts: bytes) -> bytes:
    """The beginning of a named event, up to a place in its data; or all of it."""
    return b"event: %b\ndata: %b" % (kind.encode(), b"".join(parts))


def _typed(kind: str, **data: Any) -> bytes:
    return _event(kind, msgspec.json.encode({"type": kind, **data}), b"\n\n")


def _response(reply: Reply) -> dict[str, Any]:
    """The whole answer of the Responses API."""
    output: list[dict[str, Any]] = []
    if reply.reasoning_tokens:
        thought = [{"type": "reasoning_text", "text": reply.reasoning}]
        output.append({"type": "reasoning", "id": f"rs_{reply.number}", "summary": [], "content": thought})
    content = [{"type": "output_text", "text": reply.text, "annotations": []}]
    output.append(
        {
            "type": "message",
            "id": f"msg_{reply.number}",
            "status": "completed",
            "role": "assistant",
            "content": content,
        }
    )
    told = reply.usage()
    is_cut = reply.finish_reason == "length"
    return {
        "id": f"resp_{reply.number}",
        "object": "response",
        "created_at": reply.created_s,
        "model": reply.ask.model,
        "status": "incomplete" if is_cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "error": None,
        "output": output,
        "usage": {
            "input_tokens": told["prompt_tokens"],
            "output_tokens": told["completion_tokens"],
            "total_tokens": told["total_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
        },
    }


def _response_pieces(reply: Reply) -> Pieces:
    whole = _response(reply)
    begun = whole | {"status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    message = whole["output"][-1] | {"status": "in_progress", "content": []}

    def delta(kind: str, item: str) -> list[bytes]:
        return [_event(kind, b'{"type":"%b","item_id":"%b","delta":"' % (kind.encode(), item.encode()))]

    return Pieces(
        opening=_typed("response.created", response=begun)
        + _typed("response.output_item.added", output_index=0, item=message),
        starts=delta("response.output_text.delta", message["id"]),
        reasoning_starts=delta("response.reasoning_text.delta", f"rs_{reply.number}"),
        end=b'"}\n\n',
        closing=_typed("response.output_text.done", item_id=message["id"], text=reply.text)
        + _typed(f"response.{whole['status']}", response=whole),
    )


_STOP_REASONS = {"length": "max_tokens", "stop": "end_turn"}


def _message(reply: Reply) -> dict[str, Any]:
    """The whole answer of the Messages API."""
    content: list[dict[str, Any]] = []
    if reply.reasoning_tokens:
        content.append({"type": "thinking", "thinking": reply.reasoning, "signature": ""})
    content.append({"type": "text", "text": reply.text})
    told = reply.usage()
    return {
        "id": f"msg_{reply.number}",
        "type": "message",
        "role": "assistant",
        "model": reply.ask.model,
        "content": content,
        "stop_reason": _STOP_REASONS[reply.finish_reason],
        "stop_sequence": None,
        "usage": {"input_tokens": told["prompt_tokens"], "output_tokens": told["completion_tokens"]},
    }


def _message_pieces(reply: Reply) -> Pieces:
    whole = _message(reply)
    usage = whole["usage"]
    begun = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 0}}

    def delta(kind: str, key: str) -> list[bytes]:
        start = b'{"type":"content_block_delta","index":0,"delta":{"type":"%b","%b":"'
        return [_event("content_block_delta", start % (kind.encode(), key.encode()))]

    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    block = {"type": "text", "text": ""}
    return Pieces(
        opening=_typed("message_start", message=begun)
        + _typed("content_block_start", index=0, content_block=block),
        starts=delta("text_delta", "text"),
        reasoning_starts=delta("thinking_delta", "thinking"),
        end=b'"}}\n\n',
        closing=_typed("content_block_stop", index=0)
        + _typed("message_delta", delta=stop, usage={"output_tokens": usage["output_tokens"]})
        + _typed("message_stop"),
    )


def _details(reply: Reply) -> dict[str, Any]:
    reason = "eos_token" if reply.finish_reason == "stop" else reply.finish_reason
    return {
        "finish_reason": reason,
        "generated_tokens": reply.output_tokens,
        "input_length": reply.input_tokens,
        "seed": None,
    }


def _generated(reply: Reply) -> dict[str, Any] | list[dict[str, Any]]:
    """TGI's whole answer: at its root a list, as clients of long ago expect it."""
    told = {"details": _details(reply)} if reply.ask.include_usage else {}
    found = {"generated_text": reply.text, **told}
    return [found] if reply.ask.api is Api.TGI else found


def _generated_pieces(reply: Reply) -> Pieces:
    """TGI's stream, ended by a special token; there is no blank after its colons."""
    end_token = {"id": 2, "text": "</s>", "logprob": 0.0, "special": True}
    last = {
        "index": reply.output_tokens + 1,
        "token": end_token,
        "generated_text": reply.text,
        "details": _details(reply),
    }
    return Pieces(
        opening=b"",
        starts=[b'data:{"index":1,"token":{"id":1,"text":"'],
        reasoning_starts=[],
        end=b'","logprob":-0.5,"special":false},"generated_text":null,"details":null}\n\n',
        closing=b"data:" + json.dumps(last, separators=(",", ":")).encode() + b"\n\n",
    )


_WHOLE: dict[Api, Callable[[Reply], Any]] = {
    Api.RESPONSES: _response,
    Api.MESSAGES: _message,
    Api.TGI: _generated,
    Api.TGI_WHOLE: _generated,
}
_PIECES: dict[Api, Callable[[Reply], Pieces]] = {
    Api.RESPONSES: _response_pieces,
    Api.MESSAGES: _message_pieces,
    Api.TGI: _generated_pieces,
    Api.TGI_STREAM: _generated_pieces,
}
