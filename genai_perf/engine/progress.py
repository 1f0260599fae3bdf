"""One line on a terminal while a run goes on; nothing where stderr is no terminal."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from genai_perf.clock import NS_PER_S

_PERIOD_S = 0.25
_CLEAR = "\r\x1b[K"


@dataclass(slots=True)
class Counts:
    """What a run has come to so far."""

    started_ns: int = 0
    sent: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def ended(self) -> int:
        """Requests that have an outcome."""
        return self.succeeded + self.failed


def line(
    counts: Counts, now_ns: int, in_flight: int, requests: int | None, duration_ns: int | None, phase: str
) -> str:
    """`benchmark 12 s | 1,234 requests (103/s) | 64 in flight | 5 failed | 0:18 left`."""
    elapsed_s = max(0.0, (now_ns - counts.started_ns) / NS_PER_S)
    rate_per_s = counts.ended / elapsed_s if elapsed_s else 0.0
    parts = [
        f"{phase} {elapsed_s:.0f} s",
        f"{counts.ended:,}{f' of {requests:,}' if requests else ''} requests ({rate_per_s:,.1f}/s)",
        f"{in_flight:,} in flight",
        f"{counts.failed:,} failed",
    ]
    left_s = _left_s(counts, elapsed_s, rate_per_s, requests, duration_ns)
    if left_s is not None:
        parts.append(f"{int(left_s) // 60}:{int(left_s) % 60:02} left")
    return " | ".join(parts)


def _left_s(
    counts: Counts, elapsed_s: float, rate_per_s: float, requests: int | None, duration_ns: int | None
) -> float | None:
    by_time = max(0.0, duration_ns / NS_PER_S - elapsed_s) if duration_ns is not None else None
    by_count = (requests - counts.ended) / rate_per_s if requests is not None and rate_per_s else None
    known = [left_s for left_s in (by_time, by_count) if left_s is not None]
    return min(known) if known else None


class Progress:
    """Draws `text()` again and again; `close` clears the line."""

    def __init__(self, text: Callable[[], str], *, quiet: bool) -> None:
        self._text = text
        self._handle: asyncio.TimerHandle | None = None
        if not quiet and sys.stderr.isatty():
            self._draw()

    def close(self) -> None:
        """Stop drawing and leave the line empty."""
        if self._handle is not None:
            self._handle.cancel()
            sys.stderr.write(_CLEAR)
            sys.stderr.flush()

    def _draw(self) -> None:
        sys.stderr.write(_CLEAR + self._text()[: shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()
        self._handle = asyncio.get_running_loop().call_later(_PERIOD_S, self._draw)
