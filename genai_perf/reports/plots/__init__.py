"""The pictures of a run and of a sweep (`--generate-plots`): pages that open offline, and images.

`write` leaves in `<run>/plots/`: GenAI-Perf's five pictures (`defaults`) with their `config.yaml` and parquet
files, a timeline and the latencies over it (`over_time`), their distributions, and an `index.html` that shows
them all. `write_sweep` does the same for a sweep, `write_comparison` for several runs side by side. `series`
computes, `look` dresses, `pages` and `images` write.

plotly loads when something is drawn; kaleido only in the process that drives the browser.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from genai_perf.clock import NS_PER_S
from genai_perf.metrics.exactness import sentence
from genai_perf.reports import Result, comparison_files
from genai_perf.reports.compared import Run as ComparedRun
from genai_perf.reports.comparison import Comparison
from genai_perf.reports.files import ensure
from genai_perf.reports.plots import (
    defaults,
    distributions,
    images,
    over_time,
    pages,
    points,
    series,
    several,
    side_by_side,
    sweep,
)
from genai_perf.reports.plots.config_file import Row
from genai_perf.reports.plots.images import Render, no_images
from genai_perf.reports.plots.look import Picture, plural
from genai_perf.reports.plots.pages import INDEX, LIBRARY

__all__ = ["DIRECTORY", "LIBRARY", "is_drawn", "no_images", "write", "write_comparison", "write_sweep"]

DIRECTORY = "plots"

logger = logging.getLogger(__name__)


def write(
    result: Result, directory: Path, *, render: Render | None = None, library: Path | None = None
) -> Path:
    """Draws a run's pictures into `directory/plots` and gives the index. Raises ArtifactError.

    Where no image can be made, a warning says why; `render` makes them, unless given by kaleido. `library`
    is another directory's plotly.min.js, to share its place on the disk.
    """
    plots = _directory(directory)
    run = series.read(result)
    found = defaults.points(run)
    pictures = [
        *defaults.pictures(run, found),
        *over_time.pictures(run),
        *distributions.pictures(run),
    ]
    export = directory / result.raw_name
    defaults.write_config(found, plots, export)
    defaults.write_points(found, plots, _run_name(export))
    return _publish(pictures, _about(result, directory), plots, render, library)


def is_drawn(directory: Path, since: Path) -> bool:
    """Whether a run's pictures are there, and no older than that file of it."""
    index = directory / DIRECTORY / INDEX
    return index.exists() and since.exists() and index.stat().st_mtime_ns >= since.stat().st_mtime_ns


def write_sweep(
    runs: sweep.Series, directory: Path, *, parameter: str, title: str = "Sweep", render: Render | None = None
) -> Path:
    """Draws a sweep's pictures into `directory/plots` and gives the index. Raises ArtifactError.

    `runs` are (load, summary) by the name of their series: one series without a name for a sweep of one
    parameter. `parameter` says what the load is, as the axes shall: `Concurrency`, `Request rate
    (requests/s)`. The knee is `genai_perf.metrics.knee.knee_of`'s.
    """
    plots = _directory(directory)
    drawn = sweep.sweep(runs, parameter)
    return _publish(list(sweep.pictures(drawn)), pages.About(title, (drawn.about(),)), plots, render)


def write_comparison(
    rows: Sequence[Row],
    by_path: Mapping[str, Sequence[ComparedRun]],
    comparison: Comparison,
    directory: Path,
    *,
    with_ours: bool,
    render: Render | None = None,
) -> Path:
    """Draws these rows of a `config.yaml` into `directory` and gives the index. Raises ArtifactError.

    `by_path` has the runs of each path that the rows name; `with_ours` adds pictures that GenAI-Perf has not.
    """
    members = several.members(comparison.runs)
    by_label = {run.label: member for run, member in zip(comparison.runs, members, strict=True)}
    pictures = []
    if with_ours:
        added = (side_by_side.differences(comparison), side_by_side.distributions(members))
        pictures += [picture for picture in added if picture is not None]
    for row in rows:
        shown = [by_label[run.label] for path in row.paths for run in by_path[path]]
        picture, found = several.drawn(row, shown)
        pictures.append(picture)
        points.write(directory / f"{picture.stem}.gzip", row.plot.x_label, row.plot.y_label, found)
    title = " · ".join(by_label) if len(members) <= _NAMED else plural(len(members), "run")
    about = pages.About(f"Comparison: {title}", tuple(comparison_files.paragraphs(comparison)))
    return _publish(pictures, about, directory, render)


_NAMED = 4
"""Runs that a title names; more are only counted."""


def _publish(
    pictures: Sequence[Picture],
    about: pages.About,
    plots: Path,
    render: Render | None,
    library: Path | None = None,
) -> Path:
    index = pages.write(pictures, about, plots, library)
    problem = images.write(pictures, plots, render) if pictures else None
    if problem:
        logger.warning("%s", problem)
    logger.info("Plots: %s", index)
    return index


def _directory(directory: Path) -> Path:
    plots = directory / DIRECTORY
    ensure(plots)
    return plots


def _run_name(export: Path) -> str:
    """By which GenAI-Perf tells runs apart: the directory, and the raw export without its suffix."""
    parent = export.absolute().parent.name
    return f"{parent}/{export.stem}" if parent else export.stem


def _about(result: Result, directory: Path) -> pages.About:
    summary = result.summary
    failed = sum(count for count, _ in summary.errors.values())
    started = datetime.fromtimestamp(result.info.started_wall_ns / NS_PER_S, UTC)
    outcome = f"{plural(summary.requests, 'request')} succeeded, {failed:,} failed."
    lines = [f"{outcome} Started {started:%Y-%m-%d %H:%M:%S} UTC."]
    if exact := sentence(summary):
        lines.append(f"How exact: {exact}")
    lines += [f"Note: {note}" for note in summary.notes]
    return pages.About(directory.absolute().name, tuple(lines), result.info.command)
