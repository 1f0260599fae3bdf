"""Directories that are there, and files that are whole or not there."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from genai_perf.exceptions import ArtifactError


def ensure(directory: Path) -> None:
    """Make a directory, and those above it, where it is not there. Raises ArtifactError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ArtifactError(
            f"{directory}: cannot be made: {exc.strerror or exc}", hint="--artifact-dir names another place"
        ) from exc


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes to that takes its name when all of it is written.

    Until then it lies beside its place under another name; what goes wrong leaves neither. ArtifactError
    when the disk is full, the directory cannot be written to, and the like.
    """
    unfinished = path.with_name(f".{path.name}.part")
    try:
        try:
            with unfinished.open("wb") as file:
                yield file
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise ArtifactError(
            f"{path}: cannot be written: {exc.strerror or exc}",
            hint="the run's journal is kept; `genai-perf report DIR` makes every report again from it",
        ) from exc
