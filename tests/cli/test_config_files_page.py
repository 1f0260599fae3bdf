"""docs/config-files.md tells the truth: its examples run one after the other, and print what is shown."""

import re
from pathlib import Path

import pages
import pytest

from genai_perf.config import keys, yaml_file

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "config-files.md").read_text()
BLOCKS = re.findall(r"^```console\n\$ (.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = [block.partition("\n")[::2] for block in BLOCKS]
YAML = re.findall(r"^( *)```yaml\n(.*?)\n\1```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Where all of them run; the page's config file is there."""
    directory = tmp_path_factory.mktemp("page")
    (directory / "chat.yaml").write_text(YAML[0][1])
    return directory


@pytest.mark.parametrize(("command", "shown"), SHOWN)
def test_an_example_runs_and_prints_what_is_shown(directory, command, shown):
    done = pages.run(command, directory)
    assert 0 == done.returncode, done.stderr
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    for line in filter(None, shown.splitlines()):
        assert any(each.startswith(line) for each in lines), line


def test_there_are_examples():
    assert (4, 2) == (len(SHOWN), len(YAML))


def test_the_sweep_on_the_page_is_one(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("\n".join(line.removeprefix(YAML[1][0]) for line in YAML[1][1].splitlines()))
    assert "analyze" == yaml_file.read(path, ["concurrency", "input_sequence_length"]).command


def test_every_load_is_on_the_page():
    for leaf in keys.LEAVES.values():
        assert not leaf.is_load or f"`{leaf.path.rpartition('.')[2]}`" in PAGE
