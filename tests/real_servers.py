"""What tests against others' servers share: without the server they are skipped, but in CI they fail."""

import os
from pathlib import Path
from typing import Any

import pytest

LOG_TAIL = 4000


def mark(items: list[pytest.Item], here: Path, marker: pytest.MarkDecorator, missing: str | None) -> None:
    """Mark the tests in a directory; `missing` says what their server lacks, None nothing."""
    for item in items:
        if here in item.path.parents:
            item.add_marker(marker)
            if missing and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason=missing))


def show_logs(item: pytest.Item, report: pytest.TestReport, kind: type[Any], name: str) -> None:
    """Of a test that has failed, show what its servers of that kind logged."""
    if report.failed and isinstance(item, pytest.Function):
        for server in item.funcargs.values():
            if isinstance(server, kind):
                log = server.log.read_text(errors="replace")[-LOG_TAIL:]
                report.sections.append((f"log of {name}", log))
