"""`genai-perf analyze`: from the flags to a sweep, and on to its runs."""

import inspect
import logging
import os
from types import MappingProxyType
from typing import Any

import typer

from genai_perf.cli import logs, parameters
from genai_perf.cli.commands import TextCommand
from genai_perf.cli.invocation import Invocation
from genai_perf.cli.profile import PANELS, check_with_endpoint
from genai_perf.config.options import ANALYZE_OPTIONS, CHECKPOINT_OPTIONS, OPTIONS, Layer

_OPTIONS = {**ANALYZE_OPTIONS, **CHECKPOINT_OPTIONS, **OPTIONS}
_TYPE, _VALUES = "--sweep-type", ("--sweep-range", "--sweep-list")

logger = logging.getLogger(__name__)


class SweepCommand(TextCommand):
    """A range or list belongs to the sweep type before it; afterwards it says so itself, `TYPE:1:8`."""

    def in_order(self, pairs: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
        """Name whose values they are, where several types make it a question."""
        if [flag for flag, _ in pairs].count(_TYPE) < 2:
            return pairs
        ordered: list[tuple[str, str | None]] = []
        latest = None
        for flag, value in pairs:
            if flag == _TYPE:
                latest = value
            elif flag in _VALUES and latest is not None and value is not None and not value[:1].isalpha():
                value = f"{latest}:{value}"
            ordered.append((flag, value))
        return ordered


def analyze(context: typer.Context, **values: Any) -> int:
    """Profile again and again with another load or input each time, and compare.

    Each scenario is a `profile` run with a directory of its own. What was measured stands in checkpoint.json
    and is not measured again; a sweep that was stopped goes on when it is started once more. Takes all
    options of `profile`.
    """
    return start(parameters.layer(_OPTIONS.values(), values), context.obj)


def start(flags: Layer, invocation: Invocation, file: Layer = MappingProxyType({})) -> int:
    """What `analyze` does with these options; `file` is what a config file says. Raises GenAIPerfError."""
    from genai_perf.analyze.sweep import load_sweep

    sweep = load_sweep(flags, invocation.passed_through, os.environ, file)
    output = sweep.steps[0].config.output
    logs.set_up(verbose=output.verbose, quiet=output.quiet)
    warnings = list(sweep.warnings)
    for step in sweep.steps:
        warnings += [line for line in check_with_endpoint(step.config) if line not in warnings]
    for line in warnings:
        logger.warning("%s", line)
    from genai_perf.analyze.run import run

    return run(sweep, command=invocation.command)


analyze.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads the options from
    [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *parameters.parameters(_OPTIONS.values(), {"analyze": "Sweep", **PANELS}),
    ]
)
