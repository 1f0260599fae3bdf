"""The timers, on the real clock: what comes before what, and never by how much."""

import asyncio
import sys

import pytest
import uvloop

from genai_perf.clock import NS_PER_MS, Origin
from genai_perf.engine import timer

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
TIMERS = {"LoopTimer": timer.LoopTimer}
if sys.platform.startswith("linux"):
    TIMERS["ExactTimer"] = timer.ExactTimer


@pytest.fixture(params=LOOPS)
def run(request):
    """Runs a function of a fresh timer on either loop."""

    def run(make, main):
        async def whole():
            ticker = make(Origin.now())
            try:
                return await asyncio.wait_for(main(ticker), 30)
            finally:
                ticker.close()

        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(whole())

    return run


@pytest.fixture(params=TIMERS)
def make(request):
    return TIMERS[request.param]


def test_it_never_returns_early(run, make):
    async def main(ticker):
        for wait_ns in (1, 1_000, 50_000, 400_000, 499_999, 999_999, 1_400_000, 3 * NS_PER_MS):
            at_ns = ticker.now_ns() + wait_ns
            await ticker.until(at_ns)
            assert ticker.now_ns() >= at_ns

    run(make, main)


def test_an_instant_in_the_past_is_no_wait(run, make):
    async def main(ticker):
        for at_ns in (ticker.now_ns(), ticker.now_ns() - 1, 0, -5):
            await ticker.until(at_ns)

    run(make, main)


def test_wake_ends_the_wait_now(run, make):
    async def main(ticker):
        waiting = asyncio.create_task(ticker.until(ticker.now_ns() + 3600 * 1000 * NS_PER_MS))
        await asyncio.sleep(0)
        ticker.wake()
        await waiting

    run(make, main)


def test_wake_without_a_waiter_does_nothing_and_is_not_remembered(run, make):
    async def main(ticker):
        ticker.wake()
        at_ns = ticker.now_ns() + NS_PER_MS
        await ticker.until(at_ns)
        assert ticker.now_ns() >= at_ns

    run(make, main)


def test_waking_twice_is_waking_once(run, make):
    async def main(ticker):
        waiting = asyncio.create_task(ticker.until(ticker.now_ns() + 3600 * 1000 * NS_PER_MS))
        await asyncio.sleep(0)
        ticker.wake()
        ticker.wake()
        await waiting
        at_ns = ticker.now_ns() + NS_PER_MS
        await ticker.until(at_ns)
        assert ticker.now_ns() >= at_ns

    run(make, main)


def test_a_wait_that_was_given_up_leaves_nothing_behind(run, make):
    async def main(ticker):
        soon_ns = ticker.now_ns() + 50 * NS_PER_MS
        waiting = asyncio.create_task(ticker.until(soon_ns))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        # The alarm of the first wait rings during the second and must not end it.
        at_ns = soon_ns + 10 * NS_PER_MS
        await ticker.until(at_ns)
        assert ticker.now_ns() >= at_ns

    run(make, main)


def test_an_alarm_that_rang_while_the_loop_was_away_does_not_end_the_next_wait(run, make):
    async def main(ticker):
        first_ns = ticker.now_ns() + NS_PER_MS
        waiting = asyncio.create_task(ticker.until(first_ns))
        await asyncio.sleep(0)
        while ticker.now_ns() < first_ns + NS_PER_MS:
            pass  # the loop is away; the alarm has rung when it comes back
        ticker.wake()
        await waiting
        at_ns = ticker.now_ns() + 3 * NS_PER_MS
        await ticker.until(at_ns)
        assert ticker.now_ns() >= at_ns

    run(make, main)


def test_many_wait_and_each_returns_in_the_order_of_its_instant(run, make):
    async def main(ticker):
        start_ns = ticker.now_ns()
        returned = []

        async def wait(number, wait_ns):
            await ticker.until(start_ns + wait_ns)
            assert ticker.now_ns() >= start_ns + wait_ns
            returned.append(number)

        waits_ms = [90, 30, 60, 120, 10]
        await asyncio.gather(*[wait(number, ms * NS_PER_MS) for number, ms in enumerate(waits_ms)])
        assert [4, 1, 2, 0, 3] == returned

    run(make, main)


def test_wake_ends_every_wait(run, make):
    async def main(ticker):
        hours = [ticker.until(ticker.now_ns() + n * 3600 * 1000 * NS_PER_MS) for n in (3, 1, 2)]
        waiting = asyncio.gather(*hours)
        await asyncio.sleep(0)
        ticker.wake()
        await waiting

    run(make, main)


def test_one_that_gives_up_does_not_hold_up_those_behind_it(run, make):
    async def main(ticker):
        first = asyncio.create_task(ticker.until(ticker.now_ns() + NS_PER_MS))
        at_ns = ticker.now_ns() + 2 * NS_PER_MS
        second = asyncio.create_task(ticker.until(at_ns))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert ticker.now_ns() >= at_ns

    run(make, main)


def test_others_run_while_it_waits(run, make):
    async def main(ticker):
        order = []

        async def wait():
            await ticker.until(ticker.now_ns() + 2 * NS_PER_MS)
            order.append("waited")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(order.append, "ran")
        await waiting
        assert ["ran", "waited"] == order

    run(make, main)


def test_a_thousand_waits_come_in_order(run, make):
    async def main(ticker):
        begin_ns = ticker.now_ns()
        for number in range(1000):
            at_ns = begin_ns + number * 10_000
            await ticker.until(at_ns)
            assert ticker.now_ns() >= at_ns

    run(make, main)


def test_the_clock_counts_from_the_origin(run, make):
    async def main(ticker):
        return ticker.now_ns()

    origin = Origin.now()
    elsewhere = Origin(origin.monotonic_ns - 10**12, origin.wall_ns)
    seen = run(lambda _: make(elsewhere), main)
    assert 10**12 <= seen <= elsewhere.elapsed_ns()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="timerfd is Linux's")
def test_linux_has_the_exact_one_and_gives_its_descriptor_back(run):
    import os

    async def main(ticker):
        assert isinstance(ticker, timer.ExactTimer)
        descriptor = ticker._fd.fileno()
        os.fstat(descriptor)
        return descriptor

    descriptor = run(timer.make, main)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
