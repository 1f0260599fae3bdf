"""Requests that are ready: what becomes of a row, and which rows are refused, by file and number."""

import json
import logging
from pathlib import Path

import pytest

from genai_perf import endpoints
from genai_perf.config.load import load
from genai_perf.config.options import Given
from genai_perf.exceptions import GenAIPerfError, InputError, UsageError
from genai_perf.types import Phase
from genai_perf.workload import build, inputs_file, ready_made, tokenizer

MS = 1_000_000


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def asks(text="a b", **more):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def row(*bodies, **beside):
    return {"payload": list(bodies or [asks()]), **{key: [value] for key, value in beside.items()}}


def built(*files, kind="chat", counts=False, backend=None, **options):
    """The workload of these files' rows, or of a text as the file."""
    for number, content in enumerate(files):
        Path(f"{number}.json").write_text(
            content if isinstance(content, str) else json.dumps({"data": content})
        )
    given = {
        "endpoint.model_names": "m",
        "endpoint.type": kind,
        "tokenizer.name": "builtin",
        "input.file": "inputs:" + ",".join(f"{number}.json" for number in range(len(files))),
    }
    if backend is not None:
        given["endpoint.backend"] = backend
    given |= {key.replace("__", "."): value for key, value in options.items()}
    layer = {key: Given(tuple(value.split()), f"--{key.split('.')[1]}") for key, value in given.items()}
    config = load(layer, [], {}).config
    counter = tokenizer.load(config.tokenizer, "m") if counts else None
    return build.build(config, endpoints.get(kind, backend), counter)


@pytest.fixture
def said(caplog):
    """The warnings so far."""
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


BODIES = {
    "chat": {"max_tokens": 7, "messages": [{"content": "hé", "role": "user"}], "model": "m", "x": None},
    "completions": {"prompt": ["a", "b"], "model": "m", "temperature": 1.0, "seed": 12345678901234567890123},
    "embeddings": {"input": "a", "model": "m", "encoding_format": "base64"},
    "multimodal": {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
    "rankings": {"query": {"text": "a"}, "passages": [{"text": "b"}], "model": "m"},
    "template": {"anything": {"at": ["all"]}},
    "huggingface_generate": {"inputs": "a", "parameters": {"max_new_tokens": 3}},
    "responses": {"input": "a", "model": "m", "stream": False},
}


@pytest.mark.parametrize(("kind", "body"), BODIES.items())
def test_a_body_goes_out_as_it_stands_there(kind, body, said):
    options = {"chat": {"input__output_tokens_mean": "9", "input__extra": "a:1"}}.get(
        kind, {"endpoint__path": "v1"}
    )
    (request,) = built([row(body)], kind=kind, **options).requests
    assert json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() == request.body
    assert ([], "m", "0", False) == (said(), request.model, request.conversation, request.streaming)


def test_what_comes_in_is_what_the_run_writes_down(tmp_path):
    first = built([row(asks(str(number), max_tokens=number)) for number in range(5)])
    text = inputs_file.write(tmp_path / "written", first).read_text()
    again = built(text)
    assert text == inputs_file.write(tmp_path / "again", again).read_text()
    assert [request.body for request in first.requests] == [request.body for request in again.requests]


def test_files_and_streams_follow_one_another_up_to_the_limit():
    first, second = [[row(asks("1")), row(asks("2"))], [row(asks("3"))]], [row(asks("4")), row(asks("5"))]
    found = [json.loads(each.body)["messages"][0]["content"] for each in built(first, second).requests]
    assert ["1", "2", "3", "4", "5"] == found
    assert 4 == len(built(first, second, input__row_limit="4").requests)
    assert 5 == len(built(first, second, input__num_dataset_entries="2").requests)


def test_input_tokens_are_those_of_the_text_in_the_body():
    assert [2, 3] == [
        each.input_tokens for each in built([row(asks("a b")), row(asks("a b c"))], counts=True).requests
    ]


@pytest.mark.parametrize(
    "body", [{}, {"messages": "text"}, {"messages": [{"content": 7}]}, {"prompt": "a"}, {"messages": [None]}]
)
def test_a_body_without_a_prompt_that_is_known_is_sent_and_not_counted(body, said):
    requests = built([row(), row(body), row(body)], counts=True).requests
    assert [2, None, None] == [each.input_tokens for each in requests]
    known = "no prompt that chat knows: its input tokens are not counted"
    assert [f"0.json: row 2: {known} (and 1 more)"] == said()


def test_images_are_counted():
    parts = [{"type": "image_url", "image_url": {"url": "data:,"}}, {"type": "text", "text": "a"}]
    body = {"model": "m", "messages": [{"role": "user", "content": [*parts, parts[0]]}]}
    assert [2] == [each.images for each in built([row(body)], kind="multimodal").requests]
    assert [1] == [
        each.images for each in built([row({"input": parts[:1]})], kind="image_retrieval").requests
    ]


# -- instants and conversations ----------------------------------------------------------------------


def test_requests_are_sent_by_their_instants_those_of_the_same_one_as_they_stand():
    made = built([row(timestamp=50), row(timestamp=7), row(timestamp=50), row(timestamp=0)])
    assert [(3, 0), (1, 7 * MS), (0, 50 * MS), (2, 50 * MS)] == [
        (send.row, send.due_ns) for send in made.sends
    ]
    assert {Phase.BENCHMARK} == {send.phase for send in made.sends}
    # as they stand in the file: `inputs.json` is that file again
    assert [50 * MS, 7 * MS, 50 * MS, 0] == [request.due_ns for request in made.requests]


SESSIONS = [
    row(asks("a1"), session_id="a", delay=500),
    row(asks("b1"), session_id="b"),
    row(asks("alone")),
    row(asks("a2"), session_id="a"),
    row(asks("b2"), session_id="b", delay=8),
]


def test_the_rows_of_a_session_are_turns_and_conversations_stand_as_they_begin():
    made = built(SESSIONS, load__session_concurrency="1", input__session_delay_ratio="0.5")
    assert [0, 2, 4] == made.starts
    assert [
        ("a", 0, "a1", 250 * MS),
        ("a", 1, "a2", 0),
        ("b", 0, "b1", 0),
        ("b", 1, "b2", 4 * MS),
        ("row 5", 0, "alone", 0),
    ] == [
        (each.conversation, each.turn, json.loads(each.body)["messages"][0]["content"], each.delay_ns)
        for each in made.requests
    ]


def test_what_counts_for_nothing_under_a_load_is_told_once(said):
    made = built([*SESSIONS, row(timestamp=3)], load__concurrency="1")
    assert (
        "inputs:0.json: ignored under this load: "
        '"session_id" and "delay" count with --session-concurrency; "timestamp" counts with --fixed-schedule'
    ) == "\n".join(said())
    assert ({0}, {None}, None, ()) == (
        {each.delay_ns for each in made.requests},
        {each.due_ns for each in made.requests},
        made.starts,
        made.sends,
    )


def test_beside_the_payload_a_value_may_stand_without_a_list(said):
    (request,) = built([{**row(), "timestamp": 5}]).requests
    assert (5 * MS, []) == (request.due_ns, said())
    (request,) = built([{**row(), "session_id": 7, "delay": 2}], load__session_concurrency="1").requests
    assert ("7", 2 * MS) == (request.conversation, request.delay_ns)


# -- streams and models ------------------------------------------------------------------------------


def test_some_answers_may_come_as_a_whole(said):
    made = built([row(asks(stream=True)), row(), row()], endpoint__streaming="true").requests
    assert [True, False, False] == [each.streaming for each in made]
    told = "asks for no stream: its whole answer counts as its first token"
    assert [f"0.json: row 2: {told} (and 1 more)"] == said()


def test_where_the_path_asks_for_a_stream_the_body_need_not():
    kind = "huggingface_generate"
    assert built([row({"inputs": "a"})], kind=kind, endpoint__streaming="true").requests


def test_another_model_in_the_body_is_sent_and_told(said):
    made = built([row(), row(asks(model="other")), row({"messages": []})]).requests
    assert ["m", "other", "m"] == [each.model for each in made]
    assert '"model":"other"' in made[1].body.decode()
    assert "model" not in json.loads(made[2].body)
    told = '"model" is not one that --model names; it is sent as it stands there'
    assert [f"0.json: row 2: {told}"] == said()


# -- what goes over gRPC -----------------------------------------------------------------------------


def test_tensors_are_their_row():
    tensors = {"text_input": {"content": ["a b"], "shape": [1]}, "max_tokens": [3]}
    made = built([{**tensors, "timestamp": [4]}, {"model": "m", **tensors, "timestamp": [0]}], kind="kserve")
    assert [tensors, {"model": "m", **tensors}] == [json.loads(each.body) for each in made.requests]
    assert [1, 0] == [send.row for send in made.sends]


def test_tensors_are_counted_by_their_text():
    values = (["a b"], "a b", {"content": ["a b"], "shape": [1]}, [["a"], ["b"]])
    made = built([{"text_input": value} for value in values], kind="kserve", counts=True).requests
    assert [2, 2, 2, 2] == [each.input_tokens for each in made]


# -- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "inputs:0.json: holds no requests"),
        ([[]], "inputs:0.json: holds no requests"),
        ([row(), {}], '0.json: row 2: no "payload"'),
        ([row(), 7], "0.json: row 2: not a JSON object: Expected `object`, got `int`"),
        ([[row()], [row(), "x"]], "0.json: row 3: not a JSON object: Expected `object`, got `str`"),
        ([{"payload": asks()}], '0.json: row 1: "payload" is not a list of one object: it is something else'),
        ([{"payload": []}], '0.json: row 1: "payload" is not a list of one object: it is something else'),
        ([{"payload": ["a"]}], '0.json: row 1: "payload" is not a list of one object: it is something else'),
        ([row({}, {})], '0.json: row 1: "payload" is not a list of one object: it holds 2 things'),
        ([{"paylod": [{}]}], "0.json: row 1: unknown key 'paylod'; did you mean payload?"),
        ([{"text_input": ["a"]}], "0.json: row 1: unknown key 'text_input'"),
        ([row(timestamp="soon")], '0.json: row 1: "timestamp" is not a whole number of at least 0: soon'),
        ([row(timestamp=-1)], '0.json: row 1: "timestamp" is not a whole number of at least 0: -1'),
        ([row(delay=0.5)], '0.json: row 1: "delay" is not a whole number of at least 0: 0.5'),
        ([row(session_id={})], '0.json: row 1: "session_id" is not a name: {}'),
        ([row(timestamp=1), row()], '0.json: row 2: no "timestamp", which a fixed schedule needs'),
        ([row(asks(stream=True))], '0.json: row 1: "stream" is true, and --streaming is not given'),
        ('{"data": [{"payload": [{"a": 01}]}]}', "0.json: not JSON: JSON is malformed: invalid number"),
        ('{"data": [{"payload": [{"a": 1e999}]}]}', "0.json: row 1: "),
    ],
)
def test_a_row_that_cannot_be_sent_is_told_by_file_and_number(data, message):
    with pytest.raises(InputError) as raised:
        built(data)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        (
            {"endpoint__streaming": "true"},
            [row()],
            "--streaming: no request in inputs:0.json asks for a stream",
        ),
        (
            {"load__session_concurrency": "1"},
            [row(), row({"prompt": "a"})],
            "0.json: row 2: no conversation of chat can go on with this body",
        ),
        (
            {"load__session_concurrency": "1", "kind": "completions"},
            [row()],
            "conversations are not supported for completions",
        ),
        ({"kind": "kserve"}, [row()], '0.json: row 1: a "payload" is for endpoint types that speak HTTP'),
        ({"kind": "kserve"}, [{"timestamp": 1}], "0.json: row 1: is empty"),
        (
            {"kind": "kserve"},
            [{"text_input": ["a"], "model": "n"}],
            "0.json: row 1: \"model\" is 'n', which --model does not name",
        ),
    ],
)
def test_what_an_endpoint_or_a_load_cannot_do_with_a_row_is_told(options, data, message):
    with pytest.raises(GenAIPerfError) as raised:
        built(data, **options)
    assert isinstance(raised.value, UsageError)
    assert raised.value.message.startswith(message)


def test_the_history_of_a_file_is_in_its_bodies_already():
    made = built(SESSIONS[:1], load__session_concurrency="1", input__session_history="file")
    assert "file" == made.history


def test_the_names_of_rows_are_those_of_their_files():
    given = {"input.file": Given(("inputs:0.json,1.json",), "--input-file")}
    given |= {"endpoint.model_names": Given(("m",), "-m"), "endpoint.type": Given(("kserve",), "-e")}
    for name in ("0.json", "1.json"):
        Path(name).write_text('{"data": [{"text_input": ["a"]}, {"text_input": ["b"]}]}')
    config = load(given, [], {}).config
    names = ready_made.names(config)
    assert ["0.json: row 1", "0.json: row 2", "1.json: row 1", "1.json: row 2"] == list(names)
