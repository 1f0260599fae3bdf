"""Ctrl-C once a run has ended: what was measured is read, reported and kept first."""

import os
import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from genai_perf.exceptions import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Patience:
    """Stands around the making of a run and of its reports.

    From `begin` on, a Ctrl-C or SIGTERM waits for the end of the `with`, and is a KeyboardInterrupt then. A
    second one does not wait: Interrupted.
    """

    def __init__(self, directory: Path, *, quiet: bool) -> None:
        self._directory = directory
        self._quiet = quiet
        self._came = 0
        self._before: dict[int, Any] = {}

    def begin(self) -> None:
        """The last answer is there: signals are for what follows."""
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}

    def __enter__(self) -> "Patience":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._came > 1 and kind is KeyboardInterrupt:
            raise Interrupted(
                f"interrupted while its reports were made; the records are in {self._directory}",
                hint=f"genai-perf report {self._directory} makes them",
            ) from None
        if self._came and kind is None:
            raise KeyboardInterrupt

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._came += 1
        if self._came > 1:
            raise KeyboardInterrupt
        if not self._quiet:  # to stderr, past its buffer, which may be in the middle of a write
            os.write(2, b"the reports are being made; Ctrl-C again leaves them\n")
