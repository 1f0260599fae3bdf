"""`genai-perf analyze`: runs the scenarios of a sweep one by one, and keeps each as soon as it is measured.

A scenario is a `profile` run with a directory of its own. One that fails is a row of the summary; a server
that cannot be reached by the first one ends the sweep, since the others would fare no better.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from genai_perf.analyze import estimate, summary
from genai_perf.analyze.checkpoint import Checkpoint
from genai_perf.analyze.results import Results
from genai_perf.analyze.scenario import Scenario
from genai_perf.analyze.sweep import Step, Sweep
from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import Config, OutputConfig
from genai_perf.exceptions import GenAIPerfError, Interrupted, ServerError
from genai_perf.profile import Session, run_name, verdict, write_reports
from genai_perf.profile.directory import JOURNAL, RUN

logger = logging.getLogger(__name__)


def run(sweep: Sweep, *, command: str) -> int:
    """Measure what the checkpoint does not have, and sum up. `command` is the command line without secrets.

    0: all measured; 1: a scenario failed; 130: interrupted, and summed up until then. Raises GenAIPerfError.
    """
    settings, output = sweep.settings, sweep.steps[0].config.output
    remembered = settings.enable_checkpointing
    checkpoint = Checkpoint.open(settings.checkpoint_dir) if remembered else Checkpoint((), (), ())
    if checkpoint.read_from:
        logger.info("Checkpoint loaded from %s", " and ".join(map(str, checkpoint.read_from)))
    plan = [_Planned.of(step) for step in sweep.steps]
    state = _State(checkpoint, to_come=[each for each in plan if checkpoint.found(each.scenario) is None])
    with Session(command) as session:
        try:
            for number, each in enumerate(plan, start=1):
                state.take(each, f"scenario {number} of {len(plan)}", session)
                if state.exit_code == Interrupted.exit_code:
                    break
        except KeyboardInterrupt:  # while nothing was in flight
            state.exit_code = Interrupted.exit_code
        if state.exit_code == Interrupted.exit_code and remembered:
            _say(
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
        stored = self.checkpoint.found(planned.scenario)
        if stored is not None:
            # the same run may have been made by a sweep of something else
            stored = replace(stored, parameters=planned.scenario.parameters)
            print(f"{stored.label} found in checkpoint - skipping profiling...")  # noqa: T201
            self.done.append(stored)
            return
        self._announce(planned, place)
        scenario, exit_code = self._measure(planned, session)
        self.done.append(self.checkpoint.add(scenario))
        self.exit_code = max(self.exit_code, exit_code)
        self.to_come.remove(planned)

    def _announce(self, planned: _Planned, place: str) -> None:
        output = planned.step.config.output
        if changed := self.checkpoint.changed(planned.scenario):
            stored, differences = changed
            why = "; ".join(differences) or "another program or version measured it"
            _say(f"{stored.label} in the checkpoint is not comparable ({why}): measuring anew", output)
        if self.checkpoint.unfinished(planned.scenario) is not None:
            _say("this scenario failed or was interrupted before: measuring it again", output)
        what = ", ".join(f"{name} {value}" for name, value in planned.step.parameters.items())
        bounds = estimate.left_s((each.step.config for each in self.to_come), self.past, self.past_s)
        _say(" | ".join([place, what, *([estimate.shown(bounds)] if bounds else [])]), output)

    def _measure(self, planned: _Planned, session: Session) -> tuple[Scenario, int]:
        """One run with all its reports: the scenario, and the exit code that `profile` would have."""
        config = session.located(planned.step.config)
        directory, scenario = planned.directory, planned.scenario
        try:
            result = session.measure(config, directory)
        except ServerError as error:
            if not self.has_reached:
                raise
            return _failed(scenario, error, config.output)
        self.has_reached = True
        if result.end is not None:
            self.past, self.past_s = config, result.end.recorded_ns / NS_PER_S
        figures = result.summary
        write_reports(result, directory, config.output)
        try:
            exit_code = verdict(result, directory, config)
        except Interrupted as error:
            return scenario.measured(figures, is_interrupted=True), error.exit_code
        except ServerError as error:
            failed, exit_code = _failed(scenario, error, config.output)
            return scenario.failed(str(failed.error), figures), exit_code
        if exit_code == Interrupted.exit_code:
            return scenario.measured(figures, is_interrupted=True), exit_code
        if exit_code:
            return scenario.failed("ended by its error rate", figures), exit_code
        return scenario.measured(figures), 0


def _failed(scenario: Scenario, error: GenAIPerfError, output: OutputConfig) -> tuple[Scenario, int]:
    logger.error("%s", error.message)
    if error.hint:
        _say(f"hint: {error.hint}", output)
    return scenario.failed(error.message), error.exit_code


def _sum_up(results: Results, checkpoint: Checkpoint, output: OutputConfig) -> None:
    everything = _with_earlier(results, checkpoint)
    knees = summary.knees(results)
    for directory in (Path(), output.artifact_dir):
        summary.write(everything, knees, directory)
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


def _say(text: str, output: OutputConfig) -> None:
    if not output.quiet:
        sys.stderr.write(f"{text}\n")
