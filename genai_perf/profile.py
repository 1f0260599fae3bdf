"""A `profile` run from end to end, and the same reports once more from what it left.

config → requests → run → journal → summary → reports
"""

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf import endpoints
from genai_perf.clock import Origin
from genai_perf.config import urls
from genai_perf.config.schema import Config, LoadConfig, MetricsConfig, OutputConfig, TokenizerConfig
from genai_perf.config.versions import versions
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import ArtifactError, GenAIPerfError, InputError, Interrupted, ServerError
from genai_perf.types import Request, RunEnd, RunInfo, Summary, Window

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.reports import Result
    from genai_perf.transports import Transport
    from genai_perf.workload.tokenizer import Tokenizer

JOURNAL = "records.arrows"
RUN = "run.json"

logger = logging.getLogger(__name__)


def run(config: Config, *, command: str) -> int:
    """Measure and report. 0: measured; 1: ended by the error rate; 130: interrupted, and reported.

    `command` is the command line without secrets. Raises GenAIPerfError.
    """
    directory = config.output.artifact_dir / run_name(config)
    with Session(command) as session:
        config = session.located(config)
        result = session.measure(config, directory)
        return _publish(result, directory, config.output, asked=config)


class Session:
    """What the runs of one command share: the event loop, the embedded server, tokenizers and prompts.

    A context manager; the loop and the server end with it.
    """

    _WORKLOADS_KEPT = 8
    """Latest sets of prompts, for sweeps that vary the input and the load together."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._closing = ExitStack()
        self._runner: asyncio.Runner | None = None
        self._embedded_url: str | None = None
        self._tokenizers: dict[tuple[TokenizerConfig, str], Tokenizer] = {}
        self._workloads: deque[tuple[Config, list[Request]]] = deque(maxlen=self._WORKLOADS_KEPT)

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

    def measure(self, config: Config, directory: Path) -> "Result":
        """Make the run, leave its records in `directory`, and read them. Raises GenAIPerfError."""
        endpoint = endpoints.get(str(config.endpoint.type))
        tokenizer, requests = self._prepare(config, endpoint)
        _make_directory(directory)
        _measure(config, endpoint, requests, tokenizer, directory, self._command, self._loop())
        return summarize(directory, counter=tokenizer)

    def _prepare(self, config: Config, endpoint: Endpoint) -> "tuple[Tokenizer | None, list[Request]]":
        from genai_perf.workload import build

        build.check(config, endpoint)
        tokenizer = None
        if build.needs_tokenizer(config, endpoint):
            tokenizer = self._tokenizer(config)
        same = replace(config, load=LoadConfig(), output=OutputConfig())  # all that a prompt depends on
        for made_for, requests in self._workloads:
            if made_for == same:
                return tokenizer, requests
        requests = build.build(config, endpoint, tokenizer)
        self._workloads.append((same, requests))
        return tokenizer, requests

    def _tokenizer(self, config: Config) -> "Tokenizer":
        key = (config.tokenizer, config.endpoint.model_names[0])
        if key not in self._tokenizers:
            tokenizer = self._tokenizers[key] = _load_tokenizer(*key)
            if not config.output.quiet:
                sys.stderr.write(f"tokens are counted by {tokenizer.reason}\n")
        return self._tokenizers[key]

    def _loop(self) -> asyncio.Runner:
        if self._runner is None:
            import uvloop

            self._runner = self._closing.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        return self._runner


def report(
    directory: Path,
    *,
    metrics: MetricsConfig | None = None,
    tokenizer: TokenizerConfig | None = None,
    output: OutputConfig | None = None,
) -> int:
    """Make every report of a run again; what is None stays as it was in the run. Raises GenAIPerfError."""
    result = summarize(directory, metrics=metrics, tokenizer=tokenizer)
    return _publish(result, directory, output or OutputConfig())


def summarize(
    directory: Path,
    *,
    metrics: MetricsConfig | None = None,
    tokenizer: TokenizerConfig | None = None,
    counter: "Tokenizer | None" = None,
) -> "Result":
    """A run's figures, from the journal it left. `counter` is the run's tokenizer, where it is loaded.

    Raises ArtifactError, UsageError and TokenizerError.
    """
    from genai_perf.engine import journal
    from genai_perf.metrics.compute import of_columns
    from genai_perf.metrics.goodput import check_goodput
    from genai_perf.metrics.reading import read_columns
    from genai_perf.reports import Result
    from genai_perf.workload import inputs_file

    info, records = journal.read(directory / JOURNAL)
    config = info.config
    end = _read_end(directory)
    endpoint = endpoints.get(info.endpoint)
    settings = _metrics_settings(config["metrics"], metrics)
    check_goodput(
        settings.goodput,
        streaming=info.streaming,
        produces_tokens=endpoint.produces_tokens,
        open_loop=config["load"]["request_rate"] is not None
        or config["load"]["request_intervals"] is not None,
    )
    if counter is None and info.tokenizer:
        counter = _load_tokenizer(tokenizer or _tokenizer_of(info), config["endpoint"]["model_names"][0])
    input_tokens = None
    if tokenizer is not None and counter is not None:
        bodies = inputs_file.bodies(directory / inputs_file.NAME)
        input_tokens = counter.count(endpoint.prompt_text(body) for body in bodies)
        info = replace(info, tokenizer=counter.info())
    records = _measured(records, end)
    columns = read_columns(
        records,
        count=counter.count if counter is not None and endpoint.produces_tokens else None,
        input_tokens=input_tokens,
        use_server_token_count=settings.use_server_token_count,
        slos=settings.goodput,
    )
    summary = of_columns(columns, info, end, settings=settings, produces_tokens=endpoint.produces_tokens)
    return Result(
        info=replace(info, config={**config, "metrics": asdict(settings)}),
        end=end,
        records=records,
        summary=summary,
        endpoint_path=config["endpoint"]["path"] or endpoint.path,
        title=endpoint.title,
        produces_tokens=endpoint.produces_tokens,
        columns=columns,
    )


# -- before -------------------------------------------------------------------------------------------


def _load_tokenizer(settings: TokenizerConfig, model_name: str) -> "Tokenizer":
    from genai_perf.workload import tokenizer

    return tokenizer.load(settings, model_name)


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ArtifactError(
            f"{directory}: cannot be made: {exc.strerror or exc}", hint="--artifact-dir names another place"
        ) from exc
    for stale in (RUN, JOURNAL):
        (directory / stale).unlink(missing_ok=True)


def run_name(config: Config, swept: Mapping[str, object] | None = None) -> str:
    """The run's directory, as GenAI-Perf names it: model, endpoint and load, or what a sweep varies."""
    models = config.endpoint.model_names
    model = models[0] + ("_multi" if len(models) > 1 else "")
    varied = "-".join(f"{name}{value}" for name, value in swept.items()) if swept else _stimulus(config.load)
    return f"{model.replace('/', '_')}-openai-{config.endpoint.type}-{varied}"


def _stimulus(load: LoadConfig) -> str:
    if load.request_intervals is not None:
        return "request_intervals"
    if load.request_rate is not None:
        return f"request_rate{load.request_rate}"
    return f"concurrency{load.concurrency or 1}"


def read_intervals(path: Path) -> list[int]:
    """Gaps in µs, one a line. Raises InputError."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not text"
        raise InputError(f"--request-intervals: {path}: {reason}") from exc
    gaps = []
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            if not text.isdecimal():
                raise InputError(f"{path}:{number}: {text!r} is not a whole number of µs")
            gaps.append(int(text))
    if not any(gaps):
        raise InputError(f"--request-intervals: {path}: no gap above 0 µs in it")
    return gaps


# -- measuring ----------------------------------------------------------------------------------------


def _measure(
    config: Config,
    endpoint: Endpoint,
    requests: list[Request],
    tokenizer: "Tokenizer | None",
    directory: Path,
    command: str,
    loop: asyncio.Runner,
) -> None:
    from genai_perf.engine import run as engine
    from genai_perf.engine.journal import Journal
    from genai_perf.workload import inputs_file

    intervals = config.load.request_intervals
    job = engine.Job(config, endpoint, requests, read_intervals(intervals) if intervals is not None else ())
    inputs_file.write(directory / inputs_file.NAME, requests)
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
    _write_run(directory, info, None)

    async def measure() -> RunEnd:
        transport = _transport(config, endpoint, origin)
        journal = Journal(directory / JOURNAL, info)
        return await engine.run(job, transport, journal, origin)

    _write_run(directory, info, loop.run(measure()))


def _transport(config: Config, endpoint: Endpoint, origin: Origin) -> "Transport":
    from genai_perf.transports.address import Address

    path = config.endpoint.path or endpoint.path
    addresses = [Address.of(url) for url in config.urls]
    headers = {
        "User-Agent": f"genai-perf/{versions()['genai-perf']}",
        "Accept": "text/event-stream" if config.endpoint.streaming else "application/json",
        "Content-Type": "application/json",
    }
    for header in config.endpoint.headers:
        name, _, value = header.partition(":")
        headers = {kept: text for kept, text in headers.items() if kept.lower() != name.strip().lower()}
        headers[name.strip()] = value.strip()
    if config.endpoint.transport == "httpx":
        from genai_perf.transports.httpx import HttpxTransport

        return HttpxTransport(addresses, path, headers, config.endpoint, origin)
    from genai_perf.transports.http import HttpTransport

    return HttpTransport(addresses, path, headers, config.endpoint, origin)


# -- after --------------------------------------------------------------------------------------------


def _write_run(directory: Path, info: RunInfo, end: RunEnd | None) -> None:
    path = directory / RUN
    try:
        path.write_text(
            json.dumps({"run": asdict(info), "end": asdict(end) if end else None}, indent=2) + "\n"
        )
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc


def _read_end(directory: Path) -> RunEnd | None:
    """How the run ended; None when it was killed before it could say."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        end = json.loads((directory / RUN).read_text())["end"]
        if end is not None:
            return RunEnd(**{**end, "windows": tuple(Window(**window) for window in end["windows"])})
    return None


def _metrics_settings(recorded: Mapping[str, Any], given: MetricsConfig | None) -> MetricsConfig:
    settings = MetricsConfig(**recorded)
    if given is None:
        return settings
    return MetricsConfig(
        goodput=given.goodput or settings.goodput,
        use_server_token_count=given.use_server_token_count or settings.use_server_token_count,
    )


def _tokenizer_of(info: RunInfo) -> TokenizerConfig:
    """The run's own; a name that fell back to the built-in one then must count the same now."""
    if info.tokenizer["kind"] == "builtin":
        return TokenizerConfig(name="builtin")
    return TokenizerConfig(**info.config["tokenizer"])


def _measured(records: "pa.Table", end: RunEnd | None) -> "pa.Table":
    """The records without those that ended after the last measurement window; the journal keeps them."""
    if end is None or not end.windows:
        return records
    import numpy as np

    from genai_perf.metrics import arrow

    ends_ns = np.concatenate([arrow.numbers(chunk) for chunk in records["end_ns"].chunks])
    return arrow.take(records, np.flatnonzero(ends_ns <= end.windows[-1].end_ns))


def _publish(result: "Result", directory: Path, output: OutputConfig, *, asked: Config | None = None) -> int:
    """Write and print every report. `asked` is the config of a run just made, whose server can be asked."""
    write_reports(result, directory, output)
    if output.generate_plots:
        from genai_perf.reports import plots

        plots.write(result, directory)
    return verdict(result, directory, asked)


def write_reports(result: "Result", directory: Path, output: OutputConfig) -> None:
    """Write the files of a run, and print its table unless it is empty."""
    from genai_perf.reports import console, csv_file, json_file, raw

    for write in (json_file.write, csv_file.write, raw.write):
        write(result, directory)
    if result.summary.requests:
        console.write(result, directory, verbose=output.verbose)


def verdict(result: "Result", directory: Path, asked: Config | None = None) -> int:
    """The exit code. Raises ServerError or Interrupted when nothing was measured."""
    if not result.summary.requests:
        raise _nothing_measured(result, directory, asked)
    return _exit_code(result.end)


def _exit_code(end: RunEnd | None) -> int:
    if end is not None and end.stop_reason == "error_rate":
        return GenAIPerfError.exit_code
    if end is not None and end.stop_reason == "interrupted":
        return Interrupted.exit_code
    return 0


def _nothing_measured(result: "Result", directory: Path, config: Config | None) -> GenAIPerfError:
    summary: Summary = result.summary
    if result.end is not None and result.end.stop_reason == "interrupted":
        return Interrupted(f"interrupted before any request was complete; the records are in {directory}")
    if not summary.errors:
        return ServerError(f"no request was complete; the records are in {directory}")
    kind, (count, message) = next(iter(summary.errors.items()))
    failed = sum(count for count, _ in summary.errors.values())
    return ServerError(
        f"every request failed: {count:,} of {failed:,} with {kind}: {message}",
        hint=_advice(kind, result, config) or f"the records are in {directory}",
    )


def _advice(kind: str, result: "Result", config: Config | None) -> str | None:
    """What would have worked, by the kind of failure."""
    if kind in ("http_401", "http_403"):
        return "give the key with -H 'Authorization: Bearer …'"
    if kind == "http_429":
        return "the server limits the rate; a lower --concurrency or --request-rate may pass"
    if kind == "not_streamed":
        return f"leave --streaming out if /{result.endpoint_path} cannot stream"
    if kind in ("http_400", "http_404") and config is not None:
        from genai_perf.transports.models import known_models

        names = known_models(config)
        if names and not set(config.endpoint.model_names) <= set(names):
            return f"the server has these models: {', '.join(names[:10])}"
    if kind in ("http_404", "http_405", "http_501"):
        return f"is /{result.endpoint_path} the right path there? --endpoint names another"
    return None
