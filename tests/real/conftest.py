"""llama.cpp's own server with a tiny model of our own, and the installed `genai-perf` to measure it with."""

import importlib.util
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import tiny_llama
from llama_server import LlamaServer, running
from real_run import RealRun, profile

HERE = Path(__file__).parent
MISSING = [name for name in ("xllamacpp", "gguf") if importlib.util.find_spec(name) is None]
REASON = f"{' and '.join(MISSING)} not installed; `make setup-real` does it"
LOG_TAIL = 4000


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in here as `real`; without the runtime it is skipped, but in CI it fails (see `model`)."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)
            if MISSING and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers logged when a test has failed."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for server in item.funcargs.values():
            if isinstance(server, LlamaServer):
                log = server.log.read_text(errors="replace")[-LOG_TAIL:]
                report.sections.append((f"llama.cpp at {server.url}", log))
    return report


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's file, its tokenizer beside it."""
    if MISSING:
        pytest.fail(REASON)
    return tiny_llama.make(tmp_path_factory.mktemp("model"))


def _server(*options: str) -> Callable[..., Iterator[LlamaServer]]:
    """A fixture: one such server for the whole session."""

    @pytest.fixture(scope="session")
    def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
        with running(model, tmp_path_factory.mktemp("server") / "log", *options) as started:
            yield started

    return server


API_KEY = "sk-not-for-the-record"

llama = _server()
embedder = _server("--pooling", "MEAN")
reranker = _server("--pooling", "RANK")
narrow_llama = _server("--shared-context", "256")
locked_llama = _server("--api-key", API_KEY)


@pytest.fixture(scope="session")
def api_key() -> str:
    """What `locked_llama` wants to hear."""
    return API_KEY


@pytest.fixture(scope="session")
def measure(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RealRun]:
    """`measure(server, "--endpoint-type", "chat", …)`: a run with artifacts of its own."""

    def run(server: LlamaServer, *options: str) -> RealRun:
        return profile(server.url, model.parent, tmp_path_factory.mktemp("run"), *options)

    return run
