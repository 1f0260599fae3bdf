# ruff: noqa: E501  one case, one line
"""The progress line, and when it is drawn."""

import asyncio
import io
import sys

import pytest
from virtual_time import run, sleep_until

from genai_perf.engine.progress import Counts, Progress, line

S = 1_000_000_000


@pytest.mark.parametrize(
    ("counts", "now_s", "in_flight", "requests", "duration_s", "expected"),
    [
        pytest.param(Counts(), 0, 0, None, None, "benchmark 0 s | 0 requests (0.0/s) | 0 in flight | 0 failed", id="the very beginning"),
        pytest.param(Counts(), 0, 1, 100, 60, "benchmark 0 s | 0 of 100 requests (0.0/s) | 1 in flight | 0 failed | 1:00 left", id="nothing has ended yet: by time"),
        pytest.param(Counts(), 2, 1, 100, None, "benchmark 2 s | 0 of 100 requests (0.0/s) | 1 in flight | 0 failed", id="nothing has ended yet: nobody knows"),
        pytest.param(Counts(succeeded=1234), 12, 64, None, 30, "benchmark 12 s | 1,234 requests (102.8/s) | 64 in flight | 0 failed | 0:18 left", id="by time"),
        pytest.param(Counts(succeeded=45, failed=5), 10, 8, 100, None, "benchmark 10 s | 50 of 100 requests (5.0/s) | 8 in flight | 5 failed | 0:10 left", id="by count"),
        pytest.param(Counts(succeeded=50), 10, 8, 1_000, 20, "benchmark 10 s | 50 of 1,000 requests (5.0/s) | 8 in flight | 0 failed | 0:10 left", id="whichever is sooner"),
        pytest.param(Counts(succeeded=100), 10, 0, 100, None, "benchmark 10 s | 100 of 100 requests (10.0/s) | 0 in flight | 0 failed | 0:00 left", id="all have ended"),
        pytest.param(Counts(succeeded=5), 40, 3, None, 30, "benchmark 40 s | 5 requests (0.1/s) | 3 in flight | 0 failed | 0:00 left", id="past its time"),
        pytest.param(Counts(succeeded=10), 10, 1, 36_010, None, "benchmark 10 s | 10 of 36,010 requests (1.0/s) | 1 in flight | 0 failed | 600:00 left", id="hours are minutes"),
        pytest.param(Counts(started_ns=50 * S, succeeded=3), 52, 1, None, None, "benchmark 2 s | 3 requests (1.5/s) | 1 in flight | 0 failed", id="time counts from the phase"),
        pytest.param(Counts(started_ns=50 * S), 49, 1, None, None, "benchmark 0 s | 0 requests (0.0/s) | 1 in flight | 0 failed", id="never below 0"),
    ],
)  # fmt: skip
def test_the_line_reads_like_this(counts, now_s, in_flight, requests, duration_s, expected):
    duration_ns = duration_s * S if duration_s is not None else None
    assert expected == line(counts, now_s * S, in_flight, requests, duration_ns, "benchmark")


class Terminal(io.StringIO):
    def __init__(self, *, is_terminal=True):
        super().__init__()
        self.isatty = lambda: is_terminal


def shown(monkeypatch, terminal, *, quiet, for_ns):
    monkeypatch.setattr(sys, "stderr", terminal)
    texts = iter(f"{number}" for number in range(1000))

    async def main():
        progress = Progress(lambda: next(texts), quiet=quiet)
        await sleep_until(for_ns)
        progress.close()
        await sleep_until(for_ns + 10 * S)
        assert len(asyncio.all_tasks()) == 1

    run(main())
    return terminal.getvalue()


def test_on_a_terminal_the_line_is_drawn_over_itself_four_times_a_second_and_cleared(monkeypatch):
    seen = shown(monkeypatch, Terminal(), quiet=False, for_ns=6 * S // 10)
    assert "\r\x1b[K0\r\x1b[K1\r\x1b[K2\r\x1b[K" == seen


@pytest.mark.parametrize(("is_terminal", "quiet"), [(True, True), (False, False), (False, True)])
def test_elsewhere_nothing_is_written(monkeypatch, is_terminal, quiet):
    assert "" == shown(monkeypatch, Terminal(is_terminal=is_terminal), quiet=quiet, for_ns=S)
