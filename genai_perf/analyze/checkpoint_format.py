"""A scenario as an entry of `checkpoint.json`, and back.

Read are GenAI-Perf's schemas of 25.01 to 25.05 and from 25.06 on, which differ in their configs: those are
kept as they are. Written is the newer one. Beside its keys, each entry has ours under `scenario`: the
settings and their hash, how it ended, the figures that GenAI-Perf has no records for (its reader would
stumble over them), and what the figures are made of.

Until 25.05 GPUs were called gpu0, gpu1 … and measured by Triton, in J, bytes and shares of 1; such values
are brought into the units of DCGM.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.analyze.parameters import LOAD_PARAMETERS
from genai_perf.analyze.records import GPURecord, Record, any_record_type
from genai_perf.analyze.scenario import Evidence, Outcome, Scenario, Value
from genai_perf.metrics.gpu import GPU_CATALOG
from genai_perf.metrics.names import STATISTICS

OURS = "scenario"
"""The key of what GenAI-Perf's schema has no place for."""

_GAP_METRICS = (
    "time_to_first_token",
    "time_to_second_token",
    "request_latency",
    "inter_token_latency",
    "output_token_throughput_per_user",
    "output_token_throughput_per_request",
    "output_sequence_length",
    "input_sequence_length",
    "output_token_throughput",
    "request_throughput",
    "request_goodput",
    "request_count",
)
_GAP_TAGS = {f"{metric}_{statistic}" for metric in _GAP_METRICS for statistic in STATISTICS}

_TRITON_TO_DCGM = {tag: row.triton.factor for tag, row in GPU_CATALOG.items() if row.triton}


def to_entry(scenario: Scenario) -> dict[str, Any]:
    """One of `run_configs`, ready for JSON."""
    more = {
        model: {tag: record.value() for tag, record in records.items() if tag not in _GAP_TAGS}
        for model, records in scenario.perf.items()
    }
    return {
        "name": scenario.name,
        "genai_perf_config": dict(scenario.genai_perf_config),
        "perf_analyzer_config": dict(scenario.perf_analyzer_config),
        "measurement": {
            "_gpu_metrics": {gpu: _written(records) for gpu, records in scenario.gpus.items()},
            "_model_config_measurements": {
                model: {"_perf_metrics": _written({tag: records[tag] for tag in records if tag in _GAP_TAGS})}
                for model, records in scenario.perf.items()
            },
        },
        OURS: {
            "hash": scenario.hash,
            "settings": dict(scenario.settings),
            "model": scenario.model,
            "parameters": dict(scenario.parameters),
            "outcome": str(scenario.outcome),
            "error": scenario.error,
            "directory": None if scenario.directory is None else str(scenario.directory),
            "more_metrics": more,
            "all_gpus": {tag: record.value() for tag, record in scenario.all_gpus.items()},
            "requests": scenario.evidence.requests,
            "errors": dict(scenario.evidence.errors),
            "counts": dict(scenario.evidence.counts),
            "uncertainty": dict(scenario.evidence.uncertainty),
            "notes": list(scenario.evidence.notes),
        },
    }


class StoredRecord(msgspec.Struct, gc=False, rename=lambda name: f"_{name}"):
    """A record's values."""

    value: int | float
    timestamp: int = 0
    device_uuid: str | None = None
    device: str | None = None
    """What GenAI-Perf's own reader looks for."""


Stored = dict[str, tuple[str, StoredRecord]]
"""Tag and values by tag."""


class StoredModel(msgspec.Struct):
    """What one model measured."""

    perf_metrics: Stored = msgspec.field(name="_perf_metrics")


class StoredMeasurement(msgspec.Struct):
    """What a run measured."""

    gpu_metrics: dict[str, Stored] = msgspec.field(name="_gpu_metrics")
    models: dict[str, StoredModel] = msgspec.field(name="_model_config_measurements")


class StoredScenario(msgspec.Struct):
    """What is ours in an entry."""

    hash: str
    settings: dict[str, Any]
    model: str
    parameters: dict[str, Value]
    outcome: Outcome
    error: str | None
    directory: str | None
    more_metrics: dict[str, dict[str, int | float]]
    requests: int
    errors: dict[str, tuple[int, str]]
    counts: dict[str, int]
    uncertainty: dict[str, dict[str, float]]
    notes: tuple[str, ...]
    all_gpus: dict[str, int | float] = {}


class Entry(msgspec.Struct):
    """One of `run_configs`, of either schema."""

    name: str
    genai_perf_config: dict[str, Any]
    perf_analyzer_config: dict[str, Any]
    measurement: StoredMeasurement
    scenario: StoredScenario | None = None


class Records(Mapping[str, Record]):
    """Records by tag, each made when first asked for: a thousand scenarios have a hundred thousand."""

    __slots__ = ("_kept",)

    def __init__(self, stored: Mapping[str, StoredRecord | Record]) -> None:
        self._kept = dict(stored)

    def __getitem__(self, tag: str) -> Record:
        kept = self._kept[tag]
        if isinstance(kept, Record):
            return kept
        kind = any_record_type(tag)
        made = (
            kind(kept.value, kept.device_uuid or kept.device, kept.timestamp)
            if issubclass(kind, GPURecord)
            else kind(kept.value, kept.timestamp)
        )
        self._kept[tag] = made
        return made

    def __contains__(self, tag: object) -> bool:
        return tag in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> Records:
        """The same records, which do not change."""
        return Records(self._kept)

    def __repr__(self) -> str:
        return repr(dict(self))


def from_entry(entry: Entry) -> Scenario:
    """The scenario that an entry describes."""
    ours = entry.scenario
    perf = {model: _finite(each.perf_metrics) for model, each in entry.measurement.models.items()}
    gpus = {gpu: _finite(stored) for gpu, stored in entry.measurement.gpu_metrics.items()}
    if ours is None:
        if gpus and all(gpu.startswith("gpu") for gpu in gpus):
            for stored in gpus.values():
                _convert_from_triton(stored)
        return _of_genai_perf(entry, perf, gpus)
    for model, values in ours.more_metrics.items():
        perf.setdefault(model, {}).update({tag: StoredRecord(value) for tag, value in values.items()})
    return Scenario(
        model=ours.model,
        parameters=ours.parameters,
        name=entry.name,
        outcome=ours.outcome,
        perf={model: Records(stored) for model, stored in perf.items()},
        gpus={gpu: Records(stored) for gpu, stored in gpus.items()},
        all_gpus=Records({tag: StoredRecord(value) for tag, value in ours.all_gpus.items()}),
        error=ours.error,
        directory=None if ours.directory is None else Path(ours.directory),
        settings=ours.settings,
        hash=ours.hash,
        evidence=Evidence(
            requests=ours.requests,
            errors=ours.errors,
            counts=ours.counts,
            uncertainty=ours.uncertainty,
            notes=ours.notes,
        ),
        genai_perf_config=entry.genai_perf_config,
        perf_analyzer_config=entry.perf_analyzer_config,
    )


def _finite(stored: Stored) -> dict[str, StoredRecord]:
    """Records by tag; what is no number was not measured."""
    return {tag: record for tag, record in stored.values() if math.isfinite(record.value)}


def _of_genai_perf(
    entry: Entry, perf: Mapping[str, dict[str, StoredRecord]], gpus: Mapping[str, dict[str, StoredRecord]]
) -> Scenario:
    """What the original measured. It says neither what was swept nor where; both can be told."""
    engine = entry.perf_analyzer_config
    arguments = engine.get("_cli_args")
    export = _after([str(each) for each in arguments or ()], "--profile-export-file")
    has_figures = any(perf.values())
    return Scenario(
        model=str(engine.get("_model_name") or next(iter(perf), "")),
        parameters=_parameters(entry.genai_perf_config, engine),
        name=entry.name,
        outcome=Outcome.MEASURED if has_figures else Outcome.FAILED,
        perf={model: Records(stored) for model, stored in perf.items()},
        gpus={gpu: Records(stored) for gpu, stored in gpus.items()},
        error=None if has_figures else "no figures were stored",
        directory=Path(export).parent if export else None,
        genai_perf_config=entry.genai_perf_config,
        perf_analyzer_config=engine,
    )


def _parameters(own: Mapping[str, Any], engine: Mapping[str, Any]) -> dict[str, Value]:
    names = {theirs: ours for ours, theirs in LOAD_PARAMETERS.items()}
    found = {name: value for name, value in (own.get("_parameters") or {}).items() if _is_scalar(value)}
    for name, value in (engine.get("_parameters") or {}).items():
        if _is_scalar(value):
            found[names.get(name, name)] = value
    return found


def _after(arguments: list[str], flag: str) -> str | None:
    place = arguments.index(flag) + 1 if flag in arguments else len(arguments)
    return arguments[place] if place < len(arguments) else None


def _is_scalar(value: object) -> bool:
    return isinstance(value, (int, float, str)) and not isinstance(value, bool)


def _written(records: Mapping[str, Record]) -> dict[str, tuple[str, dict[str, Any]]]:
    return {tag: record.create_checkpoint_object() for tag, record in records.items()}


def _convert_from_triton(stored: dict[str, StoredRecord]) -> None:
    for tag, record in stored.items():
        record.value *= _TRITON_TO_DCGM.get(any_record_type(tag).base_tag, 1)
