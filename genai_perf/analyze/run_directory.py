"""Scenarios from what runs left in their directories, where no checkpoint tells of them.

A run's directory has `run.json` and `<stem>_genai_perf.json`; GenAI-Perf's has the latter alone, which will
do. What was varied is read off the runs together: every parameter in which they differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from genai_perf.analyze.families import FAMILIES
from genai_perf.analyze.parameters import PARAMETERS
from genai_perf.analyze.records import Record, record_type
from genai_perf.analyze.scenario import Evidence, Outcome, Scenario, Value
from genai_perf.config.schema import OF_A_CLASS, Config, TrafficClassConfig, sections
from genai_perf.exceptions import ArtifactError
from genai_perf.metrics.names import FINEST, STATISTICS
from genai_perf.profile.directory import RUN

_REPORT = "*_genai_perf.json"
_STATISTICS = {*STATISTICS, FINEST.replace("_", ".")}
_FALLBACK = ("concurrency", "request_rate")
"""What a run alone is told by."""


def is_run(directory: Path) -> bool:
    """Whether a run left its files here."""
    return (directory / RUN).is_file() or any(directory.glob(_REPORT))


def read_run(directory: Path) -> Scenario:
    """The run in this directory. Raises ArtifactError."""
    return _with_parameters([_read(directory)])[0]


def read_runs(directory: Path) -> list[Scenario]:
    """The runs in the directories in this one, by model and parameters; those without a report have failed.

    Raises ArtifactError when there is none.
    """
    runs = [_read(each, must_have_report=False) for each in sorted(directory.iterdir()) if is_run(each)]
    if not runs:
        raise ArtifactError(
            f"{directory}: neither a run nor runs in it", hint=f"a run has a {RUN}, or a {_REPORT}"
        )
    return sorted(
        _with_parameters(runs), key=lambda run: (run.model, [_order(v) for v in run.parameters.values()])
    )


def _order(value: Value) -> tuple[bool, float, str]:
    return (True, 0.0, value) if isinstance(value, str) else (False, value, "")


def _read(directory: Path, *, must_have_report: bool = True) -> Scenario:
    """A run with all that could have been varied as its parameters."""
    run = document(directory / RUN) if (directory / RUN).is_file() else {}
    report = next(iter(sorted(directory.glob(_REPORT))), None)
    try:
        if run:
            config = recorded_config(run["run"]["config"])
            scenario = Scenario.planned(config, _varied(config), directory)
        else:
            scenario = _of_genai_perf(document(_present(report, directory)), directory)
        if report is None:
            if must_have_report:
                _present(report, directory)
            return replace(
                scenario.failed("the run ended before its reports were written"), name=directory.name
            )
        return replace(_measured(scenario, document(report), run.get("end")), name=directory.name)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        raise ArtifactError(f"{directory}: not as a run leaves its files: {exc!r}") from exc


def _present(report: Path | None, directory: Path) -> Path:
    if report is None:
        raise ArtifactError(
            f"{directory}: the run ended before its reports were written",
            hint=f"`genai-perf report {directory}` makes them from its records",
        )
    return report


def document(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises ArtifactError."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else f"torn, or no JSON: {exc}"
        raise ArtifactError(f"{path}: cannot be read: {reason}") from exc
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: not a JSON object")
    return found


def recorded_config(public: Mapping[str, Mapping[str, Any]]) -> Config:
    """The config that a run recorded; options that this version does not have are left out."""
    config = Config(**{name: _section(kind, public.get(name, {})) for name, kind in sections().items()})
    traffic = []
    for name, recorded in public.get("traffic", {}).items():
        own = {section: _section(sections()[section], recorded[section]) for section in OF_A_CLASS}
        endpoint = replace(config.endpoint, model_names=tuple(recorded["model_names"]))
        traffic.append(
            TrafficClassConfig(
                name=name, weight=recorded["weight"], config=replace(config, endpoint=endpoint, **own)
            )
        )
    return replace(config, traffic=tuple(traffic))


def _section(kind: Any, public: Mapping[str, Any]) -> Any:
    known = {row.name for row in fields(kind)}
    return kind(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in public.items()
            if name in known
        }
    )


def _varied(config: Config) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for name, option in PARAMETERS.items():
        section, _, field = option.partition(".")
        value = getattr(getattr(config, section), field)
        if name == "concurrency" and value is None and not config.is_open_loop:
            value = 1
        if value is not None:
            values[name] = value
    return values


def _of_genai_perf(report: Mapping[str, Any], directory: Path) -> Scenario:
    given = report["input_config"]
    inputs = given.get("input", {})
    varied = {
        **given.get("perf_analyzer", {}).get("stimulus", {}),
        "input_sequence_length": inputs.get("synthetic_tokens", {}).get("mean"),
        "output_sequence_length": inputs.get("output_tokens", {}).get("mean"),
        "num_dataset_entries": inputs.get("num_dataset_entries"),
        "batch_size": inputs.get("batch_size"),
    }
    return Scenario(
        model=str(given["model_names"][0]),
        parameters={name: value for name, value in varied.items() if isinstance(value, (int, float))},
        directory=directory,
    )


def _with_parameters(runs: Sequence[Scenario]) -> list[Scenario]:
    """The runs with only those parameters in which they differ; a run alone, or all alike, with its load."""
    names = list(dict.fromkeys(name for run in runs for name in run.parameters))
    kept = [name for name in names if len({run.parameters.get(name) for run in runs}) > 1] or _FALLBACK
    return [
        replace(run, parameters={name: run.parameters[name] for name in kept if name in run.parameters})
        for run in runs
    ]


def _measured(scenario: Scenario, report: Mapping[str, Any], end: Mapping[str, Any] | None) -> Scenario:
    errors = {kind: (each["count"], each["message"]) for kind, each in report.get("errors", {}).items()}
    metrics = {
        tag: each
        for tag, each in report.items()
        if tag in FAMILIES and isinstance(each, dict) and "avg" in each
    }
    evidence = Evidence(
        requests=int(metrics.get("request_count", {}).get("avg", 0)),
        errors=errors,
        counts={tag: int(each["count"]) for tag, each in metrics.items() if "count" in each},
        uncertainty={
            tag: _in_base(tag, each) for tag, each in report.get("uncertainty", {}).items() if tag in FAMILIES
        },
        notes=tuple(report.get("notes", ())),
    )
    if not evidence.requests and errors:
        kind, (count, message) = next(iter(errors.items()))
        failed = scenario.failed(f"every request failed: {count:,} with {kind}: {message}")
        return replace(failed, evidence=evidence)
    interrupted = end is not None and end["stop_reason"] == "interrupted"
    return replace(
        scenario,
        outcome=Outcome.INTERRUPTED if interrupted else Outcome.MEASURED,
        perf={
            scenario.model: dict(record for tag, each in metrics.items() for record in _records(tag, each))
        },
        gpus=_gpus(report.get("telemetry_stats", {})),
        evidence=evidence,
    )


def _records(metric: str, shown: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    for statistic, value in _in_base(metric, shown).items():
        tag = f"{metric}_{statistic.replace('.', '_')}"
        try:
            yield tag, record_type(tag)(value)
        except KeyError:  # GenAI-Perf's file has more statistics of a constant than its records do
            continue


def _in_base(metric: str, shown: Mapping[str, Any]) -> dict[str, float]:
    """A metric's figures in base units; the file has them in those that people read."""
    base = FAMILIES[metric].unit.base
    return {
        name: value * base
        for name, value in shown.items()
        if name in _STATISTICS and isinstance(value, (int, float))
    }


def _gpus(telemetry: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Record]]:
    gpus: dict[str, dict[str, Record]] = {}
    for metric, by_gpu in telemetry.items():
        for gpu, shown in by_gpu.items():
            if metric in FAMILIES and isinstance(shown, dict):
                gpus.setdefault(gpu, {}).update(_records(metric, shown))
    return gpus
