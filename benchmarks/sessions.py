"""What ten thousand open conversations cost: `make bench ARGS=sessions`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figure import Figure

SESSIONS = 10_000
WANTED_MB = 300


def sessions() -> Iterator[Figure]:
    """Resident memory while all of them are open: two turns each, a long thought in between."""
    words = (
        "-m gpt2 --tokenizer builtin --endpoint-type chat --streaming --url embedded --isl 100 --osl 8 "
        f"--num-sessions {SESSIONS} --session-concurrency {SESSIONS} --session-turns-mean 2 "
        "--session-turn-delay-mean 30000 --ramp-up 20 --no-server-metrics --gpu-telemetry off --quiet"
    )
    with tempfile.TemporaryDirectory() as name:
        argv = [sys.executable, "-m", "genai_perf", "profile", *words.split(), "--artifact-dir", name]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        most_mb = 0.0
        while process.poll() is None:
            time.sleep(0.5)
            run = next(Path(name).glob("*/run.json"), None)
            if run is not None and json.loads(run.read_text() or '{"end": 1}')["end"] is None:
                most_mb = max(most_mb, _rss_mb(process.pid))
        if process.returncode:
            raise SystemExit(f"the run of {SESSIONS:,} conversations ended with {process.returncode}")
        open_, failed = _open_at_once(next(Path(name).glob("*/records.arrows")))
    yield Figure(
        f"memory with {SESSIONS:,} conversations",
        f"{most_mb:,.0f} MB at most; {open_:,} open at once, {failed:,} requests failed",
        f"≤ {WANTED_MB} MB",
        most_mb <= WANTED_MB and open_ == SESSIONS and not failed,
    )


def _open_at_once(journal: Path) -> tuple[int, int]:
    """How many conversations were open at the same time at most, and how many requests failed."""
    from genai_perf.engine.journal import read

    spans: dict[str, list[int]] = {}
    failed = 0
    for row in read(journal)[1].select(["conversation", "start_ns", "end_ns", "error_kind"]).to_pylist():
        spans.setdefault(row["conversation"], []).extend((row["start_ns"], row["end_ns"]))
        failed += row["error_kind"] is not None
    edges = sorted(
        (at, change) for span in spans.values() for at, change in ((min(span), 1), (max(span), -1))
    )
    most = level = 0
    for _, change in edges:
        level += change
        most = max(most, level)
    return most, failed


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
