"""What the points of a plot are: the values of each request, or of each chunk, by GenAI-Perf's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.catalog import CATALOG, Metric, Shown, Unit
from genai_perf.reports.files import whole_file
from genai_perf.reports.plots.series import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_perf.metrics.arrow import Floats

RUN_NAME = "Run Name"
POSITIONS = "token_positions"
"""Counts the chunks of an answer from 1; what goes with it has a value for each chunk."""

_OLD = {"num_input_tokens": "input_sequence_lengths", "num_output_tokens": "output_sequence_lengths"}
"""Names of 24.05."""


def _name(metric: Metric) -> str:
    """GenAI-Perf's name of the list of a metric's values; where it has none, the metric's."""
    tag = metric.tag
    if metric.shown is not Shown.TABLE:
        return tag
    if tag.endswith("_per_user"):
        return f"{tag.removesuffix('_per_user')}s_per_user"
    return f"{tag[:-1]}ies" if tag.endswith("y") else f"{tag}s"


TAGS: Mapping[str, str] = {_name(each): tag for tag, each in CATALOG.items() if each.per == "request"}
"""Metrics by the names of their lists of values."""

NAMES = (*TAGS, POSITIONS)


def known(name: str) -> str | None:
    """A metric's name, given by any of its spellings; None for what is none."""
    name = _OLD.get(name, name)
    if name in CATALOG:
        name = _name(CATALOG[name])
    return name if name in NAMES else None


def unit(name: str) -> str:
    """What the values are counted in, as axes say it; empty for positions."""
    return "" if name == POSITIONS else CATALOG[TAGS[name]].unit.label


def is_tokens(name: str) -> bool:
    """Whether the values are whole tokens."""
    return name == POSITIONS or CATALOG[TAGS[name]].unit is Unit.TOKENS


def label(name: str) -> str:
    """What an axis is called that nobody named."""
    if name == POSITIONS:
        return "Output Token Position"
    return f"{CATALOG[TAGS[name]].title} ({unit(name)})"


def with_unit(text: str, name: str) -> str:
    """An axis' name with its unit, where it says none."""
    said = unit(name) if name else ""
    return text if not said or "(" in text or said in text.lower() else f"{text} ({said})"


def pair(run: Run, x_metric: str, y_metric: str) -> tuple[Floats, Floats]:
    """Both values of the requests, or the chunks, that have both; without an x metric, y twice."""
    import numpy as np

    if x_metric == POSITIONS:
        return _chunks(run)
    if not x_metric:
        y = run.values(TAGS[y_metric])
        x = y
    else:
        x, y = (_of_requests(run, TAGS[name]) for name in (x_metric, y_metric))
    if x is None or y is None:
        return np.empty(0), np.empty(0)
    both = ~(np.isnan(x) | np.isnan(y))
    return x[both], y[both]


def _of_requests(run: Run, tag: str) -> Floats | None:
    """A value for each request that counts; how late requests were sent is known of failed ones too."""
    columns = run.columns
    if tag != "send_lateness" or columns.due_ns is None:
        return run.values(tag)
    late: Floats = (columns.start_ns - columns.due_ns) / CATALOG[tag].unit.base
    return late


def _chunks(run: Run) -> tuple[Floats, Floats]:
    """Position and gap (ms) of every chunk after an answer's first.

    GenAI-Perf paired these positions with the mean gap of each request, which are fewer.
    """
    import numpy as np

    gaps = run.columns.gaps.value / CATALOG["inter_chunk_latency"].unit.base
    sizes = np.maximum(run.columns.events - 1, 0)
    begins = np.cumsum(sizes) - sizes
    positions = np.arange(len(gaps)) - np.repeat(begins, sizes) + 1
    return positions.astype(np.float64), gaps.astype(np.float64)


# -- files ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """The points of one run."""

    name: str
    x: Floats
    y: Floats


def write(path: Path, x_label: str, y_label: str, runs: Sequence[Named]) -> None:
    """A parquet file, a row for each run: its values under their labels, and its name. Raises ArtifactError.

    GenAI-Perf kept what a box is drawn from in a column without a name, as that axis has no label; it stands
    there too, and under the label that it has.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [x_label, f"{y_label} " if y_label == x_label else y_label, RUN_NAME]
    table = pa.Table.from_arrays(
        [
            _lists([run.x for run in runs]),
            _lists([run.y for run in runs]),
            _texts([run.name for run in runs]),
        ],
        names=names,
    )
    with whole_file(path) as file:
        pq.write_table(table, file, compression="gzip")


def _lists(lists: Sequence[Floats]) -> Any:
    """A column of lists, from numpy's buffers: `pa.array` would import pandas."""
    import numpy as np
    import pyarrow as pa

    flat = np.concatenate(lists).astype(np.float64) if lists else np.empty(0)
    values = pa.Array.from_buffers(pa.float64(), len(flat), [None, pa.py_buffer(flat)])
    offsets = pa.py_buffer(_offsets([len(each) for each in lists]))
    return pa.Array.from_buffers(pa.list_(pa.float64()), len(lists), [None, offsets], children=[values])


def _texts(texts: Sequence[str]) -> Any:
    import pyarrow as pa

    encoded = [text.encode() for text in texts]
    buffers = [None, pa.py_buffer(_offsets(list(map(len, encoded)))), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)


def _offsets(lengths: Sequence[int]) -> NDArray[np.int32]:
    import numpy as np

    return np.cumsum([0, *lengths]).astype(np.int32)
