"""docs/loads.md tells the truth: its example runs, prints what is shown, and leaves what is read from it."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "loads.md").read_text()
(BLOCK,) = re.findall(r"^```console\n\$ (.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
COMMAND, _, SHOWN = BLOCK.replace("\\\n", " ").partition("\n")
(SNIPPET,) = re.findall(r"^```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


def printed(directory: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


def rows(text: str) -> list[tuple[str, str]]:
    """Number and size of each batch, and the heading above them."""
    cells = [[cell.strip() for cell in re.split("[│┃]", line)] for line in text.splitlines()]
    return [(row[1], row[3]) for row in cells if len(row) == 11]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where the command ran, and what it printed."""
    directory = tmp_path_factory.mktemp("loads")
    program, *words = shlex.split(COMMAND)
    assert "genai-perf" == program
    return directory, printed(directory, "-m", "genai_perf", *words)


def test_the_batches_are_those_that_are_shown(example: tuple[Path, str]) -> None:
    assert [("Batch", "requests"), ("1", "4"), ("2", "4"), ("3", "4"), ("4", "4")] == rows(SHOWN)
    assert rows(SHOWN) == rows(example[1])[-5:]


def test_the_batch_of_each_request_follows_from_its_index(example: tuple[Path, str]) -> None:
    lines = printed(example[0], "-c", SNIPPET).splitlines()
    assert ["1", "2", "3", "4"] == [line.split()[0] for line in lines if line[:1].isdigit()]
