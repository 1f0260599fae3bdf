"""Request bodies, byte for byte as they go over the wire, and the prompt that is counted in them."""

import pytest

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, MetricsConfig
from genai_perf.exceptions import UsageError
from genai_perf.types import Turn
from genai_perf.workload import bodies, build

NAMES = [
    "chat",
    "completions",
    "embeddings",
    "generate",
    "huggingface_generate",
    "messages",
    "rankings",
    "rerank",
    "responses",
]
TURNS = {
    "one text": Turn(("What is the answer?",)),
    "any character": Turn(("Grüße \u2028 \x00 \"quoted\" 'single' \\ / 😀 \n",)),
    "nothing": Turn(("",)),
    "a system message": Turn(("What is the answer?",), system="You know it."),
    "a limit": Turn(("What is the answer?",), max_tokens=32),
    "keys of its own": Turn(("What is the answer?",), max_tokens=32, extra={"priority": 3, "stream": None}),
    "a batch": Turn(("one", "two", "three")),
    "an image": Turn(("What is this?",), images=("data:image/png;base64,iVBO", "http://a.b/c.png")),
    "passages": Turn(("What is a class?",), passages=("A kind.", 'Said "no".')),
}
SETTINGS = {
    "plain": {},
    "streaming": {"streaming": True},
    "streaming, with the server's counts": {"streaming": True, "server_counts": True},
    "deterministic": {"streaming": True, "output_tokens_deterministic": True},
    "extra inputs": {"extra": {"temperature": 0.5, "model": "other", "nvext": {"ignore_eos": True}}},
    "another name for the limit": {"extra": {"max_completion_tokens": None}},
}
DIALECTS = {
    "huggingface_generate": {
        "parameters": {"extra": {"parameters": {"details": True}, "max_new_tokens": 7, "temperature": 0.5}},
    },
    "rankings": {"TEI": {"extra": {"rankings": "tei", "truncate": True}}},
}


def config(streaming=False, server_counts=False, **given):
    return Config(
        endpoint=EndpointConfig(model_names=("gpt2",), streaming=streaming),
        input=InputConfig(**given),
        metrics=MetricsConfig(use_server_token_count=server_counts),
    )


def fits(turn, endpoint):
    return (
        (len(turn.texts) == 1 or (endpoint.can_batch and not endpoint.takes_passages))
        and (not turn.images or endpoint.takes_images)
        and bool(turn.passages) == endpoint.takes_passages
    )


@pytest.mark.parametrize("name", NAMES)
def test_bodies_are_these_bytes(name, golden):
    endpoint = endpoints.get(name)
    lines = []
    for title, settings in (SETTINGS | DIALECTS.get(name, {})).items():
        if settings.get("streaming") and not endpoint.can_stream:
            continue
        lines.append(f"# {title}".encode())
        for turn_title, turn in TURNS.items():
            if not fits(turn, endpoint):
                continue
            try:
                body = bodies.encode(build.body_of(turn, "gpt2", config(**settings), endpoint))
            except UsageError as refused:
                body = f"error: {refused.message}".encode()
            lines += [f"#   {turn_title}".encode(), body]
    golden(f"requests/{name}.txt", b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("chat", {"messages": [{"role": "user", "content": "a b"}]}, "a b"),
        ("chat", {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]}, "a b"),
        ("chat", {"messages": []}, ""),
        (
            "chat",
            {"messages": [{"content": [{"text": "a"}, {"image_url": {}}]}, {"content": None}, {}]},
            "a  ",
        ),
        ("completions", {"prompt": ["a b"]}, "a b"),
        ("completions", {"prompt": ["a", "b"]}, "a b"),
        ("completions", {"prompt": "a b"}, "a b"),
        ("embeddings", {"input": ["a b", "c"]}, "a b c"),
        ("embeddings", {"input": "a b"}, "a b"),
        ("responses", {"input": "a b"}, "a b"),
        ("responses", {"instructions": "a", "input": "b"}, "a b"),
        ("responses", {"input": [{"role": "user", "content": "a"}, {"content": [{"text": "b"}, {}]}]}, "a b"),
        ("messages", {"messages": [{"content": "a b"}]}, "a b"),
        ("messages", {"system": "a", "messages": [{"content": [{"source": {}}, {"text": "b"}]}]}, "a b"),
        ("messages", {"system": [{"text": "a"}], "messages": [{"content": "b"}]}, "a b"),
        ("huggingface_generate", {"inputs": "a b"}, "a b"),
        ("huggingface_generate", {"inputs": "![](data:image/png;base64,iVBO) ![](http://a/b) a b"}, "a b"),
        ("huggingface_generate", {"inputs": "a ![](b) c"}, "a ![](b) c"),
        ("rankings", {"query": {"text": "a"}, "passages": [{"text": "b"}, {"text": "c"}]}, "a b c"),
        ("rankings", {"query": "a", "texts": ["b", "c"]}, "a b c"),
        ("rerank", {"query": "a", "documents": ["b", "c"]}, "a b c"),
    ],
)
def test_the_prompt_that_is_counted_is_the_text_in_the_body(name, body, expected):
    assert expected == endpoints.get(name).prompt_text(body)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "What is the answer?", " a  b "])
def test_what_was_built_is_what_is_counted(name, text):
    endpoint = endpoints.get(name)
    passages = ("p",) if endpoint.takes_passages else ()
    for streaming in {False, endpoint.can_stream}:
        built = endpoint.build(Turn((text,), passages=passages), "gpt2", streaming)
        assert " ".join([text, *passages]) == endpoint.prompt_text(built)


def test_images_are_no_text():
    turn = TURNS["an image"]
    for name in ("huggingface_generate", "messages", "responses"):
        assert "What is this?" == endpoints.get(name).prompt_text(endpoints.get(name).build(turn, "m", True))


def test_a_dialect_that_nobody_knows_is_refused_with_those_there_are():
    with pytest.raises(UsageError) as refused:
        build.body_of(TURNS["passages"], "m", config(extra={"rankings": "cohere"}), endpoints.get("rankings"))
    assert "--extra-inputs: rankings:cohere: no such dialect" == refused.value.message
    assert "rankings:tei is Hugging Face's; NVIDIA's needs no such input" == refused.value.hint


@pytest.mark.parametrize("name", ["chat", "messages", "responses"])
def test_a_further_turn_carries_what_was_said(name):
    endpoint = endpoints.get(name)
    first = endpoint.build(Turn(("one",)), "m", True)
    second = endpoint.follow(first, "two", endpoint.build(Turn(("three",)), "m", True))
    third = endpoint.follow(second, "four", endpoint.build(Turn(("five",)), "m", True))
    messages = third["input" if name == "responses" else "messages"]
    assert ["one", "two", "three", "four", "five"] == [message["content"] for message in messages]
    assert ["user", "assistant", "user", "assistant", "user"] == [message["role"] for message in messages]
    assert "one two three four five" == endpoint.prompt_text(third)
    assert first.keys() == third.keys()
