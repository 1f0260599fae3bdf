"""Perf Analyzer's measurement windows and its rule for when a measurement is stable. Pure.

A request belongs to the window in which it ends. Windows are exactly as long as was asked (Perf Analyzer's
took 1.2 times that), or as many requests long. Three in a row that all saw requests, and whose throughputs
and latencies each lie within the stability percentage of one another, are stable.
"""

from bisect import insort

from genai_perf.types import Window

_NEEDED = 3


class Windows:
    """Collects what ends, closes windows, and says when to stop."""

    def __init__(
        self,
        *,
        start_ns: int,
        interval_ns: int | None,
        requests: int | None,
        stability_percentage: float,
        percentile: int | None,
        max_trials: int,
    ) -> None:
        """Exactly one of `interval_ns` and `requests` (at least so many a window) is given."""
        assert (interval_ns is None) != (requests is None)
        self.closed: list[Window] = []
        self.stable: bool | None = None
        """None while it is not known: more windows are wanted."""
        self._start_ns = start_ns
        self._interval_ns = interval_ns
        self._requests = requests
        self._within = 1 + stability_percentage / 100
        self._percentile = percentile
        self._max_trials = max_trials
        self._ended: list[tuple[int, int]] = []
        """(end, latency) of requests that no closed window holds, by end."""

    @property
    def due_ns(self) -> int | None:
        """When the open window ends, where that is a matter of time."""
        return None if self._interval_ns is None else self._start_ns + self._interval_ns

    def add(self, end_ns: int, latency_ns: int) -> None:
        """Note a request that has succeeded."""
        insort(self._ended, (end_ns, latency_ns))
        if self._requests is not None and len(self._ended) >= self._requests and self.stable is None:
            self._close(self._ended[-1][0])

    def advance(self, now_ns: int) -> None:
        """Close the windows that end at or before `now_ns`."""
        while self.stable is None and self.due_ns is not None and self.due_ns <= now_ns:
            self._close(self.due_ns)

    def _close(self, end_ns: int) -> None:
        inside = [latency_ns for ended_ns, latency_ns in self._ended if ended_ns <= end_ns]
        self._ended = self._ended[len(inside) :]
        duration_ns = max(1, end_ns - self._start_ns)
        throughput_per_s = len(inside) * 1e9 / duration_ns
        self.closed.append(
            Window(self._start_ns, end_ns, len(inside), throughput_per_s, self._latency(inside))
        )
        self._start_ns = end_ns
        if self._is_stable(self.closed[-_NEEDED:]):
            self.stable = True
        elif len(self.closed) >= self._max_trials:
            self.stable = False

    def _is_stable(self, last: list[Window]) -> bool:
        if len(last) < _NEEDED or not all(window.requests for window in last):
            return False
        throughputs = [window.throughput_per_s for window in last]
        latencies = [window.latency_ns for window in last]
        return (
            max(throughputs) <= min(throughputs) * self._within
            and max(latencies) <= min(latencies) * self._within
        )

    def _latency(self, latencies_ns: list[int]) -> float:
        """The average, or a percentile by nearest rank, as Perf Analyzer takes it."""
        if not latencies_ns:
            return 0.0
        if self._percentile is None:
            return sum(latencies_ns) / len(latencies_ns)
        return float(sorted(latencies_ns)[int(self._percentile / 100 * (len(latencies_ns) - 1) + 0.5)])
