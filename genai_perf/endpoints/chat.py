"""OpenAI chat completions."""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Endpoint
from genai_perf.endpoints.openai import INCLUDE_USAGE, decode_text, said
from genai_perf.types import Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """One user message, after a system message where the turn has one."""
    messages = [{"role": "system", "content": turn.system}] if turn.system else []
    messages.append({"role": "user", "content": turn.texts[0]})
    body: dict[str, Any] = {"model": model, "messages": messages}
    if streaming:
        body["stream"] = True
    return body


def prompt_text(body: Mapping[str, Any]) -> str:
    """The messages' contents, joined by blanks; the server's chat template is not in it."""
    return " ".join(said(message.get("content")) for message in body["messages"])


def follow(before: Mapping[str, Any], answer: str, body: dict[str, Any]) -> dict[str, Any]:
    """Every message so far, the answer as the assistant's, then the new ones."""
    return {
        **body,
        "messages": [*before["messages"], {"role": "assistant", "content": answer}, *body["messages"]],
    }


ENDPOINT = Endpoint(
    name="chat",
    path="v1/chat/completions",
    build=build,
    decode=decode_text,
    prompt_text=prompt_text,
    takes_system=True,
    usage_request=INCLUDE_USAGE,
    follow=follow,
)
