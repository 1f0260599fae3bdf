"""Pages of the endpoints that only Triton serves: their examples run, and send and print what is shown."""

import json
import shlex
from pathlib import Path

import pytest
from pages import ROOT, blocks, examples, first_words, shape
from triton_run import genai_perf
from triton_server import TritonServer

EXAMPLES = [(name, place) for name in ("kserve", "generate") for place in range(len(examples(name)))]


@pytest.mark.parametrize(("name", "place"), EXAMPLES, ids=[f"{name}-{place}" for name, place in EXAMPLES])
def test_an_example_runs_and_sends_and_prints_what_is_shown(
    name: str, place: int, triton: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, shown = examples(name)[place]
    command = command.replace("localhost:8001", triton.grpc).replace("localhost:8000", triton.http)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inputs").symlink_to(ROOT / "inputs")
    code, stdout, stderr = genai_perf(*shlex.split(command.removeprefix("genai-perf ")))
    assert 0 == code, stderr
    assert ", 0 failed" in stdout
    printed = {first_words(line) for line in stdout.splitlines()}
    for line in shown:
        assert first_words(line) in printed, line
    (inputs,) = tmp_path.glob("artifacts/*/inputs.json")
    row = json.loads(inputs.read_text())["data"][0]
    sent = row["payload"][0] if "payload" in row else row
    assert shape(json.loads("\n".join(blocks(name, "json")[place]))) == shape(sent)
