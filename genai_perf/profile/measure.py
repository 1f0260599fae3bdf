"""One run: its requests sent over a transport, its records on disk."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf import endpoints
from genai_perf.clock import Origin
from genai_perf.config.schema import Config, TokenizerConfig
from genai_perf.config.versions import versions
from genai_perf.endpoints import Endpoint
from genai_perf.profile import repeatable
from genai_perf.profile.directory import JOURNAL, SAMPLES, make_directory, write_run
from genai_perf.profile.former import Former, taken_up
from genai_perf.profile.repeatable import Asked
from genai_perf.types import RunEnd, RunInfo, Workload

if TYPE_CHECKING:
    from genai_perf.engine.continuing import Half
    from genai_perf.engine.job import Job
    from genai_perf.profile.triton import Served
    from genai_perf.telemetry.sampler import Sampler
    from genai_perf.transports import Transport
    from genai_perf.transports.kept import Kept
    from genai_perf.workload.tokenizer import Tokenizer
    from genai_perf.workload.traces.produce import Order

logger = logging.getLogger(__name__)


def measure(
    config: Config,
    endpoint: Endpoint,
    workload: Workload,
    tokenizer: "Tokenizer | None",
    directory: Path,
    command: str,
    loop: asyncio.Runner,
    kept: "Kept",
    served: "Served | None" = None,
    former: Former | None = None,
    sampler: "Sampler | None" = None,
    *,
    asked: Asked,
    ended: Callable[[], None] | None = None,
) -> None:
    """Make the run, or the rest of a former one, and leave its files in `directory`. Raises GenAIPerfError.

    `kept` is what the session's runs leave open on the `loop`, which is theirs as well. `sampler` asks the
    server and the GPUs beside the run. `served` is the Triton that is asked what its models did. `asked` is
    what the run's own files tell of it. `ended` is called when the last answer is there.
    """
    from genai_perf.engine import run as engine
    from genai_perf.engine.fed import Planned
    from genai_perf.engine.job import Job
    from genai_perf.engine.journal import Journal
    from genai_perf.workload import inputs_file, load_files
    from genai_perf.workload.traces.feed import Feed

    async def before_benchmark() -> None:
        if served is not None:
            await served.begin(config.load.warmup_request_count)
        if sampler is not None:
            await sampler.mark(settle=config.load.warmup_request_count > 0)
            for line in sampler.complaints():
                logger.warning("%s", line)

    job = Job(config, endpoint, workload, load_files.read(config.load), before_benchmark, ended)
    counted_by = tokenizer.info() if tokenizer is not None else {}
    half = _half(former, job, counted_by, directory) if former is not None else None
    feed = None
    if workload.is_streamed:
        order = _order(config, counted_by, directory / inputs_file.NAME, served)
        feed = loop.run(Feed.open(order, lambda: make_directory(directory)))
        job = replace(job, feed=feed)
    elif half is None:
        make_directory(directory)
        inputs_file.write(directory / inputs_file.NAME, workload)
    if workload.sends:
        job = replace(job, feed=Planned(workload, config.load.speed_up))
    origin = Origin.now()
    info = RunInfo(
        version=versions()["genai-perf"],
        command=command,
        started_wall_ns=origin.wall_ns,
        endpoint=endpoint.name,
        streaming=config.endpoint.streaming,
        config=config.public(),
        tokenizer=counted_by,
        versions=versions(),
        host=os.uname().nodename,
    )
    if half is not None:
        info = replace(half.info, breaks=(*half.info.breaks, half.ends_here(origin.wall_ns)))
        job = replace(job, half=half, before_benchmark=None)
        served = None  # what it has counted since before the interruption is more than this run
        sampler = None  # likewise
    made = repeatable.write(directory, asked, job, info) if half is None else None
    write_run(directory, info, None)

    async def send() -> RunEnd:
        transport = _transport(config, endpoint, origin, kept)
        if half is None:
            journal = Journal(directory / JOURNAL, info)
        else:
            journal = Journal(directory / f".{JOURNAL}.part", info)
            journal.take_over(half.records, directory / JOURNAL)
        if served is not None and config.load.warmup_request_count:
            await served.begin_warmup()
        end = await engine.run(job, transport, journal, origin)
        if sampler is not None:
            await sampler.mark(settle=True)
        return replace(end, server_statistics=await served.end()) if served is not None else end

    if sampler is not None:
        sampler.begin(directory, origin)
    try:
        end = loop.run(send())
    finally:
        if sampler is not None:
            sampler.end()
        if feed is not None:
            feed.close()
    if made is not None:
        repeatable.complete(directory, asked, made, end)
    write_run(directory, info, end)


def _order(config: Config, counted_by: Mapping[str, str], inputs: Path, served: "Served | None") -> "Order":
    """What the process is told that makes the requests of a trace while they are sent.

    It counts by the tokenizer that was found here: one that was not to be had is not looked for again.
    """
    from genai_perf.workload.traces.produce import Order

    if counted_by.get("kind") == "builtin":
        config = replace(config, tokenizer=TokenizerConfig(name="builtin"))
    finish = None
    if served is not None and config.is_grpc:
        from genai_perf.profile import triton

        finish = triton.encoder(served, config)
    return Order(config, inputs, finish)


def _half(former: Former, job: "Job", tokenizer: Mapping[str, str], directory: Path) -> "Half | None":
    """What this job goes on from, and a line that says so; None where it cannot."""
    from genai_perf.engine.continuing import CannotContinue

    half = None
    try:
        half = taken_up(former, job, tokenizer, directory)
        told = f"continuing after request {len(half.done):,}, where it was interrupted"
        if sampled := [path for name in SAMPLES if (path := directory / name).exists()]:
            told += "; telemetry, which would have a hole, is left out"
            for path in sampled:
                path.unlink()
    except CannotContinue as reason:
        told = f"the interrupted run in {directory} cannot be continued ({reason}): measuring it again"
    if not job.config.output.quiet:
        sys.stderr.write(f"{told}\n")
    return half


def _transport(config: Config, endpoint: Endpoint, origin: Origin, kept: "Kept") -> "Transport":
    from genai_perf.transports.address import Address

    path = endpoints.path_of(
        endpoint,
        given=config.endpoint.grpc_method or config.endpoint.path,
        model=config.endpoint.model_names[0],
        streaming=config.endpoint.streaming,
    )
    addresses = [Address.of(url) for url in config.urls]
    headers = {"User-Agent": f"genai-perf/{versions()['genai-perf']}"}
    if endpoint.transport == "http":
        headers["Accept"] = "text/event-stream" if config.endpoint.streaming else "application/json"
        headers["Content-Type"] = "application/json"
    headers |= endpoint.headers
    for header in config.endpoint.headers:
        name, _, value = header.partition(":")
        headers = {kept: text for kept, text in headers.items() if kept.lower() != name.strip().lower()}
        headers[name.strip()] = value.strip()
    if endpoint.transport == "grpc":
        from genai_perf.transports.grpc import GrpcTransport

        return GrpcTransport(addresses, path, headers, config.endpoint, origin, kept)
    if config.endpoint.transport == "httpx":
        from genai_perf.transports.httpx import HttpxTransport

        return HttpxTransport(addresses, path, headers, config.endpoint, origin, kept)
    from genai_perf.transports.http import HttpTransport

    return HttpTransport(addresses, path, headers, config.endpoint, origin, kept)
