"""What a `profile` command said and left, read as a stranger would: nothing in here imports the package."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

FILES = {
    "config.yaml",
    "inputs.json",
    "profile_export.json",
    "profile_export_genai_perf.csv",
    "profile_export_genai_perf.json",
    "records.arrows",
    "run.json",
    "telemetry.arrows",
    "workload.lock",
}
"""What a run leaves."""


@dataclass(frozen=True, slots=True)
class MadeRun:
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
        """`profile_export.json`."""
        return json.loads((self.directory / "profile_export.json").read_text())

    @property
    def experiment(self) -> Any:
        """The one experiment in it."""
        (experiment,) = self.raw["experiments"]
        return experiment

    @property
    def inputs(self) -> list[Any]:
        """The rows of `inputs.json`."""
        rows: list[Any] = json.loads((self.directory / "inputs.json").read_text())["data"]
        return rows

    @property
    def bodies(self) -> list[Any]:
        """The bodies in them."""
        return [row["payload"][0] for row in self.inputs]

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

    @property
    def error(self) -> str:
        """The one line that says what is wrong, and its hint."""
        lines = [line for line in self.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
        return "\n".join(lines)
