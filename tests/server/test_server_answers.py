import base64
import json
from array import array
from math import isclose
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.config.schema import TokenizerConfig
from genai_perf.server import answers
from genai_perf.server.openai import Api, Ask
from genai_perf.workload import tokenizer

BUILTIN = tokenizer.load(TokenizerConfig(name="builtin"), "")


def test_every_word_of_an_answer_is_one_token_and_all_are_equally_long() -> None:
    assert {1} == set(BUILTIN.count(answers.WORDS))
    assert 1 == len({len(word) for word in answers.WORDS})


@given(start=st.integers(0, 10_000), tokens=st.integers(1, 600))
def test_an_answer_is_exactly_as_many_tokens_as_words(start: int, tokens: int) -> None:
    assert [tokens] == BUILTIN.count([answers.text(start, tokens)])


def reply(api: Api = Api.CHAT, **changes: Any) -> answers.Reply:
    ask = {"texts": ("Hi",), "streaming": True} | changes.pop("ask", {})
    values = {
        "number": 5,
        "created_s": 1_700_000_000,
        "input_tokens": 9,
        "output_tokens": 3,
        "reasoning_tokens": 0,
        "finish_reason": "length",
    } | changes
    return answers.Reply(ask=Ask(api, 'm"', **ask), **values)


def dechunked(data: bytes) -> list[bytes]:
    chunks = []
    while data:
        size, _, data = data.partition(b"\r\n")
        chunk, end, data = data[: int(size, 16)], data[int(size, 16) :][:2], data[int(size, 16) + 2 :]
        assert b"\r\n" == end
        chunks.append(chunk)
    assert b"" == chunks[-1]
    return chunks[:-1]


def events(text: bytes) -> list[Any]:
    found = []
    for event in text.decode().split("\n\n")[:-1]:
        assert event.startswith("data: ")
        found.append(event[6:] if event == "data: [DONE]" else json.loads(event[6:]))
    return found


def streamed(asked: answers.Reply) -> list[Any]:
    """The events of an answer; read both in chunks and plain, which must say the same."""
    frames = answers.stream(asked, b"", chunked=True)
    plain = answers.stream(asked, b"", chunked=False)
    chunks = b"".join(dechunked(b"".join(frames(index) for index in range(asked.tokens))))
    assert chunks == b"".join(plain(index) for index in range(asked.tokens))
    found = events(chunks)
    assert "[DONE]" == found[-1]
    return found[:-1]


def test_a_chat_stream_is_role_then_words_then_the_reason_it_ended() -> None:
    role, *words, finish = streamed(reply())
    assert {"role": "assistant", "content": "", "refusal": None} == role["choices"][0]["delta"]
    assert 3 == len(words)
    assert answers.text(5, 3) == "".join(word["choices"][0]["delta"]["content"] for word in words)
    assert {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"} == finish["choices"][0]
    for event in (role, *words, finish):
        assert "chat.completion.chunk" == event["object"]
        assert "chatcmpl-5" == event["id"]
        assert 'm"' == event["model"]
        assert 1_700_000_000 == event["created"]
        assert "usage" not in event


def test_usage_comes_last_without_choices_and_is_null_before() -> None:
    *others, last = streamed(reply(ask={"include_usage": True}))
    assert all(event["usage"] is None for event in others)
    assert [] == last["choices"]
    assert {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    } == last["usage"]


def test_reasoning_comes_first_and_counts_as_output() -> None:
    asked = reply(reasoning_tokens=2, ask={"include_usage": True})
    deltas = [event["choices"][0]["delta"] for event in streamed(asked)[1:-2]]
    assert [["reasoning_content"]] * 2 + [["content"]] * 3 == [list(delta) for delta in deltas]
    assert 5 == asked.usage()["completion_tokens"]
    assert 2 == asked.usage()["completion_tokens_details"]["reasoning_tokens"]
    message = json.loads(answers.completion(asked))["choices"][0]["message"]
    assert message["reasoning_content"] == "".join(delta["reasoning_content"] for delta in deltas[:2])
    assert message["content"] == "".join(delta["content"] for delta in deltas[2:])


def test_a_completion_stream_brings_a_word_for_each_prompt_at_a_time() -> None:
    *words, first, second = streamed(reply(Api.COMPLETIONS, ask={"texts": ("a", "b")}))
    assert [0, 1, 0, 1, 0, 1] == [word["choices"][0]["index"] for word in words]
    for index in (0, 1):
        assert answers.text(5, 3) == "".join(word["choices"][0]["text"] for word in words[index::2])
    for index, event in enumerate((first, second)):
        expected = {"index": index, "text": "", "logprobs": None, "finish_reason": "length"}
        assert expected == event["choices"][0]
        assert "text_completion" == event["object"]


def test_one_token_is_one_frame() -> None:
    frame = answers.stream(reply(output_tokens=1), b"HEAD", chunked=True)(0)
    assert frame.startswith(b"HEAD")
    assert frame.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("api", [Api.CHAT, Api.COMPLETIONS])
def test_a_whole_answer_says_the_same_as_the_stream(api: Api) -> None:
    asked = reply(api)
    answer = json.loads(answers.completion(asked))
    choice = answer["choices"][0]
    said = choice["message"]["content"] if api is Api.CHAT else choice["text"]
    assert answers.text(5, 3) == said
    assert "length" == choice["finish_reason"]
    assert ("chat.completion" if api is Api.CHAT else "text_completion") == answer["object"]
    assert 12 == answer["usage"]["total_tokens"]


def test_a_whole_answer_goes_with_its_last_token() -> None:
    frame = answers.whole(b"all", 3)
    assert [b"", b"", b"all"] == [frame(index) for index in range(3)]


def test_vectors_depend_on_the_text_alone_and_have_length_one() -> None:
    first, again, other = (array("f", answers.vector(text, 384)) for text in ("a", "a", "b"))
    assert first == again
    assert first != other
    assert isclose(1, sum(each * each for each in first), rel_tol=1e-5)


def test_a_vector_in_base64_is_the_same_as_in_figures() -> None:
    figures = json.loads(answers.embeddings(Ask(Api.EMBEDDINGS, "m", ("a", "b")), 2, 8))
    coded = json.loads(answers.embeddings(Ask(Api.EMBEDDINGS, "m", ("a", "b"), base64=True), 2, 8))
    assert [0, 1] == [each["index"] for each in figures["data"]]
    assert {"prompt_tokens": 2, "total_tokens": 2} == figures["usage"]
    for plain, packed in zip(figures["data"], coded["data"], strict=True):
        assert plain["embedding"] == array("f", base64.b64decode(packed["embedding"])).tolist()
