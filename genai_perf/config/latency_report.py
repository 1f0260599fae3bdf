"""Perf Analyzer's CSV of all that a command measured: where, and how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genai_perf.exceptions import UsageError

REPORT_FLAGS = ("-f", "--verbose-csv")


@dataclass(frozen=True, slots=True)
class LatencyReport:
    """A file with a row for each level."""

    path: Path
    is_verbose: bool = False
    """With the average latency, its parts, and the GPUs."""


def read_report(flags: Mapping[str, str]) -> tuple[LatencyReport | None, list[str]]:
    """The CSV that the report flags ask for, and warnings.

    Raises UsageError where it could not be written, so that nothing is measured before that is known.
    """
    is_verbose = "--verbose-csv" in flags
    if "-f" not in flags:
        return None, ["--verbose-csv has no effect without -f"] if is_verbose else []
    path = Path(flags["-f"])
    if path.is_dir():
        raise UsageError(f"-f: {str(path)!r} is a directory", hint=f"for example -f {path / 'report.csv'}")
    if not path.parent.is_dir():
        raise UsageError(f"-f: no directory {str(path.parent)!r}", hint="make it before the run")
    return LatencyReport(path, is_verbose), []
