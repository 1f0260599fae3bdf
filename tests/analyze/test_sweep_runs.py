"""Whole sweeps against the embedded server: the command line, the files, the checkpoint."""

import csv
import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from made_run import FILES

from genai_perf.analyze import Results, remembered, run
from genai_perf.cli import main
from genai_perf.engine.journal import read
from genai_perf.profile import session
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

PLACES = 4


SETTINGS = ServerSettings(
    port=0, ttft_ms=5, ttft_per_input_token_ms=0, itl_ms=1, itl_per_request_ms=0, max_active=PLACES,
    context_length=300,
)  # fmt: skip
"""A server whose knee is where its places end; an answer of 4 tokens takes 8 ms."""


@pytest.fixture(scope="module")
def url():
    with EmbeddedServer(SETTINGS) as server:
        yield server.url


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line(url, words):
    fixed = "analyze -m gpt2 --endpoint-type chat --streaming --tokenizer builtin --isl 20 --osl 4 -u"
    if "input_sequence_length" in words:
        fixed = fixed.replace("--isl 20 ", "")
    return [*fixed.split(), url, *words.split()]


def rows():
    first, _, _ = Path("analyze_export_genai_perf.csv").read_bytes().decode().partition("\r\n\r\n")
    return list(csv.DictReader(first.splitlines()))


def test_a_sweep_finds_the_knee_where_the_server_has_no_more_places(here, capsys):
    # so slow that what the client and the machine take counts for little beside it
    with EmbeddedServer(replace(SETTINGS, ttft_ms=20, itl_ms=5)) as server:
        words = "--sweep-type concurrency --sweep-range 1:16 --request-count 48"
        assert 0 == main(line(server.url, words))
    seen = capsys.readouterr()
    summary = json.loads((here / "analyze_export_genai_perf.json").read_text())
    assert [PLACES] == [each["parameters"]["concurrency"] for each in summary["scenarios"] if each["is_knee"]]
    (marked,) = [each for each in seen.out.splitlines() if "knee" in each.lower() and each.startswith("│")]
    assert str(PLACES) == marked.split("│")[1].strip()
    assert "scenario 5 of 5 | concurrency 16 | " in seen.err
    for concurrency in (1, 2, 4, 8, 16):
        left = {
            file.name for file in (here / f"artifacts/gpt2-openai-chat-concurrency{concurrency}").iterdir()
        }
        assert left == FILES
    throughput = [float(row["Request Throughput (requests/sec)"]) for row in rows()]
    assert sorted(throughput, reverse=True) == throughput
    for name in ("analyze_export_genai_perf.csv", "analyze_export_genai_perf.json"):
        assert (here / name).read_bytes() == (here / "artifacts" / name).read_bytes()
    assert 5 == len(Results.load("checkpoint.json").measured)


def test_a_second_sweep_measures_only_what_is_new_and_really_changes_the_inputs(url, here, capsys):
    sweep = "--sweep-type num_dataset_entries --sweep-range 100:{}:50"
    assert 0 == main(line(url, sweep.format(200)))
    capsys.readouterr()
    assert 0 == main(line(url, sweep.format(300)))
    seen = capsys.readouterr()
    assert [
        "gpt2_run_config_0:num_dataset_entries100 found in checkpoint - skipping profiling...",
        "gpt2_run_config_1:num_dataset_entries150 found in checkpoint - skipping profiling...",
        "gpt2_run_config_2:num_dataset_entries200 found in checkpoint - skipping profiling...",
    ] == seen.out.splitlines()[:3]
    assert ["scenario 4 of 5", "scenario 5 of 5"] == [
        each.partition(" | ")[0] for each in seen.err.splitlines() if each.startswith("scenario")
    ]
    for entries in (100, 150, 200, 250, 300):
        inputs = here / f"artifacts/gpt2-openai-chat-num_dataset_entries{entries}/inputs.json"
        assert entries == len(json.loads(inputs.read_text())["data"])
    assert {"100", "150", "200", "250", "300"} == {row["Num Dataset Entries"] for row in rows()}


def test_a_sweep_of_prompt_lengths_really_changes_them_and_one_that_fails_is_a_row(url, here, capsys):
    """The server refuses what is longer than its context."""
    assert 1 == main(line(url, "--sweep-type input_sequence_length --sweep-list 20,400,40"))
    seen = capsys.readouterr()
    assert ["20", "40", "N/A"] == sorted(row["ISL"] for row in rows())
    assert "N/A" == rows()[-1]["Request Throughput (requests/sec)"]
    assert "gpt2_run_config_1:input_sequence_length400 failed: every request failed: " in seen.out
    assert "error: every request failed: " in seen.err
    outcomes = {
        each.parameters["input_sequence_length"]: each.outcome for each in Results.load("checkpoint.json")
    }
    assert {20: "measured", 400: "failed", 40: "measured"} == outcomes


def test_a_sweep_of_which_nothing_was_measured_is_summed_up_as_well(url, capsys):
    assert 1 == main(line(url, "--endpoint nowhere --sweep-list 1,2"))
    seen = capsys.readouterr()
    assert 2 == seen.err.count("error: every request failed: ")
    assert ["failed", "failed"] == [
        each.split("│")[-2].strip() for each in seen.out.splitlines() if each.startswith("│")
    ]
    assert ["1", "2"] == sorted(row["Concurrency"] for row in rows())


def test_a_server_that_cannot_be_reached_ends_the_sweep_with_one_line(here, capsys):
    assert 1 == main(line("127.0.0.1:1", "--sweep-list 1,2,3"))
    seen = capsys.readouterr()
    assert ["error: --url 127.0.0.1:1: cannot connect: connection refused"] == [
        each.lower() for each in seen.err.splitlines() if each.startswith("error")
    ]
    assert not (here / "checkpoint.json").exists()


def test_another_setting_is_noticed_said_and_measured_anew(url, capsys):
    assert 0 == main(line(url, "--sweep-list 2"))
    assert 0 == main(line(url, "--sweep-list 2 --request-count 12"))
    told = "gpt2_run_config_0:concurrency2 in the checkpoint is not comparable "
    assert f"{told}(load.request_count: 10, now 12): measuring anew" in capsys.readouterr().err
    assert 2 == len(Results.load("checkpoint.json").measured)


def test_a_torn_checkpoint_is_told_before_anything_is_sent_and_left_alone(here, capsys):
    (here / "checkpoint.json").write_text('{"Results": {"run_c')
    assert 1 == main(line("127.0.0.1:1", "--sweep-list 1"))
    assert "error: checkpoint.json: the checkpoint is torn" in capsys.readouterr().err
    assert '{"Results": {"run_c' == (here / "checkpoint.json").read_text()


def test_without_a_checkpoint_nothing_is_remembered(url, here, capsys):
    for _ in range(2):
        assert 0 == main(line(url, "--sweep-list 1 --no-checkpointing"))
    assert "found in checkpoint" not in capsys.readouterr().out
    assert not (here / "checkpoint.json").exists()
    assert ["gpt2_run_config_0"] == [row["Config Name"] for row in rows()]


def test_a_checkpoint_directory_holds_the_only_one(url, here):
    assert 0 == main(line(url, "--sweep-list 1 --checkpoint-dir kept"))
    assert (here / "kept/checkpoint.json").exists()
    assert not (here / "checkpoint.json").exists()


def test_plots_are_drawn_of_each_scenario_and_of_the_sweep(url, here, monkeypatch):
    monkeypatch.setattr("genai_perf.reports.plots.images.by_kaleido", lambda _: "not in this test")
    assert 0 == main(line(url, "--sweep-list 1,2 --generate-plots -q"))
    assert (here / "artifacts/plots/index.html").exists()
    run = here / "artifacts/gpt2-openai-chat-concurrency1/plots"
    assert run.parent.name in (run / "index.html").read_text()
    libraries = list((here / "artifacts").rglob("plotly.min.js"))
    assert 3 == len(libraries)
    assert 1 == len({library.stat().st_ino for library in libraries})
    assert '<script src="plotly.min.js"' in (run / "index.html").read_text()


def test_plots_are_drawn_of_what_was_measured_before_and_only_once(url, here, monkeypatch):
    monkeypatch.setattr("genai_perf.reports.plots.images.by_kaleido", lambda _: "not in this test")
    assert 0 == main(line(url, "--sweep-list 1 -q"))
    drawn = here / "artifacts/gpt2-openai-chat-concurrency1/plots/index.html"
    assert not drawn.exists()
    assert 0 == main(line(url, "--sweep-list 1 --generate-plots -q"))
    first = drawn.stat().st_ino
    assert 0 == main(line(url, "--sweep-list 1 --generate-plots -q"))
    assert first == drawn.stat().st_ino


# -- ended by force ---------------------------------------------------------------------------------------


@contextmanager
def process(url, words):
    with subprocess.Popen(
        [sys.executable, "-m", "genai_perf", *line(url, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def wait_for_records_of(directory, child):
    """Until a batch of them is on disk; pytest's own time limit ends a wait for ever."""
    sizes = set()
    while len(sizes) < 2:
        assert child.poll() is None, child.stderr.read()
        sizes |= {path.stat().st_size for path in directory.glob("records.arrows")} - {0}
        time.sleep(0.02)


LONG = "--sweep-list 4,3,2 --request-count 400"
"""The second scenario takes longer than a second."""


def kill_within(directory, url):
    """A sweep, during the scenario of that directory."""
    with process(url, LONG) as child:
        wait_for_records_of(directory, child)
        child.kill()
        child.wait()


def test_a_sweep_that_is_killed_goes_on_where_it_was(url, here, capsys):
    kill_within(here / "artifacts/gpt2-openai-chat-concurrency3", url)
    assert [4] == [each.parameters["concurrency"] for each in Results.load("checkpoint.json")]
    assert 0 == main(line(url, LONG))
    seen = capsys.readouterr()
    assert 1 == seen.out.count("skipping profiling...")
    assert "gpt2_run_config_0:concurrency4 found in checkpoint - skipping profiling..." in seen.out
    stored = Results.load("checkpoint.json")
    assert [(4, 400), (3, 400), (2, 400)] == [
        (each.parameters["concurrency"], each.summary().requests) for each in stored.measured
    ]


def test_an_interrupt_finishes_the_scenario_and_ends_the_sweep_which_then_goes_on(url, here, capsys):
    with process(url, LONG) as child:
        wait_for_records_of(here / "artifacts/gpt2-openai-chat-concurrency3", child)
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate()
    assert 130 == child.returncode, errors
    assert "waiting for 3 requests in flight" in errors
    assert "interrupted; the same command measures what is left" in errors
    assert "gpt2_run_config_1:concurrency3 was interrupted; its figures are of a part of it" in out
    assert [(4, "measured"), (3, "interrupted")] == outcomes()
    assert 0 == main(line(url, LONG))
    assert "this scenario failed or was interrupted before: measuring it again" in capsys.readouterr().err
    stored = Results.load("checkpoint.json")
    assert ["gpt2_run_config_0", "gpt2_run_config_1", "gpt2_run_config_2"] == [
        each.name for each in stored.measured
    ]


def test_a_killed_scenario_is_continued_where_that_is_wanted(url, here, capsys):
    directory = here / "artifacts/gpt2-openai-chat-concurrency3"
    kill_within(directory, url)
    _, before = read(directory / "records.arrows")
    kept = before["index"].to_pylist()
    ended_ns = max(before["end_ns"].to_pylist())
    assert 0 < len(kept) < 400
    assert 0 == main(line(url, f"{LONG} --resume continue"))
    seen = capsys.readouterr()
    assert f"continuing after request {len(kept)}, where it was interrupted; telemetry" in seen.err
    assert not list(directory.glob("telemetry.*"))  # it would have a hole
    info, after = read(directory / "records.arrows")
    assert list(range(400)) == sorted(after["index"].to_pylist())
    assert kept == after["index"].to_pylist()[: len(kept)]
    assert [(len(kept), ended_ns)] == [(each.requests, each.at_ns) for each in info.breaks]
    starts_ns = after["start_ns"].to_pylist()
    assert all(start_ns >= ended_ns for start_ns in starts_ns[len(kept) :])
    pause_ns = info.breaks[0].resumed_wall_ns - info.started_wall_ns - ended_ns
    assert starts_ns[len(kept)] - ended_ns < pause_ns  # which is a new process, and more
    noted = f"Continued after an interruption at request {len(kept)}: the pause is in no figure"
    assert noted in seen.out
    found = {each.parameters["concurrency"]: each for each in Results.load("checkpoint.json").measured}
    assert {4, 3, 2} == set(found)
    assert 400 == found[3].summary().requests
    assert any(each.startswith(noted) for each in found[3].summary().notes)
    duration_s = (max(after["end_ns"].to_pylist()) - min(starts_ns)) / 1e9
    assert 400 / duration_s == pytest.approx(found[3].metric("request_throughput_avg"), rel=0.05)


def test_a_scenario_that_was_killed_with_other_settings_is_measured_again_and_that_is_said(url, here, capsys):
    directory = here / "artifacts/gpt2-openai-chat-concurrency3"
    kill_within(directory, url)
    changed = LONG.replace("400", "12")
    assert 0 == main(line(url, f"{changed} --resume continue"))
    assert (
        f"the interrupted run in {directory.relative_to(here)} cannot be continued "
        "(load.request_count: 400, now 12): measuring it again"
    ) in capsys.readouterr().err
    info, table = read(directory / "records.arrows")
    assert ((), 12) == (info.breaks, len(table))


def test_a_torn_journal_is_continued_from_what_is_whole_of_it(url, here, capsys):
    directory = here / "artifacts/gpt2-openai-chat-concurrency4"
    kill_within(directory, url)
    journal = directory / "records.arrows"
    journal.write_bytes(journal.read_bytes() + b"\xff\xff\xff\xff\x00\x10\x00\x00half a batch")
    assert 0 == main(line(url, f"{LONG.replace('4,3,2', '4')} --resume continue"))
    assert "continuing after request" in capsys.readouterr().err
    assert list(range(400)) == sorted(read(journal)[1]["index"].to_pylist())


def test_an_interrupted_scenario_is_continued_where_that_is_wanted(url, here, capsys):
    directory = here / "artifacts/gpt2-openai-chat-concurrency3"
    with process(url, LONG) as child:
        wait_for_records_of(directory, child)
        child.send_signal(signal.SIGINT)
        child.communicate()
    kept = len(read(directory / "records.arrows")[1])
    assert 0 == main(line(url, f"{LONG} --resume continue"))
    seen = capsys.readouterr()
    assert f"continuing after request {kept}, where it was interrupted" in seen.err
    assert "measuring it again" not in seen.err
    assert [(4, "measured"), (3, "measured"), (2, "measured")] == outcomes()
    assert 400 == len(read(directory / "records.arrows")[1])


# -- Ctrl-C -----------------------------------------------------------------------------------------------


def outcomes():
    return [(each.parameters["concurrency"], each.outcome) for each in Results.load("checkpoint.json")]


def test_a_second_interrupt_gives_up_the_scenario(here):
    """Of a server that never comes to an end; nothing of the scenario was measured."""
    windows = "--measurement-interval 500 --max-trials 1000 -v --sweep-list 4,3"
    stalling = ServerSettings(port=0, ttft_ms=5, itl_ms=1, stall_rate=1.0)
    with EmbeddedServer(stalling) as server, process(server.url, windows) as child:
        line_of(child, "window 1: 0 requests")  # by now every answer has stalled half-way
        child.send_signal(signal.SIGINT)
        line_of(child, "waiting for 4 requests in flight")
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate()
    assert 130 == child.returncode, errors
    assert "giving up the requests in flight" in errors
    assert "gpt2_run_config_0:concurrency4 was interrupted" in out
    assert [(4, "interrupted")] == outcomes()


def line_of(child, words):
    for each in child.stderr:
        if words in each:
            return
    raise AssertionError(f"stderr ended without {words!r}")


def test_an_interrupt_while_a_scenario_is_written_up_keeps_it_and_ends_the_sweep(url, capsys, monkeypatch):
    write = run.write_reports

    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        write(*given)

    monkeypatch.setattr(run, "write_reports", interrupted)
    assert 130 == main(line(url, "--sweep-list 2,1"))
    seen = capsys.readouterr()
    assert "interrupted; the same command measures what is left" in seen.err
    assert "checkpoint/checkpoint.json and checkpoint.json" in seen.err
    assert [(2, "measured")] == outcomes()
    assert ["2"] == [row["Concurrency"] for row in rows()]
    monkeypatch.undo()
    assert 0 == main(line(url, "--sweep-list 2,1"))
    assert [(2, "measured"), (1, "measured")] == outcomes()


def test_an_interrupt_while_the_records_are_read_keeps_the_scenario(url, monkeypatch):
    read_records = session.summarize

    def interrupted(*given, **named):
        signal.raise_signal(signal.SIGINT)
        return read_records(*given, **named)

    monkeypatch.setattr(session, "summarize", interrupted)
    assert 130 == main(line(url, "--sweep-list 2,1"))
    assert [(2, "measured")] == outcomes()


def test_a_second_interrupt_while_a_scenario_is_written_up_leaves_it_to_the_next_sweep(
    url, capsys, monkeypatch
):
    def interrupted(*given):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run, "write_reports", interrupted)
    assert 130 == main(line(url, "--sweep-list 2,1"))
    directory = "artifacts/gpt2-openai-chat-concurrency2"
    told = f"interrupted while its reports were made; the records are in {directory}"
    assert f"{told}\nhint: genai-perf report {directory} makes them\n" in capsys.readouterr().err
    assert not Path("checkpoint.json").exists()
    monkeypatch.undo()
    assert 0 == main(["report", directory])
    assert 0 == main(line(url, "--sweep-list 2,1"))


def test_an_interrupt_between_two_scenarios_ends_the_sweep(url, capsys, monkeypatch):
    announce = remembered.announce

    def interrupted(checkpoint, *given, **named):
        if checkpoint.scenarios:
            signal.raise_signal(signal.SIGINT)
        announce(checkpoint, *given, **named)

    monkeypatch.setattr(remembered, "announce", interrupted)
    assert 130 == main(line(url, "--sweep-list 2,1"))
    seen = capsys.readouterr()
    assert "interrupted; the same command measures what is left" in seen.err
    assert "scenario 2 of 2" not in seen.err
    assert [(2, "measured")] == outcomes()
    assert ["2"] == [row["Concurrency"] for row in rows()]


def test_an_interrupt_before_the_first_scenario_leaves_nothing_behind(url, here, capsys, monkeypatch):
    def interrupted(*given, **named):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(remembered, "announce", interrupted)
    assert 130 == main(line(url, "--sweep-list 2,1"))
    assert not (here / "checkpoint.json").exists()
    assert not (here / "analyze_export_genai_perf.csv").exists()
