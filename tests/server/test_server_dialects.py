# ruff: noqa: E501  one case, one line
"""The embedded server speaks the other APIs so that their endpoints here understand it, and as they are written."""

import json
from typing import Any

import pytest
from exchanges import exchange, whole

from genai_perf import endpoints
from genai_perf.server import answers, dialects
from genai_perf.server.openai import Api, Ask, Refusal, parse
from genai_perf.types import Answer, Turn, Usage
from genai_perf.workload.bodies import encode

SPOKEN = {
    Api.RESPONSES: "responses",
    Api.MESSAGES: "messages",
    Api.TGI: "huggingface_generate",
    Api.TGI_STREAM: "huggingface_generate",
    Api.TGI_WHOLE: "huggingface_generate",
}
RANKED = {Api.RERANK: "rerank", Api.RANKING: "rankings", Api.TEI_RERANK: "rankings"}


def ask_of(api: Api, *, streaming: bool, limit: int | None = 3, **extra: Any) -> Ask:
    """What our own client's body is read as."""
    name = (SPOKEN | RANKED)[api]
    endpoint = endpoints.get(name)
    turn = Turn(("Hi there",), system="Be short", passages=("one", "two"))
    body = endpoint.build(turn, "m", streaming)
    if limit is not None and endpoint.produces_tokens:
        body |= endpoint.limit(limit, False)
    asked = parse(api, encode(endpoint.extend(body, extra)), dialects.READERS[api])
    assert isinstance(asked, Ask)
    return asked


def reply(ask: Ask, **changes: Any) -> answers.Reply:
    values = {"number": 5, "created_s": 1_700_000_000, "input_tokens": 9, "output_tokens": 3}
    values |= {"reasoning_tokens": 0, "finish_reason": "length"} | changes
    return answers.Reply(ask=ask, **values)


def streamed(made: answers.Reply) -> Answer:
    """What our client reads of the stream, each frame a read of its own."""
    frame = answers.stream(made, b"", chunked=False, around=dialects.pieces(made))
    frames = [frame(index) for index in range(made.tokens)]
    return endpoints.decode_whole(endpoints.get(SPOKEN[made.ask.api]), exchange(*frames))


WORDS = list(answers.WORDS[5:10])
"""From the fifth on, as the reply's number says."""
FINISH = {
    "responses": {"length": "max_output_tokens", "stop": "completed"},
    "messages": {"length": "max_tokens", "stop": "end_turn"},
    "huggingface_generate": {"length": "length", "stop": "eos_token"},
}


@pytest.mark.parametrize("reason", ["length", "stop"])
@pytest.mark.parametrize("api", [Api.RESPONSES, Api.MESSAGES, Api.TGI, Api.TGI_STREAM])
def test_a_stream_brings_a_word_a_frame_and_ends_with_the_counts(api: Api, reason: str) -> None:
    made = reply(ask_of(api, streaming=True), finish_reason=reason)
    assert made.ask.streaming
    answer = streamed(made)
    assert (WORDS[:3], [0, 1, 2]) == (answer.content, answer.content_reads)
    assert (9, 3) == (answer.usage.input_tokens, answer.usage.output_tokens)
    assert (FINISH[SPOKEN[api]][reason], None) == (answer.finish_reason, answer.error)


@pytest.mark.parametrize("api", [Api.RESPONSES, Api.MESSAGES])
def test_reasoning_comes_before_the_text(api: Api) -> None:
    made = reply(ask_of(api, streaming=True), reasoning_tokens=2)
    answer = streamed(made)
    assert (WORDS[:2], WORDS[2:]) == (answer.reasoning, answer.content)
    told = endpoints.decode_whole(endpoints.get(SPOKEN[api]), whole(dialects.completion(made)))
    assert (["".join(WORDS[:2])], ["".join(WORDS[2:])]) == (told.reasoning, told.content)
    assert answer.usage.output_tokens == told.usage.output_tokens == 5


@pytest.mark.parametrize("api", [Api.RESPONSES, Api.MESSAGES, Api.TGI, Api.TGI_WHOLE])
def test_a_whole_answer_says_the_same(api: Api) -> None:
    made = reply(ask_of(api, streaming=False))
    assert not made.ask.streaming
    answer = endpoints.decode_whole(endpoints.get(SPOKEN[api]), whole(dialects.completion(made)))
    assert (["".join(WORDS[:3])], None) == (answer.content, answer.error)


def test_tgi_tells_details_where_they_are_asked_for_and_its_root_gives_a_list() -> None:
    plain = json.loads(dialects.completion(reply(ask_of(Api.TGI, streaming=False))))
    assert [{"generated_text": "".join(WORDS[:3])}] == plain
    detailed = ask_of(Api.TGI_WHOLE, streaming=False, parameters={"details": True})
    body = dialects.completion(reply(detailed))
    answer = endpoints.decode_whole(endpoints.get("huggingface_generate"), whole(body))
    assert Usage(9, 3) == answer.usage


@pytest.mark.parametrize("api", [Api.RESPONSES, Api.MESSAGES])
def test_system_and_prompt_are_what_is_counted(api: Api) -> None:
    asked = ask_of(api, streaming=True)
    assert (("Be short\nHi there",), 3, "m") == (asked.texts, asked.max_tokens, asked.model)


@pytest.mark.parametrize("api", RANKED)
def test_scores_are_the_same_for_the_same_texts_and_best_first(api: Api) -> None:
    extra = {"rankings": "tei"} if api is Api.TEI_RERANK else {}
    asked = ask_of(api, streaming=False, **extra)
    assert ("Hi there", "one", "two") == asked.texts
    body = dialects.scores(asked, 7)
    assert body == dialects.scores(asked, 7)
    answer = endpoints.decode_whole(endpoints.get(RANKED[api]), whole(body))
    assert ([""], None) == (answer.content, answer.error)
    found = json.loads(body)
    found = found if isinstance(found, list) else found.get("results") or found["rankings"]
    assert {0, 1} == {entry["index"] for entry in found}
    values = [entry.get("score", entry.get("relevance_score", entry.get("logit"))) for entry in found]
    assert sorted(values, reverse=True) == values


@pytest.mark.parametrize(
    ("api", "body", "message"),
    [
        (Api.RESPONSES, {"input": "a"}, "you must provide a model parameter"),
        (Api.RESPONSES, {"model": "m"}, "The request body is not valid: Object missing required field `input`"),
        (Api.RESPONSES, {"model": "m", "input": "a", "max_output_tokens": 0}, "max_output_tokens is 0; it must be"),
        (Api.MESSAGES, {"model": "m", "messages": [{"role": "user", "content": "a"}]}, "required field `max_tokens`"),
        (Api.MESSAGES, {"model": "m", "messages": [], "max_tokens": 1}, "messages is empty"),
        (Api.TGI, {"inputs": "a", "parameters": {"max_new_tokens": 0}}, "parameters.max_new_tokens is 0"),
        (Api.RERANK, {"query": "a", "documents": ["b"]}, "you must provide a model parameter"),
        (Api.RERANK, {"model": "m", "query": "a", "documents": []}, "documents is empty"),
        (Api.RANKING, {"model": "m", "query": "a", "passages": []}, "Expected `object`, got `str` - at `$.query`"),
        (Api.TEI_RERANK, {"query": "a", "texts": []}, "texts is empty; there is nothing to rank"),
    ],
)  # fmt: skip
def test_a_bad_body_is_refused_by_name(api: Api, body: dict[str, Any], message: str) -> None:
    refusal = parse(api, json.dumps(body).encode(), dialects.READERS[api])
    assert isinstance(refusal, Refusal)
    assert message in refusal.message
