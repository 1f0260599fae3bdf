"""Every report of a run, written and printed."""

from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.config.schema import Config, OutputConfig
from genai_perf.profile.verdict import verdict

if TYPE_CHECKING:
    from genai_perf.reports import Result


def publish(result: "Result", directory: Path, output: OutputConfig, *, asked: Config | None = None) -> int:
    """Write and print every report. `asked` is the config of a run just made, whose server can be asked."""
    write_reports(result, directory, output)
    if output.generate_plots:
        from genai_perf.reports import plots

        plots.write(result, directory)
    return verdict(result, directory, asked)


def write_reports(result: "Result", directory: Path, output: OutputConfig) -> None:
    """Write the files of a run, and print its table unless it is empty."""
    from genai_perf.reports import console, csv_file, json_file, raw

    for write in (json_file.write, csv_file.write, raw.write):
        write(result, directory)
    if result.summary.requests:
        console.write(result, directory, verbose=output.verbose)
