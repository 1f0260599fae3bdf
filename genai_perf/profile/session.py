"""What the runs of one command share."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from genai_perf import endpoints
from genai_perf.config import urls
from genai_perf.config.schema import Config, EndpointConfig, LoadConfig, OutputConfig, TokenizerConfig
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import UsageError
from genai_perf.profile.directory import check_apart
from genai_perf.profile.former import Former
from genai_perf.profile.measure import measure
from genai_perf.profile.repeatable import Asked
from genai_perf.profile.summarize import load_tokenizer, summarize
from genai_perf.types import Phase, Workload
from genai_perf.workload import lock

if TYPE_CHECKING:
    from genai_perf.profile.triton import Served
    from genai_perf.reports import Result
    from genai_perf.telemetry.sampler import Sampler
    from genai_perf.transports.kept import Kept
    from genai_perf.workload.tokenizer import Tokenizer


class Session:
    """What the runs of one command share: the event loop, connections, the server, tokenizers and prompts.

    A context manager; the loop, the connections and the embedded server end with it.
    """

    _WORKLOADS_KEPT = 8
    """Latest sets of prompts, for sweeps that vary the input and the load together."""
    _BYTES_KEPT = 256 << 20
    """Of bodies: with images, a few sets are more than the rest of the program. The latest always stays."""

    def __init__(self, command: str, repeats: Path | None = None) -> None:
        """`repeats` is the lock of a run that this session's are to be the same as. Raises ArtifactError."""
        self._command = command
        self._repeats = (repeats, lock.read(repeats)) if repeats is not None else (None, None)
        self._closing = ExitStack()
        self._shared_loop: tuple[asyncio.Runner, Kept] | None = None
        self._embedded_url: str | None = None
        self._sampler: Sampler | None = None
        self._tokenizers: dict[tuple[TokenizerConfig, str], Tokenizer] = {}
        self._served: dict[EndpointConfig, Served] = {}
        self._workloads: deque[tuple[Config, Workload]] = deque(maxlen=self._WORKLOADS_KEPT)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *raised: object) -> None:
        self._closing.close()

    def located(self, config: Config) -> Config:
        """The config with `--url embedded` replaced by the address of the session's server."""
        if urls.EMBEDDED not in config.urls:
            return config
        if self._embedded_url is None:
            from genai_perf.server.process import EmbeddedServer
            from genai_perf.server.settings import ServerSettings

            server = self._closing.enter_context(EmbeddedServer(ServerSettings(port=0)))
            self._embedded_url = server.url
        found = tuple(self._embedded_url if url == urls.EMBEDDED else url for url in config.urls)
        return replace(config, endpoint=replace(config.endpoint, urls=found))

    def _as_asked(self, config: Config) -> Config:
        """The config with the session's server as the user calls it."""
        found = tuple(urls.EMBEDDED if url == self._embedded_url else url for url in config.endpoint.urls)
        return replace(config, endpoint=replace(config.endpoint, urls=found))

    def measure(
        self,
        config: Config,
        directory: Path,
        former: Former | None = None,
        *,
        ended: Callable[[], None] | None = None,
    ) -> "Result":
        """Make the run, leave its records in `directory`, and read them. Raises GenAIPerfError.

        `former` is the directory's interrupted run of the same settings: where possible this is its rest.
        `ended` is called when the last answer is there.
        """
        endpoint = endpoints.get(str(config.endpoint.type), config.endpoint.backend)
        check_apart(config, directory)
        self._look_for_sources(config)
        served = self._ask(config, endpoint) if endpoint.is_triton else None
        asked = Asked(self._as_asked(config), *self._repeats)
        if config.input.replay is not None:
            tokenizer, workload = self._prepare_replay(config, endpoint, served, directory)
            warmup = sum(send.phase is Phase.WARMUP for send in workload.sends)
            config = replace(config, load=replace(config.load, warmup_request_count=warmup))
        else:
            tokenizer, workload = self._prepare(config, endpoint, served)
            _check_conversations(config, workload)
        loop, kept = self._loop()
        shared = loop, kept, served, former, self._sampler
        run = config, endpoint, workload, tokenizer, directory, self._command
        measure(*run, *shared, asked=asked, ended=ended)
        return summarize(directory, counter=tokenizer)

    def read(self, config: Config, directory: Path) -> "Result":
        """A run's figures once more, by the tokenizer that is loaded already. Raises GenAIPerfError."""
        key = (config.tokenizer, config.endpoint.model_names[0])
        return summarize(directory, counter=self._tokenizers.get(key))

    def _look_for_sources(self, config: Config) -> None:
        """Have the process started that samples them; it looks for them while prompts are made."""
        from genai_perf.telemetry import sources

        if self._sampler is None:
            from genai_perf.telemetry.sampler import Sampler

            self._sampler = self._closing.enter_context(Sampler())
        self._sampler.start(sources.specs(config))

    def _ask(self, config: Config, endpoint: Endpoint) -> "Served":
        """What Triton says of the models: asked once for all runs that differ in load and input only."""
        from genai_perf.profile import triton

        if config.endpoint not in self._served:
            loop, _ = self._loop()
            self._served[config.endpoint] = loop.run(triton.ask(config, endpoint))
        return self._served[config.endpoint]

    def _prepare(
        self, config: Config, endpoint: Endpoint, served: "Served | None"
    ) -> "tuple[Tokenizer | None, Workload]":
        from genai_perf.workload import build

        build.check(config, endpoint)
        tokenizer = None
        if build.needs_tokenizer(config, endpoint):
            tokenizer = self._tokenizer(config)
        # of the load, all that prompts depend on: whether a trace is streamed, and whether they have turns
        sessions = 1 if config.has_sessions else None
        kind = LoadConfig(fixed_schedule=config.load.fixed_schedule, session_concurrency=sessions)
        same = replace(config, load=kind, output=OutputConfig())
        for made_for, workload in self._workloads:
            if made_for == same:
                return tokenizer, workload
        if config.endpoint.grpc_method is not None and not config.input.ready_made:
            from genai_perf.profile import dynamic_grpc

            loop, _ = self._loop()
            workload = dynamic_grpc.workload(config, loop)
        else:
            workload = build.build(config, endpoint, tokenizer)
            workload = self._as_messages(workload, config, endpoint, served)
        self._workloads.append((same, workload))
        while len(self._workloads) > 1 and self._kept_bytes() > self._BYTES_KEPT:
            self._workloads.popleft()
        return tokenizer, workload

    def _prepare_replay(
        self, config: Config, endpoint: Endpoint, served: "Served | None", directory: Path
    ) -> "tuple[Tokenizer | None, Workload]":
        from genai_perf.profile import replay
        from genai_perf.workload.bodies import counted

        run = config.input.replay
        assert run is not None
        former = replay.read(config, endpoint, directory)
        tokenizer, workload = None, former.workload
        if former.info.tokenizer:
            tokenizer = self._tokenizer(config)
            requests = list(counted(workload.requests, endpoint, tokenizer))
            workload = replace(workload, requests=requests)
        workload = self._as_messages(workload, config, endpoint, served)
        if endpoint.transport == "grpc":
            replay.check_messages(former, workload, run)
        return tokenizer, workload

    def _as_messages(
        self, workload: Workload, config: Config, endpoint: Endpoint, served: "Served | None"
    ) -> Workload:
        """Bodies as what goes over gRPC, where they do."""
        from genai_perf.workload import ready_made

        names = ready_made.names(config) if config.input.ready_made else None
        if config.endpoint.grpc_method is not None:
            from genai_perf.profile import dynamic_grpc

            loop, _ = self._loop()
            numbered = (f"row {place}" for place in count())
            return dynamic_grpc.encoded(workload, names or numbered, config, loop)
        if served is not None and endpoint.transport == "grpc":
            from genai_perf.profile import triton

            return triton.encoded(workload, served, config, names)
        return workload

    def _kept_bytes(self) -> int:
        return sum(len(request.body) for _, workload in self._workloads for request in workload.requests)

    def _tokenizer(self, config: Config) -> "Tokenizer":
        key = (config.tokenizer, config.endpoint.model_names[0])
        if key not in self._tokenizers:
            tokenizer = self._tokenizers[key] = load_tokenizer(*key)
            if not config.output.quiet:
                sys.stderr.write(f"tokens are counted by {tokenizer.reason}\n")
        return self._tokenizers[key]

    def _loop(self) -> "tuple[asyncio.Runner, Kept]":
        """The event loop, and what the runs leave open on it for each other."""
        if self._shared_loop is None:
            import uvloop

            from genai_perf.transports.kept import Kept

            kept = Kept()
            runner = self._closing.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
            self._closing.callback(lambda: runner.run(kept.close()))
            self._shared_loop = runner, kept
        return self._shared_loop


def _check_conversations(config: Config, workload: "Workload") -> None:
    """Raise UsageError where more are to be open at a time than there are, as Perf Analyzer does."""
    wanted, given = config.load.session_concurrency, len(workload.starts or ())
    if wanted is not None and workload.starts is not None and given < wanted and not config.load.duration_s:
        raise UsageError(
            f"--session-concurrency {wanted} is more than there are conversations ({given})",
            hint="make or read more of them; or --benchmark-duration, over which they come again",
        )
