"""Whole runs whose load changes, against the embedded server: the plan is what the journal says was due."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from genai_perf.cli import main
from genai_perf.engine.journal import read
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

MS = 1_000_000
S = 1_000 * MS


@pytest.fixture(scope="module")
def url():
    settings = ServerSettings(
        port=0, ttft_ms=20, ttft_per_input_token_ms=0, itl_ms=1, itl_per_request_ms=0, max_active=500
    )
    with EmbeddedServer(settings) as server:
        yield server.url


@pytest.fixture
def profile(url, tmp_path, monkeypatch, capsys):
    """Runs `profile` with these options; gives the code, what was printed, the records and the report."""
    monkeypatch.chdir(tmp_path)

    def profile(words):
        fixed = "profile -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --isl 10 --osl 3 -u"
        code = main([*fixed.split(), url, *words.split()])
        found = list(Path("artifacts").glob("*/records.arrows"))
        if not found:
            return code, capsys.readouterr(), [], {}
        rows = sorted(read(found[0])[1].to_pylist(), key=lambda row: row["index"])
        report = json.loads((found[0].parent / "profile_export_genai_perf.json").read_text())
        return code, capsys.readouterr(), rows, report

    return profile


def test_a_schedule_of_rates_is_the_plan_and_ends_the_run(profile):
    Path("rates.csv").write_text("0.5, 10, 30\n0.5, 30\n")
    code, _, rows, report = profile("--request-rate-schedule rates.csv")
    assert 0 == code
    first_ns = rows[0]["due_ns"]
    due = [row["due_ns"] - first_ns for row in rows]
    assert 25 == len(due)  # (10 + 30) / 2 * 0.5 + 30 * 0.5
    assert 10 == sum(at < S // 2 for at in due)
    later = [at for at in due if at >= S // 2]
    assert {33_333_333, 33_333_334} >= {after - before for before, after in pairwise(later)}
    assert "duration" == report["run"]["stop_reason"]


def test_a_schedule_of_widths_opens_and_closes_places(profile):
    Path("widths.csv").write_text("0.3, 1\n0.3, 4\n0.3, 2\n")
    code, _, rows, _ = profile("--concurrency-schedule widths.csv")
    assert 0 == code
    start_ns = rows[0]["start_ns"]

    def in_flight(at_ns):
        return sum(row["start_ns"] <= start_ns + at_ns < row["end_ns"] for row in rows)

    assert 1 == max(in_flight(at * MS) for at in range(10, 290, 5))
    assert 4 == max(in_flight(at * MS) for at in range(310, 590, 5))
    assert 2 >= max(in_flight(at * MS) for at in range(660, 900, 5))


def test_bursts_come_in_the_number_their_rate_and_time_say(profile):
    code, _, rows, _ = profile("--request-rate 50 --request-rate-burstiness 0.2 --benchmark-duration 1")
    assert (0, 50) == (code, len(rows))
    gaps = [after["due_ns"] - before["due_ns"] for before, after in pairwise(rows)]
    assert sum(gap < 4 * MS for gap in gaps) > len(gaps) / 3  # by Poisson it would be 18 %


def test_what_is_hung_up_on_is_told_and_is_no_failure(profile):
    code, seen, rows, report = profile(
        "--concurrency 2 --request-count 100 --request-cancellation-rate 0.3 "
        "--request-cancellation-delay 0.001 --max-error-rate 0"
    )
    assert 0 == code
    hung_up = sum(row["error_kind"] == "hung_up" for row in rows)
    assert 15 < hung_up < 45
    assert 100 == len(rows)
    assert (0, 100 - hung_up) == (report["error_count"]["avg"], report["request_count"]["avg"])
    assert f"0 failed, {hung_up} given up as planned" in seen.out


def test_what_the_grace_period_cuts_off_is_told(profile):
    code, seen, rows, _ = profile(
        "--concurrency 3 --benchmark-duration 0.2 --benchmark-grace-period 0 --osl 2000"
    )
    assert 1 == code  # nothing was complete: 2,000 tokens take two seconds
    assert {"unfinished"} == {row["error_kind"] for row in rows}
    assert "no complete answer within 0 s of the run's end" in seen.err


def test_no_more_wait_for_their_first_token_than_may(profile):
    code, _, rows, _ = profile("--concurrency 6 --request-count 30 --max-prefill-concurrency 2")
    assert 0 == code
    edges = sorted(
        [(row["start_ns"], 1) for row in rows] + [(row["content_ns"][0], -1) for row in rows],
        key=lambda edge: (edge[0], edge[1]),
    )
    level = most = 0
    for _, change in edges:
        level += change
        most = max(most, level)
    assert 2 == most


def test_what_waits_to_be_sent_when_the_time_is_over_is_told_as_such(profile):
    code, seen, rows, report = profile(
        "--request-rate 200 --benchmark-duration 0.3 --max-prefill-concurrency 1"
    )
    assert 0 == code
    held = [row for row in rows if row["error_kind"] == "held_back"]
    assert 60 == len(rows) == len(held) + report["request_count"]["avg"]
    assert 30 < len(held)
    assert {True} == {row["due_ns"] < row["start_ns"] == row["end_ns"] for row in held}
    assert f"{len(held)} x held_back: still waited when the time was over" in seen.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--request-rate-burstiness 2", "--request-rate-burstiness needs --request-rate"),
        ("--request-rate 5 --request-rate-burstiness 0", "--request-rate-burstiness: 0 is not more than 0"),
        ("--request-rate 5 --request-distribution gamma", "gamma needs --request-rate-burstiness"),
        ("--request-rate 5 --request-distribution poisson --request-rate-burstiness 2", "contradicts"),
        ("--ramp-up 3", "--ramp-up needs --concurrency or --request-rate"),
        ("--benchmark-grace-period 3", "--benchmark-grace-period needs --benchmark-duration"),
        ("--request-rate-schedule nowhere.csv", "--request-rate-schedule: no file 'nowhere.csv'"),
        ("--concurrency 3 --request-rate-schedule bad.csv", "exclude each other"),
        ("--concurrency-schedule bad.csv", "bad.csv:2: level: 'many' is not a number"),
        ("--request-cancellation-rate 20", "--request-cancellation-rate: 20 is not at most 1"),
    ],
)
def test_a_load_that_cannot_be_is_one_line(profile, words, message):
    Path("bad.csv").write_text("1, 5\n1, many\n")
    code, seen, rows, _ = profile(words)
    assert (2, []) == (code, rows)
    assert message in seen.err
