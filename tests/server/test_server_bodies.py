import json
from typing import Any

import pytest

from genai_perf.server.openai import Api, Ask, Refusal, parse

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TEXT = {"model": "m", "prompt": "Hi"}
EMBED = {"model": "m", "input": "Hi"}

ASKS: list[tuple[Api, dict[str, Any], Ask]] = [
    (Api.CHAT, CHAT, Ask(Api.CHAT, "m", ("Hi",))),
    (Api.CHAT, CHAT | {"max_tokens": 3}, Ask(Api.CHAT, "m", ("Hi",), max_tokens=3)),
    (
        Api.CHAT,
        CHAT | {"max_tokens": 3, "max_completion_tokens": 4},
        Ask(Api.CHAT, "m", ("Hi",), max_tokens=4),
    ),
    (Api.CHAT, CHAT | {"stream": True}, Ask(Api.CHAT, "m", ("Hi",), streaming=True)),
    (
        Api.CHAT,
        CHAT | {"stream": True, "stream_options": {"include_usage": True}},
        Ask(Api.CHAT, "m", ("Hi",), streaming=True, include_usage=True),
    ),
    (Api.CHAT, CHAT | {"n": 1, "temperature": 0, "tools": [], "stop": None}, Ask(Api.CHAT, "m", ("Hi",))),
    (
        Api.CHAT,
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be short"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "data:,"}},
                    ],
                },
                {"role": "assistant", "content": None},
            ],
        },
        Ask(Api.CHAT, "m", ("Be short\nWhat is this?",)),
    ),
    (Api.COMPLETIONS, TEXT, Ask(Api.COMPLETIONS, "m", ("Hi",))),
    (Api.COMPLETIONS, TEXT | {"prompt": ["a", "b"]}, Ask(Api.COMPLETIONS, "m", ("a", "b"))),
    (Api.COMPLETIONS, TEXT | {"prompt": [1, 2, 3]}, Ask(Api.COMPLETIONS, "m", (), (3,))),
    (Api.COMPLETIONS, TEXT | {"prompt": [[1, 2], [3]]}, Ask(Api.COMPLETIONS, "m", (), (2, 1))),
    (Api.EMBEDDINGS, EMBED, Ask(Api.EMBEDDINGS, "m", ("Hi",))),
    (
        Api.EMBEDDINGS,
        EMBED | {"input": ["a", "b"], "encoding_format": "base64", "dimensions": 8},
        Ask(Api.EMBEDDINGS, "m", ("a", "b"), dimensions=8, base64=True),
    ),
]


@pytest.mark.parametrize(("api", "body", "ask"), ASKS)
def test_a_body_says_what_is_wanted(api: Api, body: dict[str, Any], ask: Ask) -> None:
    assert ask == parse(api, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("ask", "prompts"),
    [
        (Ask(Api.CHAT, "m", ("Hi",)), 1),
        (Ask(Api.COMPLETIONS, "m", ("a", "b")), 2),
        (Ask(Api.COMPLETIONS, "m", (), (2, 1, 4)), 3),
    ],
)
def test_every_prompt_gets_an_answer(ask: Ask, prompts: int) -> None:
    assert prompts == ask.prompts


REFUSALS: list[tuple[Api, Any, str]] = [
    (Api.CHAT, b"{", "We could not parse the JSON body of your request"),
    (Api.CHAT, b"", "We could not parse the JSON body of your request"),
    (Api.CHAT, b'{"model": "\xff"}', "We could not parse the JSON body of your request"),
    (Api.CHAT, b"[]", "Expected `object`, got `array`"),
    (Api.CHAT, {"model": "m"}, "missing required field `messages`"),
    (Api.CHAT, CHAT | {"messages": []}, "messages is empty"),
    (Api.CHAT, {"messages": CHAT["messages"]}, "you must provide a model parameter"),
    (Api.CHAT, CHAT | {"max_tokens": "3"}, "Expected `int | null`, got `str` - at `$.max_tokens`"),
    (Api.CHAT, CHAT | {"max_tokens": 0}, "max_tokens is 0; it must be at least 1"),
    (Api.CHAT, CHAT | {"max_completion_tokens": -1}, "max_completion_tokens is -1; it must be at least 1"),
    (Api.CHAT, CHAT | {"n": 2}, "n is 2; this server gives one answer per prompt"),
    (Api.CHAT, CHAT | {"logprobs": True}, "logprobs is not supported by this server"),
    (Api.CHAT, CHAT | {"stream_options": {}}, "stream_options is only allowed when `stream` is true"),
    (Api.COMPLETIONS, {"model": "m"}, "missing required field `prompt`"),
    (Api.COMPLETIONS, TEXT | {"prompt": []}, "prompt must be a string or a list (not empty)"),
    (Api.COMPLETIONS, TEXT | {"prompt": ["a", 1]}, "prompt must be a string or a list (not empty)"),
    (Api.COMPLETIONS, TEXT | {"best_of": 3}, "best_of is 3; this server gives one answer per prompt"),
    (Api.COMPLETIONS, TEXT | {"echo": True}, "echo is not supported by this server"),
    (Api.COMPLETIONS, TEXT | {"logprobs": 2}, "logprobs is not supported by this server"),
    (Api.EMBEDDINGS, {"input": "Hi"}, "you must provide a model parameter"),
    (Api.EMBEDDINGS, EMBED | {"input": []}, "input must be a string or a list (not empty)"),
    (Api.EMBEDDINGS, EMBED | {"encoding_format": "int8"}, "encoding_format is 'int8'"),
    (Api.EMBEDDINGS, EMBED | {"dimensions": 0}, "dimensions is 0; it can be 1 to 65536"),
]


@pytest.mark.parametrize(("api", "body", "message"), REFUSALS)
def test_a_body_that_makes_no_sense_is_refused_by_saying_why(api: Api, body: Any, message: str) -> None:
    refusal = parse(api, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(refusal, Refusal)
    assert 400 == refusal.status
    assert message in refusal.message
    error = json.loads(refusal.body())["error"]
    assert {"message", "type", "param", "code"} == set(error)
