"""What the engine sees of a trace: requests that come in order, some seconds before they are due."""

import asyncio
import os
import pickle
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from genai_perf import exceptions
from genai_perf.clock import NS_PER_S
from genai_perf.exceptions import ArtifactError, GenAIPerfError, RunError
from genai_perf.types import Request
from genai_perf.workload import inputs_file
from genai_perf.workload.traces.produce import CHECKED, END, ERROR, HEAD, REQUEST, Failure, Order

START_AHEAD_NS = 2 * NS_PER_S
"""The run begins when so much of the trace is there,"""
START_LIMIT_S = 3.0
"""or so long after its first request was there: waiting would not make a slow producer faster."""
MOST_AHEAD_NS = 5 * NS_PER_S
"""No more is taken from the producer when so much of the trace is there,"""
MOST_BYTES = 64 << 20
"""or when what is there takes so much memory."""
REQUEST_BYTES = 600
"""What a request takes besides its body."""
READ_BYTES = 32 << 10
"""At a time, in about 0.05 ms: a send that is due waits no longer for it."""
PIPE_BYTES = 1 << 20
END_LIMIT_S = 5.0
"""How long the producer may take to finish `inputs.json` when nobody reads on."""


class Feed:
    """The requests of a trace, in order. `open` it on the loop of the run; `close` ends the producer."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes], inputs: Path) -> None:
        assert process.stdout is not None
        self.failure: GenAIPerfError | None = None
        """What ended the trace before its end, behind the requests that are still there."""
        self.is_complete = False
        """Whether the last request of the trace has come."""
        self._process, self._said, self._inputs = process, said, inputs
        self._pipe = process.stdout
        self._descriptor = process.stdout.fileno()
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Request] = deque()
        self._ready_bytes = 0
        self._unread = bytearray()
        self._decode = msgspec.msgpack.Decoder(Request).decode
        self._came = asyncio.Event()
        self._is_reading = self._is_checked = False
        self._read_on()

    @classmethod
    async def open(cls, order: Order, make_room: Callable[[], None] = lambda: None) -> "Feed":
        """Start the producer, and return when the run may begin.

        `make_room` is called before anything is written that belongs to the run, and not at all for a trace
        that is checked and found bad. Raises InputError where that is found, ArtifactError and RunError.
        """
        process, said = _launch(order)
        feed = cls(process, said, order.inputs)
        try:
            while not feed._is_checked and not feed._has_ended:
                await feed._more()
            if feed._is_checked:
                make_room()
            await feed._ahead()
        except BaseException:
            feed.close()
            raise
        return feed

    async def _ahead(self) -> None:
        while not self._ready and not self._has_ended:
            await self._more()
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while self._ahead_ns < START_AHEAD_NS and self._is_reading:
                    await self._more()
        except TimeoutError:
            pass
        if self.failure is not None:
            raise self.failure

    @property
    def next(self) -> Request | None:
        """The first of those that are there, which stays; None where none is there."""
        return self._ready[0] if self._ready else None

    def take(self) -> Request:
        """The first of those that are there."""
        request = self._ready.popleft()
        self._ready_bytes -= len(request.body) + REQUEST_BYTES
        if not self._is_reading and not self._has_ended and not self._is_full(0.5):
            self._read_on()
        return request

    async def wait(self) -> bool:
        """Until there is one, or there will be none any more, or `wake`; whether there is one."""
        if not self._ready and not self._has_ended:
            await self._more()
        return bool(self._ready)

    def wake(self) -> None:
        """Let whoever waits return."""
        self._came.set()

    @property
    def rate_per_s(self) -> float:
        """Of the requests that are there; 0 where they do not say."""
        seconds = self._ahead_ns / NS_PER_S
        return len(self._ready) / seconds if seconds else 0.0

    def close(self) -> None:
        """End the producer, and leave `inputs.json` whole. Raises ArtifactError where that cannot be."""
        if self._pipe.closed:
            return
        self._pause()
        self._pipe.close()  # it ends when it writes the next frame
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()
        if self._process.returncode and self._inputs.exists():
            inputs_file.mend(self._inputs)

    @property
    def pid(self) -> int:
        """Of the producer."""
        return self._process.pid

    # -- what comes ------------------------------------------------------------------------------

    @property
    def _has_ended(self) -> bool:
        return self.is_complete or self.failure is not None

    @property
    def _ahead_ns(self) -> int:
        if not self._ready:
            return 0
        first, last = self._ready[0].due_ns, self._ready[-1].due_ns
        assert first is not None
        assert last is not None
        return last - first

    def _is_full(self, share: float) -> bool:
        return self._ready_bytes >= share * MOST_BYTES or self._ahead_ns >= share * MOST_AHEAD_NS

    async def _more(self) -> None:
        self._came.clear()
        await self._came.wait()

    def _read_on(self) -> None:
        self._is_reading = True
        self._loop.add_reader(self._descriptor, self._read)

    def _pause(self) -> None:
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._descriptor)
        self._came.set()

    def _read(self) -> None:
        try:
            part = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not part:
            self.failure = self._obituary()
        self._unread += part
        place = 0
        while not self._has_ended and len(self._unread) - place >= HEAD.size:
            size, kind = HEAD.unpack_from(self._unread, place)
            end = place + HEAD.size + size
            if len(self._unread) < end:
                break
            self._receive(kind, bytes(self._unread[place + HEAD.size : end]))
            place = end
        del self._unread[:place]
        if self._has_ended or self._is_full(1):
            self._pause()
        elif place:
            self._came.set()

    def _receive(self, kind: int, content: bytes) -> None:
        if kind == CHECKED:
            self._is_checked = True
        elif kind == REQUEST:
            request = self._decode(content)
            self._ready.append(request)
            self._ready_bytes += len(request.body) + REQUEST_BYTES
        elif kind == ERROR:
            failure = msgspec.msgpack.decode(content, type=Failure)
            self.failure = getattr(exceptions, failure.kind)(failure.message, hint=failure.hint)
        elif kind == END:
            self.is_complete = True

    def _obituary(self) -> RunError:
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"signal {-code}" if code < 0 else f"exit code {code}"
        return RunError(f"the process that reads the trace ended before the trace did: {why}")


def _launch(order: Order) -> "tuple[subprocess.Popen[bytes], IO[bytes]]":
    # The package may be imported from a checkout that is the current directory, or on a path set by hand.
    paths = [str(Path(__file__).parents[3]), *filter(None, [os.environ.get("PYTHONPATH")])]
    said = tempfile.TemporaryFile()  # noqa: SIM115  the feed's, which closes it
    process = subprocess.Popen(
        [sys.executable, "-m", "genai_perf.workload.traces"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # closed when this process ends, however it does: then the producer ends too
        stderr=said,
        pipesize=PIPE_BYTES,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        # Ctrl-C is not for it. A session of its own would be a scheduling group of its own as well, in which
        # its low priority counts for nothing.
        process_group=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as told:
            told.write(pickle.dumps(order))
    except OSError as exc:
        raise ArtifactError(f"the process that reads the trace does not start: {exc}") from exc
    os.set_blocking(process.stdout.fileno(), False)
    return process, said
