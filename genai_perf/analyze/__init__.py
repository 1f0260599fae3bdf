"""Several runs: their results, kept in a checkpoint, ranked, constrained, and handed to other programs.

`Results.load(path)` is the front door. A `Scenario` is one run and what it measured, as `records`;
`identity` tells which settings make two comparable, `checkpoint` keeps them in a file, `scoring` says which
is better. `published` holds the classes of GenAI-Perf's Results API, which its import paths lead to.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_perf.analyze.results import Results
    from genai_perf.analyze.scenario import Outcome, Scenario

__all__ = ["Outcome", "Results", "Scenario"]


def __getattr__(name: str) -> Any:
    """What is exported is loaded when it is asked for: a record's module needs none of it."""
    if name == "Results":
        from genai_perf.analyze.results import Results

        return Results
    if name in ("Outcome", "Scenario"):
        from genai_perf.analyze import scenario

        return getattr(scenario, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
