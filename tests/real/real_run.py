"""A run as a user makes it, with the installed command.

Nothing in here imports the package: the figures are worked out again from the journal with pyarrow and numpy.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tiny_llama
from made_run import FILES, MadeRun

GENAI_PERF = Path(sys.executable).with_name("genai-perf")
LIMIT_S = 100
REPORTS = sorted(file for file in FILES if file.startswith("profile_export"))


def genai_perf(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command without hub or colours."""
    return subprocess.run(
        [str(GENAI_PERF), *arguments],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def profile(url: str, tokenizer: Path, artifacts: Path, *options: str) -> MadeRun:
    """`genai-perf profile` against that server."""
    where = ["--url", url, "--tokenizer", str(tokenizer), "--artifact-dir", str(artifacts)]
    done = genai_perf("profile", "-m", tiny_llama.NAME, *where, *options)
    return MadeRun(done.returncode, done.stdout, done.stderr, artifacts)


def figures_again(run: MadeRun) -> dict[str, Any]:
    """The run's figures from nothing but the journal: arrays with a value a request (in ms), and numbers."""
    rows = run.answered
    settings = json.loads((run.directory / "run.json").read_text())["run"]["config"]

    def column(value: Any) -> Any:
        return np.array([value(row) for row in rows])

    start = column(lambda row: row["start_ns"])
    first = column(lambda row: row["content_ns"][0])
    last = column(lambda row: row["content_ns"][-1])
    took_s = (last.max() - start.min()) / 1e9
    figures: dict[str, Any] = {
        "request_latency": (last - start) / 1e6,
        "request_throughput": len(rows) / took_s,
        "request_count": len(rows),
        "error_count": len(run.requests) - len(rows),
    }
    streaming = settings["endpoint"]["streaming"]
    if streaming:
        figures["time_to_first_token"] = (first - start) / 1e6
        figures["time_to_second_token"] = (column(lambda row: row["content_ns"][1]) - first) / 1e6
    if settings["load"]["request_rate"]:
        due = column(lambda row: row["due_ns"])
        figures["request_latency_from_due"] = (last - due) / 1e6
        figures["send_lateness"] = (start - due) / 1e6
    if settings["metrics"]["use_server_token_count"]:
        tokens = column(lambda row: row["usage_output_tokens"])
        figures["output_sequence_length"] = tokens
        figures["input_sequence_length"] = column(lambda row: row["usage_input_tokens"])
        figures["output_token_throughput"] = tokens.sum() / took_s
        if streaming:
            figures["inter_token_latency"] = (last - first) / (tokens - 1) / 1e6
    return figures


def most_in_flight(run: MadeRun) -> int:
    """How many requests were out at once, at most."""
    edges = [(row["start_ns"], 1) for row in run.requests] + [(row["end_ns"], -1) for row in run.requests]
    return int(np.cumsum([step for _, step in sorted(edges)]).max())
