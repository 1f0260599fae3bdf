"""`genai-perf process-export-files -d DIR`: several runs as one."""

import inspect
from pathlib import Path
from typing import Any

import typer

from genai_perf.cli import logs, parameters
from genai_perf.cli.invocation import Invocation
from genai_perf.cli.profile import PANELS
from genai_perf.config.load import build
from genai_perf.config.options import OPTIONS, PROCESS_OPTIONS, Layer, parse

_INPUT = PROCESS_OPTIONS["process.input_path"]
_OPTIONS = [
    _INPUT,
    *(option for option in OPTIONS.values() if option.section in ("metrics", "tokenizer", "output")),
]


def process_export_files(context: typer.Context, **values: Any) -> int:
    """Merge several runs into one: repetitions of a run, or the parts of one load from several clients.

    Takes runs of this program and of GenAI-Perf. Percentiles are of all requests together; rates add up
    where the runs overlap in time. What is not given stays as it was in the first run; the environment is
    not asked.
    """
    return start(parameters.layer(_OPTIONS, values), context.obj)


def start(layer: Layer, invocation: Invocation) -> int:
    """What `process-export-files` does with these options. Raises GenAIPerfError."""
    given = dict(layer)
    asked = given.pop(_INPUT.key, None)
    directory: Path = parse(_INPUT, asked) if asked else _INPUT.default
    config = build(given)
    logs.set_up(verbose=config.output.verbose, quiet=config.output.quiet)
    sections = {key.partition(".")[0] for key in given}
    from genai_perf.analyze.merge import merge

    return merge(
        directory,
        config.output,
        command=invocation.command,
        metrics=config.metrics if "metrics" in sections else None,
        tokenizer=config.tokenizer if "tokenizer" in sections else None,
    )


process_export_files.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # Typer reads the options
    [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *parameters.parameters(_OPTIONS, {"process": "Input", **PANELS}),
    ]
)
