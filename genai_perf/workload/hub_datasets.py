"""Data sets of the hub, or of a directory, through the library `datasets`, as a stream.

It takes seconds to import and asks the network for almost everything, so it is imported here alone, and a
name is first asked for once: where the hub does not answer, the library would try for most of a minute.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from genai_perf.config.arguments import did_you_mean
from genai_perf.config.schema import InputConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import hub, hub_rows
from genai_perf.workload.tables import Row, Table

_SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` leaves: of several splits, of one."""
_TIMEOUT_S = 5
_ERRORS = (OSError, ValueError, RuntimeError, ImportError, LookupError, TypeError)
"""What the library raises for a data set that it cannot read; its own are among the first."""


def table(given: InputConfig) -> Table:
    """The rows of `--input-dataset`. Raises InputError."""
    name = str(given.dataset)
    if hub_rows.is_known(name):
        return hub_rows.table(name)
    path = Path(name).expanduser()
    if path.is_file():
        raise InputError(f"--input-dataset: {name} is a file", hint=f"--input-file {name}")
    if not path.is_dir() and (name.startswith(("/", ".", "~")) or not hub.is_name(name)):
        raise InputError(
            f"--input-dataset: no directory {name!r}",
            hint="give one, or a name of the hub: organisation/name",
        )
    import datasets

    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    is_offline = datasets.config.HF_HUB_OFFLINE
    if not (path.is_dir() or is_offline):  # told to be offline, the library finds by itself what it has kept
        _ask_for(name, given.dataset_revision)
    try:
        found = _loaded(path, given)
    except _ERRORS as exc:
        why = _first_lines(exc)
        if is_offline and isinstance(exc, ConnectionError):
            why = "is not among what was prepared on this machine, and HF_HUB_OFFLINE is set"
        if isinstance(exc, IndexError):  # what comes of a saved data set without a single row
            why = "holds no prompts"
        raise InputError(f"--input-dataset: {name}: {why}", hint=_hint(name, path)) from exc
    return _table(name, _undecoded(_split_of(found, given)))


def _ask_for(name: str, revision: str | None) -> None:
    """Once, whether the hub has it. Raises InputError."""
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT_S)
    except Exception as exc:  # of its own, or of the HTTP library below it, which has changed twice
        why = hub.explain(exc, name, revision or "main")
        raise InputError(f"--input-dataset: {name}: {why}", hint=_hint(name, Path(name))) from exc


def _hint(name: str, path: Path) -> str | None:
    if path.is_dir():
        return None
    return (
        f"without a network: `hf download --repo-type dataset {name} --local-dir DIR` where there is one, "
        "and --input-dataset DIR; or HF_HUB_OFFLINE=1 for what was prepared on this machine before"
    )


def _loaded(path: Path, given: InputConfig) -> Any:
    import datasets

    if any((path / file).is_file() for file in _SAVED):
        for option, value in (
            ("--dataset-config", given.dataset_config),
            ("--dataset-revision", given.dataset_revision),
        ):
            if value is not None:
                raise InputError(f"{option}: {path} is one saved data set, and has no others")
        return datasets.load_from_disk(str(path))
    return datasets.load_dataset(
        str(path) if path.is_dir() else given.dataset,
        given.dataset_config,
        revision=given.dataset_revision,
        streaming=True,
    )


def _split_of(found: Any, given: InputConfig) -> Any:
    """The split that is wanted: by name, `train`, or the only one."""
    wanted = given.dataset_split
    if not isinstance(found, dict):
        if wanted is not None:
            raise InputError(f"--dataset-split: {given.dataset} has no splits")
        return found
    splits = list(found)
    if wanted is None:
        wanted = "train" if "train" in splits or len(splits) != 1 else splits[0]
        if wanted not in splits:
            raise InputError(
                f"--input-dataset: {given.dataset} has no split train",
                hint=f"--dataset-split {'|'.join(splits)}",
            )
    if wanted not in splits:
        raise InputError(
            f"--dataset-split: {given.dataset} has no split {wanted!r}{did_you_mean(wanted, splits)}",
            hint=f"it has {', '.join(splits)}",
        )
    return found[wanted]


def _undecoded(dataset: Any) -> Any:
    """Images and audio as the files they were, not as pixels and samples."""
    for name, feature in (dataset.features or {}).items():
        plain = _plain(feature)
        if plain is not feature:
            dataset = dataset.cast_column(name, plain)
    return dataset


def _plain(feature: Any) -> Any:
    import datasets

    if isinstance(feature, datasets.Image | datasets.Audio):
        return type(feature)(decode=False)
    inner = getattr(feature, "feature", None)
    if inner is not None and (plain := _plain(inner)) is not inner:
        return type(feature)(plain)
    return feature


def _table(name: str, dataset: Any) -> Table:
    try:
        columns = dataset.column_names or list(next(iter(dataset), {}))
    except _ERRORS as exc:
        raise InputError(f"--input-dataset: {name}: {_first_lines(exc)}") from exc

    def rows(wanted: Collection[str]) -> Iterator[tuple[str, Row]]:
        number = 0
        try:
            for row in dataset.select_columns([column for column in columns if column in wanted]):
                number += 1
                yield f"{name}: row {number}", row
        except _ERRORS as exc:
            raise InputError(f"{name}: cannot be read after row {number}: {_first_lines(exc)}") from exc

    return Table(name, tuple(columns), rows, "dataset")


def _first_lines(exc: BaseException) -> str:
    return " ".join(str(exc).split("\n")[:2]).strip() or type(exc).__name__
