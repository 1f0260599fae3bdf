"""A run as a user makes it, with the installed command, and what it left, read as a stranger would.

Nothing in here imports the package: the figures are worked out again from the journal with pyarrow and numpy.
"""

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tiny_llama

GENAI_PERF = Path(sys.executable).with_name("genai-perf")
LIMIT_S = 100
FILES = {
    "inputs.json",
    "profile_export.json",
    "profile_export_genai_perf.csv",
    "profile_export_genai_perf.json",
    "records.arrows",
    "run.json",
    "telemetry.arrows",
}
REPORTS = sorted(file for file in FILES if file.startswith("profile_export"))


def genai_perf(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command without hub, colours, or settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
    return subprocess.run(
        [str(GENAI_PERF), *arguments],
        env={**kept, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@dataclass(frozen=True, slots=True)
class RealRun:
    """What one command said, and the files it left."""

    exit_code: int
    stdout: str
    stderr: str
    artifacts: Path

    @property
    def directory(self) -> Path:
        """The run's own directory, the only one in there."""
        (directory,) = self.artifacts.iterdir()
        return directory

    @property
    def export(self) -> Any:
        """`profile_export_genai_perf.json`."""
        return json.loads((self.directory / "profile_export_genai_perf.json").read_text())

    @property
    def raw(self) -> Any:
        """The one experiment of `profile_export.json`."""
        (experiment,) = json.loads((self.directory / "profile_export.json").read_text())["experiments"]
        return experiment

    @property
    def inputs(self) -> list[Any]:
        """The bodies in `inputs.json`."""
        rows = json.loads((self.directory / "inputs.json").read_text())["data"]
        return [row["payload"][0] for row in rows]

    @property
    def csv(self) -> dict[str, dict[str, str]]:
        """The CSV's cells by row and column."""
        cells: dict[str, dict[str, str]] = {}
        header: list[str] = []
        for line in csv.reader((self.directory / "profile_export_genai_perf.csv").read_text().splitlines()):
            if line[:1] == ["Metric"]:
                header = line[1:]
            elif line:
                cells[line[0]] = dict(zip(header, line[1:], strict=True))
        return cells

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The journal's benchmark rows, failed ones included, in the order of their answers."""
        with pa.OSFile(str(self.directory / "records.arrows")) as file:
            rows = pa.ipc.open_stream(file).read_all().to_pylist()
        return [row for row in rows if row["phase"] == "benchmark"]

    @property
    def answered(self) -> list[dict[str, Any]]:
        """Those that count."""
        return [row for row in self.requests if row["error_kind"] is None and row["content_ns"]]


def profile(url: str, tokenizer: Path, artifacts: Path, *options: str) -> RealRun:
    """`genai-perf profile` against that server."""
    where = ["--url", url, "--tokenizer", str(tokenizer), "--artifact-dir", str(artifacts)]
    done = genai_perf("profile", "-m", tiny_llama.NAME, *where, *options)
    return RealRun(done.returncode, done.stdout, done.stderr, artifacts)


def figures_again(run: RealRun) -> dict[str, Any]:
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


def most_in_flight(run: RealRun) -> int:
    """How many requests were out at once, at most."""
    edges = [(row["start_ns"], 1) for row in run.requests] + [(row["end_ns"], -1) for row in run.requests]
    return int(np.cumsum([step for _, step in sorted(edges)]).max())
