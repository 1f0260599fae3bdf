"""Runs at several levels, chosen by their latency: the driver by itself, and against a server."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from runs import CHAT, MS, result, streamed

from genai_perf.analyze import levels
from genai_perf.cli import main
from genai_perf.config.latency_report import LatencyReport
from genai_perf.config.levels import Levels
from genai_perf.config.load import Loaded
from genai_perf.config.schema import LoadConfig
from genai_perf.exceptions import ServerError
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

UP_TO_8 = Levels(name="concurrency", source="-t", start=1, end=8, step=1, threshold_ms=50.0)


def plan(chosen=UP_TO_8, report=None, **load):
    return Loaded(replace(CHAT, load=LoadConfig(**load)), (), chosen, report)


class Runs:
    """Makes runs whose last text comes `ms_per_place` later for each place; some end otherwise."""

    def __init__(self, ms_per_place=10, ends=()):
        self.made = []
        self._ms_per_place = ms_per_place
        self._ends = dict(ends)

    def take(self, config, then):
        level = config.load.concurrency
        self.made.append(level)
        end = self._ends.get(level, 0)
        if isinstance(end, ServerError):
            raise end
        rows = [
            row | {"content_ns": [row["start_ns"] + level * self._ms_per_place * MS] * 10}
            for row in streamed()
        ]
        if then is not None:
            then(result(rows, config), end if isinstance(end, int) else 0)
        if end is KeyboardInterrupt:
            raise end
        return end


def test_without_a_threshold_every_level_is_measured_and_nothing_is_concluded(capsys):
    runs = Runs()
    assert 0 == levels.measure(plan(replace(UP_TO_8, end=3, threshold_ms=None)), runs.take)
    assert [1, 2, 3] == runs.made
    assert "" == capsys.readouterr().out


def test_a_range_ends_with_the_first_level_above_the_threshold(capsys):
    runs = Runs()
    assert 0 == levels.measure(plan(), runs.take)
    assert [1, 2, 3, 4, 5, 6] == runs.made
    told = "Within 50 ms: concurrency 5 (request latency avg 50.00 ms, 71.43 requests/sec); "
    assert f"{told}the highest that is, of 6 levels measured\n" == capsys.readouterr().out


def test_a_binary_search_needs_fewer(capsys):
    runs = Runs()
    assert 0 == levels.measure(plan(replace(UP_TO_8, end=64, is_binary=True)), runs.take)
    assert [1, 64, 32, 16, 8, 4, 6, 5] == runs.made
    assert capsys.readouterr().out.startswith("Within 50 ms: concurrency 5 (")


def test_where_no_level_stays_within_the_threshold_the_lowest_is_told(capsys):
    runs = Runs(ms_per_place=60)
    assert 0 == levels.measure(plan(), runs.take)
    assert [1] == runs.made
    told = "Within 50 ms: none of 1 level measured; concurrency 1 (request latency avg 60.00 ms, "
    assert capsys.readouterr().out.startswith(told)


def test_the_threshold_is_of_the_percentile_that_is_asked_for(capsys):
    runs = Runs()
    assert 0 == levels.measure(plan(stability_percentile=99), runs.take)
    assert "concurrency 5 (request latency p99 50.00 ms," in capsys.readouterr().out


def test_a_level_that_its_error_rate_ended_misses_and_the_worst_exit_code_counts(capsys):
    runs = Runs(ends={3: 1})
    assert 1 == levels.measure(plan(), runs.take)
    assert [1, 2, 3] == runs.made
    assert capsys.readouterr().out.startswith("Within 50 ms: concurrency 2 (")


def test_an_interrupted_level_ends_the_search_with_what_there_is(capsys, tmp_path):
    runs, file = Runs(ends={3: 130}), tmp_path / "report.csv"
    assert 130 == levels.measure(plan(report=LatencyReport(file)), runs.take)
    assert "of 2 levels measured" in capsys.readouterr().out
    assert {"1", "2"} == loads(file)


def test_a_level_that_was_measured_before_the_interruption_was_heard_counts(capsys, tmp_path):
    runs, file = Runs(ends={3: KeyboardInterrupt}), tmp_path / "report.csv"
    with pytest.raises(KeyboardInterrupt):
        levels.measure(plan(report=LatencyReport(file)), runs.take)
    assert "Within 50 ms: concurrency 3 (" in capsys.readouterr().out
    assert {"1", "2", "3"} == loads(file)


def test_a_level_that_fails_ends_the_search_and_what_there_is_is_told(capsys):
    runs = Runs(ends={2: ServerError("every request failed")})
    with pytest.raises(ServerError):
        levels.measure(plan(), runs.take)
    assert "of 1 level measured" in capsys.readouterr().out


def test_a_report_is_also_of_one_run_alone(tmp_path):
    file = tmp_path / "report.csv"
    runs = Runs()
    loaded = plan(None, LatencyReport(file), concurrency=4)
    assert 0 == levels.measure(loaded, runs.take)
    assert ([4], {"4"}) == (runs.made, loads(file))


# -- against a server ----------------------------------------------------------------------------------

TTFT_MS, PER_REQUEST_MS, TOKENS = 10, 20, 8
"""Alone, a request takes about 17 ms; every other one at the same time adds 140."""


@pytest.fixture(scope="module")
def url():
    settings = ServerSettings(port=0, ttft_ms=TTFT_MS, itl_ms=1, itl_per_request_ms=PER_REQUEST_MS)
    with EmbeddedServer(settings) as server:
        yield server.url


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line(url, before, behind):
    fixed = f"profile -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --isl 20 --osl {TOKENS} -u"
    return [*fixed.split(), url, *before.split(), "--", *behind.split()]


def measured(here):
    """The levels that have a directory."""
    return sorted(int(path.name.rpartition("concurrency")[2]) for path in (here / "artifacts").iterdir())


def loads(file):
    return {row["Concurrency"] for row in csv.DictReader(file.read_text().splitlines())}


BINARY = "--concurrency-range 1:8 --latency-threshold 370 --binary-search -f report.csv --verbose-csv"


def test_a_binary_search_finds_the_most_that_a_server_can_do_within_a_latency(url, here, capsys):
    assert 0 == main(line(url, "--request-count 8", BINARY))
    *_, told = capsys.readouterr().out.splitlines()
    assert told.startswith("Within 370 ms: concurrency 3 (request latency avg ")
    assert told.endswith("; the highest that is, of 5 levels measured")
    assert [1, 2, 3, 4, 8] == measured(here)
    rows = list(csv.DictReader((here / "report.csv").read_text().splitlines()))
    assert {"1", "2", "3", "4", "8"} == {row["Concurrency"] for row in rows}
    rates = [float(row["Inferences/Second"]) for row in rows]
    assert sorted(rates) == rates
    for row in rows:
        least_us = 1000 * (TTFT_MS + (TOKENS - 1))
        assert least_us <= int(row["Avg latency"])
        before_us = int(row["Client Send"]) + int(row["response wait"])  # each is rounded
        assert before_us >= 1000 * TTFT_MS - 1
        assert TOKENS == round(float(row["Response Throughput"]) / float(row["Inferences/Second"]), 3)


def test_a_search_without_an_end_stops_at_the_first_level_that_takes_too_long(url, here, capsys):
    assert 0 == main(line(url, "--request-count 6", "--concurrency-range 1:0 -l 230 --percentile 50"))
    assert "Within 230 ms: concurrency 2 (request latency p50 " in capsys.readouterr().out
    assert [1, 2, 3] == measured(here)


def test_levels_that_the_checkpoint_has_are_judged_and_reported_without_being_measured(url, here, capsys):
    kept = "--request-count 8 --enable-checkpointing"
    assert 0 == main(line(url, kept, BINARY))
    *_, told = capsys.readouterr().out.splitlines()
    report = (here / "report.csv").read_text()
    (here / "report.csv").unlink()
    assert 0 == main(line("127.0.0.1:1", kept, BINARY))  # nobody is asked
    assert told == capsys.readouterr().out.splitlines()[-1]
    assert report == (here / "report.csv").read_text()


def test_a_level_whose_records_are_gone_is_measured_again(url, here, capsys):
    words = line(url, "--request-count 4 --enable-checkpointing", "--concurrency-range 1 -f report.csv")
    assert 0 == main(words)
    (journal,) = here.glob("artifacts/*/records.arrows")
    journal.unlink()
    assert 0 == main(words)
    assert "its records are not there any more: measuring it again" in capsys.readouterr().err
    assert journal.exists()
    assert 0 == main(line(url, "--request-count 4 --osl 2", ""))  # another run in the same directory
    assert 0 == main(words)
    assert "its records are not there any more: measuring it again" in capsys.readouterr().err


def test_rates_are_levels_as_well(url, here):
    assert 0 == main(line(url, "--request-count 10", "--request-rate-range 40:50:10 -f report.csv"))
    rows = csv.DictReader((here / "report.csv").read_text().splitlines())
    assert {"40", "50"} == {row["Request Rate"] for row in rows}


def test_a_ctrl_c_in_a_level_leaves_the_levels_before_it(tmp_path):
    # 200 requests take a moment one by one, and a minute two by two
    settings = ServerSettings(port=0, ttft_ms=0, itl_ms=0, itl_per_request_ms=100)
    words = "--concurrency-range 1:0 -l 5000 --request-count 200 -f report.csv"
    with (
        EmbeddedServer(settings) as server,
        subprocess.Popen(
            [sys.executable, "-m", "genai_perf", *line(server.url, "", words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as search,
    ):
        begun = tmp_path / "artifacts/gpt2-openai-chat-concurrency2/run.json"
        while not begun.exists():  # pytest's own time limit ends a wait for ever
            assert search.poll() is None, search.stderr.read()
            time.sleep(0.02)
        search.send_signal(signal.SIGINT)
        output, errors = search.communicate()
    assert 130 == search.returncode, errors
    *_, told = output.splitlines()
    assert told.startswith("Within 5000 ms: concurrency 1 (")
    assert told.endswith("of 1 level measured")
    assert {"1"} == loads(tmp_path / "report.csv")
