"""Command lines as GenAI-Perf's documentation and others have published them, of every release.

`published_commands.txt` has them one by one, under where they come from. Below each is what it comes to:
`=>` and every option that is not at its default, `!!` and the refusal, `~~` and a warning. Shell variables
have a value, nothing else is changed.
"""

import json
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from genai_perf.cli import main
from genai_perf.config.schema import Config

DEFAULTS = Config().public()

FILES = {
    "embeddings.jsonl": '{"text": "What was the first car ever driven?"}\n{"text": "In what state?"}\n',
    "prompts.jsonl": '{"text": "Hello"}\n',
    "rankings_jsonl/queries.jsonl": '{"text": "What was the first car ever driven?"}\n',
    "rankings_jsonl/passages.jsonl": '{"text": "Kevin Loader is a British film producer."}\n',
    "input.jsonl": '{"text": "What is in this image?", "image": "https://example.com/image.png"}\n',
    "inputs.jsonl": '{"session_id": "1", "delay": 1000, "input_length": 50}\n{"session_id": "1"}\n',
    "mooncake.jsonl": '{"timestamp": 0, "input_length": 600, "output_length": 4, "hash_ids": [1, 2]}\n',
    "custom_template.jinja": '[{% for item in texts %}{"custom_key": [{{ item|tojson }}]}{% endfor %}]',
}
"""Those that the commands name."""


def published():
    """(line number, command, what is expected) of each."""
    rows = []
    lines = (Path(__file__).parent / "published_commands.txt").read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        if line.startswith("genai-perf"):
            rows.append((number, line, []))
        elif line and not line.startswith("#"):
            rows[-1][2].append(line)
    return rows


def outcome(code, calls, stderr):
    """What a command came to, in the words of the file."""
    told = [f"=> {json.dumps(options, ensure_ascii=False)}" for options in calls]
    for line in stderr.splitlines():
        kind, _, text = line.partition(": ")
        told += [f"{ {'warning': '~~', 'error': '!!'}[kind] } {text}"] if kind != "hint" else []
    assert (code == 0) == bool(calls)
    return told


def options_of(config):
    """Every option that is not at its default."""
    return {
        f"{section}.{name}": value
        for section, values in config.public().items()
        for name, value in values.items()
        if value != DEFAULTS[section][name]
    }


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What the command line hands on; nothing is sent. The files that the commands name are there."""
    monkeypatch.setenv("API_KEY", "secret")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    made = []

    def sweep(steps, **_):
        swept = [dict(step.parameters) for step in steps.steps]
        made.append({**options_of(steps.steps[0].config), "sweep": swept})
        return 0

    for name, run in (
        ("profile", lambda config, **_: made.append(options_of(config)) or 0),
        ("analyze.run", sweep),
    ):
        module = ModuleType(f"genai_perf.{name}")
        module.run = run
        monkeypatch.setitem(sys.modules, f"genai_perf.{name}", module)
    return made


@pytest.mark.parametrize(("line", "expected"), [pytest.param(*row, id=f"{n}") for n, *row in published()])
def test_a_published_command_comes_to_this(line, expected, calls, capsys):
    code = main(shlex.split(os.path.expandvars(line))[1:])
    assert expected == outcome(code, calls, capsys.readouterr().err)
