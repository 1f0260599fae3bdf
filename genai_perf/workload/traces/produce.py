"""The process that reads a trace while the run goes on: it makes the requests and hands them over.

A process of its own: making bodies would hold up the event loop, and a thread that does it holds the GIL.

Rule 1. It is told on stdin what to do (an `Order`, pickled), and answers on stdout with frames. Whoever reads
        those slowly makes it wait: a pipe holds a megabyte, and nothing is made before there is room for it.
Rule 2. A row stands in `inputs.json` before it is handed over. However the run ends, the file becomes whole.
Rule 3. It ends when nobody reads its frames any more; so it outlives nobody.
Rule 4. A file that is quickly read is checked as a whole before the first request is handed over; in a longer
        one, an error is told when it comes to it, behind all requests before it.

A frame is its length (4 bytes), its kind (1 byte), and what it holds: a request in MessagePack, the error
that ends the trace, or nothing, where the file is going to be written and where the trace is at its end.
"""

import os
import pickle
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from genai_perf import endpoints
from genai_perf.config import Config
from genai_perf.exceptions import GenAIPerfError
from genai_perf.types import Request
from genai_perf.workload import inputs_file
from genai_perf.workload.sources import Conversation

HEAD = struct.Struct("!IB")
"""Length of what follows, and its kind."""
CHECKED, REQUEST, ERROR, END = range(4)

CHECKED_BYTES = 32 << 20
"""Of a trace that is checked as a whole at first; that takes about a second."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is to do."""

    config: Config
    """With a tokenizer that is there: the one that the run counts with."""
    inputs: Path
    """Where to write what is sent."""
    finish: Callable[[Request], Request] | None = None
    """What is to be done to every request at last; a function that can be pickled."""


class Failure(msgspec.Struct):
    """An error of this program, as it goes over the pipe."""

    kind: str
    """Its name in `exceptions`."""
    message: str
    hint: str | None


def main() -> None:
    """Do what stdin says."""
    order: Order = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  our own parent wrote it
    out = sys.stdout.buffer
    try:
        with suppress(BrokenPipeError):
            try:
                _produce(order, out)
                _write(out, END, b"")
            except GenAIPerfError as exc:
                failure = Failure(type(exc).__name__, exc.message, exc.hint)
                _write(out, ERROR, msgspec.msgpack.encode(failure))
            out.flush()
    finally:
        # what is left in the buffer has nobody who reads it, and must not fail the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _produce(order: Order, out: BinaryIO) -> None:
    from genai_perf.workload import build, tokenizer
    from genai_perf.workload.traces import prompts

    config = order.config
    trace = config.input.trace
    assert trace is not None
    endpoint = endpoints.get(str(config.endpoint.type), config.endpoint.backend)
    if trace.path.stat().st_size <= CHECKED_BYTES:
        prompts.check(config)
    _write(out, CHECKED, b"")
    out.flush()
    with suppress(OSError):  # who waits for the frame makes it as well, and tells what is wrong with it
        order.inputs.parent.mkdir(parents=True, exist_ok=True)
    inputs = inputs_file.Writer(order.inputs)
    try:
        counter = tokenizer.load(config.tokenizer, config.endpoint.model_names[0])
        errors: list[GenAIPerfError] = []
        said = _until_error(prompts.scheduled(config, counter), errors)
        encode = msgspec.msgpack.Encoder().encode
        for made in build.requests_of(said, config, endpoint, counter):
            request = made if order.finish is None else order.finish(made)
            inputs.add(request)
            _write(out, REQUEST, encode(request))
        if errors:
            raise errors[0]
    finally:
        inputs.close()


def _until_error(said: Iterator[Conversation], errors: list[GenAIPerfError]) -> Iterator[Conversation]:
    """Requests are made many at a time; a bad row must not take those before it with it."""
    try:
        yield from said
    except GenAIPerfError as exc:
        errors.append(exc)


def _write(out: BinaryIO, kind: int, content: bytes) -> None:
    out.write(HEAD.pack(len(content), kind))
    out.write(content)
