"""`inputs.json`: what a run sends, row by row, in Perf Analyzer's form.

    {"data": [{"payload": [{body}]}, …]}

A row of tensors, which go over gRPC, stands there by itself, without the payload around it. Rows of
conversations have their `session_id` beside the payload, those of traces their `timestamp`, both `delay`, as
lists of one, in ms.
Written as `json.dumps(…, indent=2)` writes it, but row by row, so that a large workload is never there twice.
"""

import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.clock import NS_PER_MS
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Request, Workload

NAME = "inputs.json"


class Writer:
    """Writes row after row; `close` makes it a whole file. Raises ArtifactError."""

    def __init__(self, path: Path, *, names_sessions: bool = False) -> None:
        self._path = path
        self._names_sessions = names_sessions
        self._separator, self._end = _FIRST, "]\n}"
        with self._errors():
            self._file = path.open("w", encoding="ascii")
            self._file.write('{\n  "data": [')

    def add(self, request: Request) -> None:
        """Write the next row."""
        body = json.loads(request.body)
        entry: dict[str, Any] = body if request.messages else {"payload": [body]}
        if request.due_ns is not None:
            entry["timestamp"] = [request.due_ns // NS_PER_MS]
        if self._names_sessions:
            entry["session_id"] = [request.conversation]
        if request.delay_ns:
            entry["delay"] = [request.delay_ns // NS_PER_MS]
        with self._errors():
            self._file.write(self._separator + json.dumps(entry, indent=2).replace("\n", "\n    "))
        self._separator, self._end = _NEXT, _END

    def close(self) -> None:
        """Write what ends it."""
        with self._errors(), self._file:
            self._file.write(self._end)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise ArtifactError(f"{self._path}: cannot be written: {exc.strerror}") from exc


_FIRST, _NEXT, _END = "\n    ", ",\n    ", "\n  ]\n}"
_ROW_END = b"\n    }"


def write(path: Path, workload: Workload) -> Path:
    """Write the bodies of these requests, in order. Raises ArtifactError."""
    writer = Writer(path, names_sessions=workload.starts is not None)
    try:
        for request in workload.requests:
            writer.add(request)
    finally:
        writer.close()
    return path


def mend(path: Path) -> None:
    """Make the file of a writer that was killed whole, without a row that is torn. Raises ArtifactError."""
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
            size = len(content)
            if content[max(0, size - len(_END)) :].endswith(b"]\n}"):
                return
            # no other line begins so: within a row they are indented further, and texts have no line ends
            last = content.rfind(_ROW_END)
            file.truncate(last + len(_ROW_END) if last >= 0 else content.find(b"[") + 1)
            file.seek(0, os.SEEK_END)
            file.write((_END if last >= 0 else "]\n}").encode())
    except (OSError, ValueError) as exc:  # ValueError: nothing in it
        raise ArtifactError(f"{path}: cannot be mended: {exc}") from exc


class _Entry(msgspec.Struct):
    payload: list[msgspec.Raw] | None = None


class _Inputs(msgspec.Struct):
    data: list[msgspec.Raw]


def rows(path: Path) -> list[msgspec.Raw]:
    """The rows, each still JSON, in a file that is mapped. Raises ArtifactError."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return msgspec.json.decode(content, type=_Inputs).data
    except OSError as exc:
        raise ArtifactError(
            f"{path}: cannot be read: {exc.strerror or exc}", hint="it shows what was sent, and is read again"
        ) from exc
    except ValueError as exc:
        raise ArtifactError(f"{path}: not the inputs of a run: {exc}") from exc


def bodies(path: Path, *, are_timed: bool = False) -> Iterator[dict[str, Any]]:
    """The body of each row, in order; one row at a time is decoded.

    `endpoint.prompt_text` gives the prompt in it, `bodies.encode` the bytes that were sent. `are_timed` says
    that the run was sent by instants, which stand among a row's tensors. Raises ArtifactError.
    """
    try:
        for entry in rows(path):
            payload = msgspec.json.decode(entry, type=_Entry).payload
            body = msgspec.json.decode(entry if payload is None else payload[0], type=dict[str, Any])
            if payload is None and not body:
                raise ValueError("an empty row")
            if payload is None and are_timed:
                body.pop("timestamp", None)
            yield body
    except (ValueError, IndexError) as exc:
        raise ArtifactError(f"{path}: not the inputs of a run: {exc}") from exc
