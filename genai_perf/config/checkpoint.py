"""The options by which runs are remembered: what `profile` and `analyze` understand alike."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from genai_perf.config.load import read_environment
from genai_perf.config.options import CHECKPOINT_OPTIONS, Given, Layer, parse
from genai_perf.config.schema import CheckpointConfig
from genai_perf.exceptions import UsageError


def load(
    flags: Layer, environ: Mapping[str, str], *, by_default: bool, file: Layer = MappingProxyType({})
) -> tuple[CheckpointConfig, dict[str, Given], list[str]]:
    """The checked options, what is left of `flags`, and warnings. Raises UsageError.

    `by_default` is whether the command remembers its runs unless it is told. `file` is what a config file
    says, the weakest of all.
    """
    weak, warnings = read_environment(environ, CHECKPOINT_OPTIONS)
    rest = {key: given for key, given in flags.items() if key not in CHECKPOINT_OPTIONS}
    given = {**_own(file), **weak, **_own(flags)}
    values = {key.partition(".")[2]: parse(CHECKPOINT_OPTIONS[key], value) for key, value in given.items()}
    asked = CheckpointConfig(**values)
    is_on = by_default if asked.enable_checkpointing is None else asked.enable_checkpointing
    if asked.checkpoint_dir is not None:
        source = given["checkpoint.checkpoint_dir"].source
        if asked.enable_checkpointing is False:
            other = given["checkpoint.enable_checkpointing"].source
            raise UsageError(f"{source} and {other} exclude each other")
        if asked.checkpoint_dir.exists() and not asked.checkpoint_dir.is_dir():
            raise UsageError(f"{source}: {str(asked.checkpoint_dir)!r} is a file")
        if not is_on:
            warnings.append(f"{source} has no effect without --enable-checkpointing")
    return replace(asked, enable_checkpointing=is_on), rest, warnings


def _own(layer: Layer) -> dict[str, Given]:
    return {key: layer[key] for key in CHECKPOINT_OPTIONS if key in layer}
