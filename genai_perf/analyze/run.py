"""`genai-perf analyze`: runs the scenarios of a sweep one by one, and keeps each as soon as it is measured.

A scenario is a `profile` run with a directory of its own. One that fails is a row of the summary; a server
that cannot be reached by the first one ends the sweep, since the others would fare no better.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from genai_perf.analyze import estimate, remembered, summary
from genai_perf.analyze.checkpoint import Checkpoint
from genai_perf.analyze.remembered import say
from genai_perf.analyze.results import Results
from genai_perf.analyze.scenario import Scenario
from genai_perf.analyze.sweep import Step, Sweep
from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import CheckpointConfig, Config, OutputConfig
from genai_perf.exceptions import GenAIPerfError, Interrupted, ServerError
from genai_perf.profile import Patience, Session, run_name, verdict, write_reports
from genai_perf.profile.directory import JOURNAL, RUN
from genai_perf.profile.former import Former

logger = logging.getLogger(__name__)

_LOADED_FIRST = (
    "rich.console",
    "rich.table",
    "genai_perf.metrics.compute",
    "genai_perf.metrics.reading",
    "genai_perf.reports.console",
    "genai_perf.reports.csv_file",
    "genai_perf.reports.json_file",
    "genai_perf.reports.raw",
    "genai_perf.telemetry.gpu",
    "genai_perf.telemetry.server_metrics",
    "genai_perf.telemetry.store",
)
"""What a run's reports need: loaded after the first run, it would hold up the second by half a second."""


def run(sweep: Sweep, *, command: str) -> int:
    """Measure what the checkpoint does not have, and sum up. `command` is the command line without secrets.

    0: all measured; 1: a scenario failed; 130: interrupted, and summed up until then. Raises GenAIPerfError.
    """
    output = sweep.steps[0].config.output
    checkpoint = remembered.opened(sweep.memory)
    plan = [_Planned.of(step) for step in sweep.steps]
    state = _State(
        checkpoint, sweep.memory, to_come=[each for each in plan if checkpoint.found(each.scenario) is None]
    )
    with Session(command) as session:
        try:
            for name in _LOADED_FIRST if len(state.to_come) > 1 else ():
                import_module(name)
            for number, each in enumerate(plan, start=1):
                state.take(each, f"scenario {number} of {len(plan)}", session)
                if state.exit_code == Interrupted.exit_code:
                    break
        except KeyboardInterrupt:  # while nothing was in flight
            state.exit_code = Interrupted.exit_code
        except Interrupted as error:  # a second one, while reports were made
            say(f"{error.message}\nhint: {error.hint}", output)
            state.exit_code = Interrupted.exit_code
        if state.exit_code == Interrupted.exit_code and checkpoint.places:
            say(
                f"interrupted; the same command measures what is left (checkpoint: {checkpoint.where})",
                output,
            )
        if state.done:
            results = Results(tuple(state.done))
            _sum_up(results, checkpoint, output)
            if output.generate_plots:
                _draw(results, plan, session, output)
    return state.exit_code


@dataclass(frozen=True, slots=True)
class _Planned:
    step: Step
    scenario: Scenario
    directory: Path

    @classmethod
    def of(cls, step: Step) -> _Planned:
        directory = step.config.output.artifact_dir / run_name(step.config, step.parameters)
        return cls(step, Scenario.planned(step.config, step.parameters, directory), directory)


@dataclass(slots=True)
class _State:
    """What a sweep has come to so far."""

    checkpoint: Checkpoint
    memory: CheckpointConfig
    to_come: list[_Planned]
    """What is still to be measured."""
    done: list[Scenario] = field(default_factory=list)
    """In the sweep's order, those found in the checkpoint among them."""
    exit_code: int = 0
    has_reached: bool = False
    """Whether any scenario has found the server."""
    past: Config | None = None
    """The latest scenario that was measured, and how long its requests took."""
    past_s: float = 0.0

    def take(self, planned: _Planned, place: str, session: Session) -> None:
        """Find the scenario, or measure and keep it."""
        if stored := remembered.found(self.checkpoint, planned.scenario):
            self.done.append(stored)
            return
        output = planned.step.config.output
        begun = remembered.begun_run(planned.scenario, planned.directory, self.memory, output)
        remembered.announce(self.checkpoint, planned.scenario, output, is_continued=begun is not None)
        what = ", ".join(f"{name} {value}" for name, value in planned.step.parameters.items())
        bounds = estimate.left_s((each.step.config for each in self.to_come), self.past, self.past_s)
        say(" | ".join([place, what, *([estimate.shown(bounds)] if bounds else [])]), output)
        self._measure(planned, session, begun)
        self.to_come.remove(planned)

    def _measure(self, planned: _Planned, session: Session, begun: Former | None) -> None:
        """One run with all its reports; the exit code is the one that `profile` would have."""
        config = session.located(planned.step.config)
        directory, scenario = planned.directory, planned.scenario
        with Patience(directory, quiet=config.output.quiet) as patience:
            try:
                result = session.measure(config, directory, begun, ended=patience.begin)
            except ServerError as error:
                if not self.has_reached:
                    raise
                _tell(error, config.output)
                self._keep(scenario.failed(error.message), error.exit_code)
                return
            self.has_reached = True
            if result.end is not None:
                self.past, self.past_s = config, result.end.recorded_ns / NS_PER_S
            write_reports(result, directory, config.output)
            try:
                exit_code = verdict(result, directory, config)
            except (Interrupted, ServerError) as error:
                if isinstance(error, ServerError):
                    _tell(error, config.output)
                self._keep(remembered.concluded(scenario, result, error=error), error.exit_code)
            else:
                self._keep(remembered.concluded(scenario, result, exit_code), exit_code)

    def _keep(self, scenario: Scenario, exit_code: int) -> None:
        self.done.append(self.checkpoint.add(scenario))
        self.exit_code = max(self.exit_code, exit_code)


def _tell(error: GenAIPerfError, output: OutputConfig) -> None:
    logger.error("%s", error.message)
    if error.hint:
        say(f"hint: {error.hint}", output)


def _sum_up(results: Results, checkpoint: Checkpoint, output: OutputConfig) -> None:
    everything = _with_earlier(results, checkpoint)
    knees = summary.knees(results)
    for directory in (Path(), output.artifact_dir):
        summary.write(everything, knees, directory, latest=results)
    summary.show(results, knees, output.artifact_dir)


def _draw(results: Results, plan: Sequence[_Planned], session: Session, output: OutputConfig) -> None:
    """The sweep's pictures, then those of its runs that have none yet.

    Not between the runs: plotly takes half a second for one. Without images of them: a browser takes longer.
    """
    from genai_perf.reports import plots

    library = None
    if results.measured:
        library = results.measured.write_plots(output.artifact_dir).with_name(plots.LIBRARY)
    for scenario, planned in zip(results, plan, strict=False):  # an interrupted sweep has fewer results
        directory = scenario.directory or planned.directory
        if (directory / JOURNAL).exists() and not plots.is_drawn(directory, since=directory / RUN):
            result = session.read(planned.step.config, directory)
            plots.write(result, directory, render=plots.no_images, library=library)


def _with_earlier(results: Sequence[Scenario], checkpoint: Checkpoint) -> Results:
    """The sweep's scenarios among all that the checkpoint has, in its order."""
    ours = {scenario.name: scenario for scenario in results}
    stored = [ours.pop(scenario.name, scenario) for scenario in checkpoint.scenarios]
    return Results((*stored, *ours.values()))
