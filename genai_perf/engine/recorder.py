"""Turns exchanges into records when there is time for it.

When an answer is complete the next request is sent first; its bytes wait here. They are read in slices of
`SLICE_NS`, which end when a request is due, and between two slices the event loop takes whatever has arrived:
so reading never delays a send or a stamp by more than that. When many answers end together the slices grow,
to `LONGEST_SLICE_NS`. Only a server that answers faster than this program can read makes the backlog grow
beyond `FULL`; then reading takes what time it needs, so that memory stays bounded.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from genai_perf.clock import monotonic_ns
from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.engine import records
from genai_perf.engine.continuing import set_forward
from genai_perf.engine.journal import Journal
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Exchange, RequestRecord, Slot

SLICE_NS = 200_000
PAUSE_S = 0.001
"""From one slice to the next: to read each answer as it ends would cost a turn of the loop for each."""
SHORTEST_SLICE_NS = 20_000
"""A slice ends when the next request is due, but does something however many are due."""
LONGEST_SLICE_NS = 1_000_000
"""Far below the gap between two tokens: a loop that is away for that long loses the stamp of the first."""
DEEP = 64
"""So many exchanges in the backlog, and reading gets as much time as all else took; twice as many, twice."""
FULL = 4096
"""Exchanges in the backlog beyond which it must not grow."""
FLUSH_S = 0.5
"""A killed run loses at most the records of its last second."""


class Recorder:
    """Owns the backlog of raw exchanges and the journal they end in."""

    def __init__(
        self,
        endpoint: Endpoint,
        journal: Journal,
        on_record: Callable[[RequestRecord], None],
        on_failure: Callable[[], None],
        time_left_ns: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.failure: Exception | None = None
        """Why nothing can be recorded any more; `on_failure` was called when that happened."""
        self.forward_ns = 0
        """By how much the clock of a run that is continued is ahead of ours."""
        self._decode = endpoint.decode
        self._journal = journal
        self._on_record = on_record
        self._on_failure = on_failure
        self._time_left_ns = time_left_ns
        self._backlog: deque[tuple[Slot, int | None, Exchange]] = deque()
        self._current: tuple[Slot, int | None, Exchange] | None = None
        self._decoding: Decoding | None = None
        self._writing: Iterator[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._is_due = False
        self._left_ns = 0
        self._flush_timer = self._loop.call_later(FLUSH_S, self._flush)

    def keep(self, slot: Slot, due_ns: int | None, exchange: Exchange) -> None:
        """Take over a finished exchange."""
        self._backlog.append((slot, due_ns, exchange))
        self._go_on()

    def close(self) -> None:
        """Read what is left and close the journal. Raises ArtifactError, and whatever was met earlier."""
        self._flush_timer.cancel()
        try:
            while self.failure is None and self._step():
                pass
        finally:
            self._journal.close()
        if self.failure is not None:
            raise self.failure

    def _go_on(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._left_ns = monotonic_ns()
            self._loop.call_later(PAUSE_S, self._slice)

    def _slice(self) -> None:
        now_ns = monotonic_ns()
        until_ns = now_ns + self._budget_ns(now_ns - self._left_ns)
        try:
            while self._is_due and now_ns < until_ns:
                self._is_due = self.failure is None and self._step()
                now_ns = monotonic_ns()
        except Exception as exc:  # noqa: BLE001  a bug in an endpoint ends the run, not this callback alone
            self._is_due = False
            self._fail(exc)
        self._left_ns = now_ns
        if self._is_due:
            self._loop.call_later(PAUSE_S, self._slice)

    def _budget_ns(self, away_ns: int) -> int:
        """How long this slice may take, when everything else has taken `away_ns`."""
        backlog = len(self._backlog)
        if backlog >= DEEP:
            wanted_ns = max(SLICE_NS, away_ns * (backlog // DEEP))
            return wanted_ns if backlog >= FULL else min(wanted_ns, LONGEST_SLICE_NS)
        left_ns = self._time_left_ns()
        return SLICE_NS if left_ns is None else max(SHORTEST_SLICE_NS, min(SLICE_NS, left_ns))

    def _step(self) -> bool:
        """Go on with a batch or an exchange, to where it can be left; False when there is none."""
        if self._writing is not None:
            self._write_on(self._writing)
            return True
        if self._decoding is None:
            if not self._backlog:
                return False
            self._current = self._backlog.popleft()
            self._decoding = self._decode(self._current[2])
        try:
            next(self._decoding)
        except StopIteration as finished:
            assert self._current is not None
            slot, due_ns, exchange = self._current
            self._current = self._decoding = None
            if self.forward_ns:
                set_forward(exchange, self.forward_ns)
                due_ns = None if due_ns is None else due_ns + self.forward_ns
            self._record(records.make(slot, due_ns, exchange, finished.value))
        return True

    def _record(self, record: RequestRecord) -> None:
        self._on_record(record)
        self._journal.append(record)
        if self._journal.is_full:
            self._writing = self._journal.writing()

    def _write_on(self, writing: Iterator[None]) -> None:
        try:
            next(writing)
        except StopIteration:
            self._writing = None
        except ArtifactError as exc:
            self._writing = None
            self._fail(exc)

    def _flush(self) -> None:
        self._flush_timer = self._loop.call_later(FLUSH_S, self._flush)
        if self.failure is None:
            self._writing = self._writing or self._journal.writing()
            self._go_on()

    def _fail(self, exc: Exception) -> None:
        self.failure = exc
        self._on_failure()
