"""`RunConfig`: one scenario with its configuration, its records and its rank among others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import total_ordering
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.analyze import checkpoint_format
from genai_perf.analyze.published.constraints import RunConstraints
from genai_perf.analyze.published.measurements import (
    ByGPU,
    ModelConfigMeasurement,
    RunConfigMeasurement,
)
from genai_perf.analyze.records import Record
from genai_perf.analyze.scenario import Outcome, Scenario
from genai_perf.analyze.scoring import Weights


class GenAIPerfConfig:
    """The settings that shaped a run's input, as its checkpoint has them."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self._stored = dict(stored or {"_parameters": {}})

    def get_parameters(self) -> dict[str, Any]:
        """By name; until 25.05 only what was swept."""
        return dict(self._stored.get("_parameters", {}))

    def representation(self) -> str:
        """By which GenAI-Perf recognises a scenario."""
        return str(self._stored.get("_parameters", {}))

    def create_checkpoint_object(self) -> dict[str, Any]:
        """As it was read."""
        return dict(self._stored)

    @classmethod
    def create_class_from_checkpoint(cls, config_dict: Mapping[str, Any]) -> GenAIPerfConfig:
        """From what `create_checkpoint_object` gave."""
        return cls(config_dict)


class PerfAnalyzerConfig:
    """The load engine's settings, as the checkpoint has them."""

    _WITH_VALUE = frozenset(
        {
            "--url",
            "--metrics-url",
            "--latency-report-file",
            "--measurement-request-count",
            "--input-data",
            "--profile-export-file",
            "-i",
            "-u",
        }
    )
    _ALONE = frozenset({"--verbose", "--extra-verbose", "--verbose-csv"})
    _LOADS: Mapping[str, str] = {
        "--concurrency-range": "concurrency",
        "--request-rate-range": "request_rate",
        "--session-concurrency": "session_concurrency",
    }

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self._stored = dict(stored or {"_parameters": {}, "_cli_args": []})

    def get_parameters(self) -> dict[str, Any]:
        """The load: `{"concurrency": 8}`."""
        return dict(self._stored.get("_parameters", {}))

    def create_command(self) -> list[str]:
        """The command line that started Perf Analyzer, or would have."""
        return [str(each) for each in self._stored.get("_cli_args", [])]

    def get_inference_type(self) -> str:
        """`concurrency`, `request_rate`, `session_concurrency`; `none` where the command names none."""
        return self._load()[0]

    def get_inference_value(self) -> int | float:
        """The level of that; 1 where the command names none."""
        return self._load()[1]

    def get_artifact_directory(self) -> Path | None:
        """Where the run's files are; None where the command does not say."""
        export = self.get_profile_export_file()
        return None if export is None else export.parent

    def get_profile_export_file(self) -> Path | None:
        """Where the raw export is; None where the command does not say."""
        value = self._value("--profile-export-file")
        return None if value is None else Path(value)

    def representation(self) -> str:
        """By which GenAI-Perf recognises a scenario: the command without places and verbosity."""
        kept = []
        skip = False
        for argument in self.create_command()[1:]:
            if skip or argument in self._ALONE:
                skip = False
            elif argument in self._WITH_VALUE:
                skip = True
            else:
                kept.append(argument)
        return " ".join(kept)

    def create_checkpoint_object(self) -> dict[str, Any]:
        """As it was read."""
        return dict(self._stored)

    @classmethod
    def create_class_from_checkpoint(cls, config_dict: Mapping[str, Any]) -> PerfAnalyzerConfig:
        """From what `create_checkpoint_object` gave."""
        return cls(config_dict)

    def _load(self) -> tuple[str, int | float]:
        for flag, name in self._LOADS.items():
            if (value := self._value(flag)) is not None:
                level = float(value.partition(":")[0])
                return name, int(level) if level.is_integer() else level
        return "none", 1

    def _value(self, flag: str) -> str | None:
        """What stands behind the last such flag."""
        command = self.create_command()
        places = [place for place, argument in enumerate(command[:-1]) if argument == flag]
        return command[places[-1] + 1] if places else None


@total_ordering
class RunConfig:
    """One scenario. `a > b` where a is better, by GenAI-Perf's pairwise score."""

    def __init__(
        self,
        genai_perf_config: GenAIPerfConfig | None = None,
        perf_analyzer_config: PerfAnalyzerConfig | None = None,
        name: str = "",
        measurement: RunConfigMeasurement | None = None,
    ) -> None:
        self.genai_perf_config = genai_perf_config or GenAIPerfConfig()
        self.perf_analyzer_config = perf_analyzer_config or PerfAnalyzerConfig()
        self.name = name
        self.measurement = measurement or RunConfigMeasurement()
        self._origin: Scenario | None = None

    @classmethod
    def from_scenario(cls, scenario: Scenario) -> RunConfig:
        """The same as GenAI-Perf's class."""
        measurement = RunConfigMeasurement(scenario.gpus)
        for model in scenario.models:
            measurement.add_perf_metrics(model, scenario.perf.get(model, {}))
        made = cls(
            GenAIPerfConfig(scenario.genai_perf_config),
            PerfAnalyzerConfig(scenario.perf_analyzer_config),
            scenario.name,
            measurement,
        )
        made._origin = scenario
        return made

    def scenario(self) -> Scenario:
        """The same as a `Scenario`."""
        origin = self._origin
        if origin is None:
            command = self.perf_analyzer_config.create_checkpoint_object()
            model = str(command.get("_model_name") or next(iter(self.measurement.perf), ""))
            origin = Scenario(model, self.perf_analyzer_config.get_parameters(), outcome=Outcome.MEASURED)
        return replace(
            origin,
            name=self.name,
            perf=self.measurement.perf,
            gpus=self.measurement.gpus,
            genai_perf_config=self.genai_perf_config.create_checkpoint_object(),
            perf_analyzer_config=self.perf_analyzer_config.create_checkpoint_object(),
        )

    # -- reading ------------------------------------------------------------------------------------

    @property
    def perf(self) -> Mapping[str, Mapping[str, Record]]:
        """Records by model and tag."""
        return self.measurement.perf

    @property
    def gpus(self) -> ByGPU[dict[str, Record]]:
        """Records by GPU and tag."""
        return self.measurement.gpus

    def get_genai_perf_parameters(self) -> dict[str, Any]:
        """By name."""
        return self.genai_perf_config.get_parameters()

    def get_perf_analyzer_parameters(self) -> dict[str, Any]:
        """The load: `{"concurrency": 8}`."""
        return self.perf_analyzer_config.get_parameters()

    def get_name_id(self) -> str:
        """What stands behind the last `_` of the name."""
        return self.name.rpartition("_")[2]

    def get_all_gpu_metrics(self) -> ByGPU[dict[str, Record]]:
        """Records by GPU and tag."""
        return self.measurement.get_all_gpu_metrics()

    def get_gpu_metric(self, name: str) -> ByGPU[dict[str, Record]] | None:
        """That record of each GPU, by GPU and tag; None when one of them lacks it."""
        return self.measurement.get_gpu_metric(name)

    def get_gpu_metric_value(self, gpu_id: str | int, name: str, return_value: float = 0) -> float:
        """Its value for one GPU in the unit of its header; `return_value` where there is none."""
        return self.measurement.get_gpu_metric_value(gpu_id, name, return_value)

    def get_all_perf_metrics(self) -> dict[str, dict[str, Record]]:
        """Records by model and tag."""
        return self.measurement.get_all_perf_metrics()

    def get_model_config_measurement(self, model_name: str) -> ModelConfigMeasurement | None:
        """What one model measured."""
        return self.measurement.get_model_config_measurement(model_name)

    def get_model_perf_metrics(self, model_name: str) -> dict[str, Record] | None:
        """Records by tag; None for a model that was not measured."""
        return self.measurement.get_model_perf_metrics(model_name)

    def get_model_perf_metric(self, model_name: str, perf_metric_name: str) -> Record | None:
        """The record, if there is one."""
        return self.measurement.get_model_perf_metric(model_name, perf_metric_name)

    def get_model_perf_metric_value(
        self, model_name: str, perf_metric_name: str, return_value: float = 0
    ) -> float:
        """Its value in the unit of its header (ms …); `return_value` where there is none."""
        return self.measurement.get_model_perf_metric_value(model_name, perf_metric_name, return_value)

    def get_weighted_perf_metric_values(
        self, perf_metric_name: str, return_value: float = 0
    ) -> dict[str, float]:
        """By model, the value times the model's weight."""
        return self.measurement.get_weighted_perf_metric_values(perf_metric_name, return_value)

    # -- setting ------------------------------------------------------------------------------------

    def set_model_weighting(self, model_weighting: Weights) -> None:
        """How much each model counts. AssertionError unless these are the models that were measured."""
        self.measurement.set_model_weighting(model_weighting)

    def set_gpu_metric_objectives(self, gpu_metric_objectives: Mapping[str, Weights]) -> None:
        """What counts of the GPUs, by model and tag. AssertionError for a model that was not measured."""
        self.measurement.set_gpu_metric_objectives(gpu_metric_objectives)

    def set_perf_metric_objectives(self, perf_metric_objectives: Mapping[str, Weights]) -> None:
        """What counts, by model and tag. AssertionError for a model that was not measured."""
        self.measurement.set_perf_metric_objectives(perf_metric_objectives)

    def set_constraints(self, constraints: RunConstraints | None) -> None:
        """What is asked of it; None for nothing."""
        self.measurement.set_constraints(constraints)

    def add_perf_metrics(
        self, model_name: str, perf_metrics: Mapping[str, Record] | Iterable[Record]
    ) -> None:
        """The records of one more model."""
        self.measurement.add_perf_metrics(model_name, perf_metrics)

    # -- comparing and keeping ------------------------------------------------------------------------

    def is_passing_constraints(self) -> bool:
        """Whether every figure is strictly on the better side of its limit; True without constraints."""
        return self.measurement.is_passing_constraints()

    def is_better_than(self, other: RunConfig) -> bool:
        """Whether the score against the other is positive."""
        return self.measurement.is_better_than(other.measurement)

    def get_score(self, other: RunConfig) -> float:
        """GenAI-Perf's pairwise score: positive where this is better."""
        return self.measurement.get_score(other.measurement)

    def calculate_weighted_percentage_gain(self, other: RunConfig) -> float:
        """By how many percent this is better; for display."""
        return self.measurement.calculate_weighted_percentage_gain(other.measurement)

    def __lt__(self, other: RunConfig) -> bool:
        return self.measurement < other.measurement

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunConfig):
            return NotImplemented
        return self.measurement == other.measurement

    __hash__ = None  # type: ignore[assignment]  # equal means equally good

    def representation(self) -> str:
        """By which GenAI-Perf recognises a scenario."""
        return f"{self.perf_analyzer_config.representation()} {self.genai_perf_config.representation()}"

    def create_checkpoint_object(self) -> dict[str, Any]:
        """Its entry in a checkpoint."""
        return checkpoint_format.to_entry(self.scenario())

    @classmethod
    def create_class_from_checkpoint(cls, run_config_dict: Mapping[str, Any]) -> RunConfig:
        """From an entry of either schema; ValueError (msgspec's) when it is none."""
        entry = msgspec.convert(run_config_dict, checkpoint_format.Entry)
        return cls.from_scenario(checkpoint_format.from_entry(entry))
