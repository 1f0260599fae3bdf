"""The pages in docs, how their examples are run, and what they are compared by."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "endpoints"


def blocks(name: str, language: str) -> list[list[str]]:
    """The lines of each fenced block of a page."""
    text = (PAGES / f"{name}.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in found]


def examples(name: str) -> list[tuple[str, list[str]]]:
    """Each command, continuation lines joined, with the output shown under it."""
    found = []
    for lines in blocks(name, "console"):
        command = lines.pop(0).removeprefix("$ ")
        while command.endswith("\\"):
            command = f"{command.removesuffix(chr(92))}{lines.pop(0).strip()}"
        found.append((command, lines))
    return found


def run(command: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """A command of a page, continuation lines and all, in a process of its own and in that directory."""
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "genai-perf"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
    return subprocess.run(
        [sys.executable, "-m", "genai_perf", *words],
        cwd=directory,
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def shape(value: Any) -> Any:
    """What a body looks like: its keys, and what kind of value each has; a list by its first entry."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def first_words(line: str) -> str:
    """What a line of output is about: the name in a row of the table, or the words before a colon."""
    return re.split(r"[│┃:]", line.strip("│┃ "), maxsplit=1)[0].strip()
