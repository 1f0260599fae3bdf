"""The runner's rules, on virtual time: every instant is exact."""

import asyncio
import heapq
from itertools import count, islice, repeat

import pytest
from exchanges import request
from hypothesis import example, given
from hypothesis import strategies as st
from virtual_time import Plan, VirtualTimer, VirtualTransport, now_ns, run, sleep_until

from genai_perf import schedule
from genai_perf.engine.runner import Runner
from genai_perf.engine.script import Rows
from genai_perf.schedule import LoadFile
from genai_perf.types import Phase, RequestError, Slot

MS = 1_000_000
S = 1_000 * MS


class Kept:
    """What the runner handed over, in order."""

    def __init__(self):
        self.all = []

    def __call__(self, slot, due_ns, exchange):
        self.all.append((slot, due_ns, exchange))

    @property
    def by_slot(self):
        return sorted(self.all, key=lambda kept: kept[0].index)

    @property
    def starts(self):
        return [exchange.start_ns for _, _, exchange in self.by_slot]

    @property
    def errors(self):
        return [exchange.error.kind if exchange.error else None for _, _, exchange in self.by_slot]


def constant(rate_per_s):
    return schedule.at_rate(schedule.evenly(), schedule.steady(rate_per_s))


def poisson(rate_per_s, random_):
    return schedule.at_rate(schedule.poisson(random_), schedule.steady(rate_per_s))


def started(transport, *, rows=7, kept=None):
    """A runner on virtual time, and what it keeps."""
    kept = Kept() if kept is None else kept
    script = Rows([request(row) for row in range(rows)])
    return Runner(script, transport, VirtualTimer(), kept), kept


def slots(due, *, phase=Phase.BENCHMARK, first=0, **limits):
    return schedule.slots(iter(due), first, phase, **limits)


def run_phase(due, takes_ns, places, *, from_ns=0, **limits):
    """(transport, what was kept, when the phase had ended) of one phase."""
    transport = VirtualTransport([Plan(each) for each in takes_ns])

    async def main():
        runner, kept = started(transport)
        await sleep_until(from_ns)
        duration_ns = limits.get("duration_ns")
        await runner.run(slots(due, **limits), places, from_ns=from_ns, duration_ns=duration_ns)
        assert 0 == runner.in_flight == len(runner._workers)
        assert runner.sent == len(kept.all) == len(transport.sends)
        return kept, now_ns()

    kept, ended_ns = run(main())
    return transport, kept, ended_ns


def first_come_first_served(due, takes_ns, places):
    """When each request begins in a queue with so many servers, from the definition."""
    free = [0] * places
    starts = []
    for due_ns, takes in zip(due, takes_ns, strict=True):
        start_ns = max(due_ns, heapq.heappop(free))
        heapq.heappush(free, start_ns + takes)
        starts.append(start_ns)
    return starts


# -- closed loop ------------------------------------------------------------------------------------


def test_a_closed_loop_begins_with_all_its_places_at_once():
    transport, _, ended_ns = run_phase(repeat(None), [10 * MS], 4, requests=4)
    assert [(0, 0), (0, 1), (0, 2), (0, 3)] == transport.sends
    assert 10 * MS == ended_ns


def test_a_closed_loop_refills_a_place_at_the_instant_it_is_free():
    transport, kept, ended_ns = run_phase(repeat(None), [30, 10, 20, 50, 5, 1], 2, requests=6)
    assert [0, 0, 10, 30, 30, 35] == kept.starts
    assert 80 == ended_ns
    assert 2 == transport.most_in_flight


@given(st.integers(1, 6), st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_a_closed_loop_keeps_its_places_full_and_never_more(places, takes_ns):
    transport, kept, _ = run_phase(repeat(None), takes_ns, places, requests=len(takes_ns))
    assert first_come_first_served([0] * len(takes_ns), takes_ns, places) == kept.starts
    assert list(range(len(takes_ns))) == [slot.index for slot, _, _ in kept.by_slot]
    assert [None] * len(takes_ns) == [due_ns for _, due_ns, _ in kept.by_slot]
    assert transport.most_in_flight <= places
    # As long as there is something to send, time never passes with a place empty.
    last_start_ns = max(kept.starts)
    levels = dict(transport.levels)  # the level that stays at each instant
    assert all(level == places for at_ns, level in levels.items() if at_ns < last_start_ns)


def test_slots_are_sent_in_their_order_and_take_the_requests_by_turns():
    transport, _, _ = run_phase(repeat(None), [3, 1, 2, 9, 4, 1], 3, requests=20)
    assert [index % 7 for index in range(20)] == [row for _, row in transport.sends]


def test_a_closed_loop_takes_no_slot_once_its_time_is_over_and_awaits_what_is_in_flight():
    _, kept, ended_ns = run_phase(repeat(None), [40 * MS], 2, duration_ns=100 * MS)
    assert [0, 0, 40 * MS, 40 * MS, 80 * MS, 80 * MS] == kept.starts
    assert 120 * MS == ended_ns


def test_a_closed_loop_sends_nothing_at_the_very_end_of_its_time():
    _, kept, _ = run_phase(repeat(None), [50], 1, duration_ns=100)
    assert [0, 50] == kept.starts


def test_fewer_slots_than_places_is_fine():
    transport, kept, ended_ns = run_phase(repeat(None), [10], 50, requests=3)
    assert ([0, 0, 0], 3, 10) == (kept.starts, transport.most_in_flight, ended_ns)


def test_no_slots_at_all_is_fine():
    for places in (1, None):
        transport, _, ended_ns = run_phase([], [], places)
        assert ([], 0) == (transport.sends, ended_ns)


# -- open loop --------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=40).map(sorted),
    st.lists(st.integers(0, 500), min_size=1, max_size=40),
    st.integers(0, 1000),
)
def test_an_open_loop_sends_exactly_when_due_whatever_the_server_does(due, takes_ns, from_ns):
    transport, kept, _ = run_phase(due, takes_ns, None, from_ns=from_ns)
    expected = [from_ns + due_ns for due_ns in due]
    assert expected == kept.starts == [due_ns for _, due_ns, _ in kept.by_slot]
    assert list(range(len(due))) == [slot.index for slot, _, _ in kept.by_slot]
    assert [(at_ns, index % 7) for index, at_ns in enumerate(expected)] == transport.sends


def test_an_open_loop_is_not_slowed_by_a_server_that_never_answers():
    transport, kept, _ = run_phase(constant(1000.0), [3600 * S], None, requests=500)
    assert [number * MS for number in range(500)] == kept.starts
    assert 500 == transport.most_in_flight


def test_a_minute_of_poisson_arrivals_is_sent_on_time():
    due = list(
        islice(
            schedule.arrivals(_config(request_rate=50.0, request_distribution="poisson"), LoadFile()), 3000
        )
    )
    _, kept, _ = run_phase(due, [700 * MS, 20 * MS, 5 * S], None)
    assert due == kept.starts


def _config(**load):
    from genai_perf.config.schema import Config, LoadConfig

    return Config(load=LoadConfig(**load))


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=40).map(sorted),
    st.data(),
    st.integers(1, 5),
)
def test_a_cap_delays_arrivals_but_drops_and_moves_none(due, data, places):
    takes_ns = data.draw(st.lists(st.integers(0, 60), min_size=len(due), max_size=len(due)))
    transport, kept, _ = run_phase(due, takes_ns, places)
    assert due == [due_ns for _, due_ns, _ in kept.by_slot]
    assert first_come_first_served(due, takes_ns, places) == kept.starts
    assert sorted(kept.starts) == kept.starts
    assert transport.most_in_flight <= places
    for (slot, _, exchange), due_ns in zip(kept.by_slot, due, strict=True):
        assert slot.due_ns == due_ns <= exchange.start_ns


def test_late_arrivals_are_sent_one_after_the_other_as_places_come_free():
    _, kept, _ = run_phase([0, 10, 20, 30, 500], [100], 2)
    assert [0, 10, 100, 110, 500] == kept.starts
    assert [0, 10, 20, 30, 500] == [due_ns for _, due_ns, _ in kept.by_slot]


def test_a_cap_that_is_never_reached_changes_nothing():
    due = [0, 10, 20, 30]
    assert due == run_phase(due, [15], 100)[1].starts


def test_an_open_loop_ends_by_its_due_times_and_awaits_the_rest():
    _, kept, ended_ns = run_phase(count(0, 10), [1000], None, duration_ns=35)
    assert ([0, 10, 20, 30], 1030) == (kept.starts, ended_ns)


def test_an_open_loop_sends_what_was_due_in_its_time_also_when_it_comes_late_to_it():
    async def main():
        transport = VirtualTransport([Plan(5)])
        runner, kept = started(transport)
        # The program was away from 0 to 100, longer than the phase.
        asyncio.get_running_loop().now_ns = 100
        await runner.run(slots(count(0, 10), duration_ns=35), None, from_ns=0, duration_ns=35)
        return kept

    kept = run(main())
    assert [0, 10, 20, 30] == [due_ns for _, due_ns, _ in kept.by_slot]
    assert [100] * 4 == kept.starts


def test_what_still_waits_for_a_place_when_the_time_is_over_is_not_sent_but_counted():
    async def main():
        transport = VirtualTransport([Plan(30)])
        runner, kept = started(transport)
        await runner.run(slots(count(0, 10), duration_ns=100), 1, from_ns=0, duration_ns=100)
        return runner.unsent, kept

    unsent, kept = run(main())
    assert [0, 30, 60, 90] == kept.starts
    assert 6 == unsent


def test_a_phase_counts_its_due_times_from_its_own_beginning():
    _, kept, _ = run_phase([0, 10], [5], None, from_ns=1_000)
    assert [(0, 1_000), (10, 1_010)] == [(slot.due_ns, due_ns) for slot, due_ns, _ in kept.by_slot]


# -- phases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("places", [1, 3, None])
def test_a_phase_begins_when_the_last_answer_of_the_one_before_is_there(places):
    transport = VirtualTransport([Plan(10), Plan(80), Plan(5)])

    async def main():
        runner, kept = started(transport)
        await runner.run(slots([0, 0, 0], phase=Phase.WARMUP), places, from_ns=0)
        warm_ns = now_ns()
        assert 3 == len(kept.all)
        await runner.run(slots([0, 0], first=3), places, from_ns=warm_ns)
        return warm_ns, kept

    warm_ns, kept = run(main())
    assert (95 if places == 1 else 80) == warm_ns
    assert [Phase.WARMUP] * 3 + [Phase.BENCHMARK] * 2 == [slot.phase for slot, _, _ in kept.by_slot]
    assert all(start_ns >= warm_ns for start_ns in kept.starts[3:])
    assert [0, 1, 2, 3, 4] == [exchange.request.index for _, _, exchange in kept.by_slot]


# -- the end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("due", "places", "stop_at_ns", "expected"),
    [
        pytest.param(repeat(None), 2, 25, [0, 0, 10, 10, 20, 20], id="a closed loop"),
        pytest.param(count(0, 4), None, 9, [0, 4, 8], id="an open loop, between two arrivals"),
        pytest.param(count(0, 4), 1, 25, [0, 10, 20], id="an open loop that waits for a place"),
        pytest.param([3600 * S], None, 1, [], id="an arrival far away"),
    ],
)
def test_stopping_takes_no_more_slots_and_awaits_what_is_in_flight(due, places, stop_at_ns, expected):
    async def main():
        transport = VirtualTransport([Plan(10)])
        runner, kept = started(transport)
        asyncio.get_running_loop().call_at(stop_at_ns / S, runner.stop)
        await runner.run(slots(due), places, from_ns=0)
        return kept, now_ns()

    kept, ended_ns = run(main())
    assert expected == kept.starts
    assert [None] * len(expected) == kept.errors
    assert (max(expected) + 10 if expected else stop_at_ns) == ended_ns


def test_a_runner_that_was_stopped_sends_no_later_phase():
    async def main():
        runner, kept = started(VirtualTransport([Plan(10)]))
        runner.stop()
        await runner.run(slots(repeat(None)), 3, from_ns=0)
        await runner.run(slots(count()), None, from_ns=0)
        return kept.all

    assert [] == run(main())


@pytest.mark.parametrize("places", [3, None])
@pytest.mark.parametrize("stopped_before", [False, True])
def test_aborting_gives_up_what_is_in_flight_and_keeps_it(places, stopped_before):
    async def main():
        transport = VirtualTransport([Plan(5), Plan(1000)])
        runner, kept = started(transport)
        loop = asyncio.get_running_loop()
        if stopped_before:
            loop.call_at(22 / S, runner.stop)
        loop.call_at(26 / S, runner.abort)
        await runner.run(slots(count(0, 10)), places, from_ns=0)
        return kept, transport, now_ns()

    kept, transport, ended_ns = run(main())
    assert [0, 10, 20] == kept.starts
    assert [None, "cancelled", "cancelled"] == kept.errors
    assert [5, 26, 26] == [exchange.end_ns for _, _, exchange in kept.by_slot]
    assert (0, 26) == (transport.in_flight, ended_ns)


def test_aborting_before_the_first_worker_has_begun_is_fine():
    async def main():
        runner, kept = started(VirtualTransport())
        asyncio.get_running_loop().call_soon(runner.abort)
        await runner.run(slots(repeat(None)), 3, from_ns=0)
        return kept.all

    assert [] == run(main())


@pytest.mark.parametrize("places", [3, None])
def test_an_error_in_keep_is_a_bug_and_ends_everything(places):
    class Bug(Exception):
        pass

    seen = []

    def keep(slot, due_ns, exchange):
        seen.append((slot.index, now_ns(), exchange.error))
        if slot.index == 2:
            raise Bug

    async def main():
        transport = VirtualTransport([Plan(3600 * S), Plan(3600 * S), Plan(7)])
        runner, _ = started(transport, kept=keep)
        with pytest.raises(ExceptionGroup) as raised:
            await runner.run(slots(count(0, 1)), places, from_ns=0)
        assert raised.group_contains(Bug)
        assert 0 == transport.in_flight
        return now_ns()

    assert 9 == run(main())
    assert (2, 9, None) == seen[0]
    # what was given up with it went through keep as well
    assert {"cancelled"} == {error.kind for _, _, error in seen[1:]}
    assert {0, 1} <= {index for index, _, _ in seen}


def test_a_failed_request_is_data_and_its_place_goes_on():
    refused = RequestError("connect", "cannot connect: Connection refused")
    transport = VirtualTransport([Plan(1, error=refused), Plan(10), Plan(1, error=refused)])

    async def main():
        runner, kept = started(transport)
        await runner.run(slots(repeat(None), requests=4), 2, from_ns=0)
        return kept

    kept = run(main())
    assert ["connect", None, "connect", "connect"] == kept.errors
    assert [0, 0, 1, 2] == kept.starts


# -- whatever happens -------------------------------------------------------------------------------


@given(
    st.lists(st.none() | st.integers(0, 60), max_size=30),
    st.lists(st.integers(0, 50), min_size=1, max_size=30),
    st.none() | st.integers(1, 5),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 100),
)
@example([None, None], [0], None, None, None)
@example([None], [0], None, None, 0)
def test_the_lead_is_never_lost(due, takes_ns, places, stop_at_ns, abort_at_ns):
    """Every slot is sent unless the run is stopped, and it always ends: a virtual loop that stalls raises."""

    async def main():
        transport = VirtualTransport([Plan(takes) for takes in takes_ns])
        runner, kept = started(transport)
        loop = asyncio.get_running_loop()
        for at_ns, end in ((stop_at_ns, runner.stop), (abort_at_ns, runner.abort)):
            if at_ns is not None:
                loop.call_at(at_ns / S, end)
        given_slots = (Slot(index, due_ns) for index, due_ns in enumerate(due))
        await runner.run(given_slots, places, from_ns=0)
        assert 0 == runner.in_flight == len(runner._workers) == transport.in_flight
        return kept, transport

    kept, transport = run(main())
    sent = [slot.index for slot, _, _ in kept.by_slot]
    assert list(range(len(sent))) == sent
    if stop_at_ns is None and abort_at_ns is None:
        assert len(due) == len(sent)
    if abort_at_ns is None:
        assert [None] * len(sent) == kept.errors
    assert transport.most_in_flight <= (places or len(due))
    for slot, due_ns, exchange in kept.all:
        assert slot.due_ns == due_ns
        assert due_ns is None or exchange.start_ns >= due_ns


# -- places that change -----------------------------------------------------------------------------


def run_with_places(changes, takes_ns, *, due=None, **limits):
    transport = VirtualTransport(plan=lambda exchange: Plan(takes_ns))

    async def main():
        runner, kept = started(transport)
        arrivals = repeat(None) if due is None else due
        duration_ns = limits.get("duration_ns")
        await runner.run(slots(arrivals, **limits), iter(changes), from_ns=0, duration_ns=duration_ns)
        assert 0 == runner.in_flight == len(runner._workers)
        return kept

    return transport, run(main())


def level_at(transport, at_ns):
    return next((level for when, level in reversed(transport.levels) if when <= at_ns), 0)


def test_more_places_are_filled_at_once_and_fewer_when_answers_come():
    transport, _ = run_with_places([(0, 2), (100, 5), (200, 1)], 30, duration_ns=400)
    assert [2, 2, 5, 5, 1, 1] == [level_at(transport, at_ns) for at_ns in (0, 99, 100, 199, 230, 399)]
    assert 5 == transport.most_in_flight


def test_no_places_at_all_are_a_pause_after_which_it_goes_on():
    transport, _ = run_with_places([(0, 2), (50, 0), (100, 3)], 10, duration_ns=150)
    assert [2, 0, 3] == [level_at(transport, at_ns) for at_ns in (40, 70, 120)]


def test_a_load_may_begin_with_a_pause():
    transport, _ = run_with_places([(0, 0), (50, 1)], 10, duration_ns=80)
    assert [50, 60, 70] == [at_ns for at_ns, _ in transport.sends]


def test_changes_that_would_come_after_the_last_slot_are_not_waited_for():
    transport, kept = run_with_places([(0, 1), (1000, 2)], 10, requests=3)
    assert [0, 10, 20] == kept.starts
    assert 30 == transport.levels[-1][0]


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 5)), min_size=1, max_size=8),
    st.integers(1, 60),
)
def test_never_more_are_in_flight_than_there_were_places_lately(steps, takes_ns):
    at_ns, changes = 0, [(0, 1)]
    for after_ns, places in steps:
        at_ns += after_ns
        changes.append((at_ns, places))
    transport, _ = run_with_places(changes, takes_ns, duration_ns=at_ns + 100)
    for when, level in dict(transport.levels).items():
        # an answer that was asked for before a change may still be on its way
        allowed = [places for since, places in changes if when - takes_ns <= since <= when]
        allowed += [places for since, places in changes if since <= when][-1:]
        before = [places for since, places in changes if since < when - takes_ns][-1:]
        assert level <= max(allowed + before)
