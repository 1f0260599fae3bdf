"""Request bodies, byte for byte as they go over the wire, and the prompt that is counted in them."""

import pytest

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, MetricsConfig
from genai_perf.types import Turn
from genai_perf.workload import build

TURNS = {
    "one text": Turn(("What is the answer?",)),
    "any character": Turn(("Grüße \u2028 \x00 \"quoted\" 'single' \\ / 😀 \n",)),
    "nothing": Turn(("",)),
    "a system message": Turn(("What is the answer?",), system="You know it."),
    "a limit": Turn(("What is the answer?",), max_tokens=32),
    "keys of its own": Turn(("What is the answer?",), max_tokens=32, extra={"priority": 3, "stream": None}),
    "a batch": Turn(("one", "two", "three")),
}
SETTINGS = {
    "plain": {},
    "streaming": {"streaming": True},
    "streaming, with the server's counts": {"streaming": True, "server_counts": True},
    "deterministic": {"streaming": True, "output_tokens_deterministic": True},
    "extra inputs": {"extra": {"temperature": 0.5, "model": "other", "nvext": {"ignore_eos": True}}},
    "another name for the limit": {"extra": {"max_completion_tokens": None}},
}


def config(streaming=False, server_counts=False, **given):
    return Config(
        endpoint=EndpointConfig(model_names=("gpt2",), streaming=streaming),
        input=InputConfig(**given),
        metrics=MetricsConfig(use_server_token_count=server_counts),
    )


@pytest.mark.parametrize("name", ["chat", "completions", "embeddings"])
def test_bodies_are_these_bytes(name, golden):
    endpoint = endpoints.get(name)
    lines = []
    for title, settings in SETTINGS.items():
        if settings.get("streaming") and not endpoint.can_stream:
            continue
        lines.append(f"# {title}".encode())
        for turn_title, turn in TURNS.items():
            if len(turn.texts) == 1 or endpoint.can_batch:
                body = build.encode(build.body_of(turn, "gpt2", config(**settings), endpoint))
                lines += [f"#   {turn_title}".encode(), body]
    golden(f"requests/{name}.txt", b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("chat", {"messages": [{"role": "user", "content": "a b"}]}, "a b"),
        ("chat", {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}, "a b"),
        ("chat", {"messages": []}, ""),
        ("completions", {"prompt": ["a b"]}, "a b"),
        ("completions", {"prompt": ["a", "b"]}, "a b"),
        ("completions", {"prompt": "a b"}, "a b"),
        ("embeddings", {"input": ["a b", "c"]}, "a b c"),
        ("embeddings", {"input": "a b"}, "a b"),
    ],
)
def test_the_prompt_that_is_counted_is_the_text_in_the_body(name, body, expected):
    assert expected == endpoints.get(name).prompt_text(body)


@pytest.mark.parametrize("name", ["chat", "completions", "embeddings"])
@pytest.mark.parametrize("text", ["", "What is the answer?", " a  b "])
def test_what_was_built_is_what_is_counted(name, text):
    endpoint = endpoints.get(name)
    for streaming in {False, endpoint.can_stream}:
        assert text == endpoint.prompt_text(endpoint.build(Turn((text,)), "gpt2", streaming))
