"""docs/datasets.md tells the truth: its console examples run, and print what is shown."""

import re
from pathlib import Path

import pages
import pytest

from genai_perf.config.lengths import Kind
from genai_perf.config.values import COLUMN_ROLES
from genai_perf.workload.columns import NAMES
from genai_perf.workload.tables import SUFFIXES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "datasets.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [command for block in BLOCKS for command in block.split("\n$ ")]
SHOWN = [command.replace("\\\n", " ").partition("\n")[::2] for command in COMMANDS]


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_an_example_runs_and_prints_what_is_shown(tmp_path: Path, command: str, output: str) -> None:
    (tmp_path / "inputs").symlink_to(ROOT / "inputs")
    done = pages.run(command, tmp_path)
    assert 0 == done.returncode, done.stderr
    assert " 0 failed" in done.stdout
    assert set(filter(None, output.splitlines())) <= set(done.stderr.splitlines())


def test_there_are_examples() -> None:
    assert 6 == len(SHOWN)


def test_every_suffix_role_and_distribution_is_on_the_page() -> None:
    told = set(re.findall(r"`([^`\n]+)`", PAGE))
    assert set(SUFFIXES) <= told
    assert set(COLUMN_ROLES) <= told
    assert set(COLUMN_ROLES) == set(NAMES)
    kinds = {word.partition(":")[0] for word in told}
    assert set(Kind.__args__) - {"fixed"} <= kinds
    for names in NAMES.values():
        for name in names:
            assert all(part in PAGE for part in name.split("+"))
