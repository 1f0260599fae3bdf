"""Starting and stopping the server."""

import asyncio
import gc
import json
import os
import resource
import signal
import ssl
import sys

from genai_perf.config.schema import TokenizerConfig
from genai_perf.exceptions import RunError, UsageError
from genai_perf.server.app import App
from genai_perf.server.deadlines import Deadlines
from genai_perf.server.settings import ServerSettings
from genai_perf.server.truth import TruthLog
from genai_perf.workload import tokenizer

BACKLOG = 4096


def run(settings: ServerSettings) -> None:
    """Serve until SIGTERM or SIGINT. Says `READY URL` on stdout when it accepts connections.

    Raises UsageError for a certificate that cannot be read, RunError for an address that cannot be had, and
    ArtifactError for a log that cannot be written.
    """
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:  # there is none for Windows
        loop_factory = None
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(settings))


async def _serve(settings: ServerSettings) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    _allow_many_connections()
    tls = _tls(settings)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the load generator needs the other cores
    count = tokenizer.load(TokenizerConfig(name="builtin"), "").count
    truth_log = TruthLog(settings.truth_log, loop) if settings.truth_log else None
    deadlines = Deadlines(loop)
    app = App(settings, deadlines, count, truth_log)
    server, url = await _listen(app, settings, tls)
    if settings.stop_on_eof:
        loop.add_reader(sys.stdin.fileno(), _stop_on_eof, stopped)
    gc.collect()
    gc.freeze()  # what start-up made stays; looking through it again and again would hold up tokens
    sys.stdout.write(f"READY {url}\n")
    sys.stdout.flush()
    try:
        await stopped.wait()
    finally:
        server.close()
        await app.close()
        deadlines.close()
        if truth_log is not None:
            truth_log.close()
        if settings.unix_socket is not None:
            settings.unix_socket.unlink(missing_ok=True)
    if settings.verbose:
        sys.stderr.write(_last_words(app) + "\n")
    if truth_log is not None and truth_log.error is not None:
        raise truth_log.error


async def _listen(
    app: App, settings: ServerSettings, tls: ssl.SSLContext | None
) -> tuple[asyncio.AbstractServer, str]:
    """The listening server, and the URL by which it is reached."""
    loop = asyncio.get_running_loop()
    path = settings.unix_socket
    try:
        if path is not None:
            unix = await loop.create_unix_server(app.connection, str(path), ssl=tls, backlog=BACKLOG)
            return unix, f"unix:{path}"
        server = await loop.create_server(
            app.connection, settings.host, settings.port, ssl=tls, backlog=BACKLOG
        )
    except OSError as error:
        where = f"--unix-socket: {path}" if path is not None else f"--port: {settings.host}:{settings.port}"
        hint = None if path is not None else "--port 0 takes a free one"
        raise RunError(f"{where} cannot be listened on: {error.strerror or error}", hint=hint) from error
    host, port = server.sockets[0].getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  what it is reached by
    shown = f"[{host}]" if ":" in host else host
    return server, f"{'https' if tls else 'http'}://{shown}:{port}"


def _tls(settings: ServerSettings) -> ssl.SSLContext | None:
    if settings.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    except OSError as error:  # ssl.SSLError is one
        files = " and ".join(str(file) for file in (settings.tls_cert_file, settings.tls_key_file) if file)
        raise UsageError(f"--tls-cert-file: {files}: {error.strerror or error}") from error
    return context


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _stop_on_eof(stopped: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopped.set()


def _last_words(app: App) -> str:
    decoder = app.decoder
    steps = max(1, decoder.steps)
    return json.dumps(
        {
            "requests": app.totals.requests,
            "outcomes": dict(app.totals.outcomes),
            "tokens": decoder.steps,
            "lateness_avg_us": round(decoder.late_ns / steps / 1e3, 1),
            "lateness_max_us": round(decoder.latest_ns / 1e3, 1),
        }
    )
