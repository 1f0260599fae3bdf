"""One run, from the first connection to the last record."""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from genai_perf import schedule
from genai_perf.clock import NS_PER_MS, NS_PER_S, Origin
from genai_perf.config.schema import Config
from genai_perf.endpoints.reading import counting_events, counting_messages
from genai_perf.engine import progress, script, timer
from genai_perf.engine.batches import Batches
from genai_perf.engine.continuing import Half
from genai_perf.engine.fed import Fed
from genai_perf.engine.job import Job, connections_wanted
from genai_perf.engine.journal import Journal
from genai_perf.engine.manners import HangUps, PrefillLimit, ResponseWatch
from genai_perf.engine.recorder import Recorder
from genai_perf.engine.runner import Coming, Runner
from genai_perf.engine.windows import Windows
from genai_perf.exceptions import InputError
from genai_perf.transports import Transport
from genai_perf.types import (
    BY_PLAN,
    UNFINISHED,
    Exchange,
    Phase,
    RequestError,
    RequestRecord,
    RunEnd,
    Slot,
    Window,
)

_ENOUGH_TO_JUDGE = 10
"""Requests that must have ended before an error rate means anything."""
_GRACE_NS = 20 * NS_PER_MS
"""How long after its end a time window is closed: what arrived before that has been read by then."""


async def run(job: Job, transport: Transport, journal: Journal, origin: Origin) -> RunEnd:
    """Measure. Closes the journal in any case.

    Raises ServerError when no URL can be reached, ArtifactError when the journal takes no more.
    """
    ticker = timer.make(origin)
    try:
        return await Run(job, transport, journal, ticker).measure()
    finally:
        ticker.close()


class Run:
    """The state of one run: what was counted so far, and why it stops."""

    def __init__(self, job: Job, transport: Transport, journal: Journal, ticker: timer.Timer) -> None:
        self._job = job
        self._load = job.config.load
        self._transport = transport
        self._timer = ticker
        self._recorder = Recorder(job.endpoint, journal, self._count, self._give_up, self._time_left_ns)
        self._fed = Fed(job.feed) if job.feed is not None else None
        self._batches = Batches(self._load.periodic) if self._load.periodic is not None else None
        self._script = self._fed or script.of(
            job.workload, job.endpoint, f"{job.config.input.random_seed}:traffic"
        )
        self._runner = Runner(self._script, self._mannered(transport), ticker, self._keep)
        self._counts = progress.Counts()
        self._input_error = ""
        self._input_tokens = self._shared_tokens = 0
        """Of the requests that say what they share with earlier ones."""
        self._phase = Phase.WARMUP if self._load.warmup_request_count else Phase.BENCHMARK
        self._windows: Windows | None = None
        self._told_windows = 0
        self._first_failures = 0
        self._judged_until = self._enough_to_judge
        """The slots below this one decide whether there is any hope."""
        self._stop_reason: str | None = None

    async def measure(self) -> RunEnd:
        """Open the connections, send warm-up and benchmark, write the last record."""
        quiet = self._job.config.output.quiet
        try:
            await self._transport.open(connections_wanted(self._job))
            restore_signals = self._handle_signals()
            display = progress.Progress(self._progress_line, quiet=quiet)
            # Nothing below makes reference cycles; a collection would only stop the clock for everyone.
            gc.collect()
            gc.freeze()
            gc.disable()
            try:
                await self._send()
            finally:
                gc.enable()
                gc.unfreeze()
                display.close()
                restore_signals()
        finally:
            await self._transport.close()
            self._recorder.close()
        windows = self._windows
        return RunEnd(
            stop_reason=self._stop_reason or "completed",
            stable=windows.stable if windows else None,
            windows=tuple(windows.closed) if windows else (),
            recorded_ns=self._timer.now_ns() + self._recorder.forward_ns,
            unsent=self._runner.unsent,
            cut_off=self._runner.cut_off,
            broken_off=self._script.broken_off,
            trace=self._trace(),
            cut_short=self._batches.cut_short if self._batches is not None else 0,
            error=self._input_error,
        )

    async def _send(self) -> None:
        load = self._load
        warmup = load.warmup_request_count
        self._counts.started_ns = self._timer.now_ns()
        if warmup:
            await self._runner.run(
                self._warmup_slots(warmup), self._job.concurrency, from_ns=self._timer.now_ns()
            )
        if self._stop_reason is not None:
            return
        if self._job.before_benchmark is not None:
            await self._job.before_benchmark()
        self._phase = Phase.BENCHMARK
        start_ns = self._timer.now_ns()
        self._counts = progress.Counts(started_ns=start_ns)
        self._first_failures = 0
        self._judged_until = warmup + self._enough_to_judge
        windows = self._windows = self._new_windows(start_ns)
        duration_s = self._job.duration_s
        duration_ns = duration_s * NS_PER_S if duration_s is not None else None
        slots = self._benchmark_slots(duration_ns)
        if isinstance(slots, Coming) and warmup:
            await self._check_what_is_left(slots)
        if (half := self._job.half) is not None:
            duration_ns = None if duration_ns is None else duration_ns - half.measured_ns
            self._go_on_from(half, start_ns)
        async with asyncio.TaskGroup() as group:
            beside = []
            if windows is not None:
                beside.append(group.create_task(self._watch(windows)))
            if duration_ns is not None and load.grace_period_s is not None:
                until_ns = start_ns + int(duration_ns + load.grace_period_s * NS_PER_S)
                beside.append(group.create_task(self._give_up_at(until_ns)))
            await self._runner.run(slots, self._places(), from_ns=start_ns, duration_ns=duration_ns)
            for task in beside:
                task.cancel()
        if self._stop_reason is None:
            self._stop_reason = self._why_it_ended(warmup)

    def _warmup_slots(self, number: int) -> Iterator[Slot] | Coming:
        if self._fed is not None:
            return self._fed.slots(Phase.WARMUP, requests=number)
        due = schedule.arrivals(_without_ramp(self._job.config), self._job.load_file, expected=number)
        return schedule.slots(due, 0, Phase.WARMUP, requests=number)

    def _benchmark_slots(self, duration_ns: float | None) -> Iterator[Slot] | Coming:
        first, requests = self._load.warmup_request_count, self._job.slots_planned()
        if self._fed is not None:
            return self._fed.slots(Phase.BENCHMARK, requests=requests, duration_ns=duration_ns)
        if self._batches is not None:
            return self._batches
        due = self._job.arrivals()
        if (half := self._job.half) is not None:
            return half.slots_left(due, first, requests=requests, duration_ns=duration_ns)
        return schedule.slots(due, first, Phase.BENCHMARK, requests=requests, duration_ns=duration_ns)

    async def _check_what_is_left(self, slots: Coming) -> None:
        """Raise InputError where the warm-up has used up the trace."""
        feed, warmup = self._job.feed, self._load.warmup_request_count
        if not await slots.more() and feed is not None and feed.failure is None and self._stop_reason is None:
            raise InputError(f"--warmup-request-count {warmup}: the trace has no more requests than that")

    def _trace(self) -> dict[str, int]:
        told = {"input_tokens": self._input_tokens, "shared_tokens": self._shared_tokens}
        told = told if self._input_tokens else {}
        return told if self._fed is None else {**told, "unready": self._runner.unready}

    def _why_it_ended(self, warmup: int) -> str:
        feed = self._job.feed
        if feed is not None and feed.next is None:
            if feed.failure is None:
                return "end_of_trace"
            self._input_error = feed.failure.message
            return "bad_input" if isinstance(feed.failure, InputError) else "no_input"
        counted = self._job.slot_count
        before = len(self._job.half.done) if self._job.half is not None else 0
        taken = self._runner.slots_taken - warmup + before
        if counted is None or self._runner.unsent or self._runner.cut_off or taken < counted:
            return "duration"
        return "request_count"

    def _go_on_from(self, half: Half, start_ns: int) -> None:
        """Count from where the run was interrupted, in time and in requests."""
        self._recorder.forward_ns = half.stopped_ns - start_ns
        succeeded = len(half.done) - half.failed
        self._counts = progress.Counts(start_ns - half.measured_ns, succeeded=succeeded, failed=half.failed)
        self._judged_until = half.first_left(self._enough_to_judge, self._load.warmup_request_count)

    def _places(self) -> int | Iterator[tuple[int, int]] | None:
        """How many may be in flight, or how that changes."""
        load, file = self._load, self._job.load_file
        if self._job.config.is_open_loop or not (load.ramp_up_s or file.stretches):
            return self._job.concurrency
        return schedule.places(schedule.concurrency_of(load, file))

    async def _give_up_at(self, until_ns: int) -> None:
        """End the wait for answers when the grace period is over."""
        await self._timer.until(until_ns)
        self._stop("duration")
        self._runner.abort(
            RequestError(
                UNFINISHED, f"no complete answer within {self._load.grace_period_s:g} s of the run's end"
            )
        )

    def _mannered(self, transport: Transport) -> Transport:
        load = self._load
        if load.cancellation_rate:
            lots = random.Random(f"{self._job.config.input.random_seed}:cancellations")
            share, after_s = load.cancellation_rate, load.cancellation_delay_s
            transport = HangUps(transport, share, after_s, lots, self._timer.now_ns)
        if (limit := load.max_prefill_concurrency) is not None:
            transport = PrefillLimit(
                transport, limit, self._job.endpoint, self._timer.now_ns, lambda: self._runner.is_over
            )
        if self._batches is not None:
            counting = counting_messages if self._job.endpoint.transport == "grpc" else counting_events
            transport = ResponseWatch(transport, load.request_period, counting, self._batches.tell)
        return transport

    # -- what ends a run -------------------------------------------------------------------------

    def _stop(self, reason: str) -> None:
        if self._stop_reason is None:
            self._stop_reason = reason
            self._runner.stop()

    def _give_up(self) -> None:
        self._stop("journal")
        self._runner.abort()

    def _interrupt(self) -> None:
        if self._stop_reason == "interrupted":
            self._say("giving up the requests in flight")
            self._runner.abort()
            return
        if (waited := self._runner.in_flight) == 1:
            self._say("waiting for the request in flight; Ctrl-C again gives it up")
        elif waited:
            self._say(f"waiting for {waited:,} requests in flight; Ctrl-C again gives them up")
        self._stop_reason = None
        self._stop("interrupted")

    def _handle_signals(self) -> Callable[[], None]:
        loop = asyncio.get_running_loop()
        handled = (signal.SIGINT, signal.SIGTERM)
        for number in handled:
            loop.add_signal_handler(number, self._interrupt)

        def restore() -> None:
            for number in handled:
                loop.remove_signal_handler(number)
            if self._job.ended is not None:
                self._job.ended()

        return restore

    def _new_windows(self, start_ns: int) -> Windows | None:
        load = self._load
        if load.measurement_interval_ms is None and load.measurement_request_count is None:
            return None
        interval_ms = load.measurement_interval_ms
        return Windows(
            start_ns=start_ns,
            interval_ns=interval_ms * NS_PER_MS if interval_ms is not None else None,
            requests=load.measurement_request_count,
            stability_percentage=load.stability_percentage,
            percentile=load.stability_percentile,
            max_trials=load.max_trials,
        )

    async def _watch(self, windows: Windows) -> None:
        """Close windows of time as they end."""
        while windows.stable is None and windows.due_ns is not None:
            await asyncio.sleep((windows.due_ns + _GRACE_NS - self._timer.now_ns()) / NS_PER_S)
            windows.advance(self._timer.now_ns() - _GRACE_NS)
            self._judge(windows)

    def _judge(self, windows: Windows) -> None:
        if self._job.config.output.verbose:
            for number, window in enumerate(windows.closed[self._told_windows :], self._told_windows + 1):
                self._say(_describe(number, window))
            self._told_windows = len(windows.closed)
        if windows.stable is not None:
            self._stop("stable" if windows.stable else "max_trials")

    def _time_left_ns(self) -> int | None:
        """Until the next request is due; None where that is not a matter of time."""
        due_ns = self._runner.next_due_ns
        return None if due_ns is None else due_ns - self._timer.now_ns()

    # -- what is counted -------------------------------------------------------------------------

    def _keep(self, slot: Slot, due_ns: int | None, exchange: Exchange) -> None:
        windows = self._windows
        if windows is not None and exchange.error is None and 200 <= exchange.status < 300:
            windows.add(exchange.end_ns, exchange.end_ns - exchange.start_ns)
            if self._load.measurement_request_count is not None:
                self._judge(windows)
        if slot.phase is Phase.BENCHMARK and exchange.request.shared_tokens is not None:
            self._input_tokens += exchange.request.input_tokens or 0
            self._shared_tokens += exchange.request.shared_tokens
        if slot.phase is Phase.WARMUP and self._job.half is not None:
            return  # it warms the server once more; the run has had its own
        self._recorder.keep(slot, due_ns, exchange)

    def _count(self, record: RequestRecord) -> None:
        counts = self._counts
        if record.phase is not self._phase:
            return  # a warm-up record, read when the benchmark had begun
        if record.error is None:
            counts.succeeded += 1
            return
        if record.error.kind in BY_PLAN:
            return
        counts.failed += 1
        if self._is_hopeless(record):
            self._stop("error_rate")

    def _is_hopeless(self, record: RequestRecord) -> bool:
        counts, most = self._counts, self._load.max_error_rate
        if most is not None:
            return counts.ended >= _ENOUGH_TO_JUDGE and counts.failed > most * counts.ended
        # Refusals come back sooner than answers. So the first ones sent decide, not the first to end.
        if record.turn == 0 and record.index < self._judged_until:
            self._first_failures += 1
        return self._first_failures >= self._enough_to_judge

    @property
    def _enough_to_judge(self) -> int:
        return max(_ENOUGH_TO_JUDGE, self._job.concurrency or 0)

    def _progress_line(self) -> str:
        warming = self._phase is Phase.WARMUP
        duration_s = None if warming else self._job.duration_s
        return progress.line(
            self._counts,
            self._timer.now_ns(),
            self._runner.in_flight,
            self._load.warmup_request_count if warming else self._job.requests_expected,
            int(duration_s * NS_PER_S) if duration_s is not None else None,
            self._phase,
        )

    def _say(self, text: str) -> None:
        if not self._job.config.output.quiet:
            sys.stderr.write(f"\n{text}\n" if sys.stderr.isatty() else f"{text}\n")


def _without_ramp(config: Config) -> Config:
    return replace(config, load=replace(config.load, ramp_up_s=None))


def _describe(number: int, window: Window) -> str:
    return (
        f"window {number}: {window.requests:,} requests, {window.throughput_per_s:,.2f}/s, "
        f"latency {window.latency_ns / NS_PER_MS:,.3f} ms"
    )
