"""What all tests share: golden files, and no settings of whoever runs them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="Write what the tests see into tests/golden instead of comparing; then read the diff.",
    )


def pytest_configure() -> None:
    for name in list(os.environ):
        if name.startswith("GENAI_PERF_"):
            del os.environ[name]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str | bytes], None]:
    """Compares what a user sees with the file of that name in `tests/golden`, byte for byte."""

    def compare(name: str, actual: str | bytes) -> None:
        seen = actual.encode() if isinstance(actual, str) else actual
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(seen)
        assert file.exists(), f"tests/golden/{name} is not there: run `pytest --update-golden`, then read it"
        expected = file.read_bytes()
        if expected != seen:  # as text, so that pytest shows the lines that differ
            assert expected.decode() == seen.decode()

    return compare
