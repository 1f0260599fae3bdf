"""NVIDIA's Triton with the models of `repository.py`, started once, and `genai-perf` to measure it with."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import repository
import triton_server
from certificates import Authority
from triton_run import TritonRun, profile
from triton_server import TritonServer

HERE = Path(__file__).parent
MISSING = triton_server.missing()
LOG_TAIL = 4000


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in here; without the server it is skipped, but in CI it fails (see `triton`)."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.triton)
            if MISSING and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the server logged when a test has failed."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for server in item.funcargs.values():
            if isinstance(server, TritonServer):
                log = server.log.read_text(errors="replace")[-LOG_TAIL:]
                report.sections.append((f"Triton at {server.grpc}", log))
    return report


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """All models, without TLS."""
    if MISSING:
        pytest.fail(MISSING)
    models = repository.write(tmp_path_factory.mktemp("models"))
    with triton_server.running(models, tmp_path_factory.mktemp("triton")) as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "triton-authority")


@pytest.fixture(scope="session")
def secure_triton(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """One model, over gRPC with TLS, for clients with a certificate of that authority."""
    if MISSING:
        pytest.fail(MISSING)
    models = repository.write(tmp_path_factory.mktemp("models"), {"vllm_like": repository.ALL["vllm_like"]})
    certificate, key = authority.issue("localhost")
    tls = (
        "--grpc-use-ssl-mutual=true",
        f"--grpc-server-cert={certificate}",
        f"--grpc-server-key={key}",
        f"--grpc-root-cert={authority.file}",
    )
    with triton_server.running(models, tmp_path_factory.mktemp("triton"), *tls) as server:
        yield server


@pytest.fixture(scope="session")
def measure(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TritonRun]:
    """`measure("-m", "vllm_like", …)`: a run with artifacts of its own."""

    def run(*options: str) -> TritonRun:
        return profile(tmp_path_factory.mktemp("run"), *options)

    return run
