"""Clients that hold back or hang up, on virtual time."""

import asyncio
import random

from exchanges import request
from virtual_time import Plan, VirtualTransport, now_ns, run, sleep_until

from genai_perf.engine.manners import HangUps, PrefillLimit
from genai_perf.types import HUNG_UP, Exchange, RequestError

MS = 1_000_000


class Slowly(VirtualTransport):
    """The answer begins after a while, and ends after another."""

    def __init__(self, first_ns, last_ns, error=None):
        super().__init__()
        self.first_ns, self.last_ns, self.error = first_ns, last_ns, error

    async def send(self, exchange):
        exchange.start_ns = now_ns()
        self.sends.append((now_ns(), exchange.request.index))
        await sleep_until(now_ns() + self.first_ns)
        if self.error is not None:
            exchange.error = self.error
            return
        exchange.at_ns = [now_ns()]
        if exchange.on_read is not None:
            exchange.on_read(exchange)
        await sleep_until(now_ns() + self.last_ns)
        exchange.end_ns = now_ns()


def sent_by(transport, count):
    exchanges = [Exchange(request(row)) for row in range(count)]

    async def main():
        await asyncio.gather(*[transport.send(exchange) for exchange in exchanges])
        return now_ns()

    return exchanges, run(main())


def test_a_request_is_held_back_until_another_answer_has_begun():
    wire = Slowly(10, 100)
    sent_by(PrefillLimit(wire, 2), 6)
    assert [0, 0, 10, 10, 20, 20] == [at_ns for at_ns, _ in wire.sends]


def test_an_answer_that_never_begins_gives_its_place_back_too():
    wire = Slowly(10, 100, RequestError("timeout", "gone"))
    sent_by(PrefillLimit(wire, 1), 3)
    assert [0, 10, 20] == [at_ns for at_ns, _ in wire.sends]


def test_a_place_is_given_back_once():
    wire = Slowly(10, 5)
    limited = PrefillLimit(wire, 1)
    sent_by(limited, 4)
    assert [0, 10, 20, 30] == [at_ns for at_ns, _ in wire.sends]


def test_the_share_that_is_hung_up_on_is_drawn_by_the_seed():
    def hung_up(seed):
        wire = VirtualTransport([Plan(MS)] * 1000)
        exchanges, _ = sent_by(HangUps(wire, 0.25, 0.0001, random.Random(seed)), 1000)
        return [exchange.request.index for exchange in exchanges if exchange.error]

    assert hung_up(1) == hung_up(1) != hung_up(2)
    assert 200 < len(hung_up(1)) < 300


def test_it_hangs_up_after_the_delay_and_keeps_what_had_come():
    wire = Slowly(10 * MS, 1_000 * MS)
    (exchange,), ended_ns = sent_by(HangUps(wire, 1, 0.05, random.Random(0)), 1)
    assert HUNG_UP == exchange.error.kind
    assert "0.05 s" in exchange.error.message
    assert [10 * MS] == exchange.at_ns
    assert 50 * MS == ended_ns


def test_an_answer_that_is_quicker_than_the_delay_is_an_answer():
    (exchange,), _ = sent_by(HangUps(Slowly(1, 1), 1, 0.05, random.Random(0)), 1)
    assert exchange.error is None
