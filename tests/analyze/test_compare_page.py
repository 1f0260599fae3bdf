"""docs/compare.md tells the truth: its commands run, its YAML is read, its metrics and verdicts are ours."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from genai_perf.cli import main
from genai_perf.reports.comparison import Verdict
from genai_perf.reports.plots import config_file, images, points
from genai_perf.reports.plots.images import no_images

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compare.md").read_text()
(BLOCK,) = re.findall(r"^```console\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
*PROFILES, COMPARE = [shlex.split(line.removeprefix("$ "))[1:] for line in BLOCK.splitlines()]
(YAML,) = re.findall(r"^```yaml\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


def profile(words: list[str], directory: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
    command = [sys.executable, "-m", "genai_perf", *words]
    environ["PYTHONPATH"] = str(ROOT)
    subprocess.run(command, cwd=directory, env=environ, check=True, capture_output=True, timeout=60)


def test_the_commands_run_and_leave_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in PROFILES:
        profile(words, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "by_kaleido", no_images)
    assert 0 == main(COMPARE)
    told = capsys.readouterr().out
    assert "  --concurrency: 4 (before), 8 (after)\n" in told
    assert "Request Throughput (per sec)" in told
    left = {path.name for path in (tmp_path / "compare").iterdir()}
    assert {"index.html", "comparison.csv", "comparison.json", "config.yaml"} < left
    Path("mine.yaml").write_text(YAML)
    assert 0 == main(["compare", "--config", "mine.yaml"])
    assert (tmp_path / "compare" / "inter_token_latency_vs_output_tokens.html").is_file()


def test_the_yaml_on_the_page_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(YAML)
    assert ["plot1"] == list(config_file.read(tmp_path / "mine.yaml"))


def test_every_verdict_and_every_metric_of_genai_perf_is_on_the_page() -> None:
    table = PAGE[PAGE.index("| word | when |") : PAGE.index("**How the interval")]
    assert [] == [each for each in Verdict if not re.search(rf"\| ([a-z]+, )?{each}[ ,]", table)]
    named = [name for name in points.NAMES if name.endswith(("s", "_per_user"))]
    assert [] == [name for name in named if f"`{name}`" not in PAGE and name != "send_lateness"]
