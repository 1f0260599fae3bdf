"""A run of the installed program against the embedded server, beside what that server says it really did.

Both tell instants of one clock (CLOCK_MONOTONIC), the journal from an origin that only its own process knew.
No prompt has as many tokens as another, so a journal's row and a line of the server's log are of one request
when their prompts are equally long.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genai_perf.config.schema import TokenizerConfig
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings
from genai_perf.workload import tokenizer

REQUESTS = 36
CONCURRENCY = 6
NS_PER_MS = 1e6
LIMIT_S = 100

WAITS: dict[str, Any] = {
    "port": 0,
    "ttft_ms": 20,
    "ttft_per_input_token_ms": 0.2,
    "itl_ms": 10,
    "itl_per_request_ms": 0,
    "jitter": 0.2,
}
"""Settings of a server whose every wait is another, and far longer than this machine's own."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One request, from both sides."""

    row: dict[str, Any]
    """The journal's."""
    truth: dict[str, Any]
    """The server's."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run reported, kept, and really was."""

    exit_code: int
    stdout: str
    stderr: str
    export: dict[str, Any]
    """`profile_export_genai_perf.json`."""
    rows: list[dict[str, Any]]
    """The journal's, warm-up included."""
    truths: list[dict[str, Any]]
    prompt_tokens: list[int]
    """By row of `inputs.json`, as counted here."""

    @property
    def pairs(self) -> list[Pair]:
        """Every request that the server began to answer."""
        by_tokens = {truth["input_tokens"]: truth for truth in self.truths if truth["input_tokens"]}
        found = [(row, by_tokens.get(self.prompt_tokens[row["input_index"]])) for row in self.rows]
        return [Pair(row, truth) for row, truth in found if truth is not None]

    @property
    def origin_ns(self) -> tuple[int, int]:
        """(latest, earliest) that the journal's origin can have been, if no request was received before it
        was sent and no token arrived before the server gave it away; on the clock of the log."""
        received = [pair.truth["received_ns"] - pair.row["start_ns"] for pair in self.pairs]
        arrived = [
            sent - at
            for pair in self.pairs
            for sent, at in zip(pair.truth["token_ns"], pair.row["content_ns"])  # a reset cuts one short
        ]
        return min(received), max(arrived)

    def outcomes(self) -> Counter[str]:
        """What the server says became of the requests."""
        return Counter(truth["outcome"] for truth in self.truths)


def measure(directory: Path, settings: dict[str, Any], *options: str, requests: int = REQUESTS) -> Run:
    """Send each of so many prompts once; `settings` are the server's."""
    prompts = [" ".join(["what", *["about a lighthouse"] * number]) for number in range(1, requests + 1)]
    input_file = directory / "prompts.jsonl"
    lines = [
        json.dumps({"text": text, "output_length": 12 + number % 5}) for number, text in enumerate(prompts)
    ]
    input_file.write_text("\n".join(lines))
    counted = tokenizer.load(TokenizerConfig(name="builtin"), "").count(prompts)
    assert len(set(counted)) == requests

    log = directory / "truth.jsonl"
    with EmbeddedServer(ServerSettings(**{**WAITS, **settings}, truth_log=log)) as server:
        url = server.url.replace("127.0.0.1", "localhost") if "https" in server.url else server.url
        done = subprocess.run(
            [
                *(sys.executable, "-m", "genai_perf", "profile", "-m", "gpt2", "--tokenizer", "builtin"),
                *("--url", url, "--input-file", str(input_file), "--request-count", str(requests)),
                *("--artifact-dir", str(directory / "artifacts")),
                *options,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    (artifacts,) = (directory / "artifacts").iterdir()
    with pa.OSFile(str(artifacts / "records.arrows")) as file:
        rows = pa.ipc.open_stream(file).read_all().to_pylist()
    return Run(
        exit_code=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        export=json.loads((artifacts / "profile_export_genai_perf.json").read_text()),
        rows=rows,
        truths=[json.loads(line) for line in log.read_text().splitlines()],
        prompt_tokens=list(counted),
    )


def ms(values_ns: Sequence[float]) -> Any:
    """As numpy array, in ms."""
    return np.array(values_ns) / NS_PER_MS


def true_figures(pairs: Sequence[Pair]) -> dict[str, Any]:
    """By metric, a value a request (ms), from the server's log alone."""
    truths = [pair.truth for pair in pairs]
    sides = [(truth["received_ns"], truth["token_ns"], truth["reasoning_ns"]) for truth in truths]
    return _figures(sides, [truth["output_tokens"] for truth in truths])


def journal_figures(pairs: Sequence[Pair]) -> dict[str, Any]:
    """The same from the journal; only the number of tokens is the server's."""
    sides = [(pair.row["start_ns"], pair.row["content_ns"], pair.row["reasoning_ns"]) for pair in pairs]
    return _figures(sides, [pair.truth["output_tokens"] for pair in pairs])


def _figures(sides: Sequence[tuple[int, list[int], list[int]]], tokens: Sequence[int]) -> dict[str, Any]:
    """From (begin, instants of the visible text, those of the reasoning), a request each."""
    figures = {
        "time_to_first_token": ms([texts[0] - begin for begin, texts, _ in sides]),
        "request_latency": ms([texts[-1] - begin for begin, texts, _ in sides]),
    }
    if all(len(texts) > 1 for _, texts, _ in sides):
        span = ms([texts[-1] - texts[0] for _, texts, _ in sides])
        figures["inter_token_latency"] = span / (np.array(tokens) - 1)
        figures["time_to_second_token"] = ms([texts[1] - texts[0] for _, texts, _ in sides])
        if all(reasoning for _, _, reasoning in sides):
            firsts = ms([reasoning[0] - begin for begin, _, reasoning in sides])
            figures["time_to_first_reasoning_token"] = firsts
    return figures
