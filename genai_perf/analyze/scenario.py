"""One run of several: what was varied, and what it measured.

A scenario is planned from a config, then measured, failed or interrupted; each of these is a new value:

    planned = Scenario.planned(config, {"concurrency": 8}, directory)
    scenario = planned.measured(summary)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Any

from genai_perf.analyze import identity
from genai_perf.analyze.gap_config import gap_configs
from genai_perf.analyze.records import GPURecord, Record, any_record_type, known_tag
from genai_perf.analyze.scoring import Records
from genai_perf.config.schema import Config
from genai_perf.metrics.catalog import CATALOG
from genai_perf.metrics.names import FINEST, STATISTICS, Figure
from genai_perf.types import Stats, Summary

Value = int | float | str
"""Of a parameter."""


class Outcome(StrEnum):
    """How far a scenario has come."""

    PLANNED = "planned"
    MEASURED = "measured"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Ended by the user; what was measured until then is there."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What figures are made of, beside the records: with it a scenario gives its `Summary` back."""

    requests: int = 0
    """How many succeeded."""
    errors: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    """By metric: how many values it is made of."""
    uncertainty: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By metric and statistic, in base units."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run."""

    model: str
    """What the figures are of: the model; of several in one run, the first with `_multi` behind it."""
    parameters: Mapping[str, Value]
    """What was varied, by the sweep's names, in its order."""
    name: str = ""
    """`gpt2_run_config_0`; empty until a checkpoint gives it one."""
    outcome: Outcome = Outcome.PLANNED
    perf: Mapping[str, Records] = field(default_factory=dict)
    """Records by model and tag."""
    gpus: Mapping[str, Records] = field(default_factory=dict)
    """Records by GPU and tag."""
    all_gpus: Records = field(default_factory=dict)
    """Those of all GPUs together; empty where there is but one, or nobody said."""
    error: str | None = None
    """Why it failed."""
    directory: Path | None = None
    """Where the run's files are."""
    settings: identity.Settings = field(default_factory=dict)
    """What makes it comparable; empty where GenAI-Perf measured it, or nobody said."""
    hash: str = ""
    """Of the settings; results with the same one are of the same measurement."""
    evidence: Evidence = field(default_factory=Evidence)
    genai_perf_config: Mapping[str, Any] = field(default_factory=dict)
    """As GenAI-Perf's checkpoint has it."""
    perf_analyzer_config: Mapping[str, Any] = field(default_factory=dict)
    """Likewise: the load engine's command line, or what it would have been."""

    @classmethod
    def planned(
        cls, config: Config, parameters: Mapping[str, Value], directory: Path | None = None
    ) -> Scenario:
        """A run that is still to be made. Raises InputError when an input file cannot be read."""
        models = config.endpoint.model_names
        found = identity.settings(config)
        genai_perf_config, perf_analyzer_config = gap_configs(config, parameters, directory)
        return cls(
            model=models[0] + ("_multi" if len(models) > 1 else ""),
            parameters=dict(parameters),
            directory=directory,
            settings=found,
            hash=identity.digest(found),
            genai_perf_config=genai_perf_config,
            perf_analyzer_config=perf_analyzer_config,
        )

    def named(self, name: str) -> Scenario:
        """The same under that name."""
        return replace(self, name=name)

    def measured(
        self,
        summary: Summary,
        gpus: Mapping[str, Mapping[str, float]] | None = None,
        all_gpus: Mapping[str, float] | None = None,
        *,
        is_interrupted: bool = False,
    ) -> Scenario:
        """With its figures. `gpus` are values by GPU and tag, `all_gpus` by tag, in the units of DCGM."""
        return replace(
            self,
            outcome=Outcome.INTERRUPTED if is_interrupted else Outcome.MEASURED,
            error=None,
            perf={self.model: dict(_records(summary))},
            gpus={
                gpu: {tag: _gpu_record(tag, value, gpu) for tag, value in values.items()}
                for gpu, values in (gpus or {}).items()
            },
            all_gpus={
                tag: any_record_type(tag)(value)
                for tag, value in (all_gpus or {}).items()
                if math.isfinite(value)
            },
            evidence=_evidence(summary),
        )

    def failed(self, error: str, summary: Summary | None = None) -> Scenario:
        """Without figures, but for its errors; the model is known all the same."""
        return replace(
            self,
            outcome=Outcome.FAILED,
            error=error,
            perf={self.model: {}},
            gpus={},
            all_gpus={},
            evidence=Evidence(errors=summary.errors, notes=summary.notes) if summary else Evidence(),
        )

    # -- reading ------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """`gpt2_run_config_0:concurrency8`, as GenAI-Perf writes it when it skips one."""
        return f"{self.name}:" + "-".join(f"{name}{value}" for name, value in self.parameters.items())

    @property
    def number(self) -> int | None:
        """The one at the end of the name."""
        end = self.name.rpartition("_")[2]
        return int(end) if end.isdecimal() else None

    @property
    def models(self) -> tuple[str, ...]:
        """All that it has records of; several only where GenAI-Perf's checkpoint has them."""
        return tuple(self.perf) or (self.model,)

    def record(self, figure: Figure | str, model: str | None = None) -> Record | None:
        """The record of that figure, or of the tag, for one model; None where it has none."""
        return self.perf.get(model or self.model, {}).get(tag_of(figure))

    def metric(self, figure: Figure | str, model: str | None = None) -> float | None:
        """The figure in its unit (ms, tokens/sec …), of GPUs the mean; None where it was not measured.

        `scenario.metric(TTFT.p99)`. Raises UsageError for a tag that no record has.
        """
        tag = tag_of(figure)
        if record := self.record(tag, model):
            return record.reduced()
        of_gpus = self.gpu_metric(tag)
        return fmean(of_gpus.values()) if of_gpus else None

    def gpu_metric(self, figure: Figure | str) -> dict[str, float]:
        """The figure of each GPU that has it, in its unit."""
        tag = tag_of(figure)
        return {gpu: records[tag].reduced() for gpu, records in self.gpus.items() if tag in records}

    def summary(self) -> Summary:
        """The run's figures as its reports had them; without `exactness`, which only the run's files have."""
        records = self.perf.get(self.model, {})
        metrics: dict[str, Stats | float] = {}
        for tag, metric in CATALOG.items():
            if metric.per == "run":
                if record := records.get(f"{tag}_avg"):
                    metrics[tag] = float(record.value())
            elif stats := self._stats(tag, records):
                metrics[tag] = stats
        counted = metrics.get("request_count", 0.0)
        requests = self.evidence.requests or int(counted if isinstance(counted, float) else 0)
        return Summary(metrics, requests, self.evidence.errors, exactness={}, notes=self.evidence.notes)

    def _stats(self, tag: str, records: Records) -> Stats | None:
        values = {
            statistic: float(record.value())
            for statistic in (*STATISTICS, FINEST)
            if (record := records.get(f"{tag}_{statistic}")) is not None
        }
        if "avg" not in values:
            return None
        requests = records.get("request_count_avg")
        count = self.evidence.counts.get(tag, int(requests.value()) if requests is not None else 0)
        percentiles = {name.replace("_", "."): values[name] for name in values if name.startswith("p")}
        return Stats(
            count=count,
            avg=values["avg"],
            std=values.get("std", math.nan),
            min=values.get("min", math.nan),
            max=values.get("max", math.nan),
            percentiles=percentiles,
            uncertainty=self.evidence.uncertainty.get(tag),
        )


def tag_of(figure: Figure | str) -> str:
    """The tag, of a typed name or as it is; UsageError when no record has it."""
    return figure.tag if isinstance(figure, Figure) else known_tag(figure)


def _gpu_record(tag: str, value: float, gpu: str) -> Record:
    kind = any_record_type(tag)
    return kind(value, gpu) if issubclass(kind, GPURecord) else kind(value)


def _records(summary: Summary) -> Iterator[tuple[str, Record]]:
    for metric, figure in summary.metrics.items():
        for statistic, value in _values(figure):
            if math.isfinite(value):
                tag = f"{metric}_{statistic}"
                yield tag, any_record_type(tag)(value)


def _values(figure: Stats | float) -> Iterator[tuple[str, float]]:
    if not isinstance(figure, Stats):
        yield "avg", figure
        return
    yield from (("avg", figure.avg), ("min", figure.min), ("max", figure.max), ("std", figure.std))
    for name, value in figure.percentiles.items():
        yield name.replace(".", "_"), value


def _evidence(summary: Summary) -> Evidence:
    stats = {tag: figure for tag, figure in summary.metrics.items() if isinstance(figure, Stats)}
    return Evidence(
        requests=summary.requests,
        errors=summary.errors,
        counts={tag: each.count for tag, each in stats.items()},
        uncertainty={tag: each.uncertainty for tag, each in stats.items() if each.uncertainty},
        notes=summary.notes,
    )
