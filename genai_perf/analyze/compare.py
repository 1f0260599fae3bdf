"""`genai-perf compare`: the plots of several runs, and whether they differ by more than they vary.

With `--files` GenAI-Perf's five plots of these runs, and the `config.yaml` that says what they are of; with
`--config` the plots that such a file describes. Either way a table, `comparison.csv` and `.json`, and
a page that shows all pictures. Where a file names several directories, the first has the tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from genai_perf.analyze.compared_runs import Given, Settings, read
from genai_perf.exceptions import ArtifactError
from genai_perf.reports import comparison_files, plots
from genai_perf.reports.compared import Run
from genai_perf.reports.comparison import compare
from genai_perf.reports.plots import config_file, defaults
from genai_perf.reports.plots.config_file import CONFIG, Row
from genai_perf.reports.plots.images import Render
from genai_perf.reports.plots.look import WIDE, WIDTH

DIRECTORY = Path("compare")
_AS_THEY_WERE = Settings()


def of_files(
    files: Sequence[str],
    directory: Path | None = None,
    settings: Settings = _AS_THEY_WERE,
    *,
    verbose: bool = False,
    render: Render | None = None,
) -> int:
    """Compare these runs, and leave everything in `directory`. Raises GenAIPerfError.

    `render` makes the images, kaleido unless it is given.
    """
    directory = directory or DIRECTORY
    given = [Given(Path(file).expanduser(), "--files") for file in files]
    with _scratch(directory) as scratch:
        by_path = read(given, scratch, settings)
        paths = {each.path: _written(each.path, by_path[each.path]) for each in given}
        runs = _in_order(by_path)
        rows = {
            key: Row(
                plot=plot,
                paths=tuple(paths.values()),
                output=directory,
                width=WIDE if len(runs) > 1 else WIDTH,
            )
            for key, plot in defaults.plots_of(any(run.result.produces_tokens for run in runs)).items()
        }
        config_file.write(rows, directory / CONFIG)
        written = {paths[path]: found for path, found in by_path.items()}
        return _publish(rows, written, with_ours=True, verbose=verbose, render=render)


def of_config(
    path: Path,
    settings: Settings = _AS_THEY_WERE,
    *,
    verbose: bool = False,
    render: Render | None = None,
) -> int:
    """Draw what a file says; the rest is as `of_files` has it."""
    rows = config_file.read(path)
    given = {
        text: Given(_path(text, path), place) for row in rows.values() for text, place in row.places.items()
    }
    directory = next(iter(rows.values())).output
    with _scratch(directory) as scratch:
        by_path = read(list(given.values()), scratch, settings)
        by_text = {text: by_path[each.path] for text, each in given.items()}
        return _publish(rows, by_text, with_ours=False, verbose=verbose, render=render)


def _path(text: str, config: Path) -> Path:
    """As GenAI-Perf, from the working directory; what is not there, from the file's own."""
    path = Path(text).expanduser()
    beside = config.parent / path
    return beside if not path.exists() and beside.exists() else path


def _written(path: Path, runs: Sequence[Run]) -> str:
    """A run as config.yaml names it: by its export where it has one, so that GenAI-Perf can read it too."""
    export = path / str(runs[0].result.raw_name)
    return str(export if export.is_file() else path)


def _in_order(by_path: Mapping[Path, Sequence[Run]]) -> list[Run]:
    return [run for runs in by_path.values() for run in runs]


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """A place for journals of others' runs, in a directory that is not left behind empty."""
    _make(directory)
    try:
        with TemporaryDirectory(prefix=".reading-", dir=directory) as scratch:
            yield Path(scratch)
    except BaseException:
        with suppress(OSError):
            directory.rmdir()
        raise


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ArtifactError(f"{directory}: cannot be made: {exc.strerror or exc}") from exc


def _publish(
    rows: Mapping[str, Row],
    by_path: Mapping[str, Sequence[Run]],
    *,
    with_ours: bool,
    verbose: bool,
    render: Render | None,
) -> int:
    """Write and print everything."""
    runs = list({run.label: run for found in by_path.values() for run in found}.values())
    comparison = compare(runs)
    by_output: dict[Path, list[Row]] = {}
    for row in rows.values():
        by_output.setdefault(row.output, []).append(row)
    directory = next(iter(by_output))
    comparison_files.write(comparison, directory)
    comparison_files.show(comparison, directory, verbose=verbose)
    for where, of_output in by_output.items():
        _make(where)
        plots.write_comparison(of_output, by_path, comparison, where, with_ours=with_ours, render=render)
    return 0
