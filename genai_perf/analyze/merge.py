"""`genai-perf process-export-files`: several runs as one.

Rule 1. Runs are merged that are of one kind (endpoint type, streaming), and either of the same load and
        models, or measured at the same time: repetitions of a run, or parts of one load.
Rule 2. What is left is merged by itself: the runs of two hosts' sweeps become one sweep.
Rule 3. Percentiles are of all requests together. Throughputs are all requests, or tokens, over the time in
        which any run measured (see `overlap`): rates add up where runs overlap, and nowhere else.
Rule 4. The result is a run like any other, with a journal; `genai-perf report` makes its reports again.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genai_perf.analyze import merged_journal, merged_telemetry, overlap
from genai_perf.analyze.overlap import How
from genai_perf.analyze.parts import Part, find
from genai_perf.analyze.run_directory import recorded_config
from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import MetricsConfig, OutputConfig, TokenizerConfig
from genai_perf.config.versions import versions
from genai_perf.exceptions import ArtifactError, UsageError
from genai_perf.profile import run_name, summarize, verdict, write_reports
from genai_perf.profile.directory import JOURNAL, make_directory, write_run
from genai_perf.reports.files import ensure
from genai_perf.types import RunEnd, RunInfo
from genai_perf.workload import inputs_file

logger = logging.getLogger(__name__)


def merge(
    directory: Path,
    output: OutputConfig,
    *,
    command: str,
    metrics: MetricsConfig | None = None,
    tokenizer: TokenizerConfig | None = None,
) -> int:
    """Merge the runs in a directory into runs in the artifact directory, and report on them.

    `metrics` and `tokenizer` replace those of the runs. Raises GenAIPerfError; what was merged until then is
    there.
    """
    if not directory.is_dir():
        raise UsageError(
            f"--input-directory: {directory} is not a directory",
            hint="give the directory that holds the runs' directories",
        )
    artifacts = output.artifact_dir
    if artifacts.absolute() == directory.absolute():
        logger.warning("--input-directory and --artifact-dir are the same: %s", directory)
    ensure(artifacts)
    with TemporaryDirectory(prefix=".merging-", dir=artifacts) as scratch:
        parts = find(directory, Path(scratch), tokenizer)
        targets = _targets(groups(parts), artifacts)
        for target, group in targets.items():
            for part in group:
                if target.absolute() == part.directory.absolute():
                    raise ArtifactError(
                        f"{target}: would replace the run that is to be merged",
                        hint="give another --artifact-dir",
                    )
        for number, (target, group) in enumerate(targets.items(), start=1):
            if len(targets) > 1 and not output.quiet:
                names = ", ".join(part.name for part in group)
                sys.stderr.write(f"{number} of {len(targets)}: {names}\n")
            _write(group, target, output, command, directory)
            result = summarize(target, metrics=metrics, tokenizer=tokenizer)
            write_reports(result, target, output)
            if output.generate_plots:
                from genai_perf.reports import plots

                plots.write(result, target)
            if not result.summary.requests:
                verdict(result, target)
    return 0


def groups(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts that are merged with each other, in the order of their first."""
    found: list[list[Part]] = []
    for part in parts:
        belongs = [group for group in found if any(_belong_together(part, other) for other in group)]
        joined = [*(member for group in belongs for member in group), part]
        found = [group for group in found if group not in belongs]
        found.append(joined)
    order = {part.name: place for place, part in enumerate(parts)}
    sort = [sorted(group, key=lambda part: order[part.name]) for group in found]
    return sorted(sort, key=lambda group: order[group[0].name])


def _belong_together(part: Part, other: Part) -> bool:
    if part.kind != other.kind:
        return False
    at_once = part.span is not None and other.span is not None and part.span.overlaps(other.span)
    return at_once or part.load == other.load


def _targets(found: Sequence[list[Part]], artifacts: Path) -> dict[Path, list[Part]]:
    """Where each group goes: named as a run of its first part would be."""
    targets: dict[Path, list[Part]] = {}
    for group in found:
        config = recorded_config(group[0].info.config)
        target = named = artifacts / run_name(config)
        number = 2
        while target in targets:
            target = named.with_name(f"{named.name}-{number}")
            number += 1
        targets[target] = group
    return targets


def _write(parts: Sequence[Part], target: Path, output: OutputConfig, command: str, searched: Path) -> None:
    """Leave the merged run's files, without its reports."""
    measuring = [part.span for part in parts if part.span is not None]
    moves_ns = _moves_ns(parts, measuring)
    origin_ns = min(part.info.started_wall_ns for part in parts)
    shifts_ns = [
        part.info.started_wall_ns - origin_ns - move for part, move in zip(parts, moves_ns, strict=True)
    ]
    first = parts[0].info
    end = _end(parts)
    info = replace(
        first,
        version=versions()["genai-perf"],
        command=command,
        started_wall_ns=origin_ns,
        config={**first.config, "output": _output(first, output)},
        breaks=first.breaks if len(parts) == 1 else (),
        merged={
            "input": str(searched),
            "how": str(overlap.how(measuring)),
            "measured_s": overlap.measured_ns(measuring) / NS_PER_S,
            "overlapped_s": overlap.overlapped_ns(measuring) / NS_PER_S,
            "has_bounds": all(part.is_ours for part in parts),
            "runs": [_told(part, origin_ns, move) for part, move in zip(parts, moves_ns, strict=True)],
            "notes": list(_notes(parts, measuring, moves_ns)),
            "telemetry_stats": _telemetry(parts),
            "stretches": merged_telemetry.stretches(parts, shifts_ns),
        },
    )
    make_directory(target)
    firsts = merged_journal.write_inputs(target / inputs_file.NAME, parts)
    merged_journal.write(target / JOURNAL, info, parts, shifts_ns, firsts)
    merged_telemetry.write(target, parts, shifts_ns)
    write_run(target, info, end)


def _moves_ns(parts: Sequence[Part], measuring: Sequence[overlap.Span]) -> list[int]:
    """By how much each part is to be earlier; one that measured nothing goes with those before it."""
    moves = overlap.moves_ns(measuring)
    left = iter(moves)
    return [
        next(left)
        if part.span is not None
        else max(
            (
                move
                for span, move in zip(measuring, moves, strict=True)
                if span.start_ns <= part.info.started_wall_ns
            ),
            default=0,
        )
        for part in parts
    ]


def _output(first: RunInfo, output: OutputConfig) -> dict[str, Any]:
    """The options of the output, as they are now; the raw export's name as it was unless it is given."""
    given = asdict(output)
    if given["profile_export_file"] == OutputConfig().profile_export_file:
        given["profile_export_file"] = first.config["output"]["profile_export_file"]
    return {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}


_GRAVE = ("aborted", "interrupted", "error_rate")
"""Ends that stand for those of all, gravest first."""


def _end(parts: Sequence[Part]) -> RunEnd | None:
    """How they ended together; None where one was killed."""
    ends = [part.end for part in parts]
    known = [end for end in ends if end is not None]
    if len(known) < len(ends):
        return None
    reasons = [end.stop_reason for end in known]
    reason = next((grave for grave in _GRAVE if grave in reasons), reasons[0])
    if len(known) == 1:
        return replace(known[0], stop_reason=reason)
    return RunEnd(
        stop_reason=reason,
        recorded_ns=max(end.recorded_ns for end in known),
        unsent=sum(end.unsent for end in known),
        cut_off=sum(end.cut_off for end in known),
        broken_off=sum(end.broken_off for end in known),
    )


# -- what is said of it -----------------------------------------------------------------------------------


def _told(part: Part, origin_ns: int, move_ns: int) -> dict[str, Any]:
    """A run as the merged one's JSON shows it; instants in s since the merged run's origin."""
    span = part.span
    return {
        "name": part.name,
        "directory": str(part.directory),
        "command": part.info.command,
        "requests": part.requests,
        "failed": part.failed,
        "measured_from_s": (span.start_ns - origin_ns) / NS_PER_S if span else None,
        "measured_to_s": (span.end_ns - origin_ns) / NS_PER_S if span else None,
        "moved_earlier_s": move_ns / NS_PER_S,
        "request_throughput": part.rate_per_s,
        "stop_reason": part.end.stop_reason if part.end else "killed",
    }


def _notes(
    parts: Sequence[Part], measuring: Sequence[overlap.Span], moves_ns: Sequence[int]
) -> Iterator[str]:
    """What a reader must know of the merging, the rule of the throughputs first."""
    if len(parts) > 1:
        yield _on_throughput(parts, measuring, max(moves_ns))
    if differences := _differences(parts):
        yield f"The runs differ in {'; '.join(differences)}: the figures are of all of them together."
    for part in parts:
        if part.span is None:
            yield f"No request of {part.name} was answered: only its errors are in here."
        if len(parts) > 1 and part.info.breaks:
            yield f"{part.name} was continued after an interruption; the pause is in no figure."
        if len(parts) > 1 and part.end is not None and part.end.stable is False:
            yield f"The load of {part.name} never became stable."
    if foreign := [part.name for part in parts if not part.is_ours]:
        whose = "All stamps are" if len(foreign) == len(parts) else f"The stamps of {', '.join(foreign)} are"
        yield f"{whose} of an export, taken by whatever client it was: how exact they are is not known."


def _on_throughput(parts: Sequence[Part], measuring: Sequence[overlap.Span], move_ns: int) -> str:
    total_s = overlap.measured_ns(measuring) / NS_PER_S
    shared = overlap.overlapped_ns(measuring) / NS_PER_S / total_s if total_s else 0.0
    summed = sum(part.rate_per_s for part in parts)
    lie = overlap.how(measuring)
    if lie is How.APART:
        return (
            f"{len(parts)} runs, {lie}: throughput is all their requests over the {total_s:,.2f} s in which "
            f"they measured, and no sum of their rates; {move_ns / NS_PER_S:,.2f} s between them are cut out."
        )
    cut = f"; {move_ns / NS_PER_S:,.2f} s in which none did are cut out" if move_ns else ""
    return (
        f"{len(parts)} runs, {lie} ({shared:.1%} of {total_s:,.2f} s){_load_together(parts, lie)}: "
        f"throughput is all their requests over the time in which any of them measured{cut}; "
        f"their own rates add up to {summed:,.2f} requests/s."
    )


def _load_together(parts: Sequence[Part], lie: How) -> str:
    """What the server was under, where all of it was at the same time and of one kind."""
    modes = {part.level[0] for part in parts}
    total = sum(part.level[1] for part in parts)
    if lie is not How.TOGETHER or len(modes) > 1 or not all(part.level[1] for part in parts):
        return ""
    return f", {modes.pop().replace('_', ' ')} {total:g} in all"


_NO_DIFFERENCE = ("output", "telemetry")
_EXPECTED = ("input.random_seed",)
_SHOWN = 6


def _differences(parts: Sequence[Part]) -> list[str]:
    """Settings that are not the same in all runs, and what they are in which."""
    said = []
    flat = [dict(_flat(part.info.config)) for part in parts]
    for part, settings in zip(parts, flat, strict=True):
        settings["tokenizer"] = part.info.tokenizer.get("fingerprint", "")[:8]
    for key in dict.fromkeys(key for settings in flat for key in settings):
        if key.partition(".")[0] in _NO_DIFFERENCE or key in _EXPECTED or key.startswith("tokenizer."):
            continue
        by_value: dict[str, list[str]] = {}
        for part, settings in zip(parts, flat, strict=True):
            by_value.setdefault(_shown(settings.get(key)), []).append(part.name)
        if len(by_value) > 1:
            values = ", ".join(f"{value} ({', '.join(names)})" for value, names in by_value.items())
            said.append(f"{key}: {values}")
    more = len(said) - _SHOWN
    return [*said[:_SHOWN], f"{more} more"] if more > 0 else said


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, values in config.items():
        for name, value in values.items():
            yield f"{section}.{name}", value


def _shown(value: Any) -> str:
    return "unset" if value in (None, "", [], {}, ()) else str(value)


def _telemetry(parts: Sequence[Part]) -> dict[str, Any]:
    """GenAI-Perf's `telemetry_stats` of all runs: each GPU's figures are of its own run, and stay so.

    A GPU's name that several runs have begins with the run's; so do all where there are runs with samples,
    which are read later.
    """
    has_samples = any(part.is_ours for part in parts)
    named = [
        {
            gpu
            for by_gpu in part.telemetry.values()
            if isinstance(by_gpu, dict)
            for gpu in by_gpu
            if gpu != "unit"
        }
        for part in parts
    ]
    together: dict[str, dict[str, Any]] = {}
    for part in parts:
        for metric, by_gpu in part.telemetry.items():
            if not isinstance(by_gpu, dict):
                continue
            for gpu, stats in by_gpu.items():
                is_shared = gpu != "unit" and (has_samples or sum(gpu in names for names in named) > 1)
                together.setdefault(metric, {})[f"{part.name}:{gpu}" if is_shared else gpu] = stats
    return together
