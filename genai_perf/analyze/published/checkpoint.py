"""`ConfigCommand` and `Checkpoint`: how GenAI-Perf's scripts come to their results."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genai_perf.analyze import checkpoint
from genai_perf.analyze.published.results import Results
from genai_perf.config.schema import TokenizerConfig
from genai_perf.exceptions import UsageError

logger = logging.getLogger(__name__)


class ConfigCommand:
    """Which models, and where the checkpoint is.

    Takes the models by keyword or as the first argument, a name or several, or GenAI-Perf's configuration as
    a dict: of that the models (`model_name` or `model_names`), `output: {checkpoint_directory}` and
    `tokenizer` are read. Without any model it raises UsageError, unless `skip_inferencing_and_checking`.
    `enable_debug_logging` logs what was understood.
    """

    def __init__(
        self,
        user_config: Mapping[str, Any] | Sequence[str] | str | None = None,
        skip_inferencing_and_checking: bool = False,
        enable_debug_logging: bool = True,
        *,
        model_names: Sequence[str] | str | None = None,
        checkpoint_directory: str | Path | None = None,
    ) -> None:
        given: Mapping[str, Any] = (
            user_config if isinstance(user_config, Mapping) else {"model_names": user_config}
        )
        self.model_names = _names(model_names or given.get("model_names") or given.get("model_name"))
        directory = checkpoint_directory or (given.get("output") or {}).get("checkpoint_directory")
        self.checkpoint_directory = None if directory is None else Path(directory)
        self.tokenizer = TokenizerConfig(**(given.get("tokenizer") or {}))
        if not self.model_names and not skip_inferencing_and_checking:
            raise UsageError("no model is named", hint='ConfigCommand(model_names=["gpt2"])')
        if enable_debug_logging:
            logger.debug("models: %s; checkpoint directory: %s", self.model_names, self.checkpoint_directory)


def _names(given: object) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str):
        return [name.strip() for name in given.split(",")]
    if isinstance(given, Sequence) and all(isinstance(name, str) for name in given):
        return list(given)
    raise UsageError(f"{given!r} is no model's name, nor several")


class CheckpointDefaults:
    """What the file is called."""

    FILENAME = checkpoint.FILENAME


@dataclass
class Checkpoint:
    """The results on disk, read when this is made; without a file, those given.

    Raises ArtifactError for a file that is torn or not a checkpoint.
    """

    config: ConfigCommand
    results: Results = field(default_factory=Results)

    def __post_init__(self) -> None:
        kept = checkpoint.Checkpoint.open(self.config.checkpoint_directory)
        self._places = kept.places
        if not kept.read_from:
            logger.debug("no checkpoint in %s", " or ".join(map(str, kept.places)))
            return
        logger.info("Checkpoint loaded from %s", " and ".join(map(str, kept.read_from)))
        self.results = Results.from_scenarios(kept.scenarios)

    def create_checkpoint_object(self) -> None:
        """Write the file. Raises ArtifactError."""
        scenarios = [run_config.scenario() for run_config in self.results.run_configs]
        for path in self._places:
            checkpoint.write(path, scenarios)


def checkpoint_encoder(obj: Any) -> Any:
    """For `json.dumps(default=…)`: what a checkpoint has for an object of this API."""
    if isinstance(obj, bytes):
        return obj.decode()
    if hasattr(obj, "create_checkpoint_object"):
        return obj.create_checkpoint_object()
    return obj.__dict__
