"""The README tells the truth: its commands and programs run, its tables are fresh, its names exist."""

import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from genai_perf.engine import journal
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    language: str
    lines: tuple[str, ...]


BLOCKS = [
    Block(found[1], tuple(found[2].splitlines()))
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]


def of_language(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """Each `$ …` of a console block, continuation lines joined, with the output that is shown under it."""
    found: list[tuple[str, list[str]]] = []
    unfinished = False
    for line in block.lines:
        if unfinished:
            command, output = found[-1]
            found[-1] = (f"{command.removesuffix(chr(92))} {line.strip()}", output)
        elif line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
        unfinished = found[-1][0].endswith("\\")
    return found


EXAMPLES = [example for block in of_language("console") for example in commands(block)]
DEMO = EXAMPLES[0][0]


class Shell:
    """A directory with `inputs/`, and a server for those who ask at localhost:8000."""

    def __init__(self, directory: Path, server: EmbeddedServer) -> None:
        self.directory = directory
        self._address = server.url.removeprefix("http://")
        self._done: dict[str, subprocess.CompletedProcess[str]] = {}

    def words(self, command: str) -> list[str]:
        program, *words = shlex.split(command.replace("localhost:8000", self._address))
        assert program == "genai-perf"
        return [sys.executable, "-m", "genai_perf", *words]

    def environ(self, **variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
        return {**kept, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), **variables}

    def run(self, command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command once, however many tests ask for it."""
        if command not in self._done:
            self._done[command] = subprocess.run(
                self.words(command),
                cwd=self.directory,
                env=self.environ(**variables),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        return self._done[command]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    directory = tmp_path_factory.mktemp("readme")
    (directory / "inputs").symlink_to(ROOT / "inputs")
    with EmbeddedServer(ServerSettings(port=0, ttft_ms=5, itl_ms=1)) as server:
        yield Shell(directory, server)


def first_words(lines: list[str]) -> list[str]:
    """What a line of output is about: the name in a row of the table, or the word before a colon."""
    kept = [line for line in lines if not line.startswith(("┏", "┡", "└", "├"))]
    return [
        re.split("│ ", line.lstrip("│┃ "), maxsplit=1)[0].partition(":")[0].partition(" ┃")[0].strip()
        for line in kept
    ]


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_an_example_runs_and_prints_what_is_shown(command: str, shown: list[str], shell: Shell) -> None:
    if command.startswith("genai-perf serve "):
        serve(shell, command)
        return
    if "artifacts/" in command:
        shell.run(DEMO)
    done = shell.run(command)
    if shown and shown[0].startswith("error: "):
        assert (2, "", shown) == (done.returncode, done.stdout, done.stderr.splitlines())
        return
    assert 0 == done.returncode, done.stderr
    assert "error" not in done.stderr
    assert "Note: The load never became stable" not in done.stdout
    if shown:
        assert first_words(shown) == first_words(done.stdout.splitlines())


def serve(shell: Shell, command: str) -> None:
    """It comes up, on another port than the example's, and ends when asked to."""
    words = shell.words(command)
    words[words.index("--port") + 1] = "0"
    with subprocess.Popen(words, env=shell.environ(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("READY http://127.0.0.1:")
        server.send_signal(signal.SIGTERM)
        assert 0 == server.wait(LIMIT_S)


@pytest.mark.parametrize("block", of_language("python"), ids=lambda block: block.lines[0])
def test_a_program_runs(block: Block, shell: Shell) -> None:
    assert 0 == shell.run(DEMO).returncode
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(block.lines)],
        cwd=shell.directory,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert re.fullmatch(r"TTFT: mean \d+\.\d\d ms, p99 \d+\.\d\d ms of 100 requests\n", done.stdout)


def test_the_script_for_ci_finds_its_figures(shell: Shell) -> None:
    """jq is not everywhere, so its paths are followed by hand."""
    (block,) = [block for block in of_language("sh") if "set -e" in block.lines]
    text = "\n".join(block.lines).replace("\\\n", " ").replace("$PWD", str(shell.directory))
    exported = dict(re.findall(r"(GENAI_PERF_\w+)=(\S+)", text.replace("localhost:8000", shell._address)))
    (command,) = re.findall(r"^genai-perf .*$", text, re.MULTILINE)
    done = shell.run(command, **exported)
    assert (0, "") == (done.returncode, done.stderr)
    ((paths, file),) = re.findall(r"^jq -e '(.*)'\s+(\S+)$", text, re.MULTILINE)
    report = json.loads((shell.directory / file).read_text())
    for tag, stat in re.findall(r"\.(\w+)\.(\w+)", paths):
        assert isinstance(report[tag][stat], int | float)


def rendering() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", ROOT / "docs" / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = sorted({page for page, _ in rendering().BLOCKS.values()})


@pytest.mark.parametrize("page", PAGES)
def test_the_generated_tables_are_fresh(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert rendering().render(page, text) == text, "make docs"


def test_a_block_that_is_missing_is_no_success() -> None:
    text = (ROOT / "docs" / "options.md").read_text()
    with pytest.raises(KeyError, match="options"):
        rendering().render("options.md", text.replace("options:begin", "opinions:begin"))


def test_every_column_of_the_journal_is_explained() -> None:
    told = set(re.findall(r"`(\w+)`", README))
    assert set() == set(journal.SCHEMA.names) - told


def test_every_file_that_a_run_leaves_is_explained(shell: Shell) -> None:
    shell.run(DEMO)
    left = {file.name for file in (shell.directory / "artifacts/gpt2-openai-chat-concurrency10").iterdir()}
    told = re.search(r"\| file \|.*?\n\n", README, re.DOTALL)
    assert told is not None
    assert left == set(re.findall(r"^\| `(.*?)`", told[0], re.MULTILINE))


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKS = [
    (document.relative_to(ROOT).as_posix(), link)
    for document in DOCUMENTS
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text())
]


def headings(document: Path) -> set[str]:
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize(("document", "link"), LINKS)
def test_a_link_leads_somewhere(document: str, link: str) -> None:
    file, _, heading = link.partition("#")
    target = (ROOT / document).parent / file if file else ROOT / document
    assert target.exists()
    assert not heading or heading in headings(target)


PATHS: list[Any] = re.findall(
    r"`((?:genai_perf|docs|tests|inputs|endpoints|metrics|reports|config|engine)/[\w/.]*)`", README
)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_a_path_is_there(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "genai_perf" / path).exists()
