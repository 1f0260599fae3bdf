"""From rows to turns: when each is due, what it says, which belong together."""

import json
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, LoadConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import build
from genai_perf.workload.traces import prompts

MS = 1_000_000
CHAT = endpoints.get("chat")


def config(path, *, kind="payload", load=None, **inputs):
    return Config(
        endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True),
        input=InputConfig(file=f"{kind}:{path}", **inputs),
        load=load or LoadConfig(fixed_schedule=True),
    )


@pytest.fixture
def trace(tmp_path):
    """Writes rows, and gives the config of a run that reads them."""

    def trace(*rows, **given):
        path = tmp_path / "trace.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return config(path, **given)

    return trace


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    gaps_ms=st.lists(st.integers(0, 10_000_000), min_size=1, max_size=20),
    first_ms=st.integers(0, 10**12),
    speed_up=st.floats(0.01, 1000),
)
def test_instants_count_from_the_first_and_are_divided_by_the_speed_up(trace, gaps_ms, first_ms, speed_up):
    instants, at_ms = [], first_ms
    for gap_ms in (0, *gaps_ms):
        at_ms += gap_ms
        instants.append(at_ms)
    given = trace(
        *({"timestamp": at, "text": "Hi"} for at in instants),
        load=LoadConfig(fixed_schedule=True, speed_up=speed_up),
    )
    due_ns = [each.due_ns for each in prompts.scheduled(given, None)]
    assert 0 == due_ns[0]
    assert sorted(due_ns) == due_ns
    for due, at in zip(due_ns, instants, strict=True):
        assert abs(due * speed_up - (at - first_ms) * MS) <= speed_up
    # and without one they are exact
    given = replace(given, load=LoadConfig(fixed_schedule=True))
    assert [(at - first_ms) * MS for at in instants] == [
        each.due_ns for each in prompts.scheduled(given, None)
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "trace.jsonl: holds no requests"),
        ([{"timestamp": 5}, {"text": "Hi"}], 'trace.jsonl:2: no "timestamp", which a fixed schedule needs'),
        (
            [{"timestamp": 5}, {"timestamp": 7}, {"timestamp": 6.5}],
            'trace.jsonl:3: "timestamp" goes back in time, to 0.001 s before line 2',
        ),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_with_its_line(trace, monkeypatch, tmp_path, rows, message):
    given = trace(*rows)
    with pytest.raises(InputError) as raised:
        prompts.check(given)
    assert raised.value.message == f"{tmp_path}/{message}"


@pytest.mark.parametrize("rows", [100, 30_000])
def test_reading_a_trace_takes_no_more_memory_the_longer_it_is(tmp_path, rows):
    path = tmp_path / "trace.jsonl"
    with path.open("w") as file:
        file.writelines(
            f'{{"timestamp": {at}, "input_length": 600, "hash_ids": [{at % 9}, {at}]}}\n'
            for at in range(rows)
        )
    tracemalloc.start()
    try:
        assert rows == sum(1 for _ in prompts.in_order(config(path)))
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 200_000


def test_how_a_trace_is_put_into_order_is_told(trace, tmp_path):
    with pytest.raises(InputError) as raised:
        prompts.check(trace({"timestamp": 2}, {"timestamp": 1}))
    assert f"jq -sc 'sort_by(.timestamp)[]' {tmp_path}/trace.jsonl > sorted.jsonl" in raised.value.hint


def test_requests_have_their_texts_lengths_limits_and_keys(trace, builtin_tokenizer):
    given = trace(
        {"timestamp": 10, "text": "Say hi", "input_length": 99, "output_length": 3, "priority": 2},
        {"timestamp": 10, "input_length": 700, "hash_ids": [4, 5], "temperature": 0},
        {"timestamp": 11.5, "input_length": 700, "hash_ids": [4, 6], "session_id": 7, "delay": 30},
        {"timestamp": 12, "input_length": 40_000},
        {"timestamp": 12},
        output_tokens_mean=8,
        synthetic_tokens_mean=33,
    )
    said = prompts.scheduled(given, builtin_tokenizer)
    made = list(build.requests_of(said, given, CHAT, builtin_tokenizer))
    bodies = [json.loads(request.body) for request in made]
    texts = [body["messages"][0]["content"] for body in bodies]
    assert [0, 0, 3 * MS // 2, 2 * MS, 2 * MS] == [request.due_ns for request in made]
    assert [*builtin_tokenizer.count(texts[:1]), 700, 700, 40_000, 33] == [
        request.input_tokens for request in made
    ]
    assert builtin_tokenizer.count(texts) == [request.input_tokens for request in made]
    assert [3, 8, 8, 8, 8] == [body["max_tokens"] for body in bodies]
    assert ("Say hi", 2, 0) == (texts[0], bodies[0]["priority"], bodies[1]["temperature"])
    assert [None, 0, 512, None, None] == [request.shared_tokens for request in made]
    assert builtin_tokenizer.encode(texts[1])[:512] == builtin_tokenizer.encode(texts[2])[:512]
    assert len({text[:60] for text in texts}) == 4
    assert {0} == {request.delay_ns for request in made}  # pauses are a conversation's


def test_the_same_trace_and_seed_are_the_same_bytes(trace, builtin_tokenizer):
    given = trace(*({"timestamp": at, "input_length": 20 + at} for at in range(50)))

    def bodies(given):
        said = prompts.scheduled(given, builtin_tokenizer)
        return [request.body for request in build.requests_of(said, given, CHAT, builtin_tokenizer)]

    other = replace(given, input=replace(given.input, random_seed=1))
    assert bodies(given) == bodies(given) != bodies(other)
    assert 50 == len(set(bodies(given)))


def test_under_another_load_a_trace_is_data(trace, builtin_tokenizer):
    given = trace(
        {"timestamp": 9, "input_length": 12, "session_id": "b"},
        {"timestamp": 3, "input_length": 13, "session_id": "a", "delay": 5},
        load=LoadConfig(concurrency=2),
    )
    workload = build.build(given, CHAT, builtin_tokenizer)
    assert (None, False) == (workload.starts, workload.is_streamed)
    assert [(12, None, 0), (13, None, 0)] == [
        (request.input_tokens, request.due_ns, request.delay_ns) for request in workload.requests
    ]


def test_rows_of_a_session_are_a_conversation_in_the_order_of_their_beginnings(trace, builtin_tokenizer):
    given = trace(
        {"session_id": "b", "input_length": 11, "delay": 100},
        {"session_id": 3, "input_length": 12, "delay": 40, "priority": 1},
        {"input_length": 13},
        {"session_id": "b", "input_length": 14, "delay": 10},
        {"session_id": "3", "input_length": 15},
        {"session_id": "b", "input_length": 16},
        load=LoadConfig(session_concurrency=2),
        session_delay_ratio=0.5,
    )
    workload = build.build(given, CHAT, builtin_tokenizer)
    assert [0, 3, 5] == list(workload.starts)
    assert [
        ("b", 0, 11, 50 * MS),
        ("b", 1, 14, 5 * MS),
        ("b", 2, 16, 0),
        ("3", 0, 12, 20 * MS),
        ("3", 1, 15, 0),
        ("2", 0, 13, 0),
    ] == [
        (request.conversation, request.turn, request.input_tokens, request.delay_ns)
        for request in workload.requests
    ]
    assert 1 == json.loads(workload.requests[3].body)["priority"]


def test_sessions_of_burstgpt_are_typed_turn_by_turn(tmp_path, builtin_tokenizer):
    path = tmp_path / "b.csv"
    path.write_text(
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "100,s,5,m,40,10,50,Conversation log\n"
        "107,s,1,m,70,9,79,Conversation log\n"
    )
    given = config(path, kind="burstgpt", load=LoadConfig(session_concurrency=1))
    workload = build.build(given, CHAT, builtin_tokenizer)
    assert [(40, 2_000 * MS), (20, 0)] == [
        (request.input_tokens, request.delay_ns) for request in workload.requests
    ]
    assert [10, 9] == [json.loads(request.body)["max_tokens"] for request in workload.requests]
