"""NVIDIA's Triton Inference Server, from the `nvidia-pytriton` wheel, as a process of the tests.

The wheel lies in a virtual environment of its own (`make setup-triton`), whose Python runs the models: the
backend's stub takes the first `python3` on PATH and ignores PYTHONPATH.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

HOME = Path(os.environ.get("TRITON_HOME") or Path(__file__).parents[2] / ".triton")
"""The virtual environment that `make setup-triton` makes."""
READY_LIMIT_S = 60.0
"""Usually four seconds."""
SHM = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class TritonServer:
    """One that runs."""

    http: str
    """`host:port` of its HTTP."""
    grpc: str
    """Of its gRPC, by name: certificates are for names."""
    metrics: str
    """Of its page of Prometheus metrics."""
    log: Path

    def statistics(self, model: str) -> dict[str, int]:
        """Its own count of inferences, and what they took in ns: `success`, `queue`, `compute_infer` …"""
        (found,) = (
            httpx.get(f"http://{self.http}/v2/models/{model}/stats").raise_for_status().json()["model_stats"]
        )
        durations = found["inference_stats"]
        return {"count": durations["success"]["count"]} | {
            name: span["ns"] for name, span in durations.items()
        }


def missing() -> str | None:
    """What is not there, and what to do about it; None when all is."""
    if sys.platform != "linux":
        return "Triton's server runs on Linux"
    return None if (HOME / "bin" / "python").exists() else f"no {HOME.name}/; `make setup-triton` makes it"


@contextmanager
def running(repository: Path, work: Path, *options: str, core: str | None = None) -> Iterator[TritonServer]:
    """A server with the models of that repository, until the end of the block; `work` is its scratch.

    On one `core` only, where it is given.
    """
    work.mkdir(exist_ok=True)
    home, library = _layout()
    backend = work / "backends" / "python"
    backend.mkdir(parents=True, exist_ok=True)
    for file in (home / "backends" / "python").iterdir():
        (backend / file.name).symlink_to(file)
    # The backend looks for its stub beside the library.
    shutil.copy(home / "python_backend_stubs" / library.version / "triton_python_backend_stub", backend)
    log = work / "log"
    before = set(SHM.iterdir())
    with ExitStack() as ports:
        http, grpc, metrics = (ports.enter_context(_free_port()) for _ in range(3))
        server = TritonServer(f"localhost:{http}", f"localhost:{grpc}", f"localhost:{metrics}", log)
    command = [
        *(["taskset", "--cpu-list", core] if core is not None else []),
        str(home / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={backend.parent}",
        f"--cache-directory={home / 'caches'}",
        "--http-address=127.0.0.1",
        "--grpc-address=127.0.0.1",
        f"--http-port={http}",
        f"--grpc-port={grpc}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={metrics}",
        "--pinned-memory-pool-byte-size=0",
        "--exit-timeout-secs=5",
        "--model-load-thread-count=8",
        *options,
    ]
    environ = {
        **os.environ,
        "PATH": f"{HOME / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{home.parents[1] / 'nvidia_pytriton.libs'}:{library.directory}",
    }
    with log.open("wb") as out, subprocess.Popen(command, env=environ, stdout=out, stderr=out) as process:
        try:
            _wait_until_ready(server, process)
            yield server
        finally:
            _stop(process)
            for left in set(SHM.glob("triton_python_backend_shm_region_*")) - before:
                left.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Library:
    version: str
    """3.11"""
    directory: str
    """Where libpython is."""


def _layout() -> tuple[Path, _Library]:
    """Where the wheel has the server, and the Python of its environment."""
    names = "s.get_path('purelib'), s.get_python_version(), s.get_config_var('LIBDIR')"
    asked = f"import sysconfig as s; print({names})"
    answer = subprocess.run(
        [str(HOME / "bin" / "python"), "-c", asked], capture_output=True, text=True, check=True
    )
    packages, version, directory = answer.stdout.split()
    return Path(packages) / "pytriton" / "tritonserver", _Library(version, directory)


@contextmanager
def _free_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def _wait_until_ready(server: TritonServer, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"http://{server.http}/v2/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Triton did not come up:\n{server.log.read_text(errors='replace')[-4000:]}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
