"""docs/server-metrics.md: its table is the program's, and its examples run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from genai_perf.telemetry.dialects import table_markdown

DOC = Path(__file__).parents[2] / "docs" / "server-metrics.md"
BEGIN, END = "<!-- dialects:begin -->\n", "<!-- dialects:end -->"


def test_the_table_of_names_is_fresh(request: pytest.FixtureRequest) -> None:
    text = DOC.read_text()
    before, rest = text.split(BEGIN)
    shown, after = rest.split(END)
    if request.config.getoption("--update-golden"):
        DOC.write_text(f"{before}{BEGIN}{table_markdown()}{END}{after}")
        return
    assert table_markdown() == shown


def test_the_examples_run(tmp_path: Path) -> None:
    text = DOC.read_text()
    (line,) = re.findall(r"^\$ genai-perf (.*)$", text, re.MULTILINE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
    done = subprocess.run(
        [sys.executable, "-m", "genai_perf", *shlex.split(line)],
        cwd=tmp_path,
        env={**kept, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    for shown in re.findall(r"^│ (?:Requests|    Prompt|Generation).*$", text, re.MULTILINE):
        assert shown.split() in [line.split() for line in done.stdout.splitlines()]
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (directory,) = (tmp_path / "artifacts").iterdir()
    script = "\n".join(line.removeprefix("  ") for line in code.splitlines()) + "\nprint(int(running.max()))"
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=directory, capture_output=True, text=True
    )
    assert "8" == told.stdout.strip(), told.stderr
