"""Which of several results is better: a utility to rank by, GenAI-Perf's pairwise score, constraints.

**Utility.** GenAI-Perf ranks by comparing results in pairs: the score of a against b adds up, over
objectives, weight x (a - b) / mean(a, b). That is not transitive: with three objectives a can beat b, b beat
c and c beat a, and the order then depends on the order of input. So ranks come from a number that each
result has by itself:

    utility = sum over models of model weight x sum over objectives of weight x (+1 or -1) x ln(value)
              + the mean over GPUs of the same sum over the GPU objectives

A difference of two utilities is the weighted sum of ln(a/b), of which the pairwise term 2 (a - b) / (a + b)
is the first approximation: 1 % better here weighs as much as 1 % better there, and for a single objective
the order is the pairwise one. No reference value is needed, as one would cancel out, and no third result
can change the order of two. `docs/decisions/0007` has an example.

A result without the value of an objective ranks behind all that have it; ties keep their order.

**Safe.** Where GenAI-Perf divides by zero or trips over a GPU or model that only one side has, the score
treats a zero as worst (or best), and what is missing as it treats a missing metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cmp_to_key
from statistics import fmean
from typing import Protocol, TypeVar

from genai_perf.analyze.records import Record

Records = Mapping[str, Record]
"""By tag."""

Weights = Mapping[str, float]
"""Of objectives, by tag, or of models, by name."""

DEFAULT_OBJECTIVES: Weights = {"request_throughput_avg": 1.0}

FLOOR = 1e-9
"""What a zero counts as in a logarithm, in the unit that is read; nothing measured comes near it."""


class Measured(Protocol):
    """What a score is made of."""

    @property
    def perf(self) -> Mapping[str, Records]:
        """By model."""

    @property
    def gpus(self) -> Mapping[str, Records]:
        """By GPU."""


M = TypeVar("M", bound=Measured)
"""Any kind of result."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """What makes a result good, and how much each counts. Weights of a model's objectives are shares of 1."""

    perf: Mapping[str, Weights] = field(default_factory=dict)
    """By model; one that is not named has the default, request throughput."""
    gpu: Mapping[str, Weights] = field(default_factory=dict)
    """By model, though GPUs are shared: those of all models count."""
    models: Weights = field(default_factory=dict)
    """How much each model counts; 1 where unsaid."""

    def of(self, model: str) -> Weights:
        """The objectives of one model."""
        return self.perf.get(model, DEFAULT_OBJECTIVES)

    def weight(self, model: str) -> float:
        """How much that model counts."""
        return self.models.get(model, 1.0)

    @property
    def of_gpus(self) -> tuple[tuple[str, float], ...]:
        """Tag and weight of every GPU objective."""
        return tuple(each for weights in self.gpu.values() for each in weights.items())


def shares(weights: Weights) -> dict[str, float]:
    """The weights, scaled so that they add up to 1; ValueError unless their sum is above 0."""
    total = sum(weights.values())
    if not total > 0:
        raise ValueError(f"the weights {dict(weights)} do not add up to more than 0")
    return {name: weight / total for name, weight in weights.items()}


def rank(results: Iterable[M], objectives: Callable[[M], Objectives], *, pairwise: bool = False) -> list[M]:
    """The results, best first, by utility or by GenAI-Perf's pairwise score; ties keep their order.

    `objectives` gives those of each result: of the left one in a pair.
    """
    if pairwise:

        def compare(a: M, b: M) -> int:
            found = score(a, b, objectives(a))
            return (found < 0) - (found > 0)

        return sorted(results, key=cmp_to_key(compare))
    kept = list(results)
    ranks = {id(result): utility(result, objectives(result)) for result in kept}
    return sorted(kept, key=lambda result: (ranks[id(result)][0], -ranks[id(result)][1]))


def utility(result: Measured, objectives: Objectives) -> tuple[int, float]:
    """How many objectives have no value, and the utility by the others."""
    missing = 0 if result.perf else 1
    total = 0.0
    for model, records in result.perf.items():
        absent, amount = _utility(records, objectives.of(model).items())
        missing += absent
        total += objectives.weight(model) * amount
    if objectives.gpu:
        each = [_utility(records, objectives.of_gpus) for records in result.gpus.values()]
        missing += sum(absent for absent, _ in each) if each else len(objectives.of_gpus)
        total += fmean(amount for _, amount in each) if each else 0.0
    return missing, total


def _utility(records: Records, objectives: Iterable[tuple[str, float]]) -> tuple[int, float]:
    missing = 0
    total = 0.0
    for tag, weight in objectives:
        record = records.get(tag)
        if record is None:
            missing += 1
        else:
            total += weight * record.direction * math.log(max(record.reduced(), FLOOR))
    return missing, total


# -- in pairs -----------------------------------------------------------------------------------------


def score(a: Measured, b: Measured, objectives: Objectives) -> float:
    """GenAI-Perf's: positive where `a` is better, negative where `b` is."""
    models = sum(
        objectives.weight(model) * model_score(ours, theirs, objectives.of(model))
        for model, ours, theirs in _sides(a.perf, b.perf)
    )
    return models + _mean(_model_score(ours, theirs, objectives.of_gpus) for _, ours, theirs in _gpus(a, b))


def model_score(a: Records, b: Records, objectives: Weights) -> float:
    """The part of a score that one model has: the weighted sum of (a - b) / mean(a, b)."""
    return _model_score(a, b, objectives.items())


def _model_score(a: Records, b: Records, objectives: Iterable[tuple[str, float]]) -> float:
    total = 0.0
    for tag, weight in objectives:
        ours, theirs = a.get(tag), b.get(tag)
        if ours is None or theirs is None:
            return float(theirs is None) - float(ours is None)
        scale = (abs(ours.value()) + abs(theirs.value())) / 2
        total += weight * (ours - theirs).value() / scale if scale else 0.0
    return total


def gain(a: Measured, b: Measured, objectives: Objectives) -> float:
    """By how many percent `a` is better, weighted; for display, as both can be better than the other.

    The plain mean over the models, and of that with the mean over the GPUs where those have objectives.
    """
    models = [
        objectives.weight(model) * model_gain(ours, theirs, objectives.of(model))
        for model, ours, theirs in _sides(a.perf, b.perf)
    ]
    gpus = _mean(_model_gain(ours, theirs, objectives.of_gpus) for _, ours, theirs in _gpus(a, b))
    if not any(a.perf.values()):
        return gpus
    return _mean([_mean(models), gpus]) if objectives.gpu else _mean(models)


def model_gain(a: Records, b: Records, objectives: Weights) -> float:
    """The part of a gain that one model has."""
    return _model_gain(a, b, objectives.items())


def _model_gain(a: Records, b: Records, objectives: Iterable[tuple[str, float]]) -> float:
    total = 0.0
    for tag, weight in objectives:
        ours, theirs = a.get(tag), b.get(tag)
        if ours is None or theirs is None:
            return 100 * (float(theirs is None) - float(ours is None))
        total += weight * ours.calculate_percentage_gain(theirs)
    return total


def _sides(a: Mapping[str, Records], b: Mapping[str, Records]) -> Iterator[tuple[str, Records, Records]]:
    """Of every model or GPU that either has: its name and the records of both."""
    for name in dict.fromkeys([*a, *b]):
        yield name, a.get(name, {}), b.get(name, {})


def _gpus(a: Measured, b: Measured) -> Iterator[tuple[str, Records, Records]]:
    """As `_sides`, whichever way each spells its GPUs."""
    return _sides(
        {gpu_id(name): a.gpus[name] for name in a.gpus}, {gpu_id(name): b.gpus[name] for name in b.gpus}
    )


def gpu_id(name: str | int) -> str:
    """One spelling of a GPU's id: `gpu0`, `0` and 0 are the same."""
    text = str(name)
    return text[3:] if text.startswith("gpu") and text[3:].isdecimal() else text


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return fmean(kept) if kept else 0.0


# -- constraints --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure must be better than."""

    tag: str
    value: float
    is_raw: bool = False
    """Whether it is given in base units (ns), as GenAI-Perf compared it, or in those of the header (ms)."""


def passes(result: Measured, limits: Mapping[str, Iterable[Limit]]) -> bool:
    """Whether every figure is strictly on the better side of its model's limits.

    A GPU's figure is the mean over the GPUs. A figure that was not measured passes, as in GenAI-Perf.
    """
    return not any(_fails(result, model, limit) for model, each in limits.items() for limit in each)


def _fails(result: Measured, model: str, limit: Limit) -> bool:
    of_model = result.perf.get(model, {}).get(limit.tag)
    found = (
        [of_model]
        if of_model is not None
        else [gpu[limit.tag] for gpu in result.gpus.values() if limit.tag in gpu]
    )
    if not found:
        return False
    figure = fmean(record.value() if limit.is_raw else record.reduced() for record in found)
    return not found[0].direction * figure > found[0].direction * limit.value
