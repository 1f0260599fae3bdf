"""`genai-perf report DIR`: every report of a run once more, from its journal."""

import inspect
from pathlib import Path
from typing import Any

import typer

from genai_perf.cli import logs, parameters
from genai_perf.cli.profile import PANELS
from genai_perf.config.load import build
from genai_perf.config.options import OPTIONS

_OPTIONS = [
    option
    for option in OPTIONS.values()
    if option.section in ("metrics", "tokenizer")
    or option.key in ("output.generate_plots", "output.verbose", "output.quiet")
]


def report(directory: str, **values: Any) -> int:
    """Make the reports of a run again, from its records.

    What is not given stays as it was in the run; the environment is not asked.
    """
    given = parameters.layer(_OPTIONS, values)
    config = build(given)
    logs.set_up(verbose=config.output.verbose, quiet=config.output.quiet)
    sections = {key.partition(".")[0] for key in given}
    from genai_perf.profile import report as report_again

    return report_again(
        Path(directory),
        metrics=config.metrics if "metrics" in sections else None,
        tokenizer=config.tokenizer if "tokenizer" in sections else None,
        output=config.output,
    )


report.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads the options from
    [
        inspect.Parameter(
            "directory",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=typer.Argument(..., metavar="DIR", help="A run's directory, with its records.arrows."),
            annotation=str,
        ),
        *parameters.parameters(_OPTIONS, PANELS),
    ]
)
