import asyncio
import sys

import pytest

from genai_perf.clock import monotonic_ns
from genai_perf.server import deadlines
from genai_perf.server.deadlines import Deadlines


@pytest.fixture(params=["timerfd", "call_at"])
async def timer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Deadlines on the running loop, by each of the two timers."""
    if request.param == "call_at":
        monkeypatch.setattr(sys, "platform", "other")
    made = Deadlines(asyncio.get_running_loop())
    monkeypatch.undo()
    yield made
    made.close()


async def test_jobs_run_in_the_order_they_are_due_and_never_early(timer: Deadlines) -> None:
    start_ns = monotonic_ns()
    ran: list[tuple[int, int]] = []
    done = asyncio.Event()

    def job(due_ns: int):
        def run(now_ns: int) -> None:
            ran.append((due_ns, now_ns))
            if len(ran) == 6:
                done.set()

        return run

    for offset_ns in (3_000_000, 1_000_000, 5_000_000, -7, 1_000_000, 2_000_000):
        timer.at(start_ns + offset_ns, job(start_ns + offset_ns))
    await done.wait()
    assert sorted(due_ns for due_ns, _ in ran) == [due_ns for due_ns, _ in ran]
    assert all(now_ns >= due_ns for due_ns, now_ns in ran)


async def test_a_job_goes_on_from_the_deadline_it_returns(timer: Deadlines) -> None:
    start_ns = monotonic_ns()
    seen_ns: list[int] = []
    done = asyncio.Event()

    def job(now_ns: int) -> int | None:
        seen_ns.append(now_ns)
        if len(seen_ns) == 5:
            done.set()
            return None
        return start_ns + len(seen_ns) * 300_000

    timer.at(start_ns, job)
    await done.wait()
    assert all(seen >= start_ns + index * 300_000 for index, seen in enumerate(seen_ns))


async def test_a_job_may_add_others(timer: Deadlines) -> None:
    done = asyncio.Event()

    def second(_now_ns: int) -> None:
        done.set()

    def first(now_ns: int) -> None:
        timer.at(now_ns + 100_000, second)

    timer.at(monotonic_ns() + 100_000, first)
    await done.wait()


async def test_work_without_end_leaves_the_loop_its_turn(timer: Deadlines) -> None:
    timer.at(0, lambda now_ns: now_ns)
    for _ in range(5):
        await asyncio.sleep(0)
    assert deadlines.SLICE_NS < 10**6


async def test_nothing_runs_after_close(timer: Deadlines) -> None:
    ran: list[int] = []
    timer.at(monotonic_ns() + 100_000, ran.append)
    timer.close()
    await asyncio.sleep(0.002)
    assert [] == ran
