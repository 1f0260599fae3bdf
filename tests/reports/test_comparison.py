"""Runs side by side: what is called better or worse, which settings differ, and how it is written down."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from journal_rows import ENDED, failed, row
from runs import CHAT, MS, embeddings, result, troubled, unstreamed

from genai_perf.config.schema import Config, EndpointConfig, LoadConfig
from genai_perf.reports import Result
from genai_perf.reports.compared import Run, settings
from genai_perf.reports.comparison import Comparison, Verdict, compare
from genai_perf.reports.comparison_files import render_csv, render_json, show

Golden = Callable[[str, str], None]


def streamed(
    count: int = 60, *, ttft_ms: float = 20, itl_ms: float = 2, slack_ms: float = 0
) -> list[dict[str, Any]]:
    """Requests one after another, five tokens each, all alike but for some regular unevenness."""
    rows = []
    for number in range(count):
        start = number * 50 * MS
        uneven = 1 + 0.02 * ((number * 7) % 5 - 2)
        first = start + int(ttft_ms * uneven * MS)
        arrivals = [first + int(token * itl_ms * uneven * MS) for token in range(5)]
        slack = [int(slack_ms * MS)] + [0] * 4
        exactness = {"content_slack_ns": slack, "content_lag_ns": [20_000 + slack[0]] * 5}
        rows.append(row(*arrivals, texts=["t"] * 5, start_ns=start, sent_ns=start + 1000, **exactness))
    return rows


def run(label: str, found: Result, **fields: Any) -> Run:
    return Run(label, f"{label}/profile_export", Path(label), found, **fields)


def pair(before: list[dict[str, Any]], after: list[dict[str, Any]], config: Config = CHAT) -> Comparison:
    return compare([run("before", result(before)), run("after", result(after, config))])


def verdicts(comparison: Comparison, statistic: str = "p50") -> dict[str, Verdict]:
    return {
        each.metric.tag: between.verdict
        for each in comparison.rows
        if each.statistic == statistic and (between := each.differences[1]) is not None
    }


def of(comparison: Comparison, tag: str, statistic: str = "p50") -> Any:
    (found,) = [each for each in comparison.rows if (each.metric.tag, each.statistic) == (tag, statistic)]
    return found


# -- verdicts ---------------------------------------------------------------------------------------------


def test_slower_is_worse_and_faster_is_better() -> None:
    found = verdicts(pair(streamed(), streamed(ttft_ms=24, itl_ms=1.5)))
    assert Verdict.WORSE == found["time_to_first_token"]
    assert Verdict.BETTER == found["inter_token_latency"]
    assert Verdict.BETTER == found["output_token_throughput_per_user"]
    assert Verdict.EQUAL == found["input_sequence_length"]


def test_a_difference_is_in_percent_of_the_first_run_with_its_interval() -> None:
    between = of(pair(streamed(), streamed(ttft_ms=24)), "time_to_first_token").differences[1]
    assert 0.2 == pytest.approx(between.amount)
    assert 0.15 < between.interval.low < 0.2 < between.interval.high < 0.25


def test_a_run_beside_itself_is_equal_in_everything() -> None:
    assert {Verdict.EQUAL} == set(verdicts(pair(streamed(), streamed())).values())


def test_what_runs_vary_by_is_not_clear() -> None:
    assert Verdict.OPEN == verdicts(pair(streamed(), streamed(ttft_ms=20.05)), "avg")["time_to_first_token"]


def test_what_measuring_may_have_made_is_in_doubt() -> None:
    comparison = pair(streamed(slack_ms=3), streamed(ttft_ms=24, slack_ms=3))
    assert Verdict.DOUBTFUL == verdicts(comparison)["time_to_first_token"]
    assert Verdict.WORSE == verdicts(pair(streamed(), streamed(ttft_ms=24)))["time_to_first_token"]


def test_longer_answers_are_neither_better_nor_worse() -> None:
    shorter = [
        request | {"content_ns": request["content_ns"][:4], "content_chars": request["content_chars"][:4],
                   "content_lag_ns": request["content_lag_ns"][:4],
                   "content_slack_ns": request["content_slack_ns"][:4], "text": "tttt"}
        for request in streamed()
    ]  # fmt: skip
    assert Verdict.LESS == verdicts(pair(streamed(), shorter), "avg")["output_sequence_length"]


@pytest.mark.parametrize(
    ("count", "few"),
    [(9, {"avg", "p50", "p90", "p99"}), (10, {"p90", "p99"}), (50, {"p99"}), (500, set())],
)
def test_too_few_requests_say_nothing(count: int, few: set[str]) -> None:
    comparison = pair(streamed(count), streamed(count, ttft_ms=24))
    told = {each: verdicts(comparison, each)["time_to_first_token"] for each in ("avg", "p50", "p90", "p99")}
    assert few == {each for each, verdict in told.items() if verdict is Verdict.FEW}
    assert {Verdict.WORSE, Verdict.FEW} >= set(told.values())


def test_a_rate_is_compared_too() -> None:
    slower = [
        request | {name: request[name] * 2 for name in ("start_ns", "sent_ns")}
        | {"content_ns": [at + request["start_ns"] for at in request["content_ns"]]}
        for request in streamed()
    ]  # fmt: skip
    comparison = pair(streamed(), slower)
    throughput = of(comparison, "request_throughput", "avg")
    assert Verdict.WORSE == throughput.differences[1].verdict
    assert -0.5 == pytest.approx(throughput.differences[1].amount, abs=0.01)
    assert 60 / throughput.values[0] == pytest.approx(2.98, abs=0.01)


def test_failures_are_compared_in_points() -> None:
    def with_failures(every: int) -> list[dict[str, Any]]:
        rows = streamed(200)
        for place in range(0, 200, every):
            rows[place] = failed(start_ns=rows[place]["start_ns"], end_ns=rows[place]["start_ns"] + 100)
        return rows

    rate = of(pair(with_failures(100), with_failures(4)), "error_rate", "avg")
    assert (0.01, 0.25) == pytest.approx(rate.values)
    assert 0.24 == pytest.approx(rate.differences[1].amount)
    assert Verdict.WORSE == rate.differences[1].verdict


def test_that_nothing_failed_is_no_row() -> None:
    assert "error_rate" not in {each.metric.tag for each in pair(streamed(), streamed()).rows}


def test_what_one_run_has_not_is_not_compared() -> None:
    comparison = compare([run("streamed", result(streamed())), run("not", unstreamed())])
    ttft = of(comparison, "time_to_first_token")
    assert (True, None, None) == (ttft.values[0] is not None, ttft.values[1], ttft.differences[1])
    assert of(comparison, "request_latency").differences[1] is not None


@pytest.mark.parametrize("other", [embeddings, troubled, unstreamed])
def test_runs_of_any_kind_stand_side_by_side(other: Callable[[], Result]) -> None:
    every = [run("first", result(streamed())), run("other", other()), run("nothing", result([row()]))]
    comparison = compare(every)
    assert all(len(each.values) == len(each.differences) == 3 for each in comparison.rows)
    assert any("nothing to measure" in note for note in comparison.notes)
    json.loads(render_json(comparison))
    show(comparison, Path("compare"), file=io.StringIO(), width=100)


# -- notes and settings -----------------------------------------------------------------------------------


def test_a_few_waves_are_said_to_be_few() -> None:
    at_once = [
        row(20 * MS, 25 * MS, texts=["t", "t"], start_ns=wave * 30 * MS, sent_ns=wave * 30 * MS + 1000,
            content_ns=[wave * 30 * MS + 20 * MS, wave * 30 * MS + 25 * MS + place])
        for wave in range(2) for place in range(20)
    ]  # fmt: skip
    (note,) = [note for note in pair(streamed(), at_once).notes if "waves" in note]
    assert note.startswith("after: 40 requests at 18 in flight are 2.2 waves")


def test_a_drift_is_said_to_make_intervals_too_narrow() -> None:
    drifting = [
        request for place in range(60)
        for request in streamed(60, ttft_ms=20 + place)[place : place + 1]
    ]  # fmt: skip
    assert ["after"] == [
        note.partition(":")[0] for note in pair(streamed(), drifting).notes if "drifts" in note
    ]


def test_stamps_of_an_export_are_not_known_to_be_exact() -> None:
    comparison = compare([run("ours", result(streamed())), run("theirs", result(streamed()), is_ours=False)])
    assert any(note.startswith("theirs: its stamps are of an export") for note in comparison.notes)


def test_settings_that_differ_are_named_by_their_flags() -> None:
    other = replace(
        CHAT,
        endpoint=EndpointConfig(model_names=("gpt2", "e5"), type="chat", streaming=False),
        load=LoadConfig(request_rate=2.5),
    )
    every = [run("a", result(streamed())), run("b", result(streamed(), other))]
    assert {
        "--model": ["gpt2", "gpt2, e5"],
        "--concurrency": ["8", "unset"],
        "--request-rate": ["unset", "2.5"],
        "streaming": ["True", "False"],
    }.items() <= {each.name: list(each.values) for each in settings(every)}.items()
    assert "--model" == next(settings(every)).name


def test_a_setting_that_an_older_version_did_not_know_is_at_its_default() -> None:
    older = result(streamed())
    config = {name: dict(values) for name, values in older.info.config.items()}
    del config["load"]["warmup_request_count"]
    older = replace(older, info=replace(older.info, config=config))
    assert [] == list(settings([run("older", older), run("newer", result(streamed()))]))


def test_what_an_export_does_not_tell_is_not_said_to_differ() -> None:
    louder = replace(CHAT, input=replace(CHAT.input, random_seed=7), load=LoadConfig(concurrency=9))
    ours, theirs = run("ours", result(streamed(), louder)), run("theirs", result(streamed()), is_ours=False)
    assert {"--concurrency": ["9", "8"]} == {
        each.name: list(each.values) for each in settings([ours, theirs])
    }


# -- written down -----------------------------------------------------------------------------------------


def three() -> Comparison:
    open_loop = replace(CHAT, load=LoadConfig(request_rate=20.0))
    return compare(
        [
            run("before", result(streamed())),
            run("a/quicker/one", result(streamed(ttft_ms=18))),
            run(
                "an-export-with-a-long-name",
                result(streamed(80, ttft_ms=30), open_loop, ENDED),
                is_ours=False,
            ),
        ]
    )


def shown(comparison: Comparison, **options: Any) -> str:
    text = io.StringIO()
    show(comparison, Path("compare"), file=text, **options)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def test_a_pair_reads_like_this(golden: Golden) -> None:
    open_loop = replace(CHAT, load=LoadConfig(concurrency=4))
    golden("compare/pair.txt", shown(pair(streamed(), streamed(ttft_ms=24), open_loop)))


def test_several_read_like_this(golden: Golden) -> None:
    golden("compare/three.txt", shown(three()))
    golden("compare/three_80.txt", shown(three(), width=80))


def test_verbose_has_the_rows_of_the_files() -> None:
    comparison = pair(streamed(), streamed())
    text = shown(comparison, verbose=True)
    assert all(each.metric.title.split()[0] in text for each in comparison.rows)
    assert "Time To Second Token avg" in text
    assert "Time To Second Token avg" not in shown(comparison)


def test_no_table_is_wider_than_the_terminal() -> None:
    for width in (80, 100, 120, 160):
        table = [line for line in shown(three(), width=width).splitlines() if line[:1] in "┏┃┡│└"]
        assert max(map(len, table)) <= width
        assert "…" not in "".join(table)


def test_the_csv_has_a_line_for_each_figure_of_each_run(golden: Golden) -> None:
    text = render_csv(three())
    golden("compare/three.csv", text)
    rows = list(csv.DictReader(io.StringIO(text)))
    (ttft,) = [
        each for each in rows
        if (each["Metric"], each["Statistic"], each["Run"]) == ("time_to_first_token", "p50", "a/quicker/one")
    ]  # fmt: skip
    assert 18 == pytest.approx(float(ttft["Value"]), rel=0.01)
    assert -10 == pytest.approx(float(ttft["Difference (%)"]), abs=0.1)
    assert "better" == ttft["Verdict"]


def test_the_json_says_everything(golden: Golden) -> None:
    text = render_json(three())
    golden("compare/three.json", text)
    document = json.loads(text)
    assert ["before", "a/quicker/one", "an-export-with-a-long-name"] == [
        each["run"] for each in document["runs"]
    ]
    assert {"before": None} == {
        label: cell["verdict"] for label, cell in document["metrics"][0]["runs"].items() if label == "before"
    }
