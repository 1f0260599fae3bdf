"""One run: its requests sent over a transport, its records on disk."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf import endpoints
from genai_perf.clock import Origin
from genai_perf.config.schema import Config
from genai_perf.config.versions import versions
from genai_perf.endpoints import Endpoint
from genai_perf.profile.directory import JOURNAL, write_run
from genai_perf.types import RunEnd, RunInfo, Workload

if TYPE_CHECKING:
    from genai_perf.profile.triton import Served
    from genai_perf.telemetry.sampler import Sampler
    from genai_perf.transports import Transport
    from genai_perf.transports.kept import Kept
    from genai_perf.workload.tokenizer import Tokenizer


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
    sampler: "Sampler | None" = None,
) -> None:
    """Make the run and leave its files in `directory`. Raises GenAIPerfError.

    `kept` is what the session's runs leave open on the `loop`, which is theirs as well. `sampler` asks the
    server and the GPUs beside the run. `served` is the Triton that is asked what its models did.
    """
    from genai_perf.engine import run as engine
    from genai_perf.engine.journal import Journal
    from genai_perf.workload import inputs_file, load_files

    async def before_benchmark() -> None:
        if served is not None:
            await served.begin()
        if sampler is not None:
            await sampler.mark(settle=config.load.warmup_request_count > 0)

    job = engine.Job(config, endpoint, workload, load_files.read(config.load), before_benchmark)
    inputs_file.write(directory / inputs_file.NAME, workload.requests)
    origin = Origin.now()
    info = RunInfo(
        version=versions()["genai-perf"],
        command=command,
        started_wall_ns=origin.wall_ns,
        endpoint=endpoint.name,
        streaming=config.endpoint.streaming,
        config=config.public(),
        tokenizer=tokenizer.info() if tokenizer is not None else {},
        versions=versions(),
    )
    write_run(directory, info, None)

    async def send() -> RunEnd:
        transport = _transport(config, endpoint, origin, kept)
        journal = Journal(directory / JOURNAL, info)
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
    write_run(directory, info, end)


def _transport(config: Config, endpoint: Endpoint, origin: Origin, kept: "Kept") -> "Transport":
    from genai_perf.transports.address import Address

    path = endpoints.path_of(
        endpoint,
        given=config.endpoint.path,
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
