"""The sampling process, for real: started once, told of runs, and never in anybody's way."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop
from server import Peer, Server, answer

from genai_perf.clock import Origin
from genai_perf.telemetry import Spec, store
from genai_perf.telemetry.log import LOG
from genai_perf.telemetry.sampler import Sampler

PATIENCE_S = 10.0
FAST_S = 0.02


class Counting:
    """A page that counts how often it was asked; what goes wrong is up to `answers`."""

    def __init__(self, fail: Callable[[int], bool] = lambda number: False) -> None:
        self.asked = 0
        self._fail = fail
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        while peer.request():
            with self._lock:
                self.asked += 1
                number = self.asked
            page = f"# TYPE asked_total counter\nasked_total {number}\n".encode()
            peer.write(answer(b"", status="503 No") if self._fail(number) else answer(page))


def spec(server: Server, name: str = "server:a", **settings) -> Spec:
    return Spec("page", name, FAST_S, settings={"url": server.url, **settings})


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def sampled(sampler: Sampler, directory: Path, meanwhile: Callable[[], None]) -> store.Telemetry | None:
    """A run that does `meanwhile`."""
    sampler.begin(directory, Origin.now())
    asyncio.run(sampler.mark())
    meanwhile()
    asyncio.run(sampler.mark())
    sampler.end()
    return store.read(directory)


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_run_is_sampled_from_its_first_mark_to_its_last(tmp_path):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        telemetry = sampled(sampler, tmp_path, lambda: until(lambda: page.asked > 5))
    (series,) = telemetry.series()
    assert ("server:a", "asked_total", "counter") == (series.source, series.name, series.type)
    assert sorted(series.value) == list(series.value)
    assert len(series.value) == len(set(series.value)) >= 5
    assert (series.at_ns >= 0).all()
    assert {"server:a": None} == sampler.sources


def test_at_a_mark_the_page_is_fetched_from_then_on(tmp_path):
    page = Counting()
    slow = Spec("page", "server:a", 600.0, settings={})
    with Server(page) as server, Sampler() as sampler:
        sampler.start([Spec(slow.kind, slow.name, slow.interval_s, settings={"url": server.url})])
        origin = Origin.now()
        sampler.begin(tmp_path, origin)
        asyncio.run(sampler.mark())
        before_ns = origin.elapsed_ns()
        asyncio.run(sampler.mark())
        after_ns = origin.elapsed_ns()
        sampler.end()
    *_, (asked_ns, by_ns) = store.read(tmp_path).answered()["server:a"]
    assert before_ns <= asked_ns <= by_ns <= after_ns


def test_the_runs_of_a_sweep_share_one_process_and_have_a_file_each(tmp_path):
    page = Counting()
    pids = set()
    with Server(page) as server, Sampler() as sampler:
        for number in range(3):
            directory = tmp_path / str(number)
            directory.mkdir()
            sampler.start([spec(server)])
            assert sampled(sampler, directory, lambda: None).sources["server:a"].scrapes >= 2
            pids.add(sampler.pid)
    assert 1 == len(pids)


def test_between_runs_nobody_is_asked(tmp_path):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        sampled(sampler, tmp_path, lambda: None)
        asked = page.asked
        time.sleep(5 * FAST_S)
        assert asked == page.asked


def test_a_scrape_that_fails_is_counted_and_sampling_goes_on(tmp_path):
    page = Counting(fail=lambda number: number in (3, 4))
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        telemetry = sampled(sampler, tmp_path, lambda: until(lambda: page.asked > 8))
    health = telemetry.sources["server:a"]
    assert (2, {"HTTP 503 Service Unavailable": 2}) == (health.failures, health.errors)
    (series,) = telemetry.series()
    assert {2.0, 5.0, 6.0} <= set(series.value)
    assert not {3.0, 4.0} & set(series.value)


def test_a_server_that_is_gone_at_the_end_leaves_what_it_said(tmp_path):
    page = Counting()
    with Sampler() as sampler:
        with Server(page) as server:
            sampler.start([spec(server)])
            sampler.begin(tmp_path, Origin.now())
            asyncio.run(sampler.mark())
            until(lambda: page.asked > 2)
            for peer in server.peers:
                peer.socket.shutdown(2)
        asyncio.run(sampler.mark())
        assert {"server:a": "connection refused"} == sampler.sources
        sampler.end()
    telemetry = store.read(tmp_path)
    assert 0 < telemetry.sources["server:a"].failures < telemetry.sources["server:a"].scrapes


def test_a_slow_source_delays_no_other_and_does_not_pile_up(tmp_path):
    asked = []

    def slow(peer: Peer) -> None:
        while peer.request():
            asked.append(time.monotonic())
            peer.wait()
            peer.write(answer(b"slow 1\n"))

    page = Counting()
    with Server(slow) as slow_server, Server(page) as server, Sampler() as sampler:
        sampler.start([spec(slow_server, "server:slow"), spec(server)])
        slow_server.step()
        sampler.begin(tmp_path, Origin.now())
        until(lambda: page.asked > 20)
        assert len(asked) <= 2  # when it was looked for, and once more
        for _ in range(20):
            slow_server.step()
        sampler.end()


def test_a_mark_waits_no_longer_than_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("genai_perf.telemetry.sampler.MARK_LIMIT_S", 0.1)

    def silent(peer: Peer) -> None:
        while peer.request():
            pass

    with Server(silent) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        sampler.begin(tmp_path, Origin.now())
        began = time.monotonic()
        asyncio.run(sampler.mark())
        assert time.monotonic() - began < 3
        sampler.end()


def test_what_nobody_asked_for_and_is_not_there_leaves_no_trace(tmp_path):
    with Server(Counting()) as server:
        url = server.url
    with Sampler() as sampler:
        sampler.start([Spec("page", "server:a", FAST_S, optional=True, settings={"url": url})])
        pid = sampler.pid
        assert sampled(sampler, tmp_path, lambda: None) is None
        assert {} == sampler.sources
        assert sampler.pid is None
        assert not is_alive(pid)
        sampler.start([Spec("page", "server:a", FAST_S, optional=True, settings={"url": url})])
        assert sampler.pid is None  # it is not looked for again
    assert [] == list(tmp_path.iterdir())


def test_what_was_named_and_is_not_there_is_tried_again_and_again(tmp_path):
    with Server(Counting()) as server:
        url = server.url
    with Sampler() as sampler:
        sampler.start([Spec("page", "server:a", FAST_S, settings={"url": url})])
        telemetry = sampled(sampler, tmp_path, lambda: time.sleep(5 * FAST_S))
        assert {"server:a": "connection refused"} == sampler.sources
    health = telemetry.sources["server:a"]
    assert health.failures == health.scrapes > 2


def test_with_nothing_to_sample_nothing_is_started(tmp_path):
    with Sampler() as sampler:
        sampler.start([])
        assert sampled(sampler, tmp_path, lambda: None) is None
        assert sampler.pid is None


def test_other_sources_replace_those_before(tmp_path):
    first, second = Counting(), Counting()
    with Server(first) as one, Server(second) as other, Sampler() as sampler:
        sampler.start([spec(one)])
        until(lambda: first.asked > 0)
        pid = sampler.pid
        sampler.start([spec(other, "server:b")])
        telemetry = sampled(sampler, tmp_path, lambda: None)
        assert pid == sampler.pid
    assert ["server:b"] == list(telemetry.sources)


def test_a_sampling_process_that_dies_costs_its_samples_and_nothing_else(tmp_path):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        telemetry = sampled(sampler, tmp_path, lambda: os.kill(sampler.pid, signal.SIGKILL))
        assert {"server:a": "the sampling process ended"} == sampler.sources
        assert ["server:a is not sampled: the sampling process ended"] == sampler.complaints()
        assert telemetry.sources["server:a"].scrapes >= 1


def test_so_it_is_when_it_dies_in_the_middle_of_a_mark_on_the_runs_own_loop(tmp_path):
    def deadly(peer: Peer) -> None:
        while peer.request():
            if peer.number or len(server.requests) > 1:
                os.kill(sampler.pid, signal.SIGKILL)
                return
            peer.write(answer(b"a 1\n"))

    with Server(deadly) as server, Sampler() as sampler:
        sampler.start([Spec("page", "server:a", 600.0, settings={"url": server.url})])
        until(lambda: bool(server.requests))
        sampler.begin(tmp_path, Origin.now())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(sampler.mark())
            runner.run(sampler.mark())
        assert {"server:a": "the sampling process ended"} == sampler.sources
        assert sampler.pid is None
        sampler.end()


def test_a_log_that_cannot_be_written_costs_the_samples_and_nothing_else(tmp_path):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        assert sampled(sampler, tmp_path / "nowhere", lambda: None) is None
        assert [f"{LOG} cannot be written: No such file or directory"] == sampler.complaints()
        assert [] == sampler.complaints()  # once for all runs


def test_ctrl_c_is_not_for_the_sampling_process(tmp_path):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        sampler.begin(tmp_path, Origin.now())
        asyncio.run(sampler.mark())
        os.kill(sampler.pid, signal.SIGINT)
        assert os.getpgid(sampler.pid) != os.getpgid(0)
        asked = page.asked
        until(lambda: page.asked > asked + 2)
        sampler.end()


PARENT = """
import sys, time
from pathlib import Path
from genai_perf.clock import Origin
from genai_perf.telemetry import Spec
from genai_perf.telemetry.sampler import Sampler
sampler = Sampler()
sampler.start([Spec("page", "server:a", 0.02, settings={"url": sys.argv[1]})])
sampler.begin(Path(sys.argv[2]), Origin.now())
print(sampler.pid, flush=True)
time.sleep(600)
"""


def test_it_does_not_outlive_a_parent_that_was_killed_and_its_samples_are_kept(tmp_path):
    page = Counting()
    with Server(page) as server:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, server.url, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        pid = int(parent.stdout.readline())
        until(lambda: page.asked > 5)
        parent.kill()
        parent.wait()
        until(lambda: not is_alive(pid))
        parent.stdout.close()
    assert store.read(tmp_path).sources["server:a"].scrapes >= 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="SCHED_IDLE is Linux's")
def test_it_runs_only_where_a_core_would_idle(tmp_path):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([spec(server)])
        sampled(sampler, tmp_path, lambda: None)
        assert os.SCHED_IDLE == os.sched_getscheduler(sampler.pid)


def test_a_source_with_a_bug_is_a_traceback_and_stops_nobody_else(tmp_path, capfd):
    page = Counting()
    with Server(page) as server, Sampler() as sampler:
        sampler.start([Spec("page", "server:bug", FAST_S, settings={"url": 7}), spec(server)])
        telemetry = sampled(sampler, tmp_path, lambda: until(lambda: page.asked > 3))
        assert {"server:a": None} == sampler.sources
    assert ["server:a"] == list(telemetry.sources)
    assert "Traceback" in capfd.readouterr().err
