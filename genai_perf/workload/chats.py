"""Conversations as data sets write them: lists of messages, ShareGPT's or OpenAI's.

    [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}, …]
    [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}, …]

Real ones are not all in order. What of them can be said to a model is taken, and what is left out is counted:

- What comes before the first word of the user is left out, but for the system's.
- Messages in a row by the same speaker are one, with a blank line between them.
- A conversation ends before an empty message of the user, or one by somebody else (a tool, an observation);
  and before an answer that is empty: its question is the last.
- A system message that comes later is left out.
- What then has no word of the user is no conversation.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genai_perf.exceptions import InputError
from genai_perf.types import Turn

_SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "system": "system",
}

Odd = Counter[str]
"""What was not in order, and in how many conversations."""

Image = Callable[[str], str]
"""From what a message names to the URL of an image. Raises InputError."""


def turns(messages: Any, where: str, odd: Odd, image: Image | None = None) -> tuple[Turn, ...]:
    """What the user says, each with its answer; nothing where no word is the user's. Counts what is `odd`.

    `image` is None where no images can be sent. Raises InputError for what is no list of messages.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        raise InputError(f"{where}: not a list of messages: {str(messages)[:80]!r}")
    system, spoken = _spoken(messages, where, odd, image)
    found: list[Turn] = []
    for place in range(0, len(spoken), 2):
        _, text, images = spoken[place]
        answer = spoken[place + 1][1] if place + 1 < len(spoken) else None
        first = system or None if place == 0 else None
        found.append(Turn((text,) if text else (), system=first, images=images, answer=answer))
    if not found:
        odd["without a word of the user"] += 1
    return tuple(found)


_Said = tuple[str, str, tuple[str, ...]]
"""Speaker, text, images."""


def _spoken(messages: Sequence[Any], where: str, odd: Odd, image: Image | None) -> tuple[str, list[_Said]]:
    """What the system says, and then user and assistant in turn."""
    system: list[str] = []
    spoken: list[_Said] = []
    seen: set[str] = set()
    for number, message in enumerate(messages, 1):
        speaker, text, images = _message(message, f"{where}: message {number}", image)
        if speaker == "system":
            if spoken:
                seen.add("with a system message in the middle")
            elif text:
                system.append(text)
        elif not text and not images:
            seen.add("with an empty message")
            if spoken or speaker == "user":
                break
        elif speaker not in ("user", "assistant"):
            seen.add(f"with a message by {speaker}")
            break
        elif not spoken and speaker == "assistant":
            seen.add("with an answer before any question")
        elif spoken and spoken[-1][0] == speaker:
            seen.add("with messages in a row by the same speaker")
            _, before, others = spoken[-1]
            spoken[-1] = (speaker, "\n\n".join(filter(None, [before, text])), others + images)
        else:
            spoken.append((speaker, text, images))
    odd.update(seen)
    return "\n\n".join(system), spoken


def _message(message: Any, where: str, image: Image | None) -> _Said:
    if not isinstance(message, Mapping):
        raise InputError(f"{where}: not an object: {str(message)[:80]!r}")
    keys = ("from", "value") if "from" in message else ("role", "content")
    for key in keys:
        if key not in message:
            raise InputError(
                f'{where}: no "{key}" field', hint='it is {"from", "value"}, or {"role", "content"}'
            )
    speaker, content = (message[key] for key in keys)
    speaker = _SPEAKERS.get(str(speaker).lower(), str(speaker).lower())
    if content is None:
        return speaker, "", ()
    if isinstance(content, str):
        return speaker, content.strip(), ()
    if not isinstance(content, Sequence):
        raise InputError(f'{where}: "{keys[1]}" is not a string: {str(content)[:80]!r}')
    texts, images = [], []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}} if image is not None:
                images.append(_image(image, url, where))
            case {"type": "image_url"}:
                raise InputError(f"{where}: has an image; this endpoint takes text only")
            case _:
                raise InputError(f"{where}: a part that is neither text nor an image: {str(part)[:80]!r}")
    return speaker, "\n".join(texts).strip(), tuple(images)


def _image(image: Image, url: str, where: str) -> str:
    try:
        return image(url)
    except InputError as exc:
        raise InputError(f"{where}: {exc.message}", hint=exc.hint) from exc
