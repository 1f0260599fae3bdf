"""What Triton's models did, as the reports tell it."""

import io
import json
from dataclasses import replace

import pytest
from journal_rows import ENDED, row
from runs import CHAT, result

from genai_perf.metrics.server_statistics import during
from genai_perf.reports import console, csv_file, json_file

STAGES = {"queue": 2, "compute_input": 1, "compute_infer": 30, "compute_output": 3}


def counters(name, count, batches=1, **more):
    durations = {stage: {"count": count, "ns": count * ms * 1_000_000} for stage, ms in STAGES.items()}
    success = {"count": count, "ns": count * 36_500_000}
    return {
        "name": name,
        "inference_count": count,
        "execution_count": count // batches,
        "inference_stats": {"success": success, **durations, **more},
    }


SERVED = during(
    [],
    [
        counters("ensemble", 1200),
        counters("tokenizer", 1200, batches=4, cache_hit={"count": 300, "ns": 6_000_000}),
        counters("named", 0),
        counters("called", 9, fail={"count": 2, "ns": 10}),
        counters("nothing", 0),
    ],
    {"ensemble": True},
    ("tokenizer",),
    {"named": False},
)
WITH = replace(ENDED, server_statistics=SERVED)


@pytest.fixture
def told():
    return result([row(0)], CHAT, WITH)


def test_the_csv_has_a_section_of_its_own_at_its_end(told):
    before, section = csv_file.render(told).rsplit("\r\n\r\n", 1)
    assert csv_file.render(result([row(0)])).rstrip("\r\n") == before
    assert [
        "Model,Inferences,Executions,Failed,Request avg (ms),Queue avg (ms),Compute input avg (ms),"
        "Compute infer avg (ms),Compute output avg (ms)",
        'ensemble,"1,200","1,200",0,36.50,2.00,1.00,30.00,3.00',
        "named,0,0,0,N/A,N/A,N/A,N/A,N/A",
        'tokenizer,"1,200",300,0,36.50,2.00,1.00,30.00,3.00',
        "called,9,9,2,36.50,2.00,1.00,30.00,3.00",
    ] == section.splitlines()


def test_the_json_has_counts_averages_and_totals(told):
    models = json.loads(json.dumps(json_file.document(told)))["server_statistics"]
    assert ["ensemble", "named", "tokenizer", "called"] == list(models)
    assert {
        "part": "measured",
        "decoupled": True,
        "inference_count": 1200,
        "execution_count": 1200,
        "success_count": 1200,
        "fail_count": 0,
        "success": {"unit": "ms", "avg": 36.5, "total": 43800.0},
        "queue": {"unit": "ms", "avg": 2.0, "total": 2400.0},
        "compute_input": {"unit": "ms", "avg": 1.0, "total": 1200.0},
        "compute_infer": {"unit": "ms", "avg": 30.0, "total": 36000.0},
        "compute_output": {"unit": "ms", "avg": 3.0, "total": 3600.0},
    } == models["ensemble"]
    assert {"unit": "ms", "avg": 0.02, "total": 6.0} == models["tokenizer"]["cache_hit"]
    assert "decoupled" not in models["tokenizer"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_verbose_console_has_a_table_of_its_own(told, width, golden, tmp_path):
    text = io.StringIO()
    console.write(told, tmp_path, verbose=True, file=text, width=width)
    start = text.getvalue().index("What Triton says")
    golden(f"console/models_{width}.txt", text.getvalue()[start:].partition("Requests:")[0])
    quiet = io.StringIO()
    console.write(told, tmp_path, file=quiet, width=width)
    assert "Triton" not in quiet.getvalue()


def test_a_run_without_them_says_nothing():
    assert "server_statistics" not in json_file.document(result([row(0)]))
