"""The sampling process: asks its sources, a thread each, and writes down what they say.

Rule 1. Nobody waits for anybody: a source that is slow is asked again when it has answered, at its next due
        time, and the turns it missed are not made up for.
Rule 2. It is never in the client's way: on a shared core it runs only when nothing else wants to. But it
        starts, and asks every source once, as anybody does: on a busy machine it would else never begin.
Rule 3. It ends when its standard input does, at once and whatever it is doing; so it outlives nobody.

Commands are lines of JSON on stdin, in this order: `sources`, then for each run `begin`, `mark` any number of
times, `end`. Each is answered by a line on stdout with its number and how every source is, null for well; one
that nobody asked for and that is not there is left out.
"""

import importlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from genai_perf.clock import NS_PER_S, monotonic_ns
from genai_perf.telemetry import Sample, ScrapeError, Source, Spec
from genai_perf.telemetry.log import Log

_LONG_NS = NS_PER_S // 2
"""Longer than any page takes that is well."""


def main() -> None:
    """Serve commands until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    commands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_obey, args=(commands,), daemon=True).start()
    _step_back()
    for line in sys.stdin.buffer:
        commands.put(json.loads(line))
    os._exit(0)  # a thread may hang in a system call, and what it writes is written at once


def _step_back() -> None:
    """Run this thread only where a core would idle. The nice value is for systems without SCHED_IDLE."""
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _obey(commands: "queue.SimpleQueue[dict[str, Any]]") -> None:
    board = Board()
    has_stepped_back = False
    while True:
        command = commands.get()
        sources = board.do(command)
        sys.stdout.write(json.dumps({"number": command["number"], "sources": sources}) + "\n")
        sys.stdout.flush()
        if not has_stepped_back:
            has_stepped_back = True
            _step_back()


class Board:
    """What the threads share: what they are asked to do, and where to write."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.asked = 0
        """Everybody is to ask once more when this grows."""
        self.log: Log | None = None
        self.log_error: str | None = None
        self.workers: list[Worker] = []

    def do(self, command: Mapping[str, Any]) -> dict[str, str | None]:
        """Carry a command out; how the sources are after it."""
        if "sources" in command:
            self._replace([Spec(**spec) for spec in command["sources"]])
        elif "begin" in command:
            self._begin(Path(command["begin"]), command["origin_ns"])
        elif "mark" in command:
            self._ask_all(within_s=command["mark"])
        elif "end" in command:
            self._end()
        found = {worker.spec.name: worker.error for worker in self.workers if not worker.is_gone}
        return found | ({"telemetry.log": self.log_error} if self.log_error else {})

    def write(
        self, log: Log | None, name: str, asked_ns: int, samples: list[Sample], error: str | None
    ) -> None:
        """Write an answer down, if the log is still the one that was open when the source was asked."""
        took_ns = monotonic_ns() - asked_ns
        with self.changed:
            if log is None or log is not self.log:
                return
            try:
                log.add(name, asked_ns, took_ns, samples, error)
            except OSError as exc:
                self.log_error = f"cannot be written: {exc.strerror or exc}"
                self._close_locked()

    def _replace(self, specs: list[Spec]) -> None:
        with self.changed:
            for worker in self.workers:
                worker.is_gone = True
            self.workers = [Worker(spec, self) for spec in specs]
            self.asked += 1  # to see who is there, before anybody waits for it
            self.changed.notify_all()
        for worker in self.workers:
            worker.start()

    def _begin(self, path: Path, origin_ns: int) -> None:
        with self.changed:
            self.log_error = None
            try:
                self.log = Log(path, origin_ns)
            except OSError as exc:
                self.log_error = f"cannot be written: {exc.strerror or exc}"
            self.changed.notify_all()

    def _ask_all(self, within_s: float) -> None:
        """Have every source asked once from now on, and wait for the answers, but not longer than that."""
        deadline_ns = monotonic_ns() + round(within_s * NS_PER_S)
        with self.changed:
            self.asked += 1
            ticket = self.asked
            self.changed.notify_all()
            while any(worker.answered < ticket for worker in self.workers if not worker.is_gone):
                left_ns = deadline_ns - monotonic_ns()
                if left_ns <= 0:
                    break
                self.changed.wait(left_ns / NS_PER_S)

    def _end(self) -> None:
        """Close the log; who has not answered until now, and not just been asked, has failed to."""
        now_ns = monotonic_ns()
        for worker in self.workers:
            asked_ns = worker.waits_since_ns
            if asked_ns is not None and now_ns - asked_ns > _LONG_NS:
                self.write(self.log, worker.spec.name, asked_ns, [], "no answer until the run ended")
        with self.changed:
            self._close_locked()

    def _close_locked(self) -> None:
        log, self.log = self.log, None
        if log is not None:
            log.close()


class Worker(threading.Thread):
    """Asks one source: when its time has come, and when the board wants it."""

    def __init__(self, spec: Spec, board: Board) -> None:
        super().__init__(name=spec.name, daemon=True)
        self.spec = spec
        self.answered = 0
        """Up to which of the board's wishes it has asked."""
        self.error: str | None = None
        """Why the last time went wrong."""
        self.is_gone = False
        self.waits_since_ns: int | None = None
        """When it asked, while it waits for the answer of a source that is known to be there."""
        self._board = board
        self._source: Source | None = None
        self._has_answered = False
        self._due_ns = monotonic_ns()

    def run(self) -> None:
        """Ask and ask again."""
        board = self._board
        try:
            while self._wait():
                with board.changed:
                    ticket, log = board.asked, board.log
                asked_ns = monotonic_ns()
                if self._has_answered or not self.spec.optional:
                    self.waits_since_ns = asked_ns
                samples, error = self._ask()
                self.waits_since_ns = None
                if self.is_gone:
                    break
                board.write(log, self.spec.name, asked_ns, samples, error)
                with board.changed:
                    is_first = not self.answered
                    self.error, self.answered = error, ticket
                    board.changed.notify_all()
                if is_first:
                    _step_back()
        finally:  # also when a source has a bug, whose traceback is on stderr then
            with board.changed:
                self.is_gone = True
                board.changed.notify_all()
            if self._source is not None:
                self._source.close()

    def _wait(self) -> bool:
        """Until it is to ask; False when nobody wants it any more."""
        board = self._board
        with board.changed:
            while not self.is_gone:
                if self.answered < board.asked:
                    return True
                if board.log is None:
                    board.changed.wait()
                    continue
                now_ns = monotonic_ns()
                if now_ns >= self._due_ns:
                    interval_ns = max(1, round(self.spec.interval_s * NS_PER_S))
                    self._due_ns += ((now_ns - self._due_ns) // interval_ns + 1) * interval_ns
                    return True
                board.changed.wait((self._due_ns - now_ns) / NS_PER_S)
        return False

    def _ask(self) -> tuple[list[Sample], str | None]:
        try:
            if self._source is None:
                self._source = make(self.spec)
            samples = list(self._source.sample())
        except ScrapeError as exc:
            if self.spec.optional and not self._has_answered:
                self.is_gone = True
            return [], str(exc)
        self._has_answered = True
        return samples, None


def make(spec: Spec) -> Source:
    """The source that a spec names. Raises ScrapeError when it cannot be had now."""
    module = importlib.import_module(f"genai_perf.telemetry.{spec.kind}")
    source: Source = module.source(spec)
    return source
