"""The runs that `compare` was given: found, read, and named so that they can be told apart.

A run is a directory, or an export. Where our journal lies beside an export that was made of it, the journal
is read: it is exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genai_perf.analyze import gap_export
from genai_perf.analyze.parts import Part, exported, find_export, run_directories
from genai_perf.config.schema import MetricsConfig, TokenizerConfig
from genai_perf.exceptions import InputError
from genai_perf.profile import summarize
from genai_perf.profile.directory import JOURNAL, write_run
from genai_perf.reports import Result
from genai_perf.reports.compared import Run
from genai_perf.types import Stats, Summary

_REPORT = "_genai_perf.json"


@dataclass(frozen=True, slots=True)
class Given:
    """A path that somebody gave, and where."""

    path: Path
    source: str
    """What an error names: `--files`, `config.yaml:9: plot1.paths`."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What replaces the runs' own settings; None leaves them."""

    metrics: MetricsConfig | None = None
    tokenizer: TokenizerConfig | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A run before it has a label."""

    given: Path
    export: Path
    """Its raw export, or where that would be."""
    level: str
    """Which of several in one file it is; empty where it is alone."""
    result: Result
    is_ours: bool


def read(given: Sequence[Given], scratch: Path, settings: Settings) -> dict[Path, list[Run]]:
    """The runs of each path, in order; what GenAI-Perf left becomes journals in `scratch`.

    Raises InputError for a path that is no run, ArtifactError for a run that cannot be read, TokenizerError.
    """
    paths = {each.path: each for each in reversed(given)}
    found = {
        path: list(_read(paths[path], scratch / str(place), settings))
        for place, path in enumerate(dict.fromkeys(each.path for each in given))
    }
    every = [each for runs in found.values() for each in runs]
    labels = iter(_labels(every))
    return {
        path: [
            Run(
                label=next(labels),
                name=_name(each),
                path=each.given,
                result=each.result,
                is_ours=each.is_ours,
            )
            for each in runs
        ]
        for path, runs in found.items()
    }


def _read(given: Given, scratch: Path, settings: Settings) -> Iterator[_Found]:
    path = given.path
    if path.is_dir():
        directory = _directory(given)
        if (directory / JOURNAL).is_file():
            yield _ours(given, directory, settings)
            return
        file, export = find_export(directory)
    elif path.is_file():
        if path.name == JOURNAL or _is_of_journal(path):
            yield _ours(given, path.parent, settings)
            return
        file, export = path, None if path.name.endswith(_REPORT) else gap_export.read(path)
    else:
        raise InputError(f"{given.source}: {path} is not there")
    if export is None:
        raise InputError(
            f"{given.source}: {path} is no run", hint="give a run's directory, or its profile_export.json"
        )
    for part in exported(file, export, path.name, scratch, settings.tokenizer):
        yield _theirs(given, file, part, settings)


def _directory(given: Given) -> Path:
    """The run's own directory: this one, or the only one in it that has a run."""
    every = list(run_directories(given.path))
    below = [each for each in every if (each / JOURNAL).is_file() or any(each.glob("profile_export*.json"))]
    below = below or every
    if len(below) > 1:
        names = ", ".join(str(each) for each in below[:4])
        more = f" and {len(below) - 4} more" if len(below) > 4 else ""
        raise InputError(f"{given.source}: {given.path} holds {len(below)} runs", hint=f"give {names}{more}")
    return below[0] if below else given.path


def _is_of_journal(file: Path) -> bool:
    """Whether an export was made of the journal beside it."""
    from genai_perf.engine import journal

    beside = file.parent / JOURNAL
    if not beside.is_file():
        return False
    info, _ = journal.read(beside)
    name = info.config.get("output", {}).get("profile_export_file", "profile_export.json")
    return file.name == str(name)


def _ours(given: Given, directory: Path, settings: Settings) -> _Found:
    result = summarize(directory, metrics=settings.metrics, tokenizer=settings.tokenizer)
    is_ours = not result.info.merged or bool(result.info.merged["has_bounds"])
    return _Found(given.path, directory / result.raw_name, "", result, is_ours)


def _theirs(given: Given, file: Path, part: Part, settings: Settings) -> _Found:
    """Measured as our own are, but for what nobody knows of another client's stamps."""
    directory = part.journal.parent
    write_run(directory, part.info, part.end)
    result = summarize(directory, metrics=settings.metrics)
    level = f"{part.level[0]} {part.level[1]:g}" if part.name != given.path.name else ""
    return _Found(given.path, file, level, replace(result, summary=_unbounded(result.summary)), is_ours=False)


def _unbounded(summary: Summary) -> Summary:
    metrics = {
        tag: replace(figure, uncertainty=None) if isinstance(figure, Stats) else figure
        for tag, figure in summary.metrics.items()
    }
    return replace(summary, metrics=metrics, exactness={})


# -- names ------------------------------------------------------------------------------------------------


def _name(found: _Found) -> str:
    """By which GenAI-Perf tells runs apart: the directory, and the export without its suffix."""
    parent = found.export.absolute().parent.name
    name = f"{parent}/{found.export.stem}" if parent else found.export.stem
    return f"{name} ({found.level})" if found.level else name


def _labels(every: Sequence[_Found]) -> list[str]:
    """As short as tells them apart: the part of their paths that does, or all in which they differ.

    `before/gpt2-concurrency8` and `after/gpt2-concurrency8` are `before` and `after`.
    """
    paths = [(*each.export.absolute().parent.parts, each.export.stem) for each in every]
    distinct = set(paths)
    start = _common(distinct)
    end = _common({path[start:][::-1] for path in distinct})
    shortest = min(len(path) for path in paths) - end
    for at in range(start, shortest):
        if len({path[at] for path in distinct}) == len(distinct):
            start, end = at, -at - 1
            break
    taken: dict[str, int] = {}
    labels = []
    for each, path in zip(every, paths, strict=True):
        middle = path[start : len(path) - end if end >= 0 else -end]
        label = "/".join(middle) or path[max(start - 1, 0)] if len(distinct) > 1 else path[-2]
        label = f"{label} ({each.level})" if each.level else label
        taken[label] = taken.get(label, 0) + 1
        labels.append(label if taken[label] == 1 else f"{label} ({taken[label]})")
    return labels


def _common(paths: Collection[Sequence[str]]) -> int:
    """With how many equal parts they all begin."""
    return next(
        (place for place, parts in enumerate(zip(*paths, strict=False)) if len(set(parts)) > 1),
        min(map(len, paths), default=0),
    )
