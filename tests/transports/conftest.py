"""The loop that the program runs on, certificates, and a look for what was left open."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop
from certificates import Authority

from genai_perf.transports.stamps import keep_stamping


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    """A socket that nobody closed warns when it is collected: here, and not in some later test."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _the_kernel_stamps() -> Iterator[None]:
    """One switch serves all sockets of a machine, and takes its time: here it stays on between the tests."""
    sock = asyncio.run(keep_stamping())
    yield
    if sock is not None:
        sock.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "test-authority")
