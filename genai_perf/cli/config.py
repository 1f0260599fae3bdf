"""`genai-perf config -f FILE`: a run, a sweep or a merge as a file says it."""

import inspect
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from genai_perf.cli import parameters
from genai_perf.cli.analyze import start as start_analyze
from genai_perf.cli.invocation import Invocation
from genai_perf.cli.process_export_files import start as start_merge
from genai_perf.cli.profile import PANELS
from genai_perf.cli.profile import start as start_profile
from genai_perf.config.load import read_environment
from genai_perf.config.options import (
    ANALYZE_OPTIONS,
    CHECKPOINT_OPTIONS,
    CONFIG_OPTIONS,
    OPTIONS,
    PROCESS_OPTIONS,
    Given,
    Layer,
)
from genai_perf.exceptions import InputError, UsageError

_OPTIONS = {**CONFIG_OPTIONS, **PROCESS_OPTIONS, **ANALYZE_OPTIONS, **CHECKPOINT_OPTIONS, **OPTIONS}
_HARMLESS = ("output.verbose", "output.quiet")
"""Options that go with any file."""
_OF_RUN, _LOCK = "config.yaml", "workload.lock"
"""What `config/effective.py` and `workload/lock.py` call their files; neither is loaded for help."""


def config(context: typer.Context, **values: Any) -> int:
    """Do what a config file says: a run, a sweep (`analyze:`), or a merge (`process:`).

    The file is weaker than environment variables. Options on the command line go over both, with
    --override-config; without it there must be none.
    """
    invocation: Invocation = context.obj
    flags = dict(parameters.layer(_OPTIONS.values(), values))
    path = _path(flags.pop("config.file", None))
    if "config.override" not in flags:
        _check_none(flags)
    flags.pop("config.override", None)
    from genai_perf.analyze.parameters import PARAMETERS
    from genai_perf.config import secrets, yaml_file

    file = yaml_file.read(path, PARAMETERS)
    is_sweep = file.command == "analyze" or any(key in ANALYZE_OPTIONS for key in flags)
    is_merge = file.command == "process-export-files" or "process.input_path" in flags
    if is_merge and not is_sweep:
        with _at_their_places(file.layer, flags):
            return start_merge(_of_merge({**file.layer, **flags}), invocation)
    if is_merge:
        raise UsageError(f"{path}: a sweep and a merge exclude each other")
    environment, _ = read_environment(os.environ)
    stronger = {**environment, **flags}
    if not {**file.layer, **stronger}.get("endpoint.model_names") and not invocation.passed_through:
        raise InputError(
            f"{file.model_names}: Required field model_names is not set",
            hint=f"write `model_names: NAME` into {path}",
        )
    layer = _without_backend(secrets.given_again(file.layer, stronger), stronger)
    lock = path.with_name(_LOCK)
    is_run = path.name == _OF_RUN and lock.is_file()
    with _at_their_places(layer, stronger):
        if is_sweep:
            return start_analyze(flags, invocation, layer)
        return start_profile(flags, invocation, layer, repeats=lock if is_run else None)


@contextmanager
def _at_their_places(file: Layer, stronger: Layer) -> Iterator[None]:
    """Errors that name an option name the file's line instead, where it is the file that has given it."""
    try:
        yield
    except UsageError as error:
        flag = re.match(r"--[a-z0-9-]+(?=[: ])", error.message)
        for key, given in file.items():
            if flag is not None and key not in stronger and flag[0] in _OPTIONS[key].flags:
                message = given.source + error.message[flag.end() :]
                raise type(error)(message, hint=error.hint) from error
        raise


def _path(given: Given | None) -> Path:
    if given is None:
        raise UsageError(
            "--file is missing", hint="genai-perf config -f FILE; `genai-perf create-template` writes one"
        )
    path = Path(given.texts[-1]).expanduser()
    return path / _OF_RUN if path.is_dir() else path


def _check_none(flags: Layer) -> None:
    others = [given.source for key, given in flags.items() if key not in _HARMLESS]
    if others:
        raise UsageError(
            "In order to use the CLI to override the config, the --override-config flag must be set.",
            hint=f"{', '.join(others)} would go over the file",
        )


def _of_merge(layer: Layer) -> dict[str, Given]:
    """What concerns merging."""
    sections = ("process", "metrics", "tokenizer", "output")
    return {key: given for key, given in layer.items() if key.partition(".")[0] in sections}


def _without_backend(layer: Layer, stronger: Layer) -> Layer:
    """The layer for its endpoint type: GenAI-Perf's templates name a backend for all of them."""
    kind = {**layer, **stronger}.get("endpoint.type")
    backend = layer.get("endpoint.backend")
    if kind is None or kind.texts[-1] == "kserve" or backend is None or backend.texts != ("tensorrtllm",):
        return layer
    return {key: given for key, given in layer.items() if key != "endpoint.backend"}


config.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads the options from
    [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *parameters.parameters(
            _OPTIONS.values(), {"config": "File", "process": "Merging", "analyze": "Sweep", **PANELS}
        ),
    ]
)
