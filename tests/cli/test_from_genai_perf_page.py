"""docs/from-genai-perf.md tells the truth: its example runs and prints what is shown."""

import re

import pages

PAGE = (pages.ROOT / "docs" / "from-genai-perf.md").read_text()
(EXAMPLE,) = re.findall(r"^```console\n\$ (.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_search_runs_and_prints_what_is_shown(tmp_path):
    command, _, shown = EXAMPLE.rpartition("\n")
    done = pages.run(command, tmp_path)
    assert 0 == done.returncode, done.stderr
    assert first_words(shown) == first_words(done.stdout.splitlines()[-1])


def first_words(line):
    return line.partition(": ")[0]
