"""A run that was killed or interrupted, as it lies in its directory, and whether it can be gone on with."""

import filecmp
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.config.versions import versions
from genai_perf.exceptions import ArtifactError
from genai_perf.profile.directory import JOURNAL, read_end
from genai_perf.types import RunInfo, Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from genai_perf.engine.continuing import Half
    from genai_perf.engine.job import Job


@dataclass(frozen=True, slots=True)
class Former:
    """What its journal holds; of a torn one, up to the last whole batch."""

    info: RunInfo
    records: "pa.Table"


def former_run(directory: Path) -> Former | None:
    """The run that ended before its time; None where there is none, or one that was measured to its end."""
    end = read_end(directory)
    if end is not None and end.stop_reason != "interrupted":
        return None
    from genai_perf.engine import journal

    try:
        return Former(*journal.read(directory / JOURNAL))
    except ArtifactError:  # not there, or killed before its first byte, or of another version
        return None


def taken_up(former: Former, job: "Job", tokenizer: "Mapping[str, str]", directory: Path) -> "Half":
    """What of a former run in `directory` this job can go on from. Raises CannotContinue.

    That its settings are the same is for the caller to know; here is looked at what they came to.
    """
    from genai_perf.engine.continuing import CannotContinue, half_of

    now = versions()
    for name in {**former.info.versions, **now}:
        was, is_now = former.info.versions.get(name), now.get(name)
        if was != is_now:
            raise CannotContinue(f"{name} was {was}, and is {is_now} now")
    if former.info.tokenizer != tokenizer:
        raise CannotContinue("another tokenizer counts now")
    if not job.workload.is_streamed and not _sends_the_same(job.workload, directory):
        raise CannotContinue("its prompts were others")
    return half_of(job, former.info, former.records)


def _sends_the_same(workload: Workload, directory: Path) -> bool:
    from genai_perf.workload import inputs_file

    before, now = directory / inputs_file.NAME, directory / f".{inputs_file.NAME}.part"
    try:
        inputs_file.write(now, workload)
        return before.is_file() and filecmp.cmp(before, now, shallow=False)
    finally:
        now.unlink(missing_ok=True)
