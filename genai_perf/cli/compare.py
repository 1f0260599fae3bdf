"""`genai-perf compare`: several runs side by side."""

import inspect
from typing import Any

from genai_perf.cli import logs, parameters
from genai_perf.cli.profile import PANELS
from genai_perf.config.load import build
from genai_perf.config.options import COMPARE_OPTIONS, OPTIONS, parse
from genai_perf.config.schema import CompareConfig
from genai_perf.exceptions import UsageError

_OPTIONS = [
    *COMPARE_OPTIONS.values(),
    *(option for option in OPTIONS.values() if option.section in ("metrics", "tokenizer")),
    *(OPTIONS[key] for key in ("output.verbose", "output.quiet")),
]


def compare(**values: Any) -> int:
    """Set runs side by side: GenAI-Perf's plots of all of them, and in a table by how much they differ.

    The table says which differences are more than the runs vary, and above it stands which settings are not
    the same. Takes runs of this program and of GenAI-Perf. What is not given stays as it was in each run; the
    environment is not asked.
    """
    given = dict(parameters.layer(_OPTIONS, values))
    asked = CompareConfig(
        **{
            option.key.partition(".")[2]: parse(option, given.pop(option.key))
            for option in COMPARE_OPTIONS.values()
            if option.key in given
        }
    )
    _check(asked)
    config = build(given)
    logs.set_up(verbose=config.output.verbose, quiet=config.output.quiet)
    sections = {key.partition(".")[0] for key in given}
    from genai_perf.analyze import compare as comparing
    from genai_perf.analyze.compared_runs import Settings

    settings = Settings(
        metrics=config.metrics if "metrics" in sections else None,
        tokenizer=config.tokenizer if "tokenizer" in sections else None,
    )
    if asked.config is not None:
        return comparing.of_config(asked.config, settings, verbose=config.output.verbose)
    return comparing.of_files(asked.files, asked.directory, settings, verbose=config.output.verbose)


def _check(asked: CompareConfig) -> None:
    if asked.config is None and not asked.files:
        raise UsageError(
            "Either the --config or --files option must be specified.",
            hint="--files takes runs' directories, or their profile_export.json",
        )
    if asked.config is not None and asked.files:
        raise UsageError("--config contradicts --files: the file names the runs itself")
    if asked.config is not None and asked.directory is not None:
        raise UsageError("--config contradicts --artifact-dir: the file says where its plots go (output)")


compare.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads the options from
    parameters.parameters(_OPTIONS, {"compare": "Input", **PANELS})
)
