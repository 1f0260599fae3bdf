"""`inputs.json`: what a run sends, row by row, in Perf Analyzer's form.

    {"data": [{"payload": [{body}]}, …]}

A row of tensors, which go over gRPC, stands there by itself, without the payload around it. Rows of
conversations have their `session_id` beside the payload, those of traces their `timestamp`, both `delay`, as
lists of one, in ms.
Written as `json.dumps(…, indent=2)` writes it, but row by row, so that a large workload is never there twice.
"""

import json
import mmap
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.clock import NS_PER_MS
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Workload

NAME = "inputs.json"


def write(path: Path, workload: Workload) -> Path:
    """Write the bodies of these requests, in order. Raises ArtifactError."""
    starts = workload.starts
    due_ns = {} if workload.due_ns is None else dict(zip(starts or count(), workload.due_ns))
    try:
        with path.open("w", encoding="ascii") as file:
            file.write('{\n  "data": [')
            separator, end = "\n    ", "]\n}"
            for row, request in enumerate(workload.requests):
                body = json.loads(request.body)
                entry: dict[str, Any] = body if request.messages else {"payload": [body]}
                if row in due_ns:
                    entry["timestamp"] = [due_ns[row] // NS_PER_MS]
                if starts is not None:
                    entry["session_id"] = [request.conversation]
                if request.delay_ns:
                    entry["delay"] = [request.delay_ns // NS_PER_MS]
                text = json.dumps(entry, indent=2)
                file.write(separator + text.replace("\n", "\n    "))
                separator, end = ",\n    ", "\n  ]\n}"
            file.write(end)
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror}") from exc
    return path


class _Entry(msgspec.Struct):
    payload: list[msgspec.Raw] | None = None


class _Inputs(msgspec.Struct):
    data: list[msgspec.Raw]


def bodies(path: Path) -> Iterator[dict[str, Any]]:
    """The body of each row, in order; the file is mapped, and one row at a time is decoded.

    `endpoint.prompt_text` gives the prompt in it, `build.encode` the bytes that were sent. Raises
    ArtifactError.
    """
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for entry in msgspec.json.decode(content, type=_Inputs).data:
            payload = msgspec.json.decode(entry, type=_Entry).payload
            body = msgspec.json.decode(entry if payload is None else payload[0], type=dict[str, Any])
            if payload is None and not body:
                raise ValueError("an empty row")
            yield body
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (ValueError, IndexError) as exc:
        raise ArtifactError(f"{path}: not the inputs of a run: {exc}") from exc
