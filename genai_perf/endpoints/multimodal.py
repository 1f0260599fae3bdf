"""OpenAI chat completions with images and audio beside the text."""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Endpoint
from genai_perf.endpoints.chat import follow
from genai_perf.endpoints.openai import INCLUDE_USAGE, decode_text
from genai_perf.types import Turn

_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}
"""OpenAI's words for media types that go by another name."""


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """One user message of parts: texts, then images, then audio; after a system message where there is one.

    An empty text is left out where anything else is said: some servers refuse it.
    """
    texts = [text for text in turn.texts if text] if turn.images or turn.audio else turn.texts
    parts = [
        *({"type": "text", "text": text} for text in texts),
        *({"type": "image_url", "image_url": {"url": url}} for url in turn.images),
        *({"type": "input_audio", "input_audio": _audio(url)} for url in turn.audio),
    ]
    messages: list[dict[str, Any]] = [{"role": "system", "content": turn.system}] if turn.system else []
    messages.append({"role": "user", "content": parts})
    body: dict[str, Any] = {"model": model, "messages": messages}
    if streaming:
        body["stream"] = True
    return body


def _audio(url: str) -> dict[str, str]:
    """What a `data:audio/…;base64,…` URL holds, as OpenAI wants it: format and data apart."""
    head, _, data = url.partition(",")
    subtype = head.removeprefix("data:audio/").partition(";")[0]
    return {"data": data, "format": _AUDIO_FORMATS.get(subtype, subtype)}


def prompt_text(body: Mapping[str, Any]) -> str:
    """The text parts of all messages, joined by blanks: neither images nor audio nor the chat template."""
    return " ".join(text for message in body["messages"] for text in _texts(message["content"]))


def _texts(content: str | list[dict[str, Any]]) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if part["type"] == "text"]


ENDPOINT = Endpoint(
    name="multimodal",
    path="v1/chat/completions",
    build=build,
    decode=decode_text,
    prompt_text=prompt_text,
    takes_system=True,
    takes_images=True,
    takes_audio=True,
    usage_request=INCLUDE_USAGE,
    follow=follow,
    title="Multi-Modal Metrics",
)
