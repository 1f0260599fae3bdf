"""The results of several runs, for a notebook or a script.

    from genai_perf.analyze import Results
    from genai_perf.metrics import REQUEST_THROUGHPUT, TTFT

    results = Results.load("checkpoint.json")
    best = results.meeting({TTFT.p99: 200}).best({REQUEST_THROUGHPUT: 1})
    best.parameters, best.metric(TTFT.p99)

A `Results` is a sequence that does not change: what sorts or filters it gives another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from genai_perf.analyze import checkpoint, run_directory, scoring
from genai_perf.analyze.families import FAMILIES
from genai_perf.analyze.records import record_type
from genai_perf.analyze.scenario import Outcome, Scenario, Value, tag_of
from genai_perf.analyze.scoring import Limit, Objectives
from genai_perf.exceptions import ArtifactError, UsageError
from genai_perf.metrics.names import REQUEST_LATENCY, REQUEST_THROUGHPUT, TTFT, Figure

if TYPE_CHECKING:
    import pyarrow as pa
    from plotly.graph_objects import Figure as Drawing

    from genai_perf.types import Summary

Weights = Mapping[Figure, float] | Mapping[str, float]
"""Of objectives, by figure or tag; only their proportions matter."""

TRADE = "Throughput against Latency"

_SHOWN = (REQUEST_THROUGHPUT, TTFT.p99, REQUEST_LATENCY.p99)


@dataclass(frozen=True, slots=True)
class Results(Sequence[Scenario]):
    """Scenarios in an order."""

    scenarios: tuple[Scenario, ...]

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """What a checkpoint, a sweep's artifact directory or a run's directory holds. Raises ArtifactError.

        A directory with a `checkpoint.json` is read from that; another one from what its runs left.
        """
        path = Path(path)
        if path.is_dir():
            if run_directory.is_run(path):
                return cls((run_directory.read_run(path),))
            if (path / checkpoint.FILENAME).is_file():
                return cls(tuple(checkpoint.read(path / checkpoint.FILENAME)))
            return cls(tuple(run_directory.read_runs(path)))
        if not path.exists():
            raise ArtifactError(
                f"{path}: not there", hint="give a checkpoint, or the directory of a sweep or run"
            )
        return cls(tuple(checkpoint.read(path)))

    def __len__(self) -> int:
        return len(self.scenarios)

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self.scenarios)

    @overload
    def __getitem__(self, which: int | str) -> Scenario: ...

    @overload
    def __getitem__(self, which: slice) -> Results: ...

    def __getitem__(self, which: int | str | slice) -> Scenario | Results:
        """By place, by name, or several as another `Results`; IndexError or KeyError when there is none."""
        if isinstance(which, slice):
            return Results(self.scenarios[which])
        if isinstance(which, int):
            return self.scenarios[which]
        for scenario in self.scenarios:
            if scenario.name == which:
                return scenario
        raise KeyError(which)

    @property
    def measured(self) -> Results:
        """Those that were measured to their end."""
        return self.filter(lambda scenario: scenario.outcome is Outcome.MEASURED)

    def filter(self, keep: Callable[[Scenario], bool]) -> Results:
        """Those that `keep` says yes to."""
        return Results(tuple(scenario for scenario in self.scenarios if keep(scenario)))

    def sort(
        self,
        by: Figure | str | Callable[[Scenario], Any],
        *,
        descending: bool = False,
    ) -> Results:
        """In the order of a figure (best first), of a parameter by its name, or of what a function gives.

        Those without the figure or parameter come last. `descending` turns the order round, figures' too.
        """
        if not isinstance(by, (Figure, str)):
            return Results(tuple(sorted(self.scenarios, key=by, reverse=descending)))
        key = self._key(by)
        known = [scenario for scenario in self.scenarios if key(scenario) is not None]
        rest = [scenario for scenario in self.scenarios if key(scenario) is None]
        return Results((*sorted(known, key=key, reverse=descending), *rest))

    def _key(self, by: Figure | str) -> Callable[[Scenario], Any]:
        if isinstance(by, str) and any(by in scenario.parameters for scenario in self.scenarios):
            return lambda scenario: scenario.parameters.get(by)
        sign = record_type(tag_of(by)).direction

        def goodness(scenario: Scenario) -> float | None:
            value = scenario.metric(by)
            return None if value is None else -sign * value

        return goodness

    def rank(
        self, objectives: Weights, *, models: Mapping[str, float] | None = None, pairwise: bool = False
    ) -> Results:
        """Best first by several figures at once, each with its weight; `scoring` tells how.

        `models` weighs models, where they differ; `pairwise` ranks by GenAI-Perf's score, which is not
        transitive. Raises UsageError for a tag that no record has.
        """
        chosen = self._objectives(objectives, models)
        return Results(tuple(scoring.rank(self.scenarios, lambda _: chosen, pairwise=pairwise)))

    def best(self, objectives: Weights | Figure | None = None) -> Scenario:
        """The first by these objectives; by request throughput unless given.

        Raises UsageError when nothing was measured.
        """
        if objectives is None:
            objectives = REQUEST_THROUGHPUT
        weights = {objectives: 1.0} if isinstance(objectives, Figure) else objectives
        ranked = self.measured.rank(weights)
        if not ranked:
            raise UsageError("no scenario here was measured")
        return ranked[0]

    def _objectives(self, objectives: Weights, models: Mapping[str, float] | None) -> Objectives:
        of_models: dict[str, float] = {}
        of_gpus: dict[str, float] = {}
        for figure, weight in objectives.items():
            tag = tag_of(figure)
            (of_gpus if FAMILIES[record_type(tag).base_tag].is_gpu else of_models)[tag] = weight
        share = scoring.shares({**of_models, **of_gpus})
        everyone = {model for scenario in self.scenarios for model in scenario.models}
        return Objectives(
            perf={model: {tag: share[tag] for tag in of_models} for model in everyone},
            gpu={"": {tag: share[tag] for tag in of_gpus}} if of_gpus else {},
            models=models or {},
        )

    def meeting(self, limits: Mapping[Figure, float] | Mapping[str, float]) -> Results:
        """Those whose figures are all there and strictly better than these limits, in the figures' units."""
        return self.filter(lambda scenario: _meets(scenario, limits))

    def failing(self, limits: Mapping[Figure, float] | Mapping[str, float]) -> Results:
        """The others."""
        return self.filter(lambda scenario: not _meets(scenario, limits))

    # -- for other programs ---------------------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """A row for each scenario and model: its name, outcome and parameters, every figure by its tag.

        Figures are in the units that people read; each field's metadata has its `unit` and `title`. What was
        not measured is null. GPUs' figures are means over them.
        """
        import pyarrow as pa

        rows = [(scenario, model) for scenario in self.scenarios for model in scenario.models]
        columns: dict[str, list[Any]] = {
            "name": [scenario.name for scenario, _ in rows],
            "model": [model for _, model in rows],
            "outcome": [str(scenario.outcome) for scenario, _ in rows],
        }
        for name in self.parameters:
            columns[name] = [scenario.parameters.get(name) for scenario, _ in rows]
        table = pa.table(columns)
        for tag in self._tags():
            record = record_type(tag)
            field = pa.field(
                tag, pa.float64(), metadata={"unit": record.unit.label, "title": record.header()}
            )
            table = table.append_column(field, pa.array([s.metric(tag, m) for s, m in rows], pa.float64()))
        errors = pa.array([scenario.error for scenario, _ in rows], pa.string())
        places = pa.array([str(s.directory) if s.directory else None for s, _ in rows], pa.string())
        return table.append_column("error", errors).append_column("directory", places)

    def to_pandas(self) -> Any:
        """As `to_arrow`, a `pandas.DataFrame`; its `attrs["units"]` has the units."""
        table = self.to_arrow()
        frame = table.to_pandas()
        frame.attrs["units"] = {
            field.name: field.metadata[b"unit"].decode() for field in table.schema if field.metadata
        }
        return frame

    @property
    def parameters(self) -> tuple[str, ...]:
        """All that was varied, by the sweep's names."""
        return tuple(dict.fromkeys(name for scenario in self.scenarios for name in scenario.parameters))

    def _tags(self) -> list[str]:
        """Every tag that any scenario has, in the catalogs' order."""
        found = {
            tag
            for scenario in self.scenarios
            for records in (*scenario.perf.values(), *scenario.gpus.values())
            for tag in records
        }
        return [tag for tag in _ALL_TAGS if tag in found]

    # -- pictures ----------------------------------------------------------------------------------------

    def plot(self, title: str = TRADE) -> Drawing:
        """One of the sweep's pictures, which a notebook shows; UsageError when none has that title."""
        drawings = self.figures()
        if title not in drawings:
            titles = ", ".join(drawings) or "none: no scenario was measured"
            raise UsageError(f"no picture is called {title!r}", hint=f"there are: {titles}")
        return drawings[title]

    def figures(self) -> dict[str, Drawing]:
        """All pictures of the sweep, by title."""
        from genai_perf.reports.plots import sweep

        series, parameter = self.series()
        return {picture.title: picture.figure for picture in sweep.pictures(sweep.sweep(series, parameter))}

    def write_plots(self, directory: str | Path) -> Path:
        """Draw them into `directory/plots` and give the index page. Raises ArtifactError."""
        from genai_perf.reports import plots

        series, parameter = self.series()
        return plots.write_sweep(series, Path(directory), parameter=parameter)

    def series(self) -> tuple[dict[str, list[tuple[float, Summary]]], str]:
        """(load, summary) of each scenario by what else was varied, and what the load is, in words."""
        names = [name for name in self.parameters if self._is_numeric(name)]
        load = next((name for name in _LOADS if name in names), names[0] if names else "")
        series: dict[str, list[tuple[float, Summary]]] = {}
        for place, scenario in enumerate(self.scenarios):
            others = [f"{name} {value}" for name, value in scenario.parameters.items() if name != load]
            key = " ".join([*([scenario.model] if self._has_models else []), *others])
            at = scenario.parameters.get(load, place)
            series.setdefault(key, []).append((float(at), scenario.summary()))
        return series, _LOADS.get(load) or load.replace("_", " ").capitalize() or "Scenario"

    @property
    def _has_models(self) -> bool:
        return len({scenario.model for scenario in self.scenarios}) > 1

    def _is_numeric(self, name: str) -> bool:
        return not any(isinstance(scenario.parameters.get(name), str) for scenario in self.scenarios)

    def __repr__(self) -> str:
        shown = [scenario.label for scenario in self.scenarios[:4]] + ["…"] * (len(self) > 4)
        return f"Results({len(self)} scenarios: {', '.join(shown)})"

    def _repr_html_(self) -> str:
        """The main figures, for a notebook."""
        shown = [figure for figure in _SHOWN if any(s.metric(figure) is not None for s in self.scenarios)]
        heads = ["name", *self.parameters, "outcome", *(figure.heading for figure in shown)]
        lines = [_html_row("th", heads)]
        for scenario in self.scenarios:
            figures = [scenario.metric(figure) for figure in shown]
            cells: list[Value] = [
                scenario.name,
                *(scenario.parameters.get(name, "") for name in self.parameters),
            ]
            cells += [str(scenario.outcome), *("" if value is None else f"{value:,.2f}" for value in figures)]
            lines.append(_html_row("td", cells))
        return f"<table>{''.join(lines)}</table>"


_LOADS = {"concurrency": "Concurrency", "request_rate": "Request rate (requests/s)"}

_ALL_TAGS = tuple(f"{family.tag}_{each}" for family in FAMILIES.values() for each in family.statistics)


def _meets(scenario: Scenario, limits: Mapping[Figure, float] | Mapping[str, float]) -> bool:
    tags = {tag_of(figure): value for figure, value in limits.items()}
    return all(
        scenario.metric(tag, model) is not None and scoring.passes(scenario, {model: [Limit(tag, value)]})
        for tag, value in tags.items()
        for model in scenario.models
    )


def _html_row(cell: str, values: Sequence[Value]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values) + "</tr>"
