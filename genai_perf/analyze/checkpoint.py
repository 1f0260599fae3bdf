"""`checkpoint.json`: the scenarios of all sweeps so far, so that none is measured twice.

Where: `<checkpoint directory>/checkpoint.json` when a directory is given, and, to read, the working
directory's when that is not there. Without one, GenAI-Perf's two places hold the same,
`checkpoint/checkpoint.json` and `checkpoint.json`; where they differ, all scenarios of both are kept.

The file is whole at every instant: it is written beside its place, synced, and then renamed. One that is
torn or somebody else's is an ArtifactError and stays as it is, and so does the other place's.

GenAI-Perf wrote NaN where it had no value, which is no JSON; it is read, and as no value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from genai_perf import __version__
from genai_perf.analyze import identity
from genai_perf.analyze.checkpoint_format import Entry, from_entry, to_entry
from genai_perf.analyze.scenario import Outcome, Scenario
from genai_perf.exceptions import ArtifactError

FILENAME = "checkpoint.json"
DIRECTORY = "checkpoint"
"""Where GenAI-Perf keeps it from 25.04 on, unless told otherwise."""

_AWAY = "move it away to begin anew"


def read(path: Path) -> list[Scenario]:
    """The scenarios in a file of either schema, in its order. Raises ArtifactError."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    if not content.strip():
        raise ArtifactError(f"{path}: the checkpoint is empty", hint=_AWAY)
    try:
        document = _decoded(content)
    except msgspec.ValidationError as exc:
        raise ArtifactError(f"{path}: not a checkpoint of genai-perf: {exc}", hint=_AWAY) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ArtifactError(f"{path}: the checkpoint is torn, or no JSON: {exc}", hint=_AWAY) from exc
    return [from_entry(entry) for entry in document.Results.run_configs]


def _decoded(content: bytes) -> _Document:
    try:
        return msgspec.json.decode(content, type=_Document)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in content and b"Infinity" not in content:
            raise
        try:
            lenient = json.loads(content)
        except ValueError as exc:
            raise msgspec.DecodeError(str(exc)) from exc
        return msgspec.convert(lenient, _Document)


class _Results(msgspec.Struct):
    run_configs: list[Entry]


class _Document(msgspec.Struct):
    Results: _Results


def write(path: Path, scenarios: Iterable[Scenario]) -> None:
    """Write a checkpoint, all of it or nothing. Raises ArtifactError."""
    _write(path, [_encoded(scenario) for scenario in scenarios])


class Checkpoint:
    """The scenarios so far, on disk after each that is added."""

    def __init__(
        self, places: Sequence[Path], scenarios: Iterable[Scenario], read_from: Sequence[Path]
    ) -> None:
        self.places = tuple(places)
        """Where it is written."""
        self.read_from = tuple(read_from)
        """What was read at the beginning; empty for a new one."""
        self._scenarios = {scenario.name: scenario for scenario in scenarios}
        self._entries: dict[str, bytes] = {}

    @classmethod
    def open(cls, directory: Path | None = None, *, cwd: Path | None = None) -> Checkpoint:
        """Read what there is. Raises ArtifactError for a file that is torn or not a checkpoint."""
        cwd = cwd or Path()
        if directory is not None:
            places: tuple[Path, ...] = (directory / FILENAME,)
            found = [path for path in (*places, cwd / FILENAME) if path.exists()][:1]
        else:
            places = (cwd / DIRECTORY / FILENAME, cwd / FILENAME)
            found = [path for path in places if path.exists()]
        return cls(places, _merged([read(path) for path in found]), found)

    @property
    def where(self) -> str:
        """All the places it is written to."""
        return " and ".join(map(str, self.places))

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """All, in the order in which they were first added."""
        return tuple(self._scenarios.values())

    def found(self, planned: Scenario) -> Scenario | None:
        """The measurement of these very settings; None where there is none, or only half of one."""
        return self._same(planned, {Outcome.MEASURED})

    def unfinished(self, planned: Scenario) -> Scenario | None:
        """A scenario of these settings that failed or was interrupted."""
        return self._same(planned, {Outcome.FAILED, Outcome.INTERRUPTED})

    def changed(self, planned: Scenario) -> tuple[Scenario, list[str]] | None:
        """A scenario of the same model and parameters whose settings are others, and in what they differ.

        The latest one. No differences are listed where GenAI-Perf measured it, which keeps no settings, or a
        version of this program whose figures meant something else.
        """
        for stored in reversed(self.scenarios):
            if (
                stored.hash != planned.hash
                and stored.model == planned.model
                and dict(stored.parameters) == dict(planned.parameters)
            ):
                lines = identity.differences(stored.settings, planned.settings) if stored.settings else []
                return stored, lines
        return None

    def name_of(self, planned: Scenario) -> str:
        """Its name here: that of the scenario with these settings, or else the next free one."""
        same = self._same(planned, set(Outcome))
        return same.name if same is not None else next_name(planned.model, self.scenarios)

    def add(self, scenario: Scenario) -> Scenario:
        """Keep it, in the place of one with the same settings, and write the file; gives it with its name."""
        kept = scenario.named(scenario.name or self.name_of(scenario))
        self._scenarios[kept.name] = kept
        self._entries.pop(kept.name, None)
        self.write()
        return kept

    def write(self) -> None:
        """Write the file to all its places. Raises ArtifactError."""
        for name, scenario in self._scenarios.items():
            if name not in self._entries:
                self._entries[name] = _encoded(scenario)
        entries = [self._entries[name] for name in self._scenarios]
        for path in self.places:
            _write(path, entries)

    def _same(self, planned: Scenario, outcomes: set[Outcome]) -> Scenario | None:
        for stored in self.scenarios:
            if stored.hash and stored.hash == planned.hash and stored.outcome in outcomes:
                return stored
        return None


def next_name(model: str, scenarios: Iterable[Scenario]) -> str:
    """`<model>_run_config_<number>`, the number being the next after the highest in use."""
    numbers = [scenario.number for scenario in scenarios if scenario.number is not None]
    return f"{model}_run_config_{max(numbers, default=-1) + 1}"


def _merged(files: Sequence[list[Scenario]]) -> list[Scenario]:
    """The scenarios of all files, once each; what has the name of another gets a new one."""
    kept: dict[str, Scenario] = {}
    seen: set[str | bytes] = set()
    for scenario in (each for scenarios in files for each in scenarios):
        what = scenario.hash or _encoded(scenario)
        if what in seen:
            continue
        seen.add(what)
        if scenario.name in kept:
            scenario = scenario.named(next_name(scenario.model, kept.values()))
        kept[scenario.name] = scenario
    return list(kept.values())


def _encoded(scenario: Scenario) -> bytes:
    return msgspec.json.encode(to_entry(scenario))


def _write(path: Path, entries: Sequence[bytes]) -> None:
    by = msgspec.json.encode({"version": __version__})
    content = b'{"Results":{"run_configs":[' + b",".join(entries) + b']},"genai_perf":' + by + b"}"
    path = path.resolve()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
