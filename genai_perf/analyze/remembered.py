"""Runs that are remembered: what the checkpoint has is not made again, and each is kept once it is made.

What `profile --enable-checkpointing` and every scenario of a sweep have in common. A `profile` run and the
scenario of a sweep with the same settings are the same measurement, whichever was first.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf import __version__
from genai_perf.analyze import identity, levels
from genai_perf.analyze.checkpoint import Checkpoint
from genai_perf.analyze.parameters import load_of
from genai_perf.analyze.run_directory import recorded_config
from genai_perf.analyze.scenario import Scenario
from genai_perf.config.load import Loaded
from genai_perf.config.schema import CheckpointConfig, Config, OutputConfig
from genai_perf.exceptions import ArtifactError, GenAIPerfError, Interrupted
from genai_perf.profile import Patience, Session, publish, run_name
from genai_perf.profile.former import Former, former_run

if TYPE_CHECKING:
    from genai_perf.reports import Result

logger = logging.getLogger(__name__)


def run(loaded: Loaded, settings: CheckpointConfig, *, command: str) -> int:
    """`profile` with a memory: the worst exit code of its runs. Raises GenAIPerfError.

    `command` is the command line without secrets.
    """
    checkpoint = opened(settings)
    with Session(command) as session:
        return levels.measure(loaded, partial(_take, checkpoint, settings, session))


def _take(
    checkpoint: Checkpoint,
    settings: CheckpointConfig,
    session: Session,
    config: Config,
    then: levels.Then | None,
) -> int:
    directory = config.output.artifact_dir / run_name(config)
    planned = Scenario.planned(config, dict([load_of(config.public())]), directory)
    if (stored := found(checkpoint, planned)) and _read_again(stored, config, session, then):
        return 0
    begun = begun_run(planned, directory, settings, config.output)
    announce(checkpoint, planned, config.output, is_continued=begun is not None)
    located = session.located(config)
    with Patience(directory, quiet=config.output.quiet) as patience:
        result = session.measure(located, directory, begun, ended=patience.begin)
        try:
            exit_code = publish(result, directory, config.output, asked=located)
        except GenAIPerfError as error:
            checkpoint.add(concluded(planned, result, error=error))
            raise
        checkpoint.add(concluded(planned, result, exit_code))
        if then is not None:
            then(result, exit_code)
    return exit_code


def _read_again(stored: Scenario, config: Config, session: Session, then: levels.Then | None) -> bool:
    """Hand on the result of a run that is there; False where it has to be measured again for that."""
    if then is not None:
        result = None
        with suppress(ArtifactError):
            result = session.read(config, stored.directory) if stored.directory is not None else None
        if result is None or identity.settings(recorded_config(result.info.config)) != stored.settings:
            say("its records are not there any more: measuring it again", config.output)
            return False
        then(result, 0)
    say(f"its files are in {stored.directory}", config.output)
    return True


# -- what a sweep does as well --------------------------------------------------------------------------


def opened(settings: CheckpointConfig) -> Checkpoint:
    """The checkpoint, or one that is nowhere where none is wanted. Raises ArtifactError."""
    if not settings.enable_checkpointing:
        return Checkpoint((), (), ())
    checkpoint = Checkpoint.open(settings.checkpoint_dir)
    if checkpoint.read_from:
        logger.info("Checkpoint loaded from %s", " and ".join(map(str, checkpoint.read_from)))
    return checkpoint


def found(checkpoint: Checkpoint, planned: Scenario) -> Scenario | None:
    """The measurement that is there, told in GenAI-Perf's line; None where it is still to be made."""
    stored = checkpoint.found(planned)
    if stored is None:
        return None
    stored = replace(stored, parameters=planned.parameters)  # another command may have varied something else
    print(f"{stored.label} found in checkpoint - skipping profiling...")  # noqa: T201
    return stored


def begun_run(
    planned: Scenario, directory: Path, settings: CheckpointConfig, output: OutputConfig
) -> Former | None:
    """The scenario's interrupted run, where it is wanted to be continued and can be by its settings."""
    begun = former_run(directory) if settings.resume == "continue" else None
    if begun is None or not len(begun.records):
        return None
    if begun.info.version != __version__:
        why = f"version {begun.info.version} began it"
    else:
        then = identity.settings(recorded_config(begun.info.config))
        why = "; ".join(identity.differences(then, planned.settings))
    if not why:
        return begun
    say(f"the interrupted run in {directory} cannot be continued ({why}): measuring it again", output)
    return None


def announce(
    checkpoint: Checkpoint, planned: Scenario, output: OutputConfig, *, is_continued: bool = False
) -> None:
    """Say why it is measured although something like it is there."""
    if changed := checkpoint.changed(planned):
        stored, differences = changed
        why = "; ".join(differences) or "another program or version measured it"
        say(f"{stored.label} in the checkpoint is not comparable ({why}): measuring anew", output)
    if checkpoint.unfinished(planned) is not None and not is_continued:
        say("this scenario failed or was interrupted before: measuring it again", output)


def concluded(
    planned: Scenario, result: Result, exit_code: int = 0, error: GenAIPerfError | None = None
) -> Scenario:
    """The scenario as its run has ended: by that error, or else with that exit code."""
    figures = result.summary
    gpus = (result.gpus.values(), result.gpus.total_values()) if result.gpus is not None else ()
    if isinstance(error, Interrupted) or exit_code == Interrupted.exit_code:
        return planned.measured(figures, *gpus, is_interrupted=True)
    if error is not None:
        return planned.failed(error.message, figures)
    if exit_code:
        return planned.failed("ended by its error rate", figures)
    return planned.measured(figures, *gpus)


def say(text: str, output: OutputConfig) -> None:
    """A line for the person, on stderr."""
    if not output.quiet:
        sys.stderr.write(f"{text}\n")
