import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genai_perf.config.schema import (
    Config,
    EndpointConfig,
    InputConfig,
    MetricsConfig,
)
from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.exceptions import UsageError
from genai_perf.types import Exchange, Request, Turn
from genai_perf.workload.bodies import encode
from genai_perf.workload.build import build as build_workload
from genai_perf.workload.build import check, needs_tokenizer
from genai_perf.workload.tokenizer import Tokenizer


def never(_: Exchange) -> Decoding:
    raise AssertionError


def build_chat(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": turn.texts[0]}]
    return {"model": model, "messages": messages} | ({"stream": True} if streaming else {})


def chat_text(body: Mapping[str, Any]) -> str:
    return " ".join(message["content"] for message in body["messages"])


def build_embeddings(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:
    return {"model": model, "input": list(turn.texts)}


def embeddings_text(body: Mapping[str, Any]) -> str:
    return " ".join(body["input"])


def build(*given):
    return build_workload(*given).requests


CHAT = Endpoint(
    name="chat",
    path="v1",
    build=build_chat,
    decode=never,
    prompt_text=chat_text,
    usage_request={"stream_options": {"include_usage": True}},
)
EMBEDDINGS = Endpoint(
    name="embeddings",
    path="v1",
    build=build_embeddings,
    decode=never,
    prompt_text=embeddings_text,
    produces_tokens=False,
    can_stream=False,
    can_batch=True,
)


def config(streaming: bool = False, server_tokens: bool = False, **given: Any) -> Config:
    endpoint = {key: given.pop(key) for key in ("model_names", "model_selection_strategy") if key in given}
    return Config(
        endpoint=EndpointConfig(**{"model_names": ("gpt2",), "streaming": streaming, **endpoint}),
        input=InputConfig(**{"num_dataset_entries": 6, "synthetic_tokens_mean": 20, **given}),
        metrics=MetricsConfig(use_server_token_count=server_tokens),
    )


def bodies(requests: list[Request]) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in requests]


@pytest.fixture
def prompts_file(tmp_path: Path) -> str:
    path = tmp_path / "prompts.jsonl"
    lines = [{"text": "one two"}, {"text": "drei", "output_length": 9}, {"text": "Grüße"}]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return str(path)


def test_synthetic_requests_have_exactly_the_tokens_asked_for(builtin_tokenizer: Tokenizer) -> None:
    requests = build(config(synthetic_tokens_stddev=8), CHAT, builtin_tokenizer)

    assert [request.index for request in requests] == list(range(6))
    assert len({request.conversation for request in requests}) == 6
    counted = builtin_tokenizer.count(chat_text(body) for body in bodies(requests))
    assert [request.input_tokens for request in requests] == counted
    assert len(set(counted)) > 1


def test_bodies_are_compact_json_in_utf_8(prompts_file: str, builtin_tokenizer: Tokenizer) -> None:
    requests = build(config(file=prompts_file), CHAT, builtin_tokenizer)

    assert requests[2].body == ('{"model":"gpt2","messages":[{"role":"user","content":"Grüße"}]}'.encode())
    assert [request.input_tokens for request in requests] == builtin_tokenizer.count(
        ["one two", "drei", "Grüße"]
    )


def test_a_file_at_batch_1_gives_each_row_once_whatever_the_number_of_entries(
    prompts_file: str, builtin_tokenizer: Tokenizer
) -> None:
    assert len(build(config(file=prompts_file), CHAT, builtin_tokenizer)) == 3


def test_the_same_seed_gives_the_same_requests(builtin_tokenizer: Tokenizer) -> None:
    given = config(synthetic_tokens_stddev=5, output_tokens_mean=30, output_tokens_stddev=9)
    again = build(given, CHAT, builtin_tokenizer)

    assert build(given, CHAT, builtin_tokenizer) == again
    other_seed = replace(given, input=replace(given.input, random_seed=1))
    assert build(other_seed, CHAT, builtin_tokenizer) != again


def test_one_more_random_feature_does_not_shift_the_others(builtin_tokenizer: Tokenizer) -> None:
    plain = build(config(), CHAT, builtin_tokenizer)
    featured = build(
        config(
            output_tokens_mean=30,
            output_tokens_stddev=9,
            model_names=("a", "b"),
            model_selection_strategy="random",
        ),
        CHAT,
        builtin_tokenizer,
    )

    texts = [chat_text(body) for body in bodies(plain)]
    assert [chat_text(body) for body in bodies(featured)] == texts


def test_output_tokens_are_asked_for_and_a_rows_own_number_wins(
    prompts_file: str, builtin_tokenizer: Tokenizer
) -> None:
    requests = build(config(file=prompts_file, output_tokens_mean=32), CHAT, builtin_tokenizer)

    assert [body["max_tokens"] for body in bodies(requests)] == [32, 9, 32]
    assert "min_tokens" not in bodies(requests)[0]


def test_no_token_limit_is_sent_unless_asked_for(builtin_tokenizer: Tokenizer) -> None:
    assert all(
        body.keys() == {"model", "messages"} for body in bodies(build(config(), CHAT, builtin_tokenizer))
    )


def test_drawn_output_lengths_are_at_least_1(builtin_tokenizer: Tokenizer) -> None:
    given = config(output_tokens_mean=1, output_tokens_stddev=50, num_dataset_entries=40)

    asked = [body["max_tokens"] for body in bodies(build(given, CHAT, builtin_tokenizer))]

    assert min(asked) == 1
    assert max(asked) > 10


def test_deterministic_output_asks_for_as_many_at_least_as_at_most(builtin_tokenizer: Tokenizer) -> None:
    given = config(output_tokens_mean=32, output_tokens_deterministic=True)

    body = bodies(build(given, CHAT, builtin_tokenizer))[0]

    assert (body["max_tokens"], body["min_tokens"]) == (32, 32)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_completion_tokens": 5}),
        ({"max_completion_tokens": None}, {"max_completion_tokens": 32}),
        ({"temperature": 0.5}, {"max_tokens": 32, "temperature": 0.5}),
        ({"nvext": {"ignore_eos": True}}, {"max_tokens": 32, "nvext": {"ignore_eos": True}}),
        ({"flag": None}, {"max_tokens": 32, "flag": None}),
    ],
)
def test_extra_inputs_have_the_last_word(
    extra: dict[str, Any], expected: dict[str, Any], builtin_tokenizer: Tokenizer
) -> None:
    body = bodies(build(config(output_tokens_mean=32, extra=extra), CHAT, builtin_tokenizer))[0]

    assert {key: body[key] for key in body.keys() - {"model", "messages"}} == expected


def test_input_tokens_count_what_extra_inputs_put_in_the_prompts_place(builtin_tokenizer: Tokenizer) -> None:
    extra = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}

    requests = build(config(extra=extra), CHAT, builtin_tokenizer)

    assert {request.input_tokens for request in requests} == {*builtin_tokenizer.count(["Be brief. Hi"])}


def test_extra_inputs_that_leave_no_prompt_are_refused(builtin_tokenizer: Tokenizer) -> None:
    with pytest.raises(UsageError, match="no longer holds a prompt"):
        build(config(extra={"messages": 7}), CHAT, builtin_tokenizer)


def test_extra_inputs_that_are_no_json_are_refused() -> None:
    with pytest.raises(UsageError, match="--extra-inputs: cannot be written as JSON"):
        encode({"stop": "\ud800"})


def test_usage_is_asked_for_only_when_it_is_what_counts(builtin_tokenizer: Tokenizer) -> None:
    def keys(**given: bool) -> set[str]:
        body: dict[str, Any] = bodies(build(config(**given), CHAT, builtin_tokenizer))[0]
        return body.keys() - {"model", "messages"}

    assert keys(streaming=True) == {"stream"}
    assert keys(server_tokens=True) == set()
    assert keys(streaming=True, server_tokens=True) == {"stream", "stream_options"}


def test_several_models_take_turns(builtin_tokenizer: Tokenizer) -> None:
    requests = build(config(model_names=("a", "b", "c")), CHAT, builtin_tokenizer)

    assert [request.model for request in requests] == list("abcabc")
    assert [body["model"] for body in bodies(requests)] == list("abcabc")


def test_several_models_are_drawn_at_random_from_the_seed(builtin_tokenizer: Tokenizer) -> None:
    given = config(model_names=("a", "b"), model_selection_strategy="random", num_dataset_entries=200)

    drawn = [request.model for request in build(given, CHAT, builtin_tokenizer)]

    assert 70 < drawn.count("a") < 130
    assert drawn == [request.model for request in build(given, CHAT, builtin_tokenizer)]


def test_prefixes_come_from_a_pool_and_are_counted(builtin_tokenizer: Tokenizer) -> None:
    plain = [chat_text(body) for body in bodies(build(config(), CHAT, builtin_tokenizer))]
    requests = build(config(prefix_prompt_num=2, prefix_prompt_length=15), CHAT, builtin_tokenizer)

    texts = [chat_text(body) for body in bodies(requests)]
    prefixes = [text.removesuffix(f" {own}") for text, own in zip(texts, plain, strict=True)]
    assert len(set(prefixes)) == 2
    assert set(builtin_tokenizer.count(prefixes)) == {15}
    assert [request.input_tokens for request in requests] == builtin_tokenizer.count(texts)


def test_a_prefix_alone_stands_without_a_blank(builtin_tokenizer: Tokenizer) -> None:
    given = config(synthetic_tokens_mean=0, prefix_prompt_num=1, prefix_prompt_length=15)

    assert {request.input_tokens for request in build(given, CHAT, builtin_tokenizer)} == {15}


def test_prompts_may_be_empty(builtin_tokenizer: Tokenizer) -> None:
    requests = build(config(synthetic_tokens_mean=0), CHAT, builtin_tokenizer)

    assert {request.input_tokens for request in requests} == {0}
    assert {chat_text(body) for body in bodies(requests)} == {""}


def test_batches_of_a_file_are_as_many_as_the_entries(prompts_file: str) -> None:
    requests = build(config(file=prompts_file, batch_size=2), EMBEDDINGS, None)

    assert len(requests) == 6
    assert all(len(body["input"]) == 2 for body in bodies(requests))
    assert {request.input_tokens for request in requests} == {None}


def test_batches_of_synthetic_prompts_are_counted_together(builtin_tokenizer: Tokenizer) -> None:
    requests = build(config(batch_size=3), EMBEDDINGS, builtin_tokenizer)

    for request, body in zip(requests, bodies(requests), strict=True):
        assert builtin_tokenizer.count(body["input"]) == [20, 20, 20]
        assert [request.input_tokens] == builtin_tokenizer.count([" ".join(body["input"])])


def test_endpoints_without_output_tokens_are_not_asked_for_any(builtin_tokenizer: Tokenizer) -> None:
    body = bodies(build(config(output_tokens_mean=32), EMBEDDINGS, builtin_tokenizer))[0]

    assert body.keys() == {"model", "input"}


@pytest.mark.parametrize(
    ("endpoint", "given", "expected"),
    [
        (CHAT, {}, True),
        (CHAT, {"file": "prompts.jsonl"}, True),
        (EMBEDDINGS, {}, True),
        (EMBEDDINGS, {"file": "prompts.jsonl"}, False),
        (EMBEDDINGS, {"file": "prompts.jsonl", "prefix_prompt_num": 1}, True),
    ],
)
def test_a_tokenizer_is_needed_only_where_tokens_are_counted(
    endpoint: Endpoint, given: dict[str, Any], expected: bool
) -> None:
    assert needs_tokenizer(config(**given), endpoint) == expected


@pytest.mark.parametrize(
    ("endpoint", "given", "message"),
    [
        (CHAT, {"batch_size": 2}, "The --batch-size-text flag is not supported for chat."),
        (EMBEDDINGS, {"streaming": True}, "The --streaming option is not supported for embeddings."),
        (
            replace(CHAT, name="rankings", takes_passages=True),
            {"file": "payload:t.jsonl"},
            "--input-file: 'payload:t.jsonl': rankings takes no traces, which are of texts",
        ),
        (
            CHAT,
            {"file": "synthetic:queries,passages"},
            "--input-file: 'synthetic:queries,passages': chat takes one synthetic data set, not several",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused(endpoint: Endpoint, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(config(**given), endpoint)

    assert caught.value.message == message


def test_one_named_synthetic_data_set_is_synthetic(builtin_tokenizer: Tokenizer) -> None:
    assert build(config(file="synthetic:prompts"), CHAT, builtin_tokenizer) == build(
        config(), CHAT, builtin_tokenizer
    )
