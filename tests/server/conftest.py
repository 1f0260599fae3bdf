from collections.abc import Iterator

import pytest

from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

AT_ONCE = {"port": 0, "ttft_ms": 0, "ttft_per_input_token_ms": 0, "itl_ms": 0, "itl_per_request_ms": 0}
"""Settings of a server that never waits."""


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """One server for all tests that only ask and are answered."""
    with EmbeddedServer(ServerSettings(**AT_ONCE)) as running:
        yield running
