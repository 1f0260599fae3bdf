"""`ModelConfigMeasurement` and `RunConfigMeasurement`: what a run measured, and how good that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import total_ordering
from typing import Any, ClassVar, TypeVar, cast

from genai_perf.analyze import scoring
from genai_perf.analyze.published.constraints import RunConstraints
from genai_perf.analyze.records import Record, known_tag
from genai_perf.analyze.scoring import DEFAULT_OBJECTIVES, Objectives, Weights

V = TypeVar("V")


class ByGPU(dict[str, V]):
    """By GPU id, however that is spelled: `gpu0`, `0` and 0 are the same."""

    def _stored(self, key: Any) -> str:
        """The key as it is kept here; itself where it is not."""
        if dict.__contains__(self, key) or not isinstance(key, (str, int)):
            return cast("str", key)
        same = (each for each in self if scoring.gpu_id(each) == scoring.gpu_id(key))
        return next(same, str(key))

    def __getitem__(self, key: str | int) -> V:
        return super().__getitem__(self._stored(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._stored(key))

    def get(self, key: str | int, default: Any = None) -> Any:
        """As a dict's."""
        return super().get(self._stored(key), default)


class ModelConfigMeasurementDefaults:
    """What counts unless something else is said."""

    METRIC_OBJECTIVE: ClassVar[Weights] = DEFAULT_OBJECTIVES


@total_ordering
class ModelConfigMeasurement:
    """The records of one model."""

    def __init__(self, perf_metrics: Mapping[str, Record] | Iterable[Record]) -> None:
        self.records = by_tag(perf_metrics)
        """By tag; what a checkpoint holds is made into records when it is asked for."""
        self._metric_objectives: dict[str, float] = dict(ModelConfigMeasurementDefaults.METRIC_OBJECTIVE)

    def get_perf_metrics(self) -> dict[str, Record]:
        """Records by tag."""
        return dict(self.records)

    def get_perf_metric(self, name: str) -> Record | None:
        """The record with that tag, if there is one."""
        return self.records.get(name)

    def get_perf_metric_value(self, name: str, return_value: float = 0) -> float:
        """Its value in the unit of its header (ms …); `return_value` where there is none."""
        record = self.records.get(name)
        return return_value if record is None else record.reduced()

    @property
    def metric_objectives(self) -> dict[str, float]:
        """Weights by tag, which add up to 1."""
        return self._metric_objectives

    def set_metric_objectives(self, metric_objectives: Weights) -> None:
        """What counts, and how much. UsageError for a tag that no record has."""
        self._metric_objectives = scoring.shares(
            {known_tag(tag): weight for tag, weight in metric_objectives.items()}
        )

    def get_weighted_score(self, other: ModelConfigMeasurement) -> float:
        """Positive where this is better, by this one's objectives."""
        return scoring.model_score(self.records, other.records, self._metric_objectives)

    def is_better_than(self, other: ModelConfigMeasurement) -> bool:
        """Whether the score against the other is positive."""
        return self.get_weighted_score(other) > 0

    def calculate_weighted_percentage_gain(self, other: ModelConfigMeasurement) -> float:
        """By how many percent this is better."""
        return scoring.model_gain(self.records, other.records, self._metric_objectives)

    def __lt__(self, other: ModelConfigMeasurement) -> bool:
        return self.get_weighted_score(other) < 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelConfigMeasurement):
            return NotImplemented
        return self.get_weighted_score(other) == 0

    __hash__ = None  # type: ignore[assignment]  # equal means equally good


@total_ordering
class RunConfigMeasurement:
    """The records of a run: of each model, and of each GPU."""

    def __init__(
        self,
        gpu_metrics: Mapping[str, Mapping[str, Record]] | None = None,
        run_constraints: RunConstraints | None = None,
    ) -> None:
        self._gpu_metrics = ByGPU({gpu: dict(records) for gpu, records in (gpu_metrics or {}).items()})
        self._constraints = run_constraints
        self._models: dict[str, ModelConfigMeasurement] = {}
        self._model_weights: dict[str, float] = {}
        self._gpu_metric_objectives: dict[str, dict[str, float]] = {}

    # -- reading ------------------------------------------------------------------------------------

    @property
    def perf(self) -> dict[str, Mapping[str, Record]]:
        """Records by model and tag."""
        return {model: each.records for model, each in self._models.items()}

    @property
    def gpus(self) -> ByGPU[dict[str, Record]]:
        """Records by GPU and tag."""
        return self._gpu_metrics

    @property
    def objectives(self) -> Objectives:
        """What makes this good, for `scoring`."""
        return Objectives(
            perf={model: each.metric_objectives for model, each in self._models.items()},
            gpu=self._gpu_metric_objectives,
            models=self._model_weights,
        )

    def get_all_gpu_metrics(self) -> ByGPU[dict[str, Record]]:
        """Records by GPU and tag."""
        return self._gpu_metrics

    def get_gpu_metric(self, name: str) -> ByGPU[dict[str, Record]] | None:
        """That record of each GPU, by GPU and tag; None when one of them lacks it."""
        if any(name not in records for records in self._gpu_metrics.values()):
            return None
        return ByGPU({gpu: {name: records[name]} for gpu, records in self._gpu_metrics.items()})

    def get_gpu_metric_value(self, gpu_id: str | int, name: str, return_value: float = 0) -> float:
        """Its value for one GPU in the unit of its header; `return_value` where there is none."""
        record = (self._gpu_metrics.get(gpu_id) or {}).get(name)
        return return_value if record is None else record.reduced()

    def get_model_config_measurements(self) -> dict[str, ModelConfigMeasurement]:
        """By model."""
        return self._models

    def get_model_config_measurement(self, model_name: str) -> ModelConfigMeasurement | None:
        """That of one model, if it was measured."""
        return self._models.get(model_name)

    def get_all_perf_metrics(self) -> dict[str, dict[str, Record]]:
        """Records by model and tag."""
        return {model: each.get_perf_metrics() for model, each in self._models.items()}

    def get_model_perf_metrics(self, model_name: str) -> dict[str, Record] | None:
        """Records by tag; None for a model that was not measured."""
        model = self._models.get(model_name)
        return None if model is None else model.get_perf_metrics()

    def get_model_perf_metric(self, model_name: str, perf_metric_name: str) -> Record | None:
        """The record, if there is one."""
        model = self._models.get(model_name)
        return None if model is None else model.get_perf_metric(perf_metric_name)

    def get_model_perf_metric_value(
        self, model_name: str, perf_metric_name: str, return_value: float = 0
    ) -> float:
        """Its value in the unit of its header (ms …); `return_value` where there is none."""
        record = self.get_model_perf_metric(model_name, perf_metric_name)
        return return_value if record is None else record.reduced()

    def get_weighted_perf_metric_values(
        self, perf_metric_name: str, return_value: float = 0
    ) -> dict[str, float]:
        """By model, the value times the model's weight."""
        objectives = self.objectives
        return {
            model: each.get_perf_metric_value(perf_metric_name, return_value) * objectives.weight(model)
            for model, each in self._models.items()
        }

    # -- setting ------------------------------------------------------------------------------------

    def add_perf_metrics(
        self, model_name: str, perf_metrics: Mapping[str, Record] | Iterable[Record]
    ) -> None:
        """The records of one more model."""
        self._models[model_name] = ModelConfigMeasurement(perf_metrics)

    def set_model_weighting(self, model_weighting: Weights) -> None:
        """How much each model counts. AssertionError unless these are the models that were measured."""
        if model_weighting.keys() != self._models.keys():
            raise AssertionError(f"weights are for {_list(model_weighting)}, measured: {_list(self._models)}")
        self._model_weights = scoring.shares(model_weighting)

    def set_perf_metric_objectives(self, perf_metric_objectives: Mapping[str, Weights]) -> None:
        """What counts, by model and tag. AssertionError for a model that was not measured."""
        self._check_models(perf_metric_objectives)
        for model, objectives in perf_metric_objectives.items():
            self._models[model].set_metric_objectives(objectives)

    def set_gpu_metric_objectives(self, gpu_metric_objectives: Mapping[str, Weights]) -> None:
        """What counts of the GPUs, likewise."""
        self._check_models(gpu_metric_objectives)
        for model, objectives in gpu_metric_objectives.items():
            self._gpu_metric_objectives[model] = scoring.shares(
                {known_tag(tag): weight for tag, weight in objectives.items()}
            )

    def set_constraints(self, constraints: RunConstraints | None) -> None:
        """What is asked of it; None for nothing."""
        self._constraints = constraints

    def _check_models(self, named: Mapping[str, object]) -> None:
        if unknown := named.keys() - self._models.keys():
            raise AssertionError(f"not measured: {_list(unknown)}; there are: {_list(self._models)}")

    # -- comparing ----------------------------------------------------------------------------------

    def is_passing_constraints(self) -> bool:
        """Whether every figure is strictly on the better side of its limit; True without constraints."""
        return self._constraints is None or scoring.passes(self, self._constraints.limits())

    def get_score(self, other: RunConfigMeasurement) -> float:
        """GenAI-Perf's pairwise score: positive where this is better, by this one's objectives."""
        return scoring.score(self, other, self.objectives)

    def is_better_than(self, other: RunConfigMeasurement) -> bool:
        """Whether the score against the other is positive."""
        return self.get_score(other) > 0

    def calculate_weighted_percentage_gain(self, other: RunConfigMeasurement) -> float:
        """By how many percent this is better; for display."""
        return scoring.gain(self, other, self.objectives)

    def __lt__(self, other: RunConfigMeasurement) -> bool:
        return self.get_score(other) < 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunConfigMeasurement):
            return NotImplemented
        return self.get_score(other) == 0

    __hash__ = None  # type: ignore[assignment]  # equal means equally good


def by_tag(records: Mapping[str, Record] | Iterable[Record]) -> Mapping[str, Record]:
    """Records by tag, from a mapping or one after the other."""
    if isinstance(records, Mapping):
        return records
    return {record.tag: record for record in records}


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
