"""Periodic concurrency on virtual time: when each batch begins, and that none waits in vain."""

from dataclasses import dataclass

import pytest
from exchanges import event, request
from measured import config
from test_run import interrupt
from virtual_time import Plan, VirtualTransport, now_ns, run, sleep_until

from genai_perf.config.values import PeriodicRange
from genai_perf.endpoints.reading import counting_events
from genai_perf.engine.batches import Batches
from genai_perf.engine.manners import ResponseWatch
from genai_perf.types import Exchange, RequestError

MS = 1_000_000
CHUNK = b'{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"}}]}'


@dataclass
class Stream(Plan):
    """An answer of so many events: the first after a while, the others one gap after another."""

    first_ns: int = 10
    gap_ns: int = 1
    events: int = 20


class Streaming(VirtualTransport):
    """A server that streams by plan."""

    async def send(self, exchange):
        plan = next(self._plans, self._last)
        self._last = plan
        exchange.start_ns = exchange.sent_ns = now_ns()
        self.sends.append((now_ns(), exchange.request.index))
        self._count(1)
        try:
            exchange.status, exchange.headers = 200, {"content-type": "text/event-stream"}
            at_ns = now_ns() + plan.first_ns
            await sleep_until(at_ns)
            for _ in range(plan.events):
                await sleep_until(at_ns)
                at_ns += plan.gap_ns
                for stamps in (exchange.at_ns, exchange.read_ns, exchange.after_ns):
                    stamps.append(now_ns())
                exchange.data.append(event(CHUNK))
                if exchange.on_read is not None:
                    exchange.on_read(exchange)
            exchange.error = plan.error
        finally:
            exchange.end_ns = now_ns()
            self._count(-1)


def periodic(text, period, **load):
    return config(periodic_concurrency_range=text, request_period=period, **load)


def sent(seen):
    return [at_ns for at_ns, _ in seen.transport.sends]


# -- when batches begin ---------------------------------------------------------------------------------


def test_a_batch_begins_at_the_instant_at_which_all_of_the_former_has_had_its_responses(measure):
    plans = [Stream(first_ns=10), Stream(first_ns=30), Stream(first_ns=20), Stream(first_ns=10, gap_ns=5)]
    seen = measure(periodic("2:6:2", 5), transport=Streaming([*plans, Stream(), Stream()]))
    # 30 + 4 gaps; then the slower of 20 + 4 gaps and of 10 + 4 gaps of 5
    assert [0, 0, 34, 34, 64, 64] == sent(seen)
    assert list(range(6)) == seen.column("index")
    assert ("request_count", 0) == (seen.end.stop_reason, seen.end.cut_short)
    assert 6 == seen.transport.opened


def test_a_place_is_used_once(measure):
    seen = measure(periodic("2:4:1", 3), transport=Streaming([Stream(events=3), Stream(first_ns=100)]))
    assert [0, 0, 102, 204] == sent(seen)  # the first of them had ended at 12


def test_one_batch_alone_is_sent_at_once(measure):
    seen = measure(periodic("5:5", 7), transport=Streaming([Stream()]))
    assert [0] * 5 == sent(seen)


def test_the_first_response_is_enough_for_a_period_of_one(measure):
    seen = measure(periodic("1:4", 1), transport=Streaming([Stream(first_ns=10, events=50)]))
    assert [0, 10, 20, 30] == sent(seen)
    assert 4 == seen.transport.most_in_flight


def test_the_run_ends_with_the_last_answer_of_all(measure):
    plans = [Stream(events=1000), Stream(events=5)]
    seen = measure(periodic("1:2", 5), transport=Streaming(plans))
    assert 10 + 999 == max(seen.column("end_ns"))


# -- nothing waits in vain ------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, RequestError("http_500", "out of memory")])
def test_a_request_that_ends_before_counts_as_if_it_had_had_all_its_responses(measure, error):
    plans = [Stream(first_ns=10, events=2, error=error), Stream(first_ns=15), Stream()]
    seen = measure(periodic("2:3", 5), transport=Streaming(plans))
    assert [0, 0, 19] == sent(seen)
    assert 1 == seen.end.cut_short


def test_a_server_that_refuses_everything_ends_the_run(measure):
    given = periodic("4:400:4", 10, max_error_rate=0.5)
    plan = Stream(first_ns=10 * MS, events=0, error=RequestError("closed", "gone"))
    seen = measure(given, transport=Streaming([plan]))
    assert "error_rate" == seen.end.stop_reason
    assert 10 <= len(seen.rows) < 40


def test_requests_that_are_hung_up_on_are_not_waited_for(measure):
    given = periodic("2:6:2", 10, cancellation_rate=1.0, cancellation_delay_s=0.001)
    seen = measure(given, transport=Streaming([Stream(first_ns=10 * MS)]))
    assert [0, 0, MS, MS, 2 * MS, 2 * MS] == sent(seen)
    assert 6 == seen.end.cut_short


def test_an_interruption_sends_no_other_batch_and_awaits_what_is_in_flight(measure):
    plans = [Stream(first_ns=100 * MS, gap_ns=MS)]
    seen = measure(periodic("2:6:2", 10), transport=Streaming(plans), at=[(50 * MS, interrupt)])
    assert ("interrupted", [0, 0]) == (seen.end.stop_reason, sent(seen))
    assert [119 * MS] * 2 == seen.column("end_ns")


def test_a_second_interruption_gives_up_what_is_in_flight(measure):
    at = [(50 * MS, interrupt), (60 * MS, interrupt)]
    seen = measure(periodic("2:6:2", 10), transport=Streaming([Stream(first_ns=100 * MS)]), at=at)
    assert ["cancelled"] * 2 == seen.column("error_kind")
    assert ("interrupted", 60 * MS) == (seen.end.stop_reason, seen.ended_ns)


def test_a_batch_that_is_ready_before_anybody_waits_for_it_is_not_waited_for():
    batches = Batches(PeriodicRange(1, 3))

    async def main():
        taken = [next(batches).index]
        batches.tell(True)
        taken.append(next(batches).index)
        batches.tell(True)
        assert await batches.more()
        taken.append(next(batches).index)
        batches.tell(True)
        assert not await batches.more()
        return taken

    assert [0, 1, 2] == run(main())


# -- who is told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "expected"), [(1, (10, True)), (20, (29, True)), (21, (29, False))])
def test_each_request_is_told_of_once(number, expected):
    told = []
    watch = ResponseWatch(
        Streaming([Stream()]), number, counting_events, lambda has_all: told.append((now_ns(), has_all))
    )
    exchange = Exchange(request())
    run(watch.send(exchange))
    assert [expected] == told
    assert exchange.on_read is None
