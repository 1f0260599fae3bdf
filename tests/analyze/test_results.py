"""The front door: results that one can sort, filter, rank and hand to other programs."""

from dataclasses import replace
from pathlib import Path

import pytest
from scenarios import chat, genai_perf_checkpoint, measured, of, summary

from genai_perf.analyze import Outcome, Results, Scenario, checkpoint
from genai_perf.exceptions import UsageError
from genai_perf.metrics import GPU_POWER_USAGE, REQUEST_THROUGHPUT, TTFT

# more load brings more throughput and costs time, but the last only costs
RUNS = ((1, 10, 4.0), (2, 12, 7.0), (4, 20, 12.0), (8, 60, 11.0))


@pytest.fixture
def results() -> Results:
    scenarios = [
        measured(concurrency, ttft_ms, rate).named(f"gpt2_run_config_{place}")
        for place, (concurrency, ttft_ms, rate) in enumerate(RUNS)
    ]
    failed = Scenario.planned(chat(16), {"concurrency": 16}).failed("every request failed")
    return Results((*scenarios, failed.named("gpt2_run_config_4")))


def loads(results: Results) -> list[object]:
    return [each.parameters["concurrency"] for each in results]


def test_results_are_a_sequence_of_scenarios(results: Results) -> None:
    assert 5 == len(results)
    assert [1, 2, 4, 8, 16] == loads(results)
    assert results[0] is results["gpt2_run_config_0"]
    assert [2, 4] == loads(results[1:3])
    assert results[-1].outcome is Outcome.FAILED
    assert results[2] in results
    with pytest.raises(KeyError):
        results["nobody"]


def test_they_are_sorted_by_a_figure_best_first_and_without_it_last(results: Results) -> None:
    assert [4, 8, 2, 1, 16] == loads(results.sort(REQUEST_THROUGHPUT))
    assert [1, 2, 4, 8, 16] == loads(results.sort(TTFT.p99))
    assert [8, 4, 2, 1, 16] == loads(results.sort(TTFT.p99, descending=True))
    assert [1, 2, 4, 8, 16] == loads(results.sort("time_to_first_token_p99"))


def test_they_are_sorted_by_a_parameter_or_a_function(results: Results) -> None:
    assert [16, 8, 4, 2, 1] == loads(results.sort("concurrency", descending=True))
    assert [16, 8, 4, 2, 1] == loads(results.sort(lambda scenario: -scenario.parameters["concurrency"]))
    with pytest.raises(UsageError, match="no record has the tag 'concurency'"):
        results.sort("concurency")


def test_they_are_filtered_by_anything(results: Results) -> None:
    assert [1, 2] == loads(results.filter(lambda scenario: scenario.parameters["concurrency"] < 4))
    assert [1, 2, 4, 8] == loads(results.measured)


def test_limits_are_in_the_figures_units_and_what_has_no_figure_does_not_meet_them(results: Results) -> None:
    assert [1, 2, 4] == loads(results.meeting({TTFT.avg: 20.1}))
    assert [1, 2] == loads(results.meeting({TTFT.avg: 20}))
    assert [2, 4] == loads(results.meeting({TTFT.avg: 20.1, REQUEST_THROUGHPUT: 4}))
    assert [8, 16] == loads(results.failing({"time_to_first_token_avg": 20.1}))


def test_the_best_is_by_throughput_unless_something_else_is_asked(results: Results) -> None:
    assert 4 == results.best().parameters["concurrency"]
    assert 1 == results.best(TTFT.p99).parameters["concurrency"]
    assert 2 == results.best({REQUEST_THROUGHPUT: 2, TTFT.p99: 3}).parameters["concurrency"]
    assert 2 == results.meeting({TTFT.avg: 15}).best().parameters["concurrency"]
    with pytest.raises(UsageError, match="no scenario here was measured"):
        results.filter(lambda scenario: scenario.outcome is Outcome.FAILED).best()


def test_they_are_ranked_by_several_figures(results: Results) -> None:
    assert [4, 2, 8, 1, 16] == loads(results.rank({REQUEST_THROUGHPUT: 2, "time_to_first_token_p99": 1}))
    assert [4, 2, 8, 1, 16] == loads(results.rank({REQUEST_THROUGHPUT: 2, TTFT.p99: 1}, pairwise=True))
    with pytest.raises(UsageError):
        results.rank({"throughput": 1})


def test_gpus_count_where_they_are_asked_for() -> None:
    results = Results(
        (
            of({"request_throughput_avg": 9}, "hot", {"0": {"gpu_power_usage_avg": 300}}),
            of({"request_throughput_avg": 5}, "cool", {"0": {"gpu_power_usage_avg": 100}}),
        )
    )
    assert "hot" == results.best().name
    assert "cool" == results.best(GPU_POWER_USAGE.avg).name
    assert "cool" == results.best({GPU_POWER_USAGE.avg: 1, REQUEST_THROUGHPUT: 1}).name
    assert ["cool"] == [each.name for each in results.meeting({GPU_POWER_USAGE.avg: 200})]


def test_arrow_has_a_row_for_each_and_says_units(results: Results) -> None:
    table = results.to_arrow()
    assert ["name", "model", "outcome", "concurrency", "time_to_first_token_avg"] == table.column_names[:5]
    assert [10, 12, 20, 60, None] == table["time_to_first_token_avg"].to_pylist()
    assert {b"unit": b"ms", b"title": b"Avg Time To First Token (ms)"} == (
        table.schema.field("time_to_first_token_avg").metadata
    )
    assert [4, 7, 12, 11, None] == table["request_throughput_avg"].to_pylist()
    assert "every request failed" == table["error"].to_pylist()[-1]
    assert "artifacts/c1" == table["directory"].to_pylist()[0]


def test_pandas_has_the_same(results: Results) -> None:
    frame = results.to_pandas().set_index("concurrency")
    assert 20 == frame.loc[4, TTFT.avg.tag]
    assert "ms" == results.to_pandas().attrs["units"][TTFT.avg.tag]
    assert frame[TTFT.avg.tag].isna().loc[16]


def test_nothing_at_all_is_a_table_too() -> None:
    assert 0 == Results(()).to_arrow().num_rows
    assert 0 == len(Results(()).to_pandas())


def test_a_checkpoint_is_loaded_of_either_maker(tmp_path: Path, results: Results) -> None:
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    checkpoint.write(ours, results)
    theirs.write_bytes(genai_perf_checkpoint("older"))
    assert loads(results) == loads(Results.load(ours))
    assert results.to_arrow().equals(Results.load(str(ours)).to_arrow())
    assert [100, 150, 200] == Results.load(theirs).to_arrow()["num_dataset_entries"].to_pylist()


def test_a_notebook_shows_the_main_figures(results: Results) -> None:
    shown = replace(results, scenarios=(*results, of({}, "<b>")))._repr_html_()
    assert "<th>p99 Time To First Token (ms)</th>" in shown
    assert "<td>gpt2_run_config_2</td><td>4</td><td>measured</td><td>12.00</td>" in shown
    assert "&lt;b&gt;" in shown
    assert "Results(5 scenarios: gpt2_run_config_0:concurrency1, " in repr(results)


def test_pictures_are_those_of_a_sweep(results: Results) -> None:
    drawn = results.figures()
    assert "Throughput against Latency" in drawn
    assert "Time To First Token against Concurrency" not in drawn  # not streamed: no inter-token latency
    assert results.plot("Throughput against Concurrency").data[0].x == (1, 2, 4, 8)
    with pytest.raises(UsageError, match="no picture is called 'Cats'") as caught:
        results.plot("Cats")
    assert "Throughput against Latency" in str(caught.value.hint)


def test_what_else_was_varied_names_the_series() -> None:
    runs = [
        replace(measured(c, 10, c), parameters={"input_sequence_length": isl, "concurrency": c})
        for isl in (100, 200)
        for c in (1, 2)
    ]
    series, parameter = Results(tuple(runs)).series()
    assert "Concurrency" == parameter
    assert {"input_sequence_length 100": [1, 2], "input_sequence_length 200": [1, 2]} == {
        name: [load for load, _ in points] for name, points in series.items()
    }
    assert summary(10, 1) == series["input_sequence_length 100"][0][1]
