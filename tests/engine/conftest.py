"""Fixtures of the engine's tests."""

import pytest
from measured import measuring


@pytest.fixture
def measure(tmp_path):
    """Runs a config against a planned server."""
    return measuring(tmp_path)
