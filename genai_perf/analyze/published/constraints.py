"""`ModelConstraints` and `RunConstraints`: limits that results are filtered by."""

from collections.abc import Iterator, Mapping

from genai_perf.analyze.records import known_tag
from genai_perf.analyze.scoring import Limit


class ModelConstraints:
    """Limits for one model, by tag: `{"time_to_first_token_p99": 10}` asks for less than 10 ms.

    Limits are in the units of the records' headers, as GenAI-Perf documents it; with `raw` in base units
    (ns), as it compared them. Raises UsageError for a tag that no record has.
    """

    def __init__(self, constraints: Mapping[str, float] | None = None, raw: bool = False) -> None:
        self.constraints = {known_tag(tag): value for tag, value in (constraints or {}).items()}
        self.raw = raw

    def has_constraint(self, constraint_name: str) -> bool:
        """Whether there is a limit for that tag."""
        return constraint_name in self.constraints

    def limits(self) -> Iterator[Limit]:
        """The same for `scoring`."""
        return (Limit(tag, value, self.raw) for tag, value in self.constraints.items())


class RunConstraints:
    """Limits by model; each model's apply to that model alone."""

    def __init__(self, constraints: Mapping[str, ModelConstraints | None] | None = None) -> None:
        self.constraints = dict(constraints or {})

    def has_constraint(self, model_name: str, constraint_name: str) -> bool:
        """Whether there is a limit for that model and tag."""
        of_model = self.constraints.get(model_name)
        return of_model is not None and of_model.has_constraint(constraint_name)

    def limits(self) -> dict[str, list[Limit]]:
        """The same for `scoring`."""
        return {model: list(each.limits()) for model, each in self.constraints.items() if each is not None}
