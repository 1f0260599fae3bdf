"""A `profile` run from end to end, and the same reports once more from what it left.

config → requests → run → journal → summary → reports
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.config.schema import Config, MetricsConfig, OutputConfig, TokenizerConfig
from genai_perf.profile.directory import run_name
from genai_perf.profile.patience import Patience
from genai_perf.profile.publish import publish, write_reports
from genai_perf.profile.session import Session
from genai_perf.profile.summarize import summarize
from genai_perf.profile.verdict import verdict

if TYPE_CHECKING:
    from genai_perf.reports import Result

__all__ = [
    "Patience",
    "Session",
    "publish",
    "report",
    "run",
    "run_name",
    "summarize",
    "verdict",
    "write_reports",
]


def run(
    config: Config,
    *,
    command: str,
    repeats: Path | None = None,
    then: "Callable[[Result, int], None] | None" = None,
) -> int:
    """Measure and report. 0: measured; 1: ended by the error rate; 130: interrupted, and reported.

    `command` is the command line without secrets, `repeats` the lock of a run that this one is to be the same
    as. `then` is called with the result and the exit code, before a Ctrl-C that came meanwhile is heard.
    Raises GenAIPerfError.
    """
    directory = config.output.artifact_dir / run_name(config)
    patience = Patience(directory, quiet=config.output.quiet)
    with Session(command, repeats) as session, patience:
        config = session.located(config)
        result = session.measure(config, directory, ended=patience.begin)
        exit_code = publish(result, directory, config.output, asked=config)
        if then is not None:
            then(result, exit_code)
        return exit_code


def report(
    directory: Path,
    *,
    metrics: MetricsConfig | None = None,
    tokenizer: TokenizerConfig | None = None,
    output: OutputConfig | None = None,
) -> int:
    """Make every report of a run again; what is None stays as it was in the run. Raises GenAIPerfError."""
    result = summarize(directory, metrics=metrics, tokenizer=tokenizer)
    return publish(result, directory, output or OutputConfig())
