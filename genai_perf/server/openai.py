"""What clients ask, in OpenAI's words: bodies in, an `Ask` or a `Refusal` out. Pure.

Sampling parameters (temperature, seed, stop, tools…) are read by no one: the answer is always the same words,
exactly as many as were asked for. What would change the answer's shape and is not there is refused by name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec


class Api(StrEnum):
    """An API, by its path."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    INFER = "/v1/infer"
    """Of NVIDIA's image retrieval, not OpenAI's."""
    # in other words than these, which `dialects` reads and speaks
    RESPONSES = "/v1/responses"
    MESSAGES = "/v1/messages"
    TGI = "/"
    TGI_WHOLE = "/generate"
    TGI_STREAM = "/generate_stream"
    RERANK = "/v1/rerank"
    RANKING = "/v1/ranking"
    TEI_RERANK = "/rerank"


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request wants."""

    api: Api
    model: str
    texts: tuple[str, ...]
    """The prompts or inputs; what a conversation says, joined, for chat."""
    token_counts: tuple[int, ...] = ()
    """Lengths of the prompts that came as token ids; `texts` is empty then."""
    max_tokens: int | None = None
    """Output tokens per prompt; None leaves it to the server."""
    streaming: bool = False
    include_usage: bool = False
    dimensions: int | None = None
    base64: bool = False
    images: int = 0
    """How many are to be looked at, where there is nothing else; those beside texts are not counted."""

    @property
    def prompts(self) -> int:
        """How many answers (or vectors) are wanted."""
        return 1 if self.api is Api.CHAT else len(self.texts) or len(self.token_counts)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error in OpenAI's format."""

    status: int
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())

    def body(self) -> bytes:
        """The JSON that says so."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error})


Reader = Callable[[bytes], Ask | Refusal]


def parse(api: Api, body: bytes, read: Reader | None = None) -> Ask | Refusal:
    """Read a request's body, by `read` where it is no API of this module's."""
    try:
        return (read or _READERS[api])(body)
    except msgspec.ValidationError as error:
        return Refusal(400, f"The request body is not valid: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal(400, f"We could not parse the JSON body of your request: {error}")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Part(msgspec.Struct):
    """Of a message's content."""

    type: str
    text: str | None = None


class Message(msgspec.Struct):
    """Of a conversation."""

    role: str
    content: str | list[Part] | None = None


class _Image(msgspec.Struct):
    type: str
    url: str


class _Infer(msgspec.Struct):
    input: list[_Image]


_Texts = str | list[str | int | list[int]]
"""A text, several, one as token ids, or several of those; `_prompts` tells them apart."""


class _Generate(msgspec.Struct, kw_only=True):
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None


class _Chat(_Generate, kw_only=True):
    messages: list[Message]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None


class _Completion(_Generate, kw_only=True):
    prompt: _Texts
    logprobs: int | None = None
    best_of: int | None = None
    echo: bool | None = None


class _Embeddings(msgspec.Struct, kw_only=True):
    input: _Texts
    model: str | None = None
    dimensions: int | None = None
    encoding_format: str | None = None


_CHAT = msgspec.json.Decoder(_Chat)
_COMPLETION = msgspec.json.Decoder(_Completion)
_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)
_INFER = msgspec.json.Decoder(_Infer)


def _read_chat(body: bytes) -> Ask | Refusal:
    asked = _CHAT.decode(body)
    if not asked.messages:
        return invalid("messages", "is empty; at least one message is needed")
    if asked.logprobs:
        return invalid("logprobs", "is not supported by this server")
    limit = "max_tokens" if asked.max_completion_tokens is None else "max_completion_tokens"
    max_tokens: int | None = getattr(asked, limit)
    refusal = _check(asked, limit, max_tokens)
    if refusal is not None:
        return refusal
    return Ask(
        Api.CHAT,
        asked.model or "",
        texts=(conversation(asked.messages),),
        max_tokens=max_tokens,
        streaming=bool(asked.stream),
        include_usage=_wants_usage(asked),
    )


def conversation(messages: Iterable[Message]) -> str:
    """All that was said, a line each."""
    return "\n".join(text for message in messages for text in said(message.content))


def said(content: str | list[Part] | None) -> list[str]:
    """The texts of a message."""
    if isinstance(content, list):
        return [part.text for part in content if part.text is not None]
    return [content] if content else []


def _read_completion(body: bytes) -> Ask | Refusal:
    asked = _COMPLETION.decode(body)
    if asked.best_of is not None and asked.best_of != 1:
        return invalid("best_of", f"is {asked.best_of}; this server gives one answer per prompt")
    for name in ("echo", "logprobs"):
        if getattr(asked, name):
            return invalid(name, "is not supported by this server")
    refusal = _check(asked, "max_tokens", asked.max_tokens)
    if refusal is not None:
        return refusal
    prompts = _prompts("prompt", asked.prompt)
    if isinstance(prompts, Refusal):
        return prompts
    return Ask(
        Api.COMPLETIONS,
        asked.model or "",
        *prompts,
        max_tokens=asked.max_tokens,
        streaming=bool(asked.stream),
        include_usage=_wants_usage(asked),
    )


def _read_embeddings(body: bytes) -> Ask | Refusal:
    asked = _EMBEDDINGS.decode(body)
    if not asked.model:
        return no_model()
    if asked.encoding_format not in (None, "float", "base64"):
        return invalid("encoding_format", f"is {asked.encoding_format!r}; there are float and base64")
    if asked.dimensions is not None and not 1 <= asked.dimensions <= MAX_DIMENSIONS:
        return invalid("dimensions", f"is {asked.dimensions}; it can be 1 to {MAX_DIMENSIONS}")
    prompts = _prompts("input", asked.input)
    if isinstance(prompts, Refusal):
        return prompts
    return Ask(
        Api.EMBEDDINGS,
        asked.model,
        *prompts,
        dimensions=asked.dimensions,
        base64=asked.encoding_format == "base64",
    )


def _read_infer(body: bytes) -> Ask | Refusal:
    images = _INFER.decode(body).input
    if not images:
        return invalid("input", "is empty; at least one image is needed")
    for image in images:
        if image.type != "image_url":
            return invalid("input", f"holds a part of type {image.type!r}; there is image_url")
    return Ask(Api.INFER, "", texts=(), images=len(images))


MAX_DIMENSIONS = 65_536

_READERS: dict[Api, Reader] = {
    Api.CHAT: _read_chat,
    Api.COMPLETIONS: _read_completion,
    Api.EMBEDDINGS: _read_embeddings,
    Api.INFER: _read_infer,
}


def _check(asked: _Generate, limit: str, max_tokens: int | None) -> Refusal | None:
    """What chat and completions both insist on."""
    if not asked.model:
        return no_model()
    if asked.n is not None and asked.n != 1:
        return invalid("n", f"is {asked.n}; this server gives one answer per prompt")
    if max_tokens is not None and max_tokens < 1:
        return invalid(limit, f"is {max_tokens}; it must be at least 1")
    if asked.stream_options is not None and not asked.stream:
        return invalid("stream_options", "is only allowed when `stream` is true")
    return None


def _wants_usage(asked: _Generate) -> bool:
    return asked.stream_options is not None and bool(asked.stream_options.include_usage)


def _prompts(name: str, given: _Texts) -> tuple[tuple[str, ...], tuple[int, ...]] | Refusal:
    """`Ask.texts` and `Ask.token_counts`; one of the two is empty."""
    if isinstance(given, str):
        return (given,), ()
    texts = tuple(each for each in given if isinstance(each, str))
    ids = [each for each in given if isinstance(each, list)]
    if given and len(texts) == len(given):
        return texts, ()
    if given and len(ids) == len(given):
        return (), tuple(map(len, ids))
    if given and not texts and not ids:
        return (), (len(given),)
    return invalid(
        name, "must be a string or a list (not empty) of strings, token ids, or lists of token ids"
    )


def no_model() -> Refusal:
    """What a body without a model is told."""
    return Refusal(400, "you must provide a model parameter", param="model")


def invalid(name: str, problem: str) -> Refusal:
    """What a body with a bad value is told."""
    return Refusal(400, f"{name} {problem}", param=name, code="invalid_value")
