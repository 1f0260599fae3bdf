"""Requests that the server fails on demand: each is counted once, under its kind, with what it brought."""

from collections import Counter
from pathlib import Path

import pytest
from against_the_truth import Run, measure

REQUESTS = 60
FAILING = {"error_rate": 0.2, "stall_rate": 0.1, "reset_rate": 0.2, "error_status": 503, "random_seed": 3}
QUICK = {"ttft_ms": 5, "ttft_per_input_token_ms": 0, "itl_ms": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    options = ["--endpoint-type", "chat", "--streaming", "--concurrency", "20", "--request-timeout", "1"]
    return measure(tmp_path_factory.mktemp("run"), {**QUICK, **FAILING}, *options, requests=REQUESTS)


KINDS = {"ok": None, "error": "http_503", "stall": "timeout", "reset": "reset"}
"""What the server calls it, and what the journal does."""


def test_failures_are_counted_by_kind_as_the_server_did_them(run: Run) -> None:
    assert 0 == run.exit_code, run.stderr
    outcomes = run.outcomes()
    assert KINDS.keys() == outcomes.keys()
    assert {KINDS[name]: count for name, count in outcomes.items()} == Counter(
        row["error_kind"] for row in run.rows
    )
    counts = {kind: told["count"] for kind, told in run.export["errors"].items()}
    assert {kind: outcomes[name] for name, kind in KINDS.items() if kind} == counts
    assert outcomes["ok"] == run.export["request_count"]["avg"]
    assert REQUESTS - outcomes["ok"] == run.export["error_count"]["avg"]


def test_each_request_met_the_fate_that_the_server_gave_it(run: Run) -> None:
    refused = [row for row in run.rows if row["error_kind"] == "http_503"]
    assert REQUESTS - len(refused) == len(run.pairs)
    assert {503} == {row["status"] for row in refused}
    for pair in run.pairs:
        assert KINDS[pair.truth["outcome"]] == pair.row["error_kind"]


def test_what_came_before_a_failure_is_kept(run: Run) -> None:
    for pair in run.pairs:
        brought, kept = pair.truth["output_tokens"], len(pair.row["content_ns"])
        if pair.truth["outcome"] == "reset":  # a reset takes with it what was not read yet
            assert 0 <= kept <= brought
        else:
            assert kept == brought
        assert kept == len(pair.row["content_chars"])


def test_a_stalled_request_ends_at_its_timeout(run: Run) -> None:
    took_s = [(row["end_ns"] - row["start_ns"]) / 1e9 for row in run.rows if row["error_kind"] == "timeout"]
    assert min(took_s) >= 1


def test_the_reader_is_told(tmp_path: Path, run: Run) -> None:
    failed = REQUESTS - run.outcomes()["ok"]
    assert f"Requests: {REQUESTS - failed} succeeded" in run.stdout
    assert f", {failed} failed\n" in run.stdout
    for kind, told in run.export["errors"].items():
        assert f"  {told['count']} x {kind}: {told['message']}\n" in run.stdout
