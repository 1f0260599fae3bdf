"""llama.cpp's own server with a tiny model of our own, and the installed `genai-perf` to measure it with."""

import importlib.util
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import real_servers
import tiny_llama
from llama_server import LlamaServer, running
from made_run import MadeRun
from real_run import profile

HERE = Path(__file__).parent
_NOT_THERE = [name for name in ("xllamacpp", "gguf") if importlib.util.find_spec(name) is None]
MISSING = f"{' and '.join(_NOT_THERE)} not installed; `make setup-real` does it" if _NOT_THERE else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    real_servers.mark(items, HERE, pytest.mark.real, MISSING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    real_servers.show_logs(item, report, LlamaServer, "llama.cpp")
    return report


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's file, its tokenizer beside it."""
    if MISSING:
        pytest.fail(MISSING)
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
def measure(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MadeRun]:
    """`measure(server, "--endpoint-type", "chat", …)`: a run with artifacts of its own."""

    def run(server: LlamaServer, *options: str) -> MadeRun:
        return profile(server.url, model.parent, tmp_path_factory.mktemp("run"), *options)

    return run
