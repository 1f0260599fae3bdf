"""The log of the truth: when each request had come and when each token really went.

One line of JSON per request, in the order they ended. All instants are absolute readings of
`clock.monotonic_ns`, which other processes on the same machine share. A request has been *received* when the
read that completed it returned; a token's instant is taken just before its bytes are handed to the socket, so
that no client can have it earlier. (Under TLS they are handed to the event loop, which sends them soon.)
"""

import asyncio
from collections import deque
from pathlib import Path

import msgspec

from genai_perf.clock import monotonic_ns
from genai_perf.exceptions import ArtifactError

SLICE_NS = 200_000
"""How long writing may hold up the loop at a time."""
PAUSE_S = 0.05


class Truth(msgspec.Struct, frozen=True):
    """One request, as it really was."""

    number: int
    """Counts the requests to the model from 0, in order of arrival."""
    id: str
    """The client's `x-request-id`; `req-<number>` where it sent none."""
    path: str
    model: str
    streaming: bool
    status: int
    """HTTP status; 0 when the client had gone before there was one."""
    outcome: str
    """ok · error (refused, on demand or not) · stall · reset · client_closed · shutdown."""
    received_ns: int
    admitted_ns: int | None
    """When it got a place; None when it never did."""
    end_ns: int
    """When its last byte was handed over, or it ended otherwise."""
    input_tokens: int
    output_tokens: int
    """Tokens sent, of all prompts together, without reasoning."""
    reasoning_tokens: int
    token_ns: list[int]
    """When each write with visible tokens was handed over; one for the whole answer when not streaming."""
    reasoning_ns: list[int]


class TruthLog:
    """Writes truths to a file, a slice at a time. `close` it, or the last ones are lost."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._path = path
        self._loop = loop
        self._pending: deque[Truth] = deque()
        self._encode = msgspec.json.Encoder().encode
        self._timer: asyncio.Handle | None = None
        self.error: ArtifactError | None = None
        """Why nothing is written any more."""
        try:
            self._file = path.open("wb", buffering=1 << 16)
        except OSError as error:
            raise ArtifactError(f"--truth-log: {path} cannot be written: {error.strerror}") from error

    def add(self, truth: Truth) -> None:
        """Have it written soon."""
        self._pending.append(truth)
        if self._timer is None:
            self._timer = self._loop.call_later(PAUSE_S, self._drain)

    def close(self) -> None:
        """Write what is left; the file is complete after that."""
        if self._timer is not None:
            self._timer.cancel()
        self._write(until_ns=None)
        try:
            self._file.close()
        except OSError as error:
            self._give_up(error)

    def _drain(self) -> None:
        self._write(until_ns=monotonic_ns() + SLICE_NS)
        self._timer = self._loop.call_soon(self._drain) if self._pending else None

    def _write(self, until_ns: int | None) -> None:
        pending = self._pending
        try:
            while pending:
                self._file.write(self._encode(pending.popleft()) + b"\n")
                if until_ns is not None and monotonic_ns() >= until_ns:
                    return
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._pending.clear()
        if self.error is None:
            self.error = ArtifactError(f"--truth-log: {self._path} cannot be written: {error.strerror}")
