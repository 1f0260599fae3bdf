"""The prompt in a body that somebody else may have written."""

import pytest

from genai_perf import endpoints

BODIES = [
    ("chat", {"messages": [{"content": "a"}, {"content": [{"type": "text", "text": "b"}]}]}, "a b"),
    ("chat", {}, None),
    ("chat", {"messages": "text"}, None),
    ("chat", {"messages": [{"content": 7}]}, None),
    ("chat", {"messages": [{"content": ["text"]}]}, None),
    ("completions", {"prompt": "a"}, "a"),
    ("completions", {"prompt": ["a", "b"]}, "a b"),
    ("completions", {"prompt": [[1, 2]]}, None),
    ("embeddings", {"input": 7}, None),
    ("multimodal", {"messages": [{}]}, None),
    ("rankings", {"query": "a", "passages": []}, None),
    ("huggingface_generate", {"inputs": 7}, None),
    ("generate", {"text": "a"}, None),
    ("kserve", {"text_input": ["a", "b"]}, "a b"),
    ("kserve", {"text_input": "a b"}, "a b"),
    ("kserve", {"text_input": {"content": [["a"], ["b"]], "shape": [2, 1]}}, "a b"),
    ("kserve", {"tokens": [1]}, None),
    ("template", {"text": "a"}, None),
    ("image_retrieval", {"input": []}, ""),
]


@pytest.mark.parametrize(("kind", "body", "expected"), BODIES)
def test_it_is_found_or_nobody_can_tell(kind, body, expected):
    assert expected == endpoints.prompt_in(endpoints.get(kind), body)


def test_tokens_are_counted_in_order_and_those_that_nobody_can_tell_are_left_out():
    calls = []

    def count(texts):
        calls.append(len(texts))
        return [len(text) for text in texts]

    given = [{"prompt": "x" * number} if number % 3 else {} for number in range(600)]
    found = list(endpoints.count_prompts(endpoints.get("completions"), iter(given), count))
    assert [number if number % 3 else None for number in range(600)] == found
    assert sum(calls) == 400
    assert max(calls) < 200
