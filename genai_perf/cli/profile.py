"""`genai-perf profile`: from the flags to the configs, and on to the runs."""

import inspect
import logging
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import typer

from genai_perf.cli import logs, parameters
from genai_perf.cli.invocation import Invocation
from genai_perf.config import checkpoint, checks, media
from genai_perf.config.load import load
from genai_perf.config.options import CHECKPOINT_OPTIONS, OPTIONS, Layer
from genai_perf.config.schema import Config

PANELS = {
    "endpoint": "Endpoint",
    "input": "Input",
    "image": "Images",
    "audio": "Audio",
    "load": "Load",
    "tokenizer": "Tokenizer",
    "metrics": "Metrics",
    "telemetry": "Telemetry",
    "output": "Output",
    "checkpoint": "Checkpoint",
}
"""The help's sections, by the config's."""

_OPTIONS = {**OPTIONS, **CHECKPOINT_OPTIONS}

logger = logging.getLogger(__name__)


def profile(context: typer.Context, **values: Any) -> int:
    """Send requests as planned, and report when the answers came.

    Every option can be set by an environment variable as well: GENAI_PERF_ and the long flag's name, as in
    GENAI_PERF_CONCURRENCY=8. Flags of Perf Analyzer may follow after a bare --.
    """
    return start(parameters.layer(_OPTIONS.values(), values), context.obj)


def start(
    flags: Layer, invocation: Invocation, file: Layer = MappingProxyType({}), repeats: Path | None = None
) -> int:
    """What `profile` does with these options; `file` is what a config file says.

    `repeats` is the lock of a former run that this one is to be the same as. Raises GenAIPerfError.
    """
    memory, flags, notes = checkpoint.load(flags, os.environ, by_default=False, file=file)
    file = {key: given for key, given in file.items() if key in OPTIONS}
    loaded = load(flags, invocation.passed_through, os.environ, file)
    output = loaded.config.output
    logs.set_up(verbose=output.verbose, quiet=output.quiet)
    warnings = [*notes, *loaded.warnings]
    warnings += [line for line in check_with_endpoint(loaded.config) if line not in warnings]
    for line in warnings:
        logger.warning("%s", line)
    if memory.enable_checkpointing or memory.resume == "continue":
        from genai_perf.analyze import remembered

        return remembered.run(loaded, memory, command=invocation.command)
    from genai_perf.analyze import levels
    from genai_perf.profile import run

    return levels.measure(
        loaded,
        lambda config, then: run(config, command=invocation.command, repeats=repeats, then=then),
    )


profile.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what Typer reads the options from
    [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *parameters.parameters(_OPTIONS.values(), PANELS),
    ]
)


def check_with_endpoint(config: Config) -> list[str]:
    """The checks that need to know the endpoint and the metrics."""
    from genai_perf import endpoints
    from genai_perf.metrics.goodput import check_goodput

    endpoint = endpoints.get(str(config.endpoint.type), config.endpoint.backend)
    warnings = checks.check_endpoint(
        config,
        can_stream=endpoint.can_stream,
        can_batch=endpoint.can_batch,
        produces_tokens=endpoint.produces_tokens or endpoint.render is not None,
    )
    warnings += media.check_endpoint(
        config,
        takes_text=endpoint.takes_text,
        takes_images=endpoint.takes_images,
        takes_audio=endpoint.takes_audio,
    )
    for metrics in (config.metrics, *(kind.config.metrics for kind in config.traffic)):
        check_goodput(
            metrics.goodput,
            streaming=config.endpoint.streaming,
            produces_tokens=endpoint.produces_tokens,
            open_loop=config.is_open_loop,
            per_image=not endpoint.takes_text,
        )
    return warnings
