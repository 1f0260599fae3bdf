"""`Results`: all scenarios, best first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from genai_perf.analyze import scoring
from genai_perf.analyze.checkpoint import next_name
from genai_perf.analyze.published.constraints import RunConstraints
from genai_perf.analyze.published.run_config import RunConfig
from genai_perf.analyze.scenario import Scenario
from genai_perf.analyze.scoring import Weights


class Results:
    """Run configs, best first by their objectives.

    They are ranked by `scoring.utility`, which is transitive; `set_pairwise_ranking` brings back GenAI-Perf's
    own order, which depends on the order of input.
    """

    def __init__(self, run_configs: Iterable[RunConfig] = ()) -> None:
        self.run_configs = list(run_configs)
        self._is_pairwise = False
        self._asked: set[str] = set()
        self._sort()

    @classmethod
    def from_scenarios(cls, scenarios: Iterable[Scenario]) -> Results:
        """Of what a checkpoint holds."""
        return cls(RunConfig.from_scenario(scenario) for scenario in scenarios)

    def add_run_config(self, run_config: RunConfig) -> None:
        """Add a copy of it."""
        self.run_configs.append(deepcopy(run_config))
        self._sort()

    def set_pairwise_ranking(self, is_pairwise: bool = True) -> None:
        """Whether GenAI-Perf's pairwise score ranks."""
        self._is_pairwise = is_pairwise
        self._sort()

    def set_perf_metric_objectives(self, perf_metric_objectives: Mapping[str, Weights]) -> None:
        """What counts, by model and tag: `{"gpt2": {"time_to_first_token_p99": 1}}`.

        Run configs of other models come last. AssertionError for a model that none of them measured,
        UsageError for a tag that no record has.
        """
        self._ask(perf_metric_objectives)
        self._set(lambda each: each.set_perf_metric_objectives(_of(each, perf_metric_objectives)))

    def set_gpu_metric_objectives(self, gpu_metric_objectives: Mapping[str, Weights]) -> None:
        """What counts of the GPUs, likewise."""
        self._ask(gpu_metric_objectives)
        self._set(lambda each: each.set_gpu_metric_objectives(_of(each, gpu_metric_objectives)))

    def set_model_weighting(self, model_weighting: Weights) -> None:
        """How much each model counts. AssertionError unless these are the models that were measured."""
        self._set(lambda run_config: run_config.set_model_weighting(model_weighting))

    def set_constraints(self, constraints: RunConstraints | None) -> None:
        """What is asked of all of them; None for nothing."""
        self._set(lambda run_config: run_config.set_constraints(constraints))

    def get_results_passing_constraints(self) -> Results:
        """Copies of those that meet their constraints."""
        return self._like(
            run_config for run_config in self.run_configs if run_config.is_passing_constraints()
        )

    def get_results_failing_constraints(self) -> Results:
        """Copies of the others."""
        return self._like(
            run_config for run_config in self.run_configs if not run_config.is_passing_constraints()
        )

    # as GenAI-Perf's guide spells them
    get_results_passing_constriants = get_results_passing_constraints
    get_results_failing_constriants = get_results_failing_constraints

    def found_representation(self, representation: str) -> bool:
        """Whether a run config has it."""
        return any(run_config.representation() == representation for run_config in self.run_configs)

    def get_run_config_name_based_on_representation(self, model_name: str, representation: str) -> str:
        """The name of the run config that has it, or else the next free one."""
        for run_config in self.run_configs:
            if run_config.representation() == representation:
                return run_config.name
        return next_name(model_name, (run_config.scenario() for run_config in self.run_configs))

    def create_checkpoint_object(self) -> dict[str, Any]:
        """What a checkpoint has under `Results`."""
        return {"run_configs": [run_config.create_checkpoint_object() for run_config in self.run_configs]}

    @classmethod
    def create_class_from_checkpoint(cls, results_dict: Mapping[str, Any]) -> Results:
        """From that; ValueError (msgspec's) or KeyError when it is none."""
        return cls(RunConfig.create_class_from_checkpoint(each) for each in results_dict["run_configs"])

    def _set(self, change: Callable[[RunConfig], None]) -> None:
        for run_config in self.run_configs:
            change(run_config)
        self._sort()

    def _ask(self, objectives: Mapping[str, Weights]) -> None:
        measured = {model for run_config in self.run_configs for model in run_config.perf}
        if unknown := objectives.keys() - measured:
            raise AssertionError(f"not measured: {', '.join(sorted(unknown))}; there are: {sorted(measured)}")
        self._asked |= objectives.keys()

    def _like(self, run_configs: Iterable[RunConfig]) -> Results:
        made = Results(deepcopy(run_config) for run_config in run_configs)
        made._asked = set(self._asked)
        made.set_pairwise_ranking(self._is_pairwise)
        return made

    def _sort(self) -> None:
        ranked = scoring.rank(
            self.run_configs, lambda run_config: run_config.measurement.objectives, pairwise=self._is_pairwise
        )
        self.run_configs = sorted(ranked, key=lambda run_config: not self._asked <= run_config.perf.keys())


def _of(run_config: RunConfig, objectives: Mapping[str, Weights]) -> dict[str, Weights]:
    """Those of the models that it measured."""
    return {model: weights for model, weights in objectives.items() if model in run_config.perf}
