from collections.abc import Iterator

import pytest
from server_wire import AT_ONCE

from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One server for all tests that only ask and are answered."""
    with EmbeddedServer(ServerSettings(**AT_ONCE)) as running:
        yield running
