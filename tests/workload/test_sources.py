"""Conversations that are made: how many turns, with which pauses, and what each turn says."""

import json
import statistics
from dataclasses import replace

import pytest

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig
from genai_perf.exceptions import InputError, UsageError
from genai_perf.types import Turn
from genai_perf.workload import build
from genai_perf.workload.sources import Conversation, conversations

MS = 1_000_000


def config(*, load=None, models=("m",), **given):
    return Config(
        endpoint=EndpointConfig(model_names=models, type="chat", streaming=True),
        input=InputConfig(**{"synthetic_tokens_mean": 12, **given}),
        load=load or LoadConfig(session_concurrency=2),
    )


def made(given, tokenizer):
    return build.build(given, endpoints.get("chat"), tokenizer)


def test_each_session_has_the_turns_that_were_drawn_and_a_pause_after_all_but_the_last(builtin_tokenizer):
    given = config(
        num_sessions=400,
        session_turns_mean=5,
        session_turns_stddev=2,
        session_turn_delay_mean=300,
        session_turn_delay_stddev=50,
    )
    found = list(conversations(given, endpoints.get("chat"), builtin_tokenizer))
    numbers = [len(each.turns) for each in found]
    assert 400 == len(found) == len({each.id for each in found})
    assert abs(statistics.fmean(numbers) - 5) < 5 * 2 / 20
    assert abs(statistics.pstdev(numbers) - 2) < 0.5
    assert min(numbers) >= 1
    pauses = [turn.delay_ns for each in found for turn in each.turns[:-1]]
    assert abs(statistics.fmean(pauses) / MS - 300) < 5 * 50 / len(pauses) ** 0.5 + 0.5
    assert {None} == {each.turns[-1].delay_ns for each in found}
    assert all(pause % MS == 0 for pause in pauses)


def test_a_ratio_makes_every_pause_longer_or_shorter(builtin_tokenizer):
    given = config(num_sessions=3, session_turns_mean=2, session_turn_delay_mean=100, session_delay_ratio=0.5)
    found = conversations(given, endpoints.get("chat"), builtin_tokenizer)
    assert {50 * MS} == {each.turns[0].delay_ns for each in found}


def test_the_same_seed_makes_the_same_sessions(builtin_tokenizer):
    given = config(num_sessions=5, session_turns_mean=3, session_turns_stddev=1)
    other = replace(given, input=replace(given.input, random_seed=1))
    assert made(given, builtin_tokenizer) == made(given, builtin_tokenizer)
    assert made(given, builtin_tokenizer) != made(other, builtin_tokenizer)


def test_only_the_first_turn_begins_with_a_prefix(builtin_tokenizer):
    given = config(num_sessions=4, session_turns_mean=3, prefix_prompt_num=1, prefix_prompt_length=20)
    for each in conversations(given, endpoints.get("chat"), builtin_tokenizer):
        counts = builtin_tokenizer.count(turn.texts[0] for turn in each.turns)
        assert [12, 12] == counts[1:]
        assert counts[0] > 30


def test_a_conversation_stays_with_one_model(builtin_tokenizer):
    workload = made(config(num_sessions=4, session_turns_mean=3, models=("a", "b")), builtin_tokenizer)
    assert ["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["b"] * 3 == [each.model for each in workload.requests]
    assert [0, 3, 6, 9] == workload.starts
    assert [0, 1, 2] == [each.turn for each in workload.requests[:3]]


def test_answers_that_stand_in_the_input_are_in_the_bodies_from_the_start(builtin_tokenizer):
    given = config(session_history="file")
    said = [Conversation((Turn(("one",), answer="yes"), Turn(("two",), answer="no"), Turn(("three",))))]
    requests = list(build.requests_of(said, given, endpoints.get("chat"), builtin_tokenizer))
    assert ["one", "yes", "two", "no", "three"] == [
        each["content"] for each in json.loads(requests[-1].body)["messages"]
    ]
    assert [1, 2, 3] == [
        sum(each["role"] == "user" for each in json.loads(request.body)["messages"]) for request in requests
    ]
    assert builtin_tokenizer.count(["one yes two no three"]) == [requests[-1].input_tokens]


def test_a_history_of_the_file_needs_answers_in_it(builtin_tokenizer):
    given = config(session_history="file")
    said = [Conversation((Turn(("one",)), Turn(("two",))))]
    with pytest.raises(InputError, match="the input has no answers"):
        list(build.requests_of(said, given, endpoints.get("chat"), builtin_tokenizer))


def test_an_api_without_conversations_says_so(builtin_tokenizer):
    given = config(num_sessions=2)
    given = replace(given, endpoint=replace(given.endpoint, streaming=False))
    with pytest.raises(UsageError, match="conversations are not supported for embeddings"):
        build.check(given, endpoints.get("embeddings"))


def test_requests_are_made_as_they_are_asked_for(builtin_tokenizer):
    asked = []

    def endless():
        while True:
            asked.append(1)
            yield Conversation((Turn(("hello",)),))

    made_ = build.requests_of(endless(), config(), endpoints.get("chat"), builtin_tokenizer)
    assert [0, 1, 2] == [next(made_).index for _ in range(3)]
    assert len(asked) == build.BATCH
