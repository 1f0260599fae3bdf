"""docs/from-genai-perf.md tells the truth: its example runs, prints and writes what is shown."""

import re

import pages

from genai_perf.metrics.server_statistics import STAGES
from genai_perf.reports import latency_report

PAGE = (pages.ROOT / "docs" / "from-genai-perf.md").read_text()
(EXAMPLE,) = re.findall(r"^```console\n\$ (.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
(TABLE,) = re.findall(r"^```\n(Concurrency.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_search_runs_prints_and_writes_what_is_shown(tmp_path):
    command, _, shown = EXAMPLE.rpartition("\n")
    done = pages.run(command, tmp_path)
    assert 0 == done.returncode, done.stderr
    assert first_words(shown) == first_words(done.stdout.splitlines()[-1])
    assert TABLE.splitlines()[0] == (tmp_path / "levels.csv").read_text().splitlines()[0]


def first_words(line):
    return line.partition(": ")[0]


def test_every_stage_of_the_server_that_the_csv_tells_is_on_the_page():
    told = {stage: name for name, stage in latency_report.SERVER_STAGES.items()}
    assert set(told) < set(STAGES)
    for name in told.values():
        short = name.replace("Server Compute ", "… ")
        assert f"`{name}`" in PAGE or f"`{short}`" in PAGE
