"""Requests that are there already: `--input-file inputs:FILE`, which is Perf Analyzer's `--input-data FILE`.

    inputs:artifacts/RUN/inputs.json     of a run, or as GenAI-Perf wrote it
    inputs:one.json,two.json             one behind the other; Perf Analyzer had `--input-data` twice for it

What stands in such a file, `workload/ready_made.py` says.
"""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf.config.options import OPTIONS, Layer
from genai_perf.config.schema import READY_MADE, Config
from genai_perf.exceptions import InputError, UsageError

if TYPE_CHECKING:
    import msgspec

MADE_UP = ("zero", "random")
"""What Perf Analyzer's --input-data may be instead of a file."""

_OF_BODIES = (
    "endpoint.model_selection_strategy",
    "input.columns",
    "input.num_dataset_entries",
    "input.synthetic_tokens_mean",
    "input.synthetic_tokens_stddev",
    "input.input_length_distribution",
    "input.output_tokens_mean",
    "input.output_tokens_stddev",
    "input.output_tokens_deterministic",
    "input.output_length_distribution",
    "input.prefix_prompt_num",
    "input.prefix_prompt_length",
    "input.batch_size",
    "input.extra",
    *(key for key in OPTIONS if key.startswith(("image.", "audio."))),
)
"""Options by which bodies are made."""


def joined(former: str | None, file: str) -> str:
    """What `--input-file` says of ready-made requests when those of one more file follow."""
    return f"{READY_MADE}:{file}" if former is None else f"{former},{file}"


def check(config: Config, given: Layer) -> None:
    """Raise InputError for a file that is not there, UsageError for what excludes ready-made requests."""
    source = given["input.file"].source
    if config.input.replay is not None:
        raise UsageError(f"{source} and --replay exclude each other")
    for path in config.input.ready_made:
        if path.is_dir():
            raise InputError(
                f"{source}: '{path}' is a directory, not a file of requests",
                hint="of a run, give the inputs.json in its directory",
            )
        if not path.is_file():
            raise InputError(
                f"{source}: no file '{path}'", hint="several files stand with a comma between them"
            )


def without_effect(config: Config, given: Layer) -> Iterator[str]:
    """A line for each option that would shape bodies which are there already."""
    source = given["input.file"].source
    for key in _OF_BODIES:
        if key in given and not _has_effect(key, config):
            yield f"{given[key].source} has no effect with {source}: its requests are ready-made"


def _has_effect(key: str, config: Config) -> bool:
    """Tensors need not name their model."""
    return key == "endpoint.model_selection_strategy" and config.is_grpc


def is_timed(files: Sequence[Path]) -> bool:
    """Whether the first request has an instant. What cannot be read is complained about when it is sent."""
    import msgspec

    with suppress(InputError, ValueError):
        first = next(rows(files[0]), b"null")
        row = msgspec.json.decode(first, type=dict[str, msgspec.Raw])
        return "timestamp" in row
    return False


def rows(path: Path) -> "Iterator[msgspec.Raw]":
    """Each row of a file as it stands there, in a file that is mapped. Raises InputError.

    Perf Analyzer's streams, which are lists of rows, follow one another.
    """
    import msgspec

    try:
        if not path.stat().st_size:
            raise InputError(f"{path}: is empty", hint=_EXAMPLE)
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror or exc}") from exc
    except msgspec.ValidationError as exc:
        raise InputError(f"{path}: not a JSON object", hint=_EXAMPLE) from exc
    except ValueError as exc:
        raise InputError(f"{path}: not JSON: {str(exc).removesuffix('.')}", hint=_EXAMPLE) from exc
    if "data" not in whole:
        raise InputError(f'{path}: no "data"', hint=_EXAMPLE)
    for row in _list(whole["data"], path):
        if bytes(memoryview(row)[:1]) == b"[":
            yield from _list(row, path)
        else:
            yield row


_EXAMPLE = 'the form is {"data": [{"payload": [{…}]}, …]}, with the body of a request in each payload'


def _list(raw: "msgspec.Raw", path: Path) -> "list[msgspec.Raw]":
    import msgspec

    try:
        return msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError as exc:
        raise InputError(f'{path}: "data" is not a list of requests', hint=_EXAMPLE) from exc
