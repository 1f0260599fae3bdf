"""The embedded server as a process of its own, for `--url embedded` and for tests.

A process, because a server that shares the event loop of the client it serves would disturb what is measured.
"""

import os
import select
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO

from genai_perf.clock import NS_PER_S, monotonic_ns
from genai_perf.exceptions import ServerError
from genai_perf.server.settings import ServerSettings

READY_LIMIT_S = 30.0
"""How long it may take to start: usually a third of a second, but a busy machine is no error."""
STOP_LIMIT_S = 10.0


class EmbeddedServer:
    """`with EmbeddedServer(settings) as server: …`, and it is at `server.url`; on a free port by default.

    It is stopped at the end of the block, and by itself when this process dies. Ctrl-C does not reach it:
    whoever started it decides when it is no longer needed.
    """

    def __init__(
        self, settings: ServerSettings | None = None, *, ready_limit_s: float = READY_LIMIT_S
    ) -> None:
        settings = settings or ServerSettings(port=0)
        self.settings = replace(settings, stop_on_eof=True)
        self.url = ""
        """Where it listens, once it does: http(s)://host:port or unix:/path."""
        self.log = ""
        """What it wrote on stderr, once it has been stopped."""
        self._ready_limit_s = ready_limit_s

    def __enter__(self) -> "EmbeddedServer":
        """Start it and wait until it accepts connections. Raises ServerError when it does not come up."""
        self._stderr: IO[bytes] = tempfile.TemporaryFile()
        # The package may be imported from a checkout that is the current directory, or on a path set by hand.
        package_parent = str(Path(__file__).parents[2])
        paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "genai_perf.server", *self.settings.argv()],
            stdin=subprocess.PIPE,  # closed when this process ends, however it does
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )
        try:
            self.url = self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def pid(self) -> int:
        """Of the server's process, for whoever wants to pin it to a core."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM, and wait; what it logged is complete after that. Does nothing the second time."""
        if self._stderr.closed:
            return
        process = self._process
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._stderr.seek(0)
        self.log = self._stderr.read().decode(errors="replace")
        self._stderr.close()

    def _wait_until_ready(self) -> str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline_ns = monotonic_ns() + round(self._ready_limit_s * NS_PER_S)
        said = b""
        while not said.endswith(b"\n"):
            left_s = (deadline_ns - monotonic_ns()) / NS_PER_S
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise ServerError(f"the embedded server was not ready within {self._ready_limit_s:g} s")
            part = os.read(descriptor, 4096)
            if not part:
                raise ServerError(self._obituary())
            said += part
        return said.decode().removeprefix("READY ").strip()

    def _obituary(self) -> str:
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        said = "; ".join(line.removeprefix("error: ") for line in lines[-3:]) or "it said nothing"
        return f"the embedded server did not start (exit code {code}): {said}"
