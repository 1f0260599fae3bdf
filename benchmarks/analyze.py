"""What a sweep costs beside its requests: between two scenarios, its checkpoint, the record modules.

From the last answer of one scenario to the first request of the next, by the wall clock in their journals.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from figure import Figure

from genai_perf.engine import journal

LEVELS = "1,2,4,8,16,32"
SCENARIOS = 1000
TRIES = 5

READ = """
import time
from genai_perf.analyze.checkpoint import Checkpoint
begun = time.perf_counter()
found = Checkpoint.open()
print(len(found.scenarios), time.perf_counter() - begun)
"""

IMPORT = """
import time
begun = time.perf_counter()
import genai_perf.record.types.time_to_first_token_p99
print(time.perf_counter() - begun)
"""


def figures(port: int, client: list[str]) -> Iterator[Figure]:
    """Against the server at this port; `client` is what to start a program with."""
    with tempfile.TemporaryDirectory() as name:
        for plots in ([], ["--generate-plots"]):
            here = Path(name) / ("with-plots" if plots else "plain")
            here.mkdir()
            _sweep(here, port, client, plots)
            yield _overhead(here, "with --generate-plots" if plots else "")
        yield _reading(Path(name) / "plain", client)
    took = [float(_python(IMPORT, client).split()[0]) for _ in range(TRIES)]
    middle_ms = statistics.median(took) * 1e3
    yield Figure(
        "import genai_perf.record.types.time_to_first_token_p99",
        f"{middle_ms:.0f} ms",
        "≤ 50 ms",
        middle_ms <= 50,
    )


def _sweep(here: Path, port: int, client: list[str], options: list[str]) -> None:
    words = (
        "analyze -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --isl 100 --request-count 64 "
        f"--sweep-list {LEVELS} -u 127.0.0.1:{port}"
    )
    argv = [*client, sys.executable, "-m", "genai_perf", *words.split(), *options]
    subprocess.run(argv, cwd=here, check=True, capture_output=True)


def _overhead(here: Path, what: str) -> Figure:
    spans = sorted(_span_ns(file) for file in here.glob("artifacts/*/records.arrows"))
    gaps = [(later[0] - sooner[1]) / 1e9 for sooner, later in pairwise(spans)]
    worst = max(gaps)
    return Figure(
        " ".join(filter(None, ["between two scenarios of a sweep", what])),
        f"{worst:.2f} s at most, {statistics.median(gaps):.2f} s in the middle of {len(gaps)}",
        "≤ 0.5 s",
        worst <= 0.5,
    )


def _span_ns(file: Path) -> tuple[int, int]:
    """The first send and the last answer, since the epoch."""
    info, records = journal.read(file)
    starts, ends = (records[name].to_pylist() for name in ("start_ns", "end_ns"))
    return info.started_wall_ns + min(starts), info.started_wall_ns + max(ends)


def _reading(here: Path, client: list[str]) -> Figure:
    """In both places, as a sweep finds it."""
    places = [here / "checkpoint.json", here / "checkpoint" / "checkpoint.json"]
    document = json.loads(places[0].read_text())
    entry = document["Results"]["run_configs"][-1]
    document["Results"]["run_configs"] = [
        {**entry, "name": f"gpt2_run_config_{n}", "scenario": {**entry["scenario"], "hash": f"{n:064x}"}}
        for n in range(SCENARIOS)
    ]
    content = json.dumps(document, separators=(",", ":"))
    for place in places:
        place.write_text(content)
    took = []
    for _ in range(TRIES):
        found, seconds = _python(READ, client, here).split()
        assert int(found) == SCENARIOS, found
        took.append(float(seconds))
    middle = statistics.median(took)
    return Figure(
        f"reading a checkpoint of {SCENARIOS:,} scenarios ({len(content) / 1e6:.0f} MB, in both places)",
        f"{middle:.2f} s",
        "≤ 1 s",
        middle <= 1,
    )


def _python(script: str, client: list[str], here: Path | None = None) -> str:
    argv = [*client, sys.executable, "-c", script]
    return subprocess.run(argv, cwd=here, check=True, capture_output=True, text=True).stdout
