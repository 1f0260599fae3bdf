"""What Triton's models did during a run, from its own counters before and after.

Its counters hold the number of requests and the time they spent in each stage. For a decoupled model, one
that streams, those times cover only the call that takes the request, not the answer that follows.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

STAGES = (
    "success",
    "fail",
    "queue",
    "compute_input",
    "compute_infer",
    "compute_output",
    "cache_hit",
    "cache_miss",
)
"""Triton's names. `success` is the whole time of the requests that succeeded."""

COUNTS = ("inference_count", "execution_count")
"""Inferences, and how many times the model was executed for them: fewer where the server batches."""

MEASURED, CALLED, STEP, BESIDE = "measured", "called", "step", "beside"
"""Why a model is told of: requests went to it; a BLS model calls it, as the user says; an ensemble is made
of it; it worked meanwhile, called by one of those or by other clients."""


def during(
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    measured: Mapping[str, bool],
    steps: Sequence[str],
    called: Mapping[str, bool] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """Differences of the counters by model: `inference_count` …, and `{"count", "ns"}` for each stage.

    The rows are as Triton writes them, several a model where it has several versions or there are several
    servers. `measured` says of the measured models whether they are decoupled, `called` of those that the
    user has named beside them. Ordered by why they are told of; a model that did nothing is left out, unless
    it was named. Counters that went back, of a server that was started anew, count from zero.
    """
    earlier, later = _by_model(before), _by_model(after)
    found: dict[str, dict[str, Any]] = {}
    decoupled = {**called, **measured}
    parts = ((MEASURED, measured), (CALLED, called), (STEP, steps), (BESIDE, sorted(later)))
    for part, names in parts:
        for name in names:
            if name in found or name not in later:
                continue
            did = {
                key: _grown(amount, earlier.get(name, {}).get(key, 0)) for key, amount in later[name].items()
            }
            if any(did.values()) or part == CALLED:
                found[name] = {"part": part, "decoupled": decoupled.get(name), **_nested(did)}
    return found


def requests(rows: Sequence[Mapping[str, Any]], models: Collection[str]) -> int:
    """How many requests these models have had to their end, well or not."""
    had = _by_model(rows)
    return sum(had[name]["success.count"] + had[name]["fail.count"] for name in models if name in had)


def _by_model(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Flat counters by model, the rows of a model added up."""
    models: dict[str, dict[str, int]] = {}
    for row in rows:
        counters = models.setdefault(row["name"], {})
        flat = {name: row.get(name, 0) for name in COUNTS}
        for stage in STAGES:
            spent = row.get("inference_stats", {}).get(stage, {})
            flat |= {f"{stage}.count": spent.get("count", 0), f"{stage}.ns": spent.get("ns", 0)}
        for name, amount in flat.items():
            counters[name] = counters.get(name, 0) + int(amount)  # 64-bit numbers are text in gRPC's JSON
    return models


def _grown(later: int, earlier: int) -> int:
    return later - earlier if later >= earlier else later


def _nested(flat: Mapping[str, int]) -> dict[str, Any]:
    nested: dict[str, Any] = {name: flat[name] for name in COUNTS}
    return nested | {stage: {"count": flat[f"{stage}.count"], "ns": flat[f"{stage}.ns"]} for stage in STAGES}
