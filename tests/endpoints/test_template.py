"""Bodies that a template of the user's makes, and answers that are not looked into."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from exchanges import exchange, stream, whole
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.endpoints import decode_whole
from genai_perf.endpoints.template import BUILTIN, ENDPOINT, build, extend, render
from genai_perf.exceptions import GenAIPerfError, InputError, UsageError
from genai_perf.types import Answer, Turn

TURN = Turn(('Say "hi"\n\\o/ <&> \u2028 😀', "two"), max_tokens=32, images=("data:image/png;base64,iVBO",))


def bodies(source: str, turn: Turn = TURN, streaming: bool = True) -> list[dict[str, Any]]:
    variables = extend(build(turn, "m", streaming), {"payload_template": "t.jinja"})
    return render(variables, {"t.jinja": source}.get)


def test_the_built_in_template_makes_a_request_of_each_text() -> None:
    variables = extend(build(TURN, "m", False), {"payload_template": "nv-embedqa"})
    assert [{"text": [text]} for text in TURN.texts] == render(variables, lambda _: None)


def test_every_built_in_template_renders() -> None:
    for name in BUILTIN:
        assert render(extend(build(TURN, "m", False), {"payload_template": name}), lambda _: None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('[{"q": "{{ texts[0] }}"}]', [{"q": TURN.texts[0]}]),
        ('[{"q": {{ texts | tojson }}}]', [{"q": list(TURN.texts)}]),
        ('[{"q": {{ texts }}}]', [{"q": list(TURN.texts)}]),
        ('[{"q": {{ texts[0] | tojson }}}]', [{"q": TURN.texts[0]}]),
        ('[{"q": {{ texts | map("upper") | list }}}]', [{"q": [text.upper() for text in TURN.texts]}]),
        (
            '[{"model": "{{ model }}", "stream": {{ stream }}, "n": {{ max_tokens }}, "i": {{ images }}}]',
            [{"model": "m", "stream": True, "n": 32, "i": ["data:image/png;base64,iVBO"]}],
        ),
        ('[{"payload": [{"a": 1}]}, {"b": {{ audio }}}]', [{"a": 1}, {"b": []}]),
        ('[{% for text in texts %}{"t": "{{ text }}"}{{ "," if not loop.last }}{% endfor %}]', None),
        ('[{"t": "{{ "<" ~ texts[1] ~ ">" }}"}]', [{"t": "<two>"}]),
    ],
)
def test_what_is_printed_is_json_already(source: str, expected: list[dict[str, Any]] | None) -> None:
    assert (expected or [{"t": text} for text in TURN.texts]) == bodies(source)


def test_without_a_limit_it_is_null() -> None:
    assert [{"n": None, "s": False}] == bodies(
        '[{"n": {{ max_tokens }}, "s": {{ stream }}}]', Turn(("a",)), False
    )


@given(st.text())
def test_any_text_comes_through_as_it_is(text: str) -> None:
    assert [{"a": text, "b": [text]}] == bodies('[{"a": "{{ texts[0] }}", "b": {{ texts }}}]', Turn((text,)))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            {},
            "The template converter requires the extra input payload_template, "
            "only detected the following --extra-inputs: [].",
        ),
        (
            {"temperature": 1},
            "The template converter requires the extra input payload_template, "
            "only detected the following --extra-inputs: ['temperature'].",
        ),
        (
            {"payload_template": "nv-embedqa", "temperature": 1},
            "Template only supports the extra input 'payload_template'.",
        ),
    ],
)
def test_the_extra_input_names_the_template_and_nothing_else(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        extend(build(TURN, "m", False), extra)
    assert message == refused.value.message


def test_a_template_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Template file not found: nowhere\.jinja"):
        render(extend(build(TURN, "m", False), {"payload_template": "nowhere.jinja"}), lambda _: None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("[\n{% for text in texts %}\n]", "t.jinja:2: Unexpected end of template"),
        ('[{"a": "{{ prompt }}"}]', "t.jinja:1: 'prompt' is undefined"),
        ('[\n  {\n    "a": "{{ prompt }}"\n  }\n]', "t.jinja:3: 'prompt' is undefined"),
        ('[{"a": {{ prompt|tojson }}}]', "t.jinja:1: 'prompt' is undefined"),
        ('[{"a": "{{ texts[7] }}"}]', "t.jinja:1: list object has no element 7"),
        ('[{"a": {{ 1 / 0 }}}]', "t.jinja:1: division by zero"),
        ('[{"a": "{{ texts[0] }}",}]', "t.jinja: renders no JSON: "),
        ('{"a": "{{ texts[0] }}"}', "t.jinja: must render a JSON list with an object for each request"),
        ("[]", "t.jinja: must render a JSON list with an object for each request"),
        ('["{{ texts[0] }}"]', "t.jinja: a request's body must be one object"),
        ('[{"payload": [{}, {}]}]', "t.jinja: a request's body must be one object"),
        ("", "t.jinja: renders no JSON: "),
        ('[{"a": "{{ texts.__class__.__mro__ }}"}]', "t.jinja:1: access to attribute '__class__'"),
        (
            "{% set _ = texts.append('x') %}[{}]",
            "t.jinja:1: access to attribute 'append' of 'list' object is unsafe.",
        ),
        ("{% include 'other' %}[{}]", "t.jinja:1: no loader for this environment specified"),
    ],
)
def test_what_is_wrong_with_a_template_is_told(source: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        bodies(source)
    assert refused.value.message.startswith(message)


def test_a_bad_template_is_bad_input() -> None:
    with pytest.raises(GenAIPerfError) as refused:
        bodies("[{{")
    assert 2 == refused.value.exit_code


def test_the_request_is_this(golden: Callable[[str, bytes], None]) -> None:
    source = (
        '[{"model": "{{ model }}", "inputs": {{ texts }}, "image": "{{ images[0] }}", '
        '"parameters": {"limit": {{ max_tokens }}}, "stream": {{ stream }}}]'
    )
    golden("requests/template.txt", b"\n".join(map(msgspec.json.encode, bodies(source))) + b"\n")


# -- answers ----------------------------------------------------------------------------------------


def read(*reads: bytes, **fields: Any) -> Answer:
    return decode_whole(ENDPOINT, exchange(*reads, **fields))


@pytest.mark.parametrize(
    ("reads", "content_type", "last"),
    [
        ((b'{"any":', b'"thing"}'), "application/json", 1),
        ((b"plain text",), "text/plain", 0),
        ((b"[1, 2", b", 3]"), None, 1),
        ((b'{"error": null, "x": 1}',), "application/json", 0),
        ((b"\x00\x01",), "application/octet-stream", 0),
        ((b"data: a\n\n", b"data: b\n\n", b"data: [DONE]\n\n"), "text/event-stream", 1),
        ((b"data: a\n\nda", b"ta: [DONE]\n\n"), "text/event-stream", 0),
        ((b"data: a",), "text/event-stream", 0),
    ],
)
def test_an_answer_ends_with_its_last_bytes_whatever_they_are(
    reads: tuple[bytes, ...], content_type: str | None, last: int
) -> None:
    answer = read(*reads, content_type=content_type)
    assert ([""], [last], None) == (answer.content, answer.content_reads, answer.error)


@pytest.mark.parametrize(
    ("body", "content_type"), [(b"", "application/json"), (stream(), "text/event-stream")]
)
def test_an_answer_of_nothing_is_empty(body: bytes, content_type: str) -> None:
    answer = read(body, content_type=content_type)
    assert ([], None) == (answer.content, answer.error)


def test_a_long_stream_is_read_in_steps() -> None:
    body = b"data: x\n\n" * 5_000
    steps = sum(1 for _ in ENDPOINT.decode(exchange(body)))
    assert steps > 3


@pytest.mark.parametrize(
    ("body", "fields", "kind", "message"),
    [
        (
            b'{"error": {"message": "no such model"}}',
            {"content_type": "application/json"},
            "server",
            "no such model",
        ),
        (b'data: a\n\ndata: {"error": "out of memory"}\n\n', {}, "server", "out of memory"),
        (b"gone", {"status": 404}, "http_404", "gone"),
    ],
)
def test_what_the_server_calls_an_error_is_one(
    body: bytes, fields: dict[str, Any], kind: str, message: str
) -> None:
    answer = decode_whole(ENDPOINT, exchange(body, **fields))
    assert answer.error is not None
    assert kind == answer.error.kind
    assert message in answer.error.message
    assert [] == answer.content


def test_a_stream_is_measured_even_where_none_was_asked_for() -> None:
    assert [""] == decode_whole(ENDPOINT, whole(b"data: a\n\n")).content
