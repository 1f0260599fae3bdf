"""What a run leaves so that it can be made again: its effective config, and a lock to tell whether it was."""

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf import schedule
from genai_perf.clock import NS_PER_S
from genai_perf.config import effective
from genai_perf.config.schema import Config
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Phase, RunEnd, RunInfo
from genai_perf.workload import inputs_file, lock
from genai_perf.workload.lock import Lock

if TYPE_CHECKING:
    from genai_perf.engine.job import Job

logger = logging.getLogger(__name__)


def write_config(directory: Path, config: Config, info: RunInfo) -> None:
    """`config.yaml`, of the config as the user gave it. Raises ArtifactError."""
    path = directory / effective.NAME
    shown = effective.text(config, version=info.version, command=info.command, path=str(path))
    _write(path, shown)


@dataclass(frozen=True, slots=True)
class Asked:
    """A run as its user sees it."""

    config: Config
    """With `--url embedded` rather than where that server listens."""
    former: Path | None = None
    """The lock of a run that this one is to repeat."""
    expected: Lock | None = None
    """What it said before this run began: it may be about to be written over."""


def write(directory: Path, asked: Asked, job: "Job", info: RunInfo) -> Lock:
    """Leave both files, and say whether the workload is the one that was asked for.

    Raises ArtifactError and InputError.
    """
    write_config(directory, asked.config, info)
    made = write_lock(directory, job, info.tokenizer, info.version)
    _tell(asked, made, job.config.output.quiet)
    return made


def complete(directory: Path, asked: Asked, made: Lock, end: RunEnd) -> None:
    """Add the bodies to the lock that came while the run went on, where all of them did."""
    if made.bodies or end.stop_reason != "end_of_trace":
        return
    whole = replace(made, bodies=lock.hash_of_file(directory / inputs_file.NAME))
    _write(directory / lock.NAME, lock.text(whole))
    if asked.expected is not None and lock.differences(asked.expected, made) is None:
        _tell(asked, whole, quiet=True)


def write_lock(directory: Path, job: "Job", tokenizer: Mapping[str, str], version: str) -> Lock:
    """`workload.lock`, of the requests in the directory's inputs. Raises ArtifactError and InputError."""
    settings, files = lock.settings_of(job.config)
    requests = job.workload.requests
    made = Lock(
        bodies="" if job.workload.is_streamed else lock.hash_of_file(directory / inputs_file.NAME),
        messages=lock.hash_of_messages(requests),
        schedule=lock.hash_of_schedule(_due_ns(job), _places(job), requests),
        settings=settings,
        files=files,
        tokenizer={name: tokenizer[name] for name in ("name", "kind", "fingerprint") if name in tokenizer},
        version=version,
    )
    _write(directory / lock.NAME, lock.text(made))
    return made


def _tell(asked: Asked, made: Lock, quiet: bool) -> None:
    if asked.expected is None:
        return
    if told := lock.differences(asked.expected, made):
        logger.warning("not the workload of %s: %s", asked.former, told)
    elif not quiet:
        sys.stderr.write(f"the same workload as in {asked.former}\n")


def _due_ns(job: "Job") -> Iterator[int | None]:
    """When the benchmark's slots are due, as far as their number or the run's duration says."""
    if job.workload.sends:
        return (number for send in job.workload.sends for number in (send.row, send.due_ns))
    if job.workload.is_streamed or not job.config.is_open_loop:
        return iter(())
    slots = schedule.slots(
        job.arrivals(),
        0,
        Phase.BENCHMARK,
        requests=job.slots_planned(),
        duration_ns=None if job.duration_s is None else job.duration_s * NS_PER_S,
    )
    return (slot.due_ns for slot in slots)


def _places(job: "Job") -> list[tuple[int, int]]:
    """How many may be in flight, and when that changes."""
    load, file = job.config.load, job.load_file
    if job.config.is_open_loop or not (load.ramp_up_s or file.stretches):
        return [(0, job.concurrency or 0)]
    return list(schedule.places(schedule.concurrency_of(load, file)))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
