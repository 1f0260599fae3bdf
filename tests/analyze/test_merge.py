"""Several runs as one: figures, files and what is said, for runs that have our journal."""

import json
import shutil
from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from merging import CHAT, MS, answered, at_level, failed, leave_run, merged

from genai_perf.analyze.merge import merge
from genai_perf.analyze.merged_journal import DURATIONS
from genai_perf.cli import main
from genai_perf.config.schema import LoadConfig, OutputConfig
from genai_perf.engine import journal
from genai_perf.exceptions import ArtifactError, ServerError, UsageError
from genai_perf.profile import report, summarize
from genai_perf.types import Phase, RunEnd, Stats, Window

ROWS = [
    answered(start * 10, ttft_ms=9 + start % 7, itl_ms=2 + start % 3, tokens=3 + start % 4)
    for start in range(20)
]


def by_tag(result):
    return dict(result.summary.metrics)


# -- figures ----------------------------------------------------------------------------------------------


def test_one_run_merged_has_its_own_figures_exactly(tmp_path):
    config = replace(CHAT, load=LoadConfig(request_rate=50.0))
    rows = [
        answered(0, phase=Phase.WARMUP, due_ns=0),
        *(
            msgspec.structs.replace(row, start_ns=row.start_ns + 50 * MS, due_ns=row.start_ns + 49 * MS)
            for row in ROWS
        ),
        failed(80),
        answered(
            90, tokens=0 + 1, content_ns=[], content_chars=[], content_lag_ns=[], content_slack_ns=[], text=""
        ),
    ]
    run = leave_run(tmp_path / "runs/a", rows, config=config)
    own, result = summarize(run), merged(tmp_path / "runs", tmp_path / "out")
    assert by_tag(own) == by_tag(result)
    assert own.summary == result.summary
    assert own.records.equals(result.records)


def test_one_run_of_which_only_the_windows_count_is_no_other(tmp_path):
    windows = (Window(0, 100 * MS, 10, 100.0, 2.0 * MS),)
    run = leave_run(tmp_path / "runs/a", ROWS, end=RunEnd("stable", stable=False, windows=windows))
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert summarize(run).summary == result.summary
    assert windows == result.end.windows


@given(st.lists(st.booleans(), min_size=len(ROWS), max_size=len(ROWS)), st.integers(0, 5))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_halves_of_a_run_that_were_sent_at_the_same_time_give_the_whole_run(
    tmp_path_factory, is_first, later_s
):
    """However it is cut; their clocks may begin at different instants."""
    tmp_path = tmp_path_factory.mktemp("halves")
    first = [row for row, mine in zip(ROWS, is_first, strict=True) if mine]
    second = [shifted(row, later_s * 1000) for row, mine in zip(ROWS, is_first, strict=True) if not mine]
    whole = summarize(leave_run(tmp_path / "whole", ROWS))
    for name, rows, after_s in (("a", first, later_s), ("b", second, 0)):
        if rows:
            leave_run(tmp_path / f"runs/{name}", [*rows, failed(50)], after_s=after_s)
    result = merged(tmp_path / "runs", tmp_path / "out")
    for tag, figure in by_tag(whole).items():
        if isinstance(figure, Stats):
            assert figure == result.summary.metrics[tag], tag
    if result.info.merged["how"] == "at the same time":
        for tag in ("request_throughput", "output_token_throughput", "request_count"):
            assert whole.summary.metrics[tag] == result.summary.metrics[tag]


def shifted(row, by_ms):
    by_ns = by_ms * MS
    return msgspec.structs.replace(
        row,
        **{
            name: getattr(row, name) + by_ns
            for name in ("start_ns", "sent_ns", "end_ns", "headers_ns", "first_byte_ns")
        },
        content_ns=[at_ns + by_ns for at_ns in row.content_ns],
    )


def test_rates_of_runs_at_the_same_time_add_up(tmp_path):
    alone = summarize(leave_run(tmp_path / "runs/host1/x", ROWS, host="host1"))
    leave_run(tmp_path / "runs/host2/x", ROWS, host="host2")
    result = merged(tmp_path / "runs", tmp_path / "out")
    for tag in ("request_throughput", "output_token_throughput"):
        assert 2 * alone.summary.metrics[tag] == result.summary.metrics[tag]
    (note,) = [note for note in result.summary.notes if "2 runs" in note]
    assert note.startswith(
        "2 runs, at the same time (100.0% of 0.22 s), concurrency 16 in all: throughput is all "
    )


def test_rates_of_runs_one_after_the_other_do_not_add_up_and_the_hour_between_them_does_not_count(tmp_path):
    alone = summarize(leave_run(tmp_path / "runs/a", ROWS))
    leave_run(tmp_path / "runs/b", ROWS, after_s=3600)
    result = merged(tmp_path / "runs", tmp_path / "out")
    for tag in ("request_throughput", "output_token_throughput"):
        assert alone.summary.metrics[tag] == pytest.approx(result.summary.metrics[tag])
    assert 40 == result.summary.requests
    (note,) = [note for note in result.summary.notes if "2 runs" in note]
    assert note.startswith("2 runs, one after the other: ")
    assert note.endswith("3,599.78 s between them are cut out.")


def test_errors_are_added_and_a_run_of_nothing_else_is_said(tmp_path):
    leave_run(tmp_path / "runs/a", [*ROWS, failed(300), failed(310, "timeout")])
    leave_run(tmp_path / "runs/b", [failed(0), failed(10)])
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert {"http_500": (3, "out of memory"), "timeout": (1, "out of memory")} == result.summary.errors
    assert "No request of b was answered: only its errors are in here." in result.summary.notes


def test_runs_of_which_none_was_answered_are_an_error_after_their_files_are_written(tmp_path):
    leave_run(tmp_path / "runs/a", [failed(0)])
    with pytest.raises(ServerError, match="every request failed: 1 of 1 with http_500"):
        merge(tmp_path / "runs", OutputConfig(artifact_dir=tmp_path / "out"), command="")
    assert (tmp_path / "out/gpt2-openai-chat-concurrency8/profile_export_genai_perf.json").exists()


@pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (("request_count", "request_count"), "request_count"),
        (("duration", "interrupted"), "interrupted"),
        (("interrupted", "aborted"), "aborted"),
        (("duration", None), None),
    ],
)
def test_the_gravest_end_is_that_of_all(tmp_path, ends, reason):
    for name, end in zip("ab", ends, strict=True):
        leave_run(tmp_path / "runs" / name, ROWS, end=RunEnd(end, unsent=3) if end else None)
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert reason == (result.end and result.end.stop_reason)
    assert reason is None or result.end.unsent == 6


# -- which are merged -------------------------------------------------------------------------------------


def names(directory):
    return {
        each.name: [
            run["name"] for run in json.loads((each / "run.json").read_text())["run"]["merged"]["runs"]
        ]
        for each in directory.iterdir()
    }


def test_the_sweeps_of_two_hosts_become_one_sweep(tmp_path):
    for host in ("host1", "host2"):
        for place, level in enumerate((1, 8)):
            run = tmp_path / f"runs/{host}/c{level}"
            leave_run(run, ROWS, after_s=place * 60, config=at_level(level), host=host)
    assert 0 == merge(tmp_path / "runs", OutputConfig(artifact_dir=tmp_path / "out"), command="")
    assert {
        "gpt2-openai-chat-concurrency1": ["host1/c1", "host2/c1"],
        "gpt2-openai-chat-concurrency8": ["host1/c8", "host2/c8"],
    } == names(tmp_path / "out")


def test_parts_of_one_load_may_be_of_different_size_which_is_said(tmp_path):
    leave_run(tmp_path / "runs/a", ROWS, config=at_level(1))
    leave_run(tmp_path / "runs/b", ROWS, config=at_level(8), after_s=0.1)
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert any("The runs differ in load.concurrency: 1 (a), 8 (b)" in note for note in result.summary.notes)


def test_what_is_of_another_kind_is_never_merged(tmp_path):
    whole = replace(CHAT, endpoint=replace(CHAT.endpoint, streaming=False))
    leave_run(tmp_path / "runs/a", ROWS)
    leave_run(tmp_path / "runs/b", ROWS, config=whole)
    assert 0 == merge(tmp_path / "runs", OutputConfig(artifact_dir=tmp_path / "out"), command="")
    assert {
        "gpt2-openai-chat-concurrency8": ["a"],
        "gpt2-openai-chat-concurrency8-2": ["b"],
    } == names(tmp_path / "out")


def test_a_merged_run_is_not_merged_once_more(tmp_path, caplog):
    leave_run(tmp_path / "runs/a", ROWS)
    for _ in range(2):
        merge(tmp_path / "runs", OutputConfig(artifact_dir=tmp_path / "runs/out"), command="")
    assert {"gpt2-openai-chat-concurrency8": ["a"]} == names(tmp_path / "runs/out")
    assert "is left out: it is made of several runs itself" in caplog.text


def test_the_directory_may_be_a_run_itself(tmp_path):
    run = leave_run(tmp_path / "a", ROWS)
    assert "a" == merged(run, tmp_path / "out").info.merged["runs"][0]["name"]


# -- files ------------------------------------------------------------------------------------------------


def test_every_request_keeps_what_was_sent_and_its_conversation(tmp_path):
    leave_run(tmp_path / "runs/a", ROWS[:3], word="one")
    leave_run(tmp_path / "runs/b", ROWS[:3], word="two", prompts=3)
    leave_run(tmp_path / "runs/c", ROWS[:2], word="one")
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert list(range(8)) == result.records["index"].to_pylist()
    assert ["a/0", "a/1", "a/2", "b/0", "b/1", "b/2", "c/0", "c/1"] == result.records[
        "conversation"
    ].to_pylist()
    (directory,) = (tmp_path / "out").iterdir()
    (experiment,) = json.loads((directory / "profile_export.json").read_text())["experiments"]
    sent = [
        json.loads(each["request_inputs"]["payload"])["messages"][0]["content"]
        for each in experiment["requests"]
    ]
    assert ["one 0", "one 1", "one 0", "two 0", "two 1", "two 2", "one 0", "one 1"] == sent
    assert 5 == len(json.loads((directory / "inputs.json").read_text())["data"])


def test_the_reports_can_be_made_again_from_the_merged_journal(tmp_path):
    leave_run(tmp_path / "runs/a", ROWS)
    leave_run(tmp_path / "runs/b", ROWS, after_s=60)
    merged(tmp_path / "runs", tmp_path / "out")
    (directory,) = (tmp_path / "out").iterdir()
    files = [directory / f"profile_export{end}" for end in (".json", "_genai_perf.json", "_genai_perf.csv")]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    assert 0 == report(directory)
    assert before == [file.read_bytes() for file in files]


def test_the_json_tells_of_every_run(tmp_path):
    leave_run(tmp_path / "runs/a", ROWS)
    leave_run(tmp_path / "runs/b", [*ROWS, failed(0)], after_s=1)
    merged(tmp_path / "runs", tmp_path / "out")
    (directory,) = (tmp_path / "out").iterdir()
    told = json.loads((directory / "profile_export_genai_perf.json").read_text())
    assert "process" == told["input_config"]["subcommand"]
    assert str(tmp_path / "runs") == told["input_config"]["process"]["input_path"]
    first, second = told["merged"]["runs"]
    assert (20, 0, 0.0) == (first["requests"], first["failed"], first["moved_earlier_s"])
    assert (20, 1, 1.0) == (second["requests"], second["failed"], second["measured_from_s"])
    assert 1 - first["measured_to_s"] == pytest.approx(second["moved_earlier_s"])
    assert "genai-perf profile --artifact-dir b" == second["command"]


def test_every_column_of_time_is_either_an_instant_or_a_duration():
    """A new column must be thought of: instants move when runs are merged."""
    assert {
        *DURATIONS,
        "due_ns", "start_ns", "sent_ns", "end_ns", "headers_ns", "first_byte_ns",
        "content_ns", "reasoning_ns", "tool_ns",
    } == {name for name in journal.SCHEMA.names if name.endswith("_ns")}  # fmt: skip


# -- bad input --------------------------------------------------------------------------------------------


def test_a_run_is_never_replaced_by_what_is_made_of_it(tmp_path):
    run = leave_run(tmp_path / "artifacts/gpt2-openai-chat-concurrency8", ROWS)
    before = (run / "records.arrows").read_bytes()
    with pytest.raises(ArtifactError, match="would replace the run") as raised:
        merge(tmp_path / "artifacts", OutputConfig(artifact_dir=tmp_path / "artifacts"), command="")
    assert "give another --artifact-dir" == raised.value.hint
    assert before == (run / "records.arrows").read_bytes()
    assert [run] == list((tmp_path / "artifacts").iterdir())


def test_a_copy_of_a_run_counts_once(tmp_path, caplog):
    run = leave_run(tmp_path / "runs/host1/chat", ROWS)
    shutil.copytree(run, tmp_path / "runs/old/chat")
    result = merged(tmp_path / "runs", tmp_path / "out")
    assert len(ROWS) == result.summary.requests
    (line,) = caplog.messages
    assert line.endswith("runs/old/chat is left out: it is a copy of " + str(run))


def test_a_directory_that_is_none_or_empty_is_one_line(tmp_path):
    (tmp_path / "empty/below").mkdir(parents=True)
    output = OutputConfig(artifact_dir=tmp_path / "out")
    with pytest.raises(UsageError, match=r"--input-directory: .*/nowhere is not a directory"):
        merge(tmp_path / "nowhere", output, command="")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ArtifactError, match="empty: no run in it"):
        merge(tmp_path / "empty", output, command="")


def test_from_the_command_line(tmp_path, monkeypatch, capsys, golden):
    monkeypatch.chdir(tmp_path)
    leave_run(tmp_path / "aggregated/host1", ROWS)
    leave_run(tmp_path / "aggregated/host2", [*ROWS, failed(205)], after_s=0.05)
    assert 0 == main(
        ["process-export-files", "--artifact-dir", "merged", "--goodput", "time_to_first_token:12"]
    )
    golden("console/merged.txt", capsys.readouterr().out)
    assert (
        "Request Goodput (per sec)"
        in (tmp_path / "merged/gpt2-openai-chat-concurrency8/profile_export_genai_perf.csv").read_text()
    )
    assert 2 == main(["process-export-files", "-d", "nowhere"])
    assert "error: --input-directory: nowhere is not a directory" in capsys.readouterr().err
