"""The runs that are to be merged: where they are, and what each of them says of itself.

A run is a directory with our journal, or else with GenAI-Perf's `profile_export.json` (any release's, or ours
without its journal), which is brought into a journal first. Directories are searched to any depth, so that
`DIR/host1/gpt2-openai-chat-concurrency8` is found; a run's own directory is not searched further.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf import endpoints
from genai_perf.analyze.gap_settings import config_of, endpoint_type_of
from genai_perf.analyze.overlap import Span
from genai_perf.analyze.parameters import load_of
from genai_perf.analyze.run_directory import document
from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import TokenizerConfig
from genai_perf.exceptions import ArtifactError, UsageError
from genai_perf.profile.directory import JOURNAL, RUN, read_end
from genai_perf.profile.summarize import load_tokenizer, measured
from genai_perf.types import RunEnd, RunInfo
from genai_perf.workload import inputs_file

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.analyze.gap_export import Experiment, Export

_REPORT = "_genai_perf.json"
_NO_EXPORTS = (inputs_file.NAME, "llm_inputs.json", RUN, "checkpoint.json")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A run among others."""

    name: str
    """Where it is, from the directory that was searched."""
    directory: Path
    journal: Path
    inputs: Path
    info: RunInfo
    end: RunEnd | None
    level: tuple[str, float]
    """What was held constant, and at how much: `("concurrency", 8)`."""
    span: Span | None
    """When it measured; None where no request was answered."""
    requests: int
    failed: int
    is_ours: bool
    """Whether its stamps are ours, so that it is known how exact they are."""
    telemetry: Mapping[str, Any] = field(default_factory=dict)
    """GenAI-Perf's `telemetry_stats`."""

    @property
    def kind(self) -> tuple[str, str, bool]:
        """What must be the same in runs that are merged: the figures mean something else otherwise."""
        backend = self.info.config["endpoint"].get("backend") if self.info.endpoint == "kserve" else None
        return self.info.endpoint, str(backend or ""), self.info.streaming

    @property
    def load(self) -> tuple[Any, ...]:
        """What is the same in repetitions of a run."""
        return (*self.info.config["endpoint"]["model_names"], *self.level)

    @property
    def rate_per_s(self) -> float:
        """Requests by the time it measured, as its own report says it."""
        if self.span is None or self.span.end_ns <= self.span.start_ns:
            return 0.0
        return self.requests * NS_PER_S / (self.span.end_ns - self.span.start_ns)

    def records(self) -> pa.Table:
        """Its rows, but for those after the last measurement window. Raises ArtifactError."""
        from genai_perf.engine import journal

        return measured(journal.read(self.journal)[1], self.end)


def find(directory: Path, scratch: Path, tokenizer: TokenizerConfig | None = None) -> list[Part]:
    """Every run in a directory, by name; what GenAI-Perf left becomes journals in `scratch`.

    `tokenizer` counts their tokens instead of the one that they name. Raises ArtifactError and
    TokenizerError.
    """
    parts = []
    for place, each in enumerate(run_directories(directory)):
        name = each.relative_to(directory).as_posix()
        name = directory.absolute().name if name == "." else name
        if (each / JOURNAL).is_file():
            part = _ours(each, name)
            if part.info.merged:
                logger.warning("%s is left out: it is made of several runs itself", each)
                continue
            parts.append(part)
        else:
            parts += _genai_perfs(each, name, scratch / str(place), tokenizer)
    if not parts:
        raise ArtifactError(
            f"{directory}: no run in it",
            hint=f"a run's directory has a {JOURNAL}, or a profile_export.json",
        )
    return list(_once(parts))


def _once(parts: Sequence[Part]) -> Iterator[Part]:
    """Without copies: no two runs of one command and machine begin in the same nanosecond."""
    known: dict[tuple[object, ...], Part] = {}
    for part in parts:
        who = (part.info.host, part.info.command, part.info.started_wall_ns)
        first = known.setdefault((*who, part.level, part.requests, part.failed), part)
        if first is part:
            yield part
        else:
            logger.warning("%s is left out: it is a copy of %s", part.directory, first.directory)


def run_directories(directory: Path) -> Iterator[Path]:
    """The directories in this one, or itself, that may be a run's, by name."""
    for root, below, files in os.walk(directory):
        below.sort()
        if JOURNAL in files or any(_may_be_export(name) for name in files):
            below.clear()
            yield Path(root)


def _may_be_export(name: str) -> bool:
    return name.endswith(".json") and not name.endswith(_REPORT) and name not in _NO_EXPORTS


def _ours(directory: Path, name: str) -> Part:
    from genai_perf.engine import journal

    info, _ = journal.read(directory / JOURNAL)
    return _part(
        Part(
            name=name,
            directory=directory,
            journal=directory / JOURNAL,
            inputs=directory / inputs_file.NAME,
            info=info,
            end=read_end(directory),
            level=_level(info),
            span=None,
            requests=0,
            failed=0,
            is_ours=True,
        )
    )


def _part(part: Part) -> Part:
    """With what its records say."""
    from genai_perf.metrics.reading import read_columns

    columns = read_columns(
        part.records(), count=None, input_tokens=None, use_server_token_count=False, slos={}
    )
    span = None
    if len(columns):
        origin_ns = part.info.started_wall_ns
        span = Span(origin_ns + int(columns.start_ns.min()), origin_ns + int(columns.last_ns.max()))
    return replace(part, span=span, requests=len(columns), failed=columns.failed)


def _level(info: RunInfo) -> tuple[str, float]:
    """What was held constant; a list of intervals, or of loads, has no level."""
    name, value = load_of(info.config)
    return (f"{name} {value}", 0) if isinstance(value, str) else (name, value)


# -- GenAI-Perf's -----------------------------------------------------------------------------------------


def _genai_perfs(
    directory: Path, name: str, scratch: Path, tokenizer: TokenizerConfig | None
) -> Iterator[Part]:
    """A run for each load level that its export holds."""
    file, export = find_export(directory)
    if export is None:
        logger.warning("%s is left out: neither a journal nor a profile_export.json in it", directory)
        return
    yield from exported(file, export, name, scratch, tokenizer)


def find_export(directory: Path) -> tuple[Path, Export | None]:
    """GenAI-Perf's raw export in a directory; None where no file of it is one. Raises ArtifactError."""
    from genai_perf.analyze import gap_export

    names = [path.name for path in directory.glob("*.json") if _may_be_export(path.name)]
    for file in sorted(names, key=lambda file: (not file.startswith("profile_export"), file)):
        export = gap_export.read(directory / file)
        if export is not None:
            return directory / file, export
    return directory, None


def exported(
    file: Path, export: Export, name: str, scratch: Path, tokenizer: TokenizerConfig | None = None
) -> Iterator[Part]:
    """A run for each load level that this file holds, with its journal in `scratch`.

    Raises ArtifactError and TokenizerError.
    """
    report = _report(file.parent, file.name)
    for place, experiment in enumerate(export.experiments):
        of_level = f" ({experiment.level[0]} {experiment.level[1]:g})" if len(export.experiments) > 1 else ""
        try:
            yield _import(
                export, experiment, report, file.parent, name + of_level, scratch / str(place), tokenizer
            )
        except ArtifactError as error:
            raise ArtifactError(f"{file}: {error.message}", hint=error.hint) from error


def _report(directory: Path, export: str) -> dict[str, Any]:
    """GenAI-Perf's own report of the run, which holds its config; empty where it is not there.

    Raises ArtifactError for one that cannot be read.
    """
    own = directory / f"{Path(export).stem}{_REPORT}"
    path = own if own.is_file() else next(iter(sorted(directory.glob(f"*{_REPORT}"))), None)
    if path is None:
        logger.warning(
            "%s: no *%s beside it: what was set is taken from the requests", directory / export, _REPORT
        )
        return {}
    return document(path)


def _import(
    export: Export,
    experiment: Experiment,
    report: Mapping[str, Any],
    directory: Path,
    name: str,
    scratch: Path,
    tokenizer: TokenizerConfig | None,
) -> Part:
    from genai_perf.analyze import gap_export

    first = experiment.first()
    if first is None:
        raise ArtifactError("no request in it")
    given = report.get("input_config")
    given = given if isinstance(given, dict) else {}
    payload = json.dumps(first.request_inputs)
    answers = [str(output.get("response", "")) for output in first.response_outputs[:4]]
    kind = endpoint_type_of(given, export.service_kind, export.endpoint, payload, answers)
    try:
        endpoint = endpoints.get(str(kind))
    except UsageError as error:
        raise ArtifactError(
            f"the API cannot be told, or is unknown here: endpoint type {kind}, path {export.endpoint!r}"
        ) from error
    config = config_of(given, experiment.level, endpoint.name, [gap_export.model_of(first)])
    streaming = config.endpoint.streaming or '\\"stream\\":true' in payload.replace(" ", "")
    config = replace(
        config, endpoint=replace(config.endpoint, streaming=streaming, path=export.endpoint or None)
    )
    if tokenizer is not None:
        config = replace(config, tokenizer=tokenizer)
    counter = (
        load_tokenizer(config.tokenizer, config.endpoint.model_names[0]) if endpoint.produces_tokens else None
    )
    info = RunInfo(
        version=str(report.get("run", {}).get("genai_perf", "")),
        command=str(report.get("run", {}).get("command", "")),
        started_wall_ns=gap_export.started_wall_ns(experiment),
        endpoint=endpoint.name,
        streaming=streaming,
        config=config.public(),
        tokenizer=counter.info() if counter is not None else {},
        versions={"perf_analyzer": export.version},
    )
    scratch.mkdir(parents=True)
    gap_export.write(
        experiment,
        endpoint,
        info,
        counter.count if counter is not None else None,
        scratch,
        (JOURNAL, inputs_file.NAME),
    )
    telemetry = report.get("telemetry_stats")
    return _part(
        Part(
            name=name,
            directory=directory,
            journal=scratch / JOURNAL,
            inputs=scratch / inputs_file.NAME,
            info=info,
            end=RunEnd("request_count"),
            level=experiment.level,
            span=None,
            requests=0,
            failed=0,
            is_ours=False,
            telemetry=telemetry if isinstance(telemetry, dict) else {},
        )
    )
