"""NVIDIA's Triton with the models of `repository.py`, started once, and `genai-perf` to measure it with."""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import real_servers
import repository
import triton_server
from certificates import Authority
from made_run import MadeRun
from triton_run import profile
from triton_server import TritonServer

HERE = Path(__file__).parent
MISSING = triton_server.missing()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    real_servers.mark(items, HERE, pytest.mark.triton, MISSING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    real_servers.show_logs(item, report, TritonServer, "Triton")
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
def measure(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MadeRun]:
    """`measure("-m", "vllm_like", …)`: a run with artifacts of its own."""

    def run(*options: str) -> MadeRun:
        return profile(tmp_path_factory.mktemp("run"), *options)

    return run
