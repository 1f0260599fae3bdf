"""The loop that the program runs on, certificates, and a look for what was left open."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop
from certificates import Authority


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    """A socket that nobody closed warns when it is collected: here, and not in some later test."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "test-authority")
