"""The Python in `docs/results-api.md` runs."""

import re
from pathlib import Path

import pytest
from scenarios import genai_perf_checkpoint, measured

from genai_perf.analyze import checkpoint

GUIDE = Path(__file__).parents[2] / "docs" / "results-api.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_front_door(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [measured(1, 50, 4).named("gpt2_run_config_0"), measured(2, 150, 5).named("gpt2_run_config_1")]
    checkpoint.write(Path("checkpoint.json"), runs)
    found: dict[str, object] = {}
    exec(BLOCKS[0], found)
    assert "gpt2_run_config_0 {'concurrency': 1} 99.2" in capsys.readouterr().out
    assert "gpt2_run_config_0" == found["best"].name


def test_genai_perfs_api(capsys: pytest.CaptureFixture[str]) -> None:
    Path("checkpoint.json").write_bytes(genai_perf_checkpoint("newer"))
    found: dict[str, object] = {}
    exec(BLOCKS[1], found)
    assert ["201.0 33.13", "201.0 33.54", "201.0 82.02"] == capsys.readouterr().out.splitlines()
    assert [] == found["passing"].run_configs


def test_every_block_is_run() -> None:
    assert 2 == len(BLOCKS)
