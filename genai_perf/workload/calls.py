"""The calls of a dynamic gRPC run: a row of the input file is one.

    {"name": "Ada"}                                  the message itself
    {"messages": [{"name": "Ada"}, {"name": "Bob"}]}     several of them, for a method that takes a stream
    {"text": "./generate.py --rows 10"}              a command that writes them, as GenAI-Perf has it

A command is run once, before the run, by the shell. It writes messages that are encoded already, each after
its length (4 bytes, in this machine's order). `text_input` and `message_generator` may stand for `text`.
"""

import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from genai_perf.config import Config
from genai_perf.endpoints.descriptors import Method, encode
from genai_perf.exceptions import InputError
from genai_perf.types import Request
from genai_perf.workload import bodies, files
from genai_perf.workload.sources import models

_COMMAND_KEYS = ("text", "text_input", "message_generator")
_LENGTH = struct.Struct("=I")
_SNIPPET = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One call, as it is written."""

    where: str
    """file:line"""
    command: str | None = None
    messages: tuple[Any, ...] = ()
    """JSON values, where there is no command."""


def read(name: str) -> list[Row]:
    """The rows of a file, or of every `*.jsonl` in a directory. Raises InputError."""
    rows = [row(value, where) for where, value in files.values(name)]
    if not rows:
        raise InputError(f"{name}: holds no calls", hint="write a message in JSON on each line")
    return rows


def row(value: Any, where: str) -> Row:
    """The call that a line of a file, or a row of `inputs.json`, stands for. Raises InputError."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a JSON object: {str(value)[:_SNIPPET]}")
    if len(value) == 1:
        ((key, only),) = value.items()
        if key in _COMMAND_KEYS and isinstance(only, str):
            if not only.strip():
                raise InputError(f'{where}: "{key}" is empty')
            return Row(where, command=only.strip())
        if key == "messages" and isinstance(only, list):
            return Row(where, messages=tuple(only))
    return Row(where, messages=(value,))


def requests(rows: Sequence[Row], method: Method | None, config: Config) -> list[Request]:
    """One request for each row, its messages encoded. Raises InputError.

    `method` may be None where all rows are commands: their messages are encoded already.
    """
    with ThreadPoolExecutor(os.cpu_count()) as commands:
        written = commands.map(_run, [row for row in rows if row.command is not None])
        made = []
        for index, (row, model) in enumerate(zip(rows, models(config))):
            messages = next(written) if row.command is not None else tuple(_encoded(row, method))
            if method is not None and not method.takes_stream and len(messages) != 1:
                raise InputError(
                    f"{row.where}: {method.name} takes one message, and this row has {len(messages)}"
                )
            body = (
                {"message_generator": row.command}
                if row.command is not None
                else {"messages": list(row.messages)}
            )
            made.append(
                Request(
                    index=index,
                    body=bodies.encode(body),
                    model=model,
                    conversation=str(index),
                    messages=messages,
                )
            )
    return made


def _encoded(row: Row, method: Method | None) -> Iterator[bytes]:
    assert method is not None
    for place, message in enumerate(row.messages):
        where = row.where if len(row.messages) == 1 else f"{row.where}: message {place + 1}"
        yield encode(message, method.takes, where)


def _run(row: Row) -> tuple[bytes, ...]:
    """The messages that a row's command writes."""
    assert row.command is not None
    shown = f"{row.where}: the command {row.command[:_SNIPPET]!r}"
    hint = (
        'what a row has in "text" is run by the shell; a message whose only field is called so '
        'stands in a list: {"messages": [{"text": …}]}'
    )
    # the user's own command, written for what a shell makes of it: GenAI-Perf has it so
    ended = subprocess.run(row.command, shell=True, capture_output=True, check=False)  # noqa: S602
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        why = f": {said[-1][:_SNIPPET]}" if said else ""
        raise InputError(f"{shown} ended with {ended.returncode}{why}", hint=hint)
    try:
        messages = tuple(_taken_apart(ended.stdout))
    except ValueError as exc:
        raise InputError(
            f"{shown} wrote {exc}", hint="each message stands after its length, 4 bytes"
        ) from exc
    if not messages:
        raise InputError(f"{shown} wrote no message", hint=hint)
    return messages


def _taken_apart(written: bytes) -> Iterator[bytes]:
    """The messages in a command's output. ValueError says what is wrong with it."""
    at = 0
    while at < len(written):
        if len(written) - at < _LENGTH.size:
            raise ValueError(f"{len(written) - at} bytes more than its messages")
        (size,) = _LENGTH.unpack_from(written, at)
        at += _LENGTH.size
        if len(written) - at < size:
            raise ValueError(f"{len(written) - at} bytes where a message of {size} was to follow")
        yield written[at : at + size]
        at += size
