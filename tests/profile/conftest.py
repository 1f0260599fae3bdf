"""A quick server for whole runs."""

import pytest

from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings


@pytest.fixture(scope="module")
def url():
    """Where an embedded server listens that has its first token after 1 ms, and another every 0.5 ms."""
    quick = ServerSettings(port=0, ttft_ms=1, ttft_per_input_token_ms=0, itl_ms=0.5, itl_per_request_ms=0)
    with EmbeddedServer(quick) as server:
        yield server.url
