"""From a file to the requests: roles, lengths of answers, conversations, prefixes, batches."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig
from genai_perf.exceptions import InputError, UsageError
from genai_perf.types import Request, Workload
from genai_perf.workload.build import build

ROWS = [
    {"question": "Why?", "system_prompt": "Be brief.", "response": "So that it is so."},
    {"question": "How?", "system_prompt": "", "response": "Like that."},
    {"question": "When?", "system_prompt": "Be long.", "response": ""},
]
CHATS = [
    [("system", "Be kind."), ("human", "Hi"), ("gpt", "Hello there"), ("human", "Bye"), ("gpt", "See you")],
    [("human", "One"), ("gpt", "Two")],
    [("gpt", "Nobody asked")],
]


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    return str(path)


@pytest.fixture
def chats(tmp_path: Path) -> str:
    path = tmp_path / "chats.json"
    found = [
        {"id": str(number), "conversations": [{"from": who, "value": said} for who, said in chat]}
        for number, chat in enumerate(CHATS)
    ]
    path.write_text(json.dumps(found))
    return str(path)


def workload(tokenizer: Any, kind: str = "chat", load: LoadConfig | None = None, **given: Any) -> Workload:
    config = Config(
        endpoint=EndpointConfig(model_names=("m",), type=kind),
        input=InputConfig(**given),
        load=load or LoadConfig(),
    )
    return build(config, endpoints.get(kind), tokenizer)


def bodies(found: Workload) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in found.requests]


def said(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in body["messages"]]


def test_roles_are_messages_of_their_own_in_a_chat(builtin_tokenizer, rows):
    assert [
        [("system", "Be brief."), ("user", "Why?")],
        [("user", "How?")],
        [("system", "Be long."), ("user", "When?")],
    ] == [said(body) for body in bodies(workload(builtin_tokenizer, file=rows))]


def test_elsewhere_they_are_one_prompt_joined_by_a_blank(builtin_tokenizer, rows):
    found = workload(builtin_tokenizer, "completions", file=rows)
    assert [["Be brief. Why?"], ["How?"], ["Be long. When?"]] == [body["prompt"] for body in bodies(found)]
    assert builtin_tokenizer.count(["Be brief. Why?"]) == [found.requests[0].input_tokens]


def test_an_answer_in_the_input_is_as_long_as_the_one_that_is_asked_for(builtin_tokenizer, rows):
    found = bodies(workload(builtin_tokenizer, file=rows))
    expected = builtin_tokenizer.count([row["response"] for row in ROWS[:2]])
    assert [*expected, None] == [body.get("max_tokens") for body in found]


@pytest.mark.parametrize("said", [{"output_tokens_mean": 9}, {"output_length_distribution": "9"}])
def test_an_option_goes_before_the_length_of_an_answer(builtin_tokenizer, rows, said):
    assert [9, 9, 9] == [
        body["max_tokens"] for body in bodies(workload(builtin_tokenizer, file=rows, **said))
    ]


def test_a_length_that_the_row_states_goes_before_all(builtin_tokenizer, tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("prompt\tanswer\toutput_length\nWhy?\tSo that it is so.\t3\nHow?\tSo.\t\n")
    found = bodies(workload(builtin_tokenizer, file=str(path), output_tokens_mean=9))
    assert [3, 9] == [body["max_tokens"] for body in found]


def test_a_limit_takes_the_first_rows(builtin_tokenizer, rows):
    found = workload(builtin_tokenizer, file=rows, row_limit=2)
    assert ["Why?", "How?"] == [said(body)[-1][1] for body in bodies(found)]


def test_rows_of_several_files_are_one_data_set_and_the_limit_counts_all(builtin_tokenizer, rows, tmp_path):
    (tmp_path / "z.txt").write_text("four\nfive\n")
    found = bodies(workload(builtin_tokenizer, file=str(tmp_path)))
    assert ["Why?", "How?", "When?", "four", "five"] == [said(body)[-1][1] for body in found]
    assert 4 == len(workload(builtin_tokenizer, file=str(tmp_path), row_limit=4).requests)


def test_what_was_taken_is_told_and_what_was_left_out(builtin_tokenizer, rows, chats, caplog):
    caplog.set_level("INFO", logger="genai_perf")
    workload(builtin_tokenizer, file=rows)
    workload(builtin_tokenizer, file=chats)
    assert [
        f"{rows}: prompt: question, system: system_prompt, output: response",
        f"{chats}: messages: conversations",
        f"{chats}: 2 rows taken; among those that were read are 1 with an answer before any question, "
        "1 without a word of the user",
    ] == caplog.messages


# -- conversations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "sharegpt:", "json:"])
def test_without_sessions_a_conversation_is_its_first_turn(builtin_tokenizer, chats, prefix):
    found = workload(builtin_tokenizer, file=prefix + chats)
    assert None is found.starts
    assert [[("system", "Be kind."), ("user", "Hi")], [("user", "One")]] == [
        said(body) for body in bodies(found)
    ]
    assert builtin_tokenizer.count(["Hello there", "Two"]) == [body["max_tokens"] for body in bodies(found)]


@pytest.mark.parametrize(
    ("prefix", "load"),
    [
        ("", LoadConfig(session_concurrency=2)),
        ("sharegpt:", LoadConfig(session_rate=2)),
        ("conversations:", LoadConfig(concurrency=2)),
    ],
)
def test_with_sessions_it_is_whole(builtin_tokenizer, chats, prefix, load):
    found = workload(builtin_tokenizer, file=prefix + chats, load=load)
    assert [0, 2] == found.starts
    assert [0, 1, 0] == [request.turn for request in found.requests]
    assert ["Hi", "Bye", "One"] == [said(body)[-1][1] for body in bodies(found)]


def test_the_file_s_answers_are_the_history_where_that_is_asked_for(builtin_tokenizer, chats):
    found = workload(
        builtin_tokenizer,
        file=chats,
        session_history="file",
        load=LoadConfig(session_concurrency=1),
    )
    assert [
        ("system", "Be kind."),
        ("user", "Hi"),
        ("assistant", "Hello there"),
        ("user", "Bye"),
    ] == said(bodies(found)[1])


def test_openai_messages_on_lines_are_conversations_too(builtin_tokenizer, tmp_path):
    path = tmp_path / "chats.jsonl"
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    path.write_text(json.dumps({"messages": messages}) + "\n")
    assert [("user", "Hi")] == said(bodies(workload(builtin_tokenizer, file=str(path)))[0])
    path.write_text(json.dumps({"text": "as GenAI-Perf has it", "messages": messages}) + "\n")
    assert [("user", "Hi")] == said(bodies(workload(builtin_tokenizer, file=f"sharegpt:{path}"))[0])
    assert [("user", "as GenAI-Perf has it")] == said(bodies(workload(builtin_tokenizer, file=str(path)))[0])


def test_a_file_without_conversations_is_refused_where_they_are_asked_for(builtin_tokenizer, rows):
    with pytest.raises(InputError) as raised:
        workload(builtin_tokenizer, file=f"sharegpt:{rows}")
    assert (
        f"--input-file: {rows}: no column of messages; its columns are question, system_prompt, response"
        == raised.value.message
    )


def test_a_message_that_is_none_is_named_with_its_row(builtin_tokenizer, tmp_path):
    path = tmp_path / "chats.json"
    path.write_text('[{"conversations": [{"from": "human", "value": "Hi"}, {"value": "?"}]}]')
    with pytest.raises(InputError) as raised:
        workload(builtin_tokenizer, file=str(path))
    assert f'{path}: row 1: message 2: no "role" field' == raised.value.message


# -- what goes over all sources -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rows", "chats"])
def test_prefixes_begin_the_first_turns_of_every_source(builtin_tokenizer, request, kind):
    file = request.getfixturevalue(kind)
    load = LoadConfig(session_concurrency=1)
    plain = workload(builtin_tokenizer, file=file, load=load)
    found = workload(builtin_tokenizer, file=file, load=load, prefix_prompt_num=1, prefix_prompt_length=30)
    for before, after in zip(plain.requests, found.requests, strict=True):
        was, now = (said(json.loads(each.body))[-1][1] for each in (before, after))
        assert now.endswith(was)
        assert (now != was) == (before.turn == 0)
        assert _counts(after, builtin_tokenizer)


def _counts(request: Request, tokenizer: Any) -> bool:
    text = " ".join(content for _, content in said(json.loads(request.body)))
    return [request.input_tokens] == tokenizer.count([text])


def test_batches_are_drawn_from_the_rows_of_any_file(builtin_tokenizer, rows):
    found = workload(
        builtin_tokenizer,
        "embeddings",
        file=rows,
        batch_size=2,
        num_dataset_entries=5,
        columns={"prompt": "question"},
    )
    assert 5 == len(found.requests)
    for body in bodies(found):
        assert 2 == len(set(body["input"]) & {"Why?", "How?", "When?"})


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"dataset": "openorca"}, "--input-dataset"),
        ({"file": "csv:rows"}, "--input-file"),
        ({"file": "rows", "row_limit": 3}, "--input-row-limit"),
        ({"file": "rows", "columns": {"prompt": "a"}}, "--dataset-columns"),
    ],
)
def test_two_data_sets_to_rank_are_files_of_their_own_form(given, option):
    with pytest.raises(UsageError) as raised:
        workload(None, "rankings", **given)
    assert f"{option}: rankings reads JSONL of a form of its own" == raised.value.message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "question\nWhy?\n  \n", ':3: "question" is empty'),
        ("a.json", '[{"question": "Why?"}, {"answer": "x"}]', ': row 2: no "question" field'),
        ("a.csv", "question\n", ": holds no prompts"),
        ("a.txt", "\n\n", ": holds no prompts"),
        ("a.json", "[]", ": holds no prompts"),
    ],
)
def test_a_file_s_empty_rows_are_errors(builtin_tokenizer, tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as raised:
        workload(builtin_tokenizer, file=str(path))
    assert f"{path}{message}" == raised.value.message


def test_the_same_file_gives_the_same_requests(builtin_tokenizer, rows):
    given = {"file": rows, "prefix_prompt_num": 2, "output_length_distribution": "uniform:1:90"}
    assert workload(builtin_tokenizer, **given) == workload(builtin_tokenizer, **given)
    assert workload(builtin_tokenizer, **given) != workload(builtin_tokenizer, **given, random_seed=1)
