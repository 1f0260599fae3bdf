"""Conversations: what each turn says, and when; on virtual time."""

import json
from itertools import count, repeat

import pytest
from exchanges import chunk, stream
from virtual_time import Plan, VirtualTimer, VirtualTransport, now_ns, run

from genai_perf import endpoints, schedule
from genai_perf.engine.runner import Runner
from genai_perf.engine.script import Conversations
from genai_perf.types import Phase, Request, RequestError, Workload

MS = 1_000_000


def turn(row, conversation, number, text, delay_ns=0):
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": True}
    return Request(
        row, json.dumps(body).encode(), "m", conversation, turn=number, streaming=True, delay_ns=delay_ns
    )


def workload(*turns_of_each, delay_ns=0, **given):
    """As many conversations as numbers given, each of so many turns."""
    rows = count()
    requests, starts = [], []
    for name, turns in enumerate(turns_of_each):
        starts.append(len(requests))
        requests += [turn(next(rows), f"c{name}", n, f"{name}.{n}", delay_ns) for n in range(turns)]
    return Workload(requests, starts, **given)


class Said:
    """A server that answers each turn, and remembers what it was told."""

    def __init__(self, *plans):
        self.plans = iter(plans)
        self.last = Plan(10 * MS, body=stream(chunk("Hel"), chunk("lo")))
        self.told = []

    def __call__(self, exchange):
        request = exchange.request
        self.told.append((now_ns(), request.conversation, request.turn, messages(request)))
        return next(self.plans, self.last)


def messages(request):
    return [each["content"] for each in json.loads(request.body)["messages"]]


def converse(given, places, *plans, due=None, slots=None, duration_ns=None):
    """(what the server was told, what was kept, how many conversations were cut off, and broken off)."""
    said = Said(*plans)
    kept = []

    async def main():
        script = Conversations(given, given.requests, endpoints.get("chat"))
        runner = Runner(script, VirtualTransport(plan=said), VirtualTimer(), lambda *each: kept.append(each))
        arrivals = iter(due) if due is not None else repeat(None)
        wanted = len(given.starts) if slots is None else slots
        await runner.run(
            schedule.slots(arrivals, 0, Phase.BENCHMARK, requests=wanted, duration_ns=duration_ns),
            places,
            from_ns=0,
            duration_ns=duration_ns,
        )
        assert 0 == runner.in_flight == len(runner._workers)
        assert 0 == runner.unsent
        return runner.cut_off, script.broken_off

    return said.told, kept, *run(main())


def test_each_turn_carries_all_that_was_said_before_it():
    told, *_ = converse(workload(3), 1)
    assert ["0.0"] == told[0][3]
    assert ["0.0", "Hello", "0.1"] == told[1][3]
    assert ["0.0", "Hello", "0.1", "Hello", "0.2"] == told[2][3]


def test_a_history_that_stands_in_the_bodies_is_left_as_it_is():
    told, *_ = converse(workload(2, history="file"), 1)
    assert [["0.0"], ["0.1"]] == [each[3] for each in told]


def test_the_user_thinks_after_the_answer_and_the_turn_is_due_when_he_has_thought():
    told, kept, *_ = converse(workload(3, delay_ns=50 * MS), 1)
    assert [0, 60 * MS, 120 * MS] == [each[0] for each in told]
    assert [None, 60 * MS, 120 * MS] == [due_ns for _, due_ns, _ in kept]


def test_a_turn_without_a_pause_follows_the_answer_at_once():
    told, kept, *_ = converse(workload(2), 1)
    assert [0, 10 * MS] == [each[0] for each in told]
    assert [None, None] == [due_ns for _, due_ns, _ in kept]


def test_so_many_conversations_are_open_as_there_are_places_and_their_turns_are_in_order():
    told, *_ = converse(workload(2, 1, 2), 2)
    assert [("c0", 0), ("c1", 0), ("c0", 1), ("c2", 0), ("c2", 1)] == [each[1:3] for each in told]


def test_conversations_arrive_when_due_however_many_are_open():
    told, *_ = converse(workload(2, 2), None, due=[0, 5 * MS])
    assert [(0, "c0", 0), (5 * MS, "c1", 0), (10 * MS, "c0", 1), (15 * MS, "c1", 1)] == [
        each[:3] for each in told
    ]


def test_a_conversation_that_comes_again_is_another_one():
    told, *_ = converse(workload(1, 2), 1, slots=4)
    assert [("c0", 0), ("c1", 0), ("c1", 1), ("c0:2", 0), ("c1:2", 0), ("c1:2", 1)] == [
        each[1:3] for each in told
    ]
    assert ["1.0", "Hello", "1.1"] == told[-1][3]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(MS, error=RequestError("reset", "gone")),
        Plan(MS, status=500),
        Plan(MS, body=b'data: {"error": {"message": "no"}}\n\n'),
    ],
    ids=["no answer", "a status", "inside a stream"],
)
def test_a_conversation_is_over_when_a_turn_fails_and_the_others_go_on(plan):
    told, _, cut_off, broken_off = converse(workload(3, 1), 1, plan)
    assert [("c0", 0), ("c1", 0)] == [each[1:3] for each in told]
    assert (0, 1) == (cut_off, broken_off)


def test_a_last_turn_that_fails_breaks_nothing_off():
    assert (0, 0) == converse(workload(1, 2), 1, Plan(MS, status=500))[2:]


def test_no_turn_is_begun_once_the_time_is_over_and_conversations_cut_off_are_counted():
    told, _, cut_off, broken_off = converse(workload(5), 1, duration_ns=25 * MS)
    assert [0, 10 * MS, 20 * MS] == [each[0] for each in told]
    assert (1, 0) == (cut_off, broken_off)
    told, _, cut_off, _ = converse(workload(5), None, due=[0], duration_ns=25 * MS)
    assert (3, 1) == (len(told), cut_off)
