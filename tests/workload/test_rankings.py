"""Queries and passages, read and made."""

import json
from pathlib import Path
from typing import Any

import pytest

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig
from genai_perf.exceptions import GenAIPerfError, InputError, UsageError
from genai_perf.workload.build import build, needs_tokenizer
from genai_perf.workload.tokenizer import Tokenizer

RANKINGS = endpoints.get("rankings")
BOTH = "Both 'queries.jsonl' and 'passages.jsonl' must be present in the input datasets."


def config(**given: Any) -> Config:
    return Config(
        endpoint=EndpointConfig(model_names=("m",)),
        input=InputConfig(**{"num_dataset_entries": 4, "synthetic_tokens_mean": 12, **given}),
    )


def bodies(given: Config, tokenizer: Tokenizer | None = None) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in build(given, RANKINGS, tokenizer).requests]


def write(directory: Path, **data_sets: list[Any]) -> str:
    for name, texts in data_sets.items():
        rows = (json.dumps({"text": text} if isinstance(text, str) else text) for text in texts)
        (directory / f"{name}.jsonl").write_text("\n".join(rows))
    return str(directory)


def passages_of(body: dict[str, Any]) -> list[str]:
    return [passage["text"] for passage in body["passages"]]


def test_rows_go_together_by_their_place_up_to_the_shorter(tmp_path: Path) -> None:
    given = config(file=write(tmp_path, queries=["a", "b", "c"], passages=["1", "2"], others=["x"]))
    assert not needs_tokenizer(given, RANKINGS)
    assert [("a", ["1"]), ("b", ["2"])] == [
        (body["query"]["text"], passages_of(body)) for body in bodies(given)
    ]


def test_a_batch_is_that_many_passages_for_one_query(tmp_path: Path) -> None:
    directory = write(tmp_path, queries=["a", "b"], passages=["1", "2", "3"])
    made = bodies(config(file=directory, batch_size=2))
    assert 4 == len(made)
    assert {"a", "b"} >= {body["query"]["text"] for body in made}
    for body in made:
        assert 2 == len(set(passages_of(body)))
    assert made == bodies(config(file=directory, batch_size=2))
    assert made != bodies(config(file=directory, batch_size=2, random_seed=1))


@pytest.mark.parametrize("file", [None, "synthetic:queries,passages", "synthetic:passages,queries"])
def test_made_queries_and_passages_have_the_tokens_asked_for(
    builtin_tokenizer: Tokenizer, file: str | None
) -> None:
    given = config(file=file, batch_size=3)
    assert needs_tokenizer(given, RANKINGS)
    made = build(given, RANKINGS, builtin_tokenizer).requests
    assert 4 == len(made)
    for request in made:
        body = json.loads(request.body)
        texts = [body["query"]["text"], *passages_of(body)]
        assert [12] * 4 == builtin_tokenizer.count(texts)
        assert 4 == len(set(texts))
        assert builtin_tokenizer.count([RANKINGS.prompt_text(body)]) == [request.input_tokens]


def test_a_prefix_goes_before_the_query(builtin_tokenizer: Tokenizer, tmp_path: Path) -> None:
    directory = write(tmp_path, queries=["a"], passages=["1"])
    given = config(file=directory, prefix_prompt_num=1, prefix_prompt_length=5)
    (body,) = bodies(given, builtin_tokenizer)
    assert body["query"]["text"].endswith(" a")
    assert ["1"] == passages_of(body)


def refusal(given: Config) -> GenAIPerfError:
    with pytest.raises(GenAIPerfError) as refused:
        build(given, RANKINGS, None)
    return refused.value


def test_a_missing_data_set_is_told_with_what_is_there(tmp_path: Path) -> None:
    directory = write(tmp_path, queries=["a"], documents=["1"])
    error = refusal(config(file=directory))
    assert isinstance(error, InputError)
    assert BOTH == error.message
    assert error.hint is not None
    assert error.hint.startswith(f"{directory} holds documents.jsonl, queries.jsonl; give --input-file a dir")


def test_a_file_is_no_two_data_sets(tmp_path: Path) -> None:
    write(tmp_path, queries=["a"])
    error = refusal(config(file=str(tmp_path / "queries.jsonl")))
    assert BOTH == error.message
    assert "queries.jsonl is a file; give --input-file a directory that holds both" in str(error.hint)


@pytest.mark.parametrize("named", ["queries", "queries,documents", "queries,passages,more", ""])
def test_synthetic_data_sets_by_other_names_are_refused(named: str) -> None:
    error = refusal(config(file=f"synthetic:{named}"))
    assert isinstance(error, UsageError)
    assert BOTH == error.message


@pytest.mark.parametrize(
    ("data_sets", "message"),
    [
        ({"queries": ["a"], "passages": [{"txt": "1"}]}, 'passages.jsonl:1: no "text" field'),
        ({"queries": ["a", {"text": 7}], "passages": ["1"]}, 'queries.jsonl:2: "text" is not a string: 7'),
        ({"queries": ["a"], "passages": ["1", {"text": " "}]}, 'passages.jsonl:2: "text" is empty'),
    ],
)
def test_a_bad_row_is_told_with_its_file_line_and_field(
    tmp_path: Path, data_sets: dict[str, list[Any]], message: str
) -> None:
    error = refusal(config(file=write(tmp_path, **data_sets)))
    assert f"{tmp_path}/{message}" == error.message


def test_more_passages_than_there_are_is_refused(tmp_path: Path) -> None:
    error = refusal(config(file=write(tmp_path, queries=["a"], passages=["1"]), batch_size=2))
    assert "Batch size for texts cannot be larger than the number of available texts" == error.message
