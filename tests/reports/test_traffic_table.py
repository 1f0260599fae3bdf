"""The kinds of traffic of a run, side by side as far as there is room."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from runs import result, streamed

from genai_perf.metrics.classes import ClassSummary
from genai_perf.reports import console


def told(names, width):
    run = result(streamed())
    kinds = [ClassSummary(name, 1.5, 10, run.summary.metrics, {"reset": (2, "gone")}) for name in names]
    out = io.StringIO()
    console.write(replace(run, classes=kinds), Path("artifacts"), file=out, width=width)
    lines = out.getvalue().splitlines()
    first = next(place for place, line in enumerate(lines) if "By kind of traffic" in line)
    return lines[first:]


@pytest.mark.parametrize(("width", "tables"), [(80, 5), (120, 3), (160, 2), (40, 10)])
def test_kinds_for_which_there_is_no_room_stand_in_a_further_table(width, tables):
    lines = told([f"kind_of_traffic_{number}" for number in range(10)], width)
    assert tables == sum("By kind of traffic" in line for line in lines)
    if width >= 80:
        assert not any("…" in line for line in lines)
        assert tables == sum("Output Token Throughput (tokens/sec) │" in line for line in lines)
    assert max(len(line) for line in lines if line.startswith("│")) <= width


def test_few_kinds_stand_in_one_table():
    lines = told(["chat", "agents"], 80)
    assert 1 == sum("By kind of traffic" in line for line in lines)
    assert any("Requests failed" in line and line.count(" 2 ") == 2 for line in lines)
