"""A trace of 100,000 requests, sent by its own instants at 1,000/s: `make bench ARGS=traces`.

Mooncake's form and shape: prompts that begin with one of a few system prompts or go on from an earlier prompt, so
that `hash_ids` repeat, and lengths with a long tail. The lengths are a tenth of those of Mooncake's conversations
(there 12,035 input and 343 output tokens on average), because client and server share two cores here.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figure import Figure

ROWS, RATE_PER_S = 100_000, 1_000
BLOCK = 512
LONGEST_BLOCKS = 16
SYSTEM_PROMPTS = 20
WANTED_START_S, WANTED_LATE_MS, WANTED_MB = 5, 1, 500


def figures(port: int, client: list[str], rows: int = ROWS) -> Iterator[Figure]:
    """Against the server at this port; `client` is what to start a program with."""
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name) / "trace.jsonl"
        tokens, shared = write(trace, rows)
        words = (
            f"profile -m gpt2 --tokenizer builtin --endpoint-type chat --streaming -u 127.0.0.1:{port} "
            f"--input-file payload:{trace} --artifact-dir {name}/runs --no-server-metrics --gpu-telemetry off"
        )
        began_s = time.time()
        process = subprocess.Popen(
            [*client, sys.executable, "-m", "genai_perf", *words.split()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ours_mb, theirs_mb = _most_memory(process, Path(name) / "runs")
        if process.wait():
            raise SystemExit(f"the run of the trace ended with {process.returncode}")
        report = json.loads(next(Path(name).glob("runs/*/profile_export_genai_perf.json")).read_text())
        first_s = _first_send_s(next(Path(name).glob("runs/*/records.arrows")))
    what = f"trace of {rows:,} requests, {tokens / rows:,.0f} input tokens on average, {RATE_PER_S:,}/s"
    yield Figure(
        f"{what}: command to first request",
        f"{first_s - began_s:.2f} s",
        f"≤ {WANTED_START_S} s",
        first_s - began_s <= WANTED_START_S,
    )
    late_ms = report["exactness"]["send_lateness"]["p99_ns"] / 1e6
    unready = report["trace"]["unready"]
    yield Figure(
        f"{what}: send lateness p99",
        f"{late_ms:.3f} ms ({unready:,} not made in time)",
        f"≤ {WANTED_LATE_MS} ms",
        late_ms <= WANTED_LATE_MS and not unready,
    )
    yield Figure(
        f"{what}: memory while it is sent",
        f"{ours_mb + theirs_mb:,.0f} MB at most: {ours_mb:,.0f} to send, {theirs_mb:,.0f} to make requests",
        f"≤ {WANTED_MB} MB",
        ours_mb + theirs_mb <= WANTED_MB,
    )
    found = report["trace"]["shared_tokens"], report["trace"]["input_tokens"]
    yield Figure(
        "tokens that repeat an earlier prompt's beginning",
        f"{found[0]:,} of {found[1]:,}",
        f"{shared:,} of {tokens:,}",
        found == (shared, tokens),
    )


def write(path: Path, rows: int) -> tuple[int, int]:
    """The trace; (input tokens, how many of these are the beginning of an earlier prompt)."""
    draw = random.Random(0)
    number = SYSTEM_PROMPTS
    known = [[each] for each in range(SYSTEM_PROMPTS)]
    seen: dict[tuple[int, ...], int] = {}
    tokens = shared = 0
    at_s = 0.0
    with path.open("w") as file:
        for _ in range(rows):
            at_s += draw.expovariate(RATE_PER_S)
            before = draw.choice(known[:SYSTEM_PROMPTS]) if draw.random() < 0.6 else draw.choice(known)
            wanted = min(int(draw.lognormvariate(6.6, 0.8)), LONGEST_BLOCKS * BLOCK)
            length = max(len(before) * BLOCK - draw.randrange(BLOCK), wanted)
            blocks = -(-length // BLOCK)
            ids = [*before, *range(number, number + blocks - len(before))]
            number += blocks - len(before)
            file.write(
                json.dumps(
                    {
                        "timestamp": int(at_s * 1000),
                        "input_length": length,
                        "output_length": draw.randint(4, 12),
                        "hash_ids": ids,
                    }
                )
                + "\n"
            )
            tokens += length
            shared += _shared(ids, length, seen)
            known.append(ids)
            if len(known) > 500:
                del known[draw.randrange(SYSTEM_PROMPTS, len(known))]
    return tokens, shared


def _shared(ids: list[int], length: int, seen: dict[tuple[int, ...], int]) -> int:
    shared = 0
    goes_on = True
    for place in range(len(ids)):
        here = min(BLOCK, length - place * BLOCK)
        beginning = tuple(ids[: place + 1])
        before = seen.get(beginning, 0)
        seen[beginning] = max(before, here)
        shared += min(before, here) if goes_on else 0
        goes_on = goes_on and before == BLOCK
    return shared


def _most_memory(process: "subprocess.Popen[bytes]", runs: Path) -> tuple[float, float]:
    """Resident memory in MB, of the program and of its child that reads the trace, until the last answer."""
    ours = theirs = 0.0
    while process.poll() is None:
        time.sleep(0.25)
        run = next(runs.glob("*/run.json"), None)
        if run is not None and json.loads(run.read_text() or '{"end": 1}')["end"] is not None:
            break
        ours = max(ours, _rss_mb(process.pid))
        theirs = max([theirs, *map(_rss_mb, _readers(process.pid))])
    return ours, theirs


def _readers(pid: int) -> Iterator[int]:
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"genai_perf.workload.traces" in Path(f"/proc/{child}/cmdline").read_bytes():
            yield int(child)


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _first_send_s(journal: Path) -> float:
    """When the first request was sent, since the epoch."""
    from genai_perf.engine.journal import read

    info, records = read(journal)
    return (info.started_wall_ns + min(records["start_ns"].to_pylist())) / 1e9
