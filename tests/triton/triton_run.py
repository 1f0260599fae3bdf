"""A run against Triton, as a user types it, and what it left, read as a stranger would.

The commands run in this process: to start a Python for each would take most of the time.
"""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from genai_perf.cli import main


@dataclass(frozen=True, slots=True)
class TritonRun:
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
    def inputs(self) -> list[Any]:
        """The rows of `inputs.json`."""
        rows: list[Any] = json.loads((self.directory / "inputs.json").read_text())["data"]
        return rows

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The journal's benchmark rows, failed ones included, in the order of their answers."""
        with pa.OSFile(str(self.directory / "records.arrows")) as file:
            rows = pa.ipc.open_stream(file).read_all().to_pylist()
        return [row for row in rows if row["phase"] == "benchmark"]

    @property
    def error(self) -> str:
        """The one line that says what is wrong, and its hint."""
        lines = [line for line in self.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
        return "\n".join(lines)


def genai_perf(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    with redirect_stdout(io.StringIO()) as stdout, redirect_stderr(io.StringIO()) as stderr:
        code = main(arguments)
    return code, stdout.getvalue(), stderr.getvalue()


def profile(artifacts: Path, *options: str) -> TritonRun:
    """`genai-perf profile`, with the tokenizer that needs no network."""
    where = ("--tokenizer", "builtin", "--artifact-dir", str(artifacts))
    return TritonRun(*genai_perf("profile", *where, *options), artifacts)
