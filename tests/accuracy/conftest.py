"""A certificate for `localhost` that a run can verify."""

from pathlib import Path

import pytest
from certificates import self_signed


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Self-signed, and its key; two PEM files."""
    return self_signed(tmp_path_factory.mktemp("tls"))
