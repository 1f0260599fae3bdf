"""Clients that hold back or hang up, on virtual time."""

import asyncio
import random

import pytest
from exchanges import chunk, event, request
from virtual_time import Plan, VirtualTransport, now_ns, run, sleep_until

from genai_perf import endpoints
from genai_perf.engine.manners import HangUps, PrefillLimit
from genai_perf.types import HELD_BACK, HUNG_UP, Exchange, RequestError

MS = 1_000_000


TOKEN = event(chunk("Hello"))
ROLE = event(chunk(delta={"role": "assistant", "content": ""}))


class Slowly(VirtualTransport):
    """The answer begins after a while, brings a read every so often, and ends after another while."""

    def __init__(self, first_ns, last_ns, error=None, reads=(TOKEN,)):
        super().__init__()
        self.first_ns, self.last_ns, self.error, self.reads = first_ns, last_ns, error, reads

    async def send(self, exchange):
        exchange.start_ns = now_ns()
        self.sends.append((now_ns(), exchange.request.index))
        for data in self.reads:
            await sleep_until(now_ns() + self.first_ns)
            if self.error is not None:
                exchange.error = self.error
                return
            exchange.status = 200
            exchange.at_ns.append(now_ns())
            exchange.data.append(data)
            if exchange.on_read is not None:
                exchange.on_read(exchange)
        await sleep_until(now_ns() + self.last_ns)
        exchange.end_ns = now_ns()


def limited(wire, limit, over_ns=1_000_000_000):
    return PrefillLimit(wire, limit, endpoints.get("chat"), now_ns, lambda: now_ns() >= over_ns)


def hanging_up(wire, share, after_s, seed=0):
    return HangUps(wire, share, after_s, random.Random(seed), now_ns)


def sent_by(transport, count, *, from_ns=0, **given):
    exchanges = [Exchange(request(row, **given)) for row in range(count)]

    async def main():
        await sleep_until(from_ns)
        await asyncio.gather(*[transport.send(exchange) for exchange in exchanges])
        return now_ns()

    return exchanges, run(main())


def test_a_request_is_held_back_until_another_answer_has_begun():
    wire = Slowly(10, 100)
    sent_by(limited(wire, 2), 6)
    assert [0, 0, 10, 10, 20, 20] == [at_ns for at_ns, _ in wire.sends]


def test_an_answer_that_never_begins_gives_its_place_back_too():
    wire = Slowly(10, 100, RequestError("timeout", "gone"))
    sent_by(limited(wire, 1), 3)
    assert [0, 10, 20] == [at_ns for at_ns, _ in wire.sends]


def test_a_place_is_given_back_once():
    wire = Slowly(10, 5)
    sent_by(limited(wire, 1), 4)
    assert [0, 10, 20, 30] == [at_ns for at_ns, _ in wire.sends]


@pytest.mark.parametrize(
    ("reads", "apart"),
    [
        ([ROLE, TOKEN], 20),
        ([b": ping\n\n", ROLE, TOKEN], 30),
        ([ROLE + TOKEN, TOKEN], 10),
        ([TOKEN[:-20], TOKEN[-20:]], 20),  # an event in two reads
        ([ROLE, event(chunk(delta={"reasoning_content": "Hm"})), TOKEN], 20),
        ([ROLE, event(chunk(delta={"tool_calls": [{"index": 0, "function": {"name": "f"}}]}))], 20),
    ],
    ids=["role", "ping", "both at once", "cut", "reasoning", "tool call"],
)
def test_it_is_the_first_token_that_lets_the_next_one_go(reads, apart):
    wire = Slowly(10, 1000, reads=reads)
    sent_by(limited(wire, 1), 3)
    assert [0, apart, 2 * apart] == [at_ns for at_ns, _ in wire.sends]


def test_an_answer_that_is_not_streamed_has_begun_with_its_first_byte():
    wire = Slowly(10, 1000, reads=[b'{"choices": [', b"]}"])
    sent_by(limited(wire, 1), 3, streaming=False)
    assert [0, 10, 20] == [at_ns for at_ns, _ in wire.sends]


def test_who_still_waits_when_the_time_is_over_is_never_sent_and_the_record_says_so():
    wire = Slowly(10, 100)
    exchanges, ended_ns = sent_by(limited(wire, 1, over_ns=15), 4)
    assert [0, 10] == [at_ns for at_ns, _ in wire.sends]
    assert [None, None, HELD_BACK, HELD_BACK] == [each.error and each.error.kind for each in exchanges]
    assert {(20, 20, 20)} == {(each.start_ns, each.sent_ns, each.end_ns) for each in exchanges[2:]}
    assert 120 == ended_ns


def test_who_has_not_to_wait_is_sent_however_late_it_is():
    wire = Slowly(10, 0)
    sent_by(limited(wire, 2, over_ns=0), 2)
    assert [0, 0] == [at_ns for at_ns, _ in wire.sends]


def test_the_share_that_is_hung_up_on_is_drawn_by_the_seed():
    def hung_up(seed):
        wire = VirtualTransport([Plan(MS)] * 1000)
        exchanges, _ = sent_by(hanging_up(wire, 0.25, 0.0001, seed), 1000, from_ns=1)
        return [exchange.request.index for exchange in exchanges if exchange.error]

    assert hung_up(1) == hung_up(1) != hung_up(2)
    assert 200 < len(hung_up(1)) < 300


def test_it_hangs_up_after_the_delay_and_keeps_what_had_come():
    wire = Slowly(10 * MS, 1_000 * MS)
    (exchange,), ended_ns = sent_by(hanging_up(wire, 1, 0.05), 1, from_ns=1)
    assert HUNG_UP == exchange.error.kind
    assert "0.05 s" in exchange.error.message
    assert [10 * MS + 1] == exchange.at_ns
    assert 50 * MS + 1 == ended_ns


@pytest.mark.parametrize("connects_ns", [20 * MS, 49 * MS, 50 * MS + 1, 120 * MS])
def test_the_delay_counts_from_when_it_was_sent_however_long_connecting_took(connects_ns):
    class Connecting(Slowly):
        async def send(self, exchange):
            await sleep_until(now_ns() + connects_ns)
            await super().send(exchange)

    wire = Connecting(10 * MS, 1_000 * MS)
    (exchange,), ended_ns = sent_by(hanging_up(wire, 1, 0.05), 1, from_ns=1)
    assert HUNG_UP == exchange.error.kind
    assert connects_ns + 50 * MS + 1 == ended_ns


def test_an_answer_that_is_quicker_than_the_delay_is_an_answer():
    (exchange,), _ = sent_by(hanging_up(Slowly(1, 1), 1, 0.05), 1, from_ns=1)
    assert exchange.error is None
