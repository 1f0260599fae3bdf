"""Pages of the endpoints that only Triton serves: their examples run, and send and print what is shown."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from triton_run import genai_perf
from triton_server import TritonServer

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "endpoints"


def blocks(name: str, language: str) -> list[str]:
    text = (PAGES / f"{name}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


EXAMPLES = [(name, place) for name in ("kserve", "generate") for place in range(len(blocks(name, "console")))]


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


@pytest.mark.parametrize(("name", "place"), EXAMPLES, ids=[f"{name}-{place}" for name, place in EXAMPLES])
def test_an_example_runs_and_sends_and_prints_what_is_shown(
    name: str, place: int, triton: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, _, shown = blocks(name, "console")[place].replace("\\\n", "").partition("\n")
    command = command.replace("localhost:8001", triton.grpc).replace("localhost:8000", triton.http)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").symlink_to(ROOT / "inputs")
    code, stdout, stderr = genai_perf(*shlex.split(command.removeprefix("$ genai-perf ")))
    assert 0 == code, stderr
    assert ", 0 failed" in stdout
    printed = {first_words(line) for line in stdout.splitlines()}
    for line in shown.splitlines():
        assert first_words(line) in printed, line
    (inputs,) = tmp_path.glob("artifacts/*/inputs.json")
    row = json.loads(inputs.read_text())["data"][0]
    sent = row["payload"][0] if "payload" in row else row
    assert shape(json.loads(blocks(name, "json")[place])) == shape(sent)
