"""What the server answers, as bytes, shaped as OpenAI shapes it. Pure.

Every word of an answer is one token of the builtin tokenizer, and all are equally long, so that an answer of
n tokens is n words and the bytes around a word are the same for each: a token costs one `join`.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_128
from math import sqrt
from struct import pack, unpack
from typing import Any

import msgspec

from genai_perf.server.openai import Api, Ask

WORDS = (
    *(" the", " and", " for", " was", " his", " not", " you", " had"),
    *(" her", " but", " all", " she", " one", " him", " are", " out"),
)
"""What answers are made of, in this order, beginning anywhere."""
_WORD_CHARS = len(WORDS[0])
_CYCLE = "".join(WORDS)

FINGERPRINT = "fp_embedded"

Frame = Callable[[int], bytes]
"""The bytes that go with the answer's i-th token; of an answer sent as a whole, only the last has some."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What is going to be answered; `output_tokens` for each prompt of the ask."""

    ask: Ask
    number: int
    """Of the request; picks the first word."""
    created_s: int
    """Seconds since the epoch."""
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    finish_reason: str

    @property
    def tokens(self) -> int:
        """How many steps of decoding it takes."""
        return self.reasoning_tokens + self.output_tokens

    @property
    def text(self) -> str:
        """What is said."""
        return text(self.number + self.reasoning_tokens, self.output_tokens)

    @property
    def reasoning(self) -> str:
        """What is thought before."""
        return text(self.number, self.reasoning_tokens)

    def usage(self) -> dict[str, Any]:
        """The token counts as OpenAI states them."""
        output_tokens = self.reasoning_tokens + self.output_tokens * self.ask.prompts
        told: dict[str, Any] = {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": self.input_tokens + output_tokens,
        }
        if self.ask.api is Api.CHAT:
            told["prompt_tokens_details"] = {"cached_tokens": 0}
            told["completion_tokens_details"] = {"reasoning_tokens": self.reasoning_tokens}
        return told


def text(start: int, tokens: int) -> str:
    """`tokens` words, beginning with the one that `start` stands for."""
    first = start % len(WORDS)
    cycles = (first + tokens) // len(WORDS) + 1
    return (_CYCLE * cycles)[first * _WORD_CHARS : (first + tokens) * _WORD_CHARS]


def completion(reply: Reply) -> bytes:
    """The whole answer as one JSON object."""
    ask = reply.ask
    choices: list[dict[str, Any]] = []
    for index in range(ask.prompts):
        choice: dict[str, Any] = {"index": index}
        if ask.api is Api.CHAT:
            choice["message"] = {"role": "assistant", "content": reply.text, "refusal": None}
            if reply.reasoning_tokens:
                choice["message"]["reasoning_content"] = reply.reasoning
        else:
            choice["text"] = reply.text
        choices.append(choice | {"logprobs": None, "finish_reason": reply.finish_reason})
    return msgspec.json.encode(
        {
            "id": _id(reply),
            "object": "chat.completion" if ask.api is Api.CHAT else "text_completion",
            "created": reply.created_s,
            "model": ask.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
            "usage": reply.usage(),
        }
    )


@dataclass(frozen=True, slots=True)
class Pieces:
    """What stands around the words of a streamed answer."""

    opening: bytes
    """The events before the first word; empty for none."""
    starts: list[bytes]
    """What an event with a word begins with; one for each prompt."""
    reasoning_starts: list[bytes]
    end: bytes
    """What follows a word."""
    closing: bytes
    """The events after the last word."""


def pieces(reply: Reply) -> Pieces:
    """Of a chat or text completion."""
    ask = reply.ask
    shape = _CHAT if ask.api is Api.CHAT else _COMPLETION
    start, end = _event_start(reply), _event_end(ask.include_usage)
    reason = reply.finish_reason.encode()
    prompts = range(ask.prompts)
    closing = b"".join(start + shape.finish % (index, reason) + end for index in prompts)
    if ask.include_usage:
        closing += b'%b[],"usage":%b}\n\n' % (start, msgspec.json.encode(reply.usage()))
    return Pieces(
        opening=start + shape.role + end if shape.role else b"",
        starts=[start + shape.token_start % index for index in prompts],
        reasoning_starts=[
            start + shape.reasoning_start % index for index in prompts if shape.reasoning_start
        ],
        end=shape.token_end + end,
        closing=closing + b"data: [DONE]\n\n",
    )


def stream(reply: Reply, head: bytes, *, chunked: bool, around: Pieces | None = None) -> Frame:
    """The answer as server-sent events, a token each: reasoning tokens first, then the visible ones.

    The first frame begins with `head` and the opening; the last one ends with the closing, and the last chunk
    when the body is `chunked`. With several prompts a frame holds one event of each.
    """
    parts = around or pieces(reply)
    tails = _tails(parts.end)

    def framed(starts: list[bytes]) -> list[bytes]:
        """What stands before, between and after the words of a frame."""
        if not chunked:
            return [*starts, b""]
        size = sum(map(len, starts)) + len(tails[0]) * len(starts)
        return [b"%x\r\n%b" % (size, starts[0]), *starts[1:], b"\r\n"]

    opening = head + (_framed(parts.opening, chunked) if parts.opening else b"")
    closing = _framed(parts.closing, chunked)
    if chunked:
        closing += b"0\r\n\r\n"

    content = framed(parts.starts)
    reasoning_tokens = reply.reasoning_tokens
    reasoning = framed(parts.reasoning_starts) if reasoning_tokens else content
    last, first_word, words = reply.tokens - 1, reply.number, len(WORDS)

    def frame(index: int) -> bytes:
        tail = tails[(first_word + index) % words]
        data = tail.join(reasoning if index < reasoning_tokens else content)
        if index == 0:
            data = opening + data
        if index == last:
            data += closing
        return data

    return frame


def whole(response: bytes, tokens: int) -> Frame:
    """An answer that is sent with its last token, all in one."""
    return lambda index: response if index == tokens - 1 else b""


def embeddings(ask: Ask, input_tokens: int, dimensions: int) -> bytes:
    """A vector for each input; always the same for the same text, or the same number of token ids."""
    inputs: Sequence[object] = ask.texts or ask.token_counts
    vectors = [vector(str(each), dimensions) for each in inputs]
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(each, ask.base64)}
        for index, each in enumerate(vectors)
    ]
    counts = {"prompt_tokens": input_tokens, "total_tokens": input_tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": ask.model, "usage": counts})


def nothing_found(ask: Ask) -> bytes:
    """What image retrieval says of each image: that it shows nothing."""
    data = [{"index": index, "bounding_boxes": {}} for index in range(ask.images)]
    return msgspec.json.encode({"data": data, "usage": {"images": ask.images}})


def vector(text: str, dimensions: int) -> bytes:
    """A vector of length 1 that depends on the text alone, as little-endian float32."""
    drawn = unpack(f"<{dimensions}h", shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions))
    scale = 1 / (sqrt(sum(each * each for each in drawn)) or 1.0)
    return pack(f"<{dimensions}f", *(each * scale for each in drawn))


def models(names: Sequence[str], created_s: int) -> bytes:
    """The list of models."""
    return msgspec.json.encode({"object": "list", "data": [_model(name, created_s) for name in names]})


def model(name: str, created_s: int) -> bytes:
    """One model."""
    return msgspec.json.encode(_model(name, created_s))


def _model(name: str, created_s: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created_s, "owned_by": "genai-perf"}


@dataclass(frozen=True, slots=True)
class _Shape:
    """What an event of an API says within `"choices":`."""

    role: bytes
    """The event before all others; empty for none."""
    token_start: bytes
    reasoning_start: bytes
    token_end: bytes
    finish: bytes


_CHAT = _Shape(
    role=b'[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},'
    b'"logprobs":null,"finish_reason":null}]',
    token_start=b'[{"index":%d,"delta":{"content":"',
    reasoning_start=b'[{"index":%d,"delta":{"reasoning_content":"',
    token_end=b'"},"logprobs":null,"finish_reason":null}]',
    finish=b'[{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"}]',
)
_COMPLETION = _Shape(
    role=b"",
    token_start=b'[{"index":%d,"text":"',
    reasoning_start=b"",
    token_end=b'","logprobs":null,"finish_reason":null}]',
    finish=b'[{"index":%d,"text":"","logprobs":null,"finish_reason":"%b"}]',
)


def _id(reply: Reply) -> str:
    return f"{'chatcmpl' if reply.ask.api is Api.CHAT else 'cmpl'}-{reply.number}"


def _event_start(reply: Reply) -> bytes:
    return b'data: {"id":"%b","object":"%b","created":%d,"model":%b,"system_fingerprint":"%b","choices":' % (
        _id(reply).encode(),
        b"chat.completion.chunk" if reply.ask.api is Api.CHAT else b"text_completion",
        reply.created_s,
        msgspec.json.encode(reply.ask.model),
        FINGERPRINT.encode(),
    )


def _event_end(usage_is_asked: bool) -> bytes:
    """OpenAI states `"usage":null` in every event but the last one, when it was asked for."""
    return b',"usage":null}\n\n' if usage_is_asked else b"}\n\n"


@lru_cache(maxsize=8)
def _tails(end: bytes) -> tuple[bytes, ...]:
    """For each word: itself, and the rest of its event."""
    return tuple(word.encode() + end for word in WORDS)


def _framed(data: bytes, chunked: bool) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if chunked else data


def _encoded(values: bytes, as_base64: bool) -> object:
    return base64.b64encode(values).decode() if as_base64 else unpack(f"<{len(values) // 4}f", values)
