"""`config.yaml`: which plots to draw of which runs, as GenAI-Perf wrote it and its `compare` read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from genai_perf.config import documents
from genai_perf.config.arguments import did_you_mean
from genai_perf.config.documents import Entry
from genai_perf.exceptions import InputError
from genai_perf.reports.files import whole_file
from genai_perf.reports.plots import points
from genai_perf.reports.plots.look import HEIGHT, WIDE, WIDTH, stem

CONFIG = "config.yaml"
Kind = Literal["box", "heatmap", "scatter"]


@dataclass(frozen=True, slots=True)
class Plot:
    """What a plot shows, in the words of `config.yaml`."""

    title: str
    type: Kind
    x_metric: str
    """A name of `points`; empty for a box, whose values are the y metric's."""
    y_metric: str
    x_label: str
    y_label: str


@dataclass(frozen=True, slots=True)
class Row:
    """One plot of a file: what it shows, of which runs, how large, and where it goes."""

    plot: Plot
    paths: tuple[str, ...]
    """As they are written there."""
    output: Path
    width: int = WIDTH
    height: int = HEIGHT
    where: str = ""
    """`file:line: plot1`, for errors; empty for a row that was not read."""
    places: Mapping[str, str] = field(default_factory=dict)
    """The same of each path."""


def write(rows: Mapping[str, Row], path: Path) -> None:
    """Writes the file; values as JSON writes them, which YAML reads. Raises ArtifactError."""
    lines = []
    for key, row in rows.items():
        plot = asdict(row.plot)
        kind = plot.pop("type")
        values = {
            **{name: plot[name] for name in ("title", "x_metric", "y_metric", "x_label", "y_label")},
            "width": row.width,
            "height": row.height,
            "type": kind,
            "paths": list(row.paths),
            "output": str(row.output),
        }
        lines.append(f"{key}:")
        lines += [f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    with whole_file(path) as file:
        file.write("\n".join([*lines, ""]).encode())


# -- reading ----------------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Row]:
    """The plots of a file, by key. Raises InputError: file, line, field, and what would work."""
    found = documents.read(path).mapping()
    if not found:
        raise InputError(f"{path}: no plot in it", hint="`genai-perf compare --files RUN RUN` writes one")
    rows = {key: _row(entry) for key, entry in found.items()}
    taken: dict[Path, str] = {}
    for row in rows.values():
        target = row.output / stem(row.plot.title)
        if target in taken:
            raise InputError(f"{row.where}.title: {row.plot.title!r} is the title of {taken[target]} too")
        taken[target] = row.where
    return rows


_FIELDS = (*(each.name for each in fields(Plot)), "width", "height", "paths", "output")
_TYPES: tuple[Kind, ...] = get_args(Kind)
_LEAST, _MOST = 100, 10_000
"""Of a width or height, in px."""


def _row(entry: Entry) -> Row:
    if not isinstance(entry.value, Mapping):
        raise InputError(
            f"{entry.source}: not a plot: {entry.plain()!r}", hint=f"its fields: {', '.join(_FIELDS)}"
        )
    given = entry.mapping()
    for name, value in given.items():
        if name not in _FIELDS:
            raise InputError(f"{value.source}: no such field{did_you_mean(name, _FIELDS)}")
    kind = _one_of(_needed(entry, "type"), _TYPES)
    x_metric, y_metric = (_metric(given.get(name)) for name in ("x_metric", "y_metric"))
    if kind == "box" and not y_metric:  # either will do: there is one axis
        x_metric, y_metric = "", x_metric
    _check_metrics(entry, kind, x_metric, y_metric)
    paths = _paths(_needed(entry, "paths"))
    wide = WIDE if len(paths) > 1 else WIDTH
    return Row(
        plot=Plot(
            title=_title(_needed(entry, "title")),
            type=kind,
            x_metric=x_metric if kind != "box" else "",
            y_metric=y_metric,
            x_label=_text(given.get("x_label")) or points.label(y_metric if kind == "box" else x_metric),
            y_label=_text(given.get("y_label")) or ("" if kind == "box" else points.label(y_metric)),
        ),
        paths=tuple(paths),
        output=Path(_text(given.get("output")) or "compare"),
        width=_pixels(given.get("width"), wide),
        height=_pixels(given.get("height"), HEIGHT),
        where=entry.source,
        places=paths,
    )


def _needed(entry: Entry, name: str) -> Entry:
    found = entry.mapping().get(name)
    if found is None or found.value in (None, "", []):
        raise InputError(f"{entry.source}.{name}: is missing")
    return found


def _text(entry: Entry | None) -> str:
    if entry is None or entry.value is None:
        return ""
    if isinstance(entry.value, Mapping | list):
        raise InputError(f"{entry.source}: not a text: {entry.plain()!r}")
    return str(entry.value).strip()


def _title(entry: Entry) -> str:
    title = _text(entry)
    if stem(title) in ("", "index"):
        raise InputError(f"{entry.source}: {title!r} cannot be the name of a file of its own")
    return title


def _one_of(entry: Entry, words: Sequence[Kind]) -> Kind:
    word = _text(entry)
    for known in words:
        if word == known:
            return known
    raise InputError(f"{entry.source}: {word!r} is not one of {', '.join(words)}{did_you_mean(word, words)}")


def _metric(entry: Entry | None) -> str:
    name = _text(entry)
    if entry is None or not name:
        return ""
    if (known := points.known(name)) is None:
        names: Iterable[str] = points.NAMES
        raise InputError(
            f"{entry.source}: no metric {name!r}{did_you_mean(name, list(names))}",
            hint=f"metrics: {', '.join(names)}",
        )
    return known


def _check_metrics(entry: Entry, kind: Kind, x_metric: str, y_metric: str) -> None:
    """InputError for a pair that has no points."""
    for name, metric in (("x_metric", x_metric), ("y_metric", y_metric)):
        if not metric and (name == "y_metric" or kind != "box"):
            raise InputError(f"{entry.source}.{name}: a {kind} needs one")
    place = entry.mapping()["y_metric" if "y_metric" in entry.mapping() else "x_metric"]
    pair = (x_metric, y_metric) if kind != "box" else ("", y_metric)
    if points.POSITIONS in pair and pair != (points.POSITIONS, "inter_token_latencies"):
        raise InputError(
            f"{place.source}: {points.POSITIONS} goes with inter_token_latencies alone: the first is the "
            "x_metric of a scatter or heatmap, the other its y_metric"
        )


def _pixels(entry: Entry | None, default: int) -> int:
    if entry is None or entry.value is None:
        return default
    value: Any = entry.value
    if not isinstance(value, int) or isinstance(value, bool) or not _LEAST <= value <= _MOST:
        raise InputError(f"{entry.source}: {value!r} is not a whole number from {_LEAST:,} to {_MOST:,} (px)")
    return value


def _paths(entry: Entry) -> dict[str, str]:
    """Each path, and where it stands."""
    found = {}
    for each in entry.items():
        text = _text(each)
        if not text:
            raise InputError(f"{entry.source}: an empty path")
        found[text] = f"{each.where}: {entry.name}"
    return found
