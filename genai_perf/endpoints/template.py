"""Any JSON over HTTP: bodies come from a Jinja template, `--extra-inputs payload_template:NAME|FILE`.

The template renders a JSON list, each element of which is one request: its body, or `{"payload": [body]}` as
GenAI-Perf writes it. What it prints is JSON already: `"{{ text }}"` is safe whatever the text holds, and
`{{ texts }}`, `{{ max_tokens }}` or `{{ stream }}` stand without quotes. It runs in Jinja's sandbox.

What comes back may be anything, so it is not looked into: there are latencies and throughput, no tokens.
"""

import json
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.endpoints.reading import http_error, looks_like_events, plain_reads, snippet, take_error
from genai_perf.endpoints.sse import parse as events
from genai_perf.exceptions import InputError, UsageError
from genai_perf.types import Answer, Exchange, Turn

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "payload_template"
"""The extra input that names the template."""

BUILTIN = {
    "nv-embedqa": (
        '[{% for item in texts %}{"text": ["{{ item }}"]}{% if not loop.last %}, {% endif %}{% endfor %}]'
    ),
}

VARIABLES = ("texts", "model", "stream", "max_tokens", "images", "audio")

_EVENTS_PER_STEP = 1024
_SAID = 120
"""Characters of a rendering that a message shows."""


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    """The variables; the body is rendered of them."""
    values = (turn.texts, model, streaming, turn.max_tokens, turn.images, turn.audio)
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in zip(VARIABLES, values)
    }


def extend(variables: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, and the name of the template. Raises UsageError."""
    if extra.get(TEMPLATE) is None:
        raise UsageError(
            f"The template converter requires the extra input {TEMPLATE}, "
            f"only detected the following --extra-inputs: {list(extra)}.",
            hint=f"--extra-inputs {TEMPLATE}:FILE, or one of those built in: {', '.join(BUILTIN)}",
        )
    others = [name for name in extra if name != TEMPLATE]
    if others:
        raise UsageError(
            f"Template only supports the extra input '{TEMPLATE}'.",
            hint=f"{', '.join(others)} can stand in the template itself",
        )
    return {**variables, TEMPLATE: str(extra[TEMPLATE])}


def render(variables: dict[str, Any], read: Callable[[str], str | None]) -> list[dict[str, Any]]:
    """The bodies that a template makes of a turn. `read` gives a file's text, None where there is no file.

    Raises UsageError for a template that is not there, InputError for what is wrong in it.
    """
    from jinja2 import TemplateError

    name = variables[TEMPLATE]
    source = BUILTIN.get(name) or read(name)
    if source is None:
        raise UsageError(f"Template file not found: {name}", hint=f"built in: {', '.join(BUILTIN)}")
    template = _compiled(name, source)
    try:
        text = template.render({key: variables[key] for key in VARIABLES})
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as exc:
        raise InputError(f"{name}:{_line(exc)}: {exc}", hint=f"variables: {', '.join(VARIABLES)}") from exc
    try:
        elements = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InputError(f"{name}: renders no JSON: {exc}", hint=_beginning(text)) from exc
    if not isinstance(elements, list) or not elements:
        raise InputError(
            f"{name}: must render a JSON list with an object for each request", hint=_beginning(text)
        )
    return [_body(element, name) for element in elements]


def _line(exc: Exception) -> int:
    """The line of the template in which it was raised: Jinja makes tracebacks that know it."""
    frames = traceback.extract_tb(exc.__traceback__)
    return next((frame.lineno for frame in reversed(frames) if frame.filename == _SOURCE), 1) or 1


_SOURCE = "<template>"
"""What Jinja calls a template that was no file to it."""


def _body(element: Any, name: str) -> dict[str, Any]:
    if isinstance(element, dict) and isinstance(element.get("payload"), list):
        payload = element["payload"]
        element = payload[0] if len(payload) == 1 else payload
    if not isinstance(element, dict):
        raise InputError(f"{name}: a request's body must be one object", hint=_beginning(json.dumps(element)))
    return element


def _beginning(text: str) -> str:
    return "it renders " + snippet(text[:_SAID].encode())


@lru_cache(maxsize=1)
def _compiled(name: str, source: str) -> "Template":
    """The template, ready to render. Raises InputError."""
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Escaping is for HTML; `finalize` does what JSON needs, to every expression that is printed.
    environment = ImmutableSandboxedEnvironment(
        autoescape=False, undefined=StrictUndefined, finalize=_as_json
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "default": _no_json}
    try:
        return environment.from_string(source)
    except TemplateSyntaxError as exc:
        raise InputError(f"{name}:{exc.lineno}: {exc.message}") from exc


def _no_json(value: Any) -> Any:
    """What `tojson` does with anything that JSON has not: raise, by its name where it is undefined."""
    from jinja2 import Undefined

    if isinstance(value, Undefined):
        str(value)  # raises UndefinedError
    raise TypeError(f"a {type(value).__name__} is no JSON")


def _as_json(value: Any) -> Any:
    """What an expression prints: a text as it stands within quotes, anything else as JSON.

    What a filter has marked as safe (`tojson` does) is left alone, and so is what is undefined.
    """
    from jinja2 import Undefined
    from markupsafe import Markup

    if isinstance(value, Markup | Undefined):
        return value
    said = json.dumps(value, ensure_ascii=False)
    return said[1:-1] if isinstance(value, str) else said


def prompt_text(body: Mapping[str, Any]) -> str:  # noqa: ARG001
    """Nothing: nobody can tell which text of the body is the prompt."""
    return ""


class _Failure(msgspec.Struct):
    error: Any = None


_decode_failure = msgspec.json.Decoder(_Failure).decode


def decode(exchange: Exchange) -> Decoding:
    """Whether an answer came, and when its end did: of a stream the last event, `[DONE]` aside."""
    answer = Answer()
    answer.error = exchange.error or http_error(exchange)
    yield
    if answer.error is not None:
        return answer
    reads = plain_reads(exchange, answer)
    last = len(reads) - 1 if any(reads) else None
    if looks_like_events(exchange, reads):
        last = None
        for found in events(reads, complete=True, at_once=_EVENTS_PER_STEP):
            for data, read in zip(found.data, found.reads):
                if data != b"[DONE]":
                    last = read
                    _look_for_error(data, answer)
            yield
    elif answer.error is None:
        _look_for_error(b"".join(reads), answer)
    if last is not None and answer.error is None:
        answer.content, answer.content_reads = [""], [last]
    return answer


def _look_for_error(text: bytes, answer: Answer) -> None:
    """An object with an `error` that says something has failed, whatever the status was."""
    try:
        error = _decode_failure(text).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return  # no JSON object, which is none of our business
    if error:
        take_error(error, answer)


ENDPOINT = Endpoint(
    name="template",
    path="",
    build=build,
    decode=decode,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_batch=True,
    takes_images=True,
    takes_audio=True,
    extend=extend,
    render=render,
)
