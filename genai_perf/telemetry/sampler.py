"""The sampling process as the load generator sees it: started once, told of each run.

Nothing here may fail a run: a sampling process that dies or does not answer costs its samples, no more.
"""

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from genai_perf.clock import NS_PER_S, Origin, monotonic_ns
from genai_perf.telemetry import Spec
from genai_perf.telemetry.log import LOG

MARK_LIMIT_S = 1.0
"""How long the load waits for the sources at each end of what is measured. They take some milliseconds."""
SETTLE_S = 0.1
"""How long after an answer its server has counted it; some do a moment after they have sent it."""
_MARGIN_S = 0.5
"""What the process may take for itself beside its sources' time."""
_STOP_LIMIT_S = 2.0


class Sampler:
    """`start` it with its sources; then for each run `begin`, `mark` at both ends of what is measured, `end`.

    A context manager, which ends the process; that ends by itself when this one does, however it does.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._specs: tuple[Spec, ...] = ()
        self._is_sampling = False
        self._number = self._answered = 0
        """Of the last command, and of the last one that was answered."""
        self._said = b""
        self.sources: dict[str, str | None] = {}
        """How every source was when last heard of: None for well, else why it could not be asked."""
        self._told: set[str] = set()

    def __enter__(self) -> "Sampler":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def start(self, specs: Sequence[Spec]) -> None:
        """Have these sources looked for; returns at once. Starts the process where it is not there yet.

        Nothing happens when they are the ones it has already, or were found not to be there.
        """
        specs = tuple(specs)
        if specs == self._specs:
            return
        self._specs, self.sources = specs, {}
        if not specs:
            self.close()
            return
        if self._process is None:
            self._process = _launch()
        self._send({"sources": [asdict(spec) for spec in specs]})

    def begin(self, directory: Path, origin: Origin) -> None:
        """Sample for the run in `directory` from now on."""
        if self._process is not None:
            self._is_sampling = True
            self._send({"begin": str((directory / LOG).absolute()), "origin_ns": origin.monotonic_ns})

    async def mark(self, *, settle: bool = False) -> None:
        """Have every source asked now: where what is measured begins, and where it ends.

        `settle` waits first, for a server that is still counting what it has just answered.
        """
        if not self._is_sampling:
            return
        if settle:
            await asyncio.sleep(SETTLE_S)
        self._send({"mark": MARK_LIMIT_S})
        if self._process is None or self._process.stdout is None:
            return
        loop, descriptor = asyncio.get_running_loop(), self._process.stdout.fileno()
        is_readable = asyncio.Event()
        is_there = True
        loop.add_reader(descriptor, is_readable.set)
        try:
            async with asyncio.timeout(MARK_LIMIT_S + _MARGIN_S):
                while is_there and not self._has_answered():
                    await is_readable.wait()
                    is_readable.clear()
                    is_there = self._receive()
        except TimeoutError:
            pass
        finally:
            loop.remove_reader(descriptor)  # before the descriptor is closed
        if not is_there:
            self._lost()

    def complaints(self) -> list[str]:
        """A line for each source that does not answer, once for all runs."""
        silent = {name: why for name, why in self.sources.items() if why and name not in self._told}
        self._told |= silent.keys()
        return [self._complaint(name, why) for name, why in silent.items()]

    def _complaint(self, name: str, why: str) -> str:
        if name == LOG:
            return f"{name} {why}"
        if self._process is None:
            return f"{name} is not sampled: {why}"
        return f"{name} does not answer: {why}; it will be asked again"

    def end(self) -> None:
        """Sample no more; the run's log is complete after that, and `store.read` makes its Arrow file."""
        if not self._is_sampling:
            return
        self._is_sampling = False
        self._send({"end": True})
        deadline_ns = monotonic_ns() + round(_MARGIN_S * NS_PER_S)
        while not self._has_answered() and self._process is not None and self._process.stdout is not None:
            left_s = (deadline_ns - monotonic_ns()) / NS_PER_S
            if left_s <= 0 or not select.select([self._process.stdout], [], [], left_s)[0]:
                break
            if not self._receive():
                self._lost()
        if self._has_answered() and not self.sources:
            self.close()  # nobody is there: nothing to keep a process for

    def close(self) -> None:
        """End the process. Does nothing where there is none."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _send(self, command: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._number += 1
        try:
            self._process.stdin.write(json.dumps({"number": self._number, **command}).encode() + b"\n")
        except OSError:
            self._lost()

    def _has_answered(self) -> bool:
        return self._process is None or self._answered >= self._number

    def _receive(self) -> bool:
        """Take what there is to read; the last whole line tells how things are. False when it has died."""
        assert self._process is not None
        assert self._process.stdout is not None
        part = os.read(self._process.stdout.fileno(), 65_536)
        if not part:
            return False
        *lines, self._said = (self._said + part).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            self._answered, self.sources = answer["number"], answer["sources"]
        return True

    def _lost(self) -> None:
        """It has died: what it wrote is in the log."""
        self.sources = dict.fromkeys(
            (spec.name for spec in self._specs if not spec.optional), "the sampling process ended"
        )
        self.close()


def _launch() -> "subprocess.Popen[bytes]":
    # The package may be imported from a checkout that is the current directory, or on a path set by hand.
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "genai_perf.telemetry"],
        stdin=subprocess.PIPE,  # closed when this process ends, however it does
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        # Ctrl-C is not for it. A session of its own would be a scheduling group of its own as well, in which
        # its low priority counts for nothing.
        process_group=0,
    )
