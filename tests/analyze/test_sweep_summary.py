"""The summary of a sweep, as files and as a table."""

import io
from dataclasses import replace
from pathlib import Path

from scenarios import chat, genai_perf_checkpoint, measured

from genai_perf.analyze import checkpoint, summary
from genai_perf.analyze.results import Results
from genai_perf.analyze.scenario import Outcome, Scenario
from genai_perf.config.schema import LoadConfig


def sweep():
    """Three that were measured, the second at the knee; one that failed, one that was interrupted."""
    planned = Scenario.planned(chat(16), {"concurrency": 16}, Path("artifacts/c16"))
    each = [
        measured(1, 20, 10),
        measured(4, 22, 38),
        measured(8, 60, 40),
        planned.failed("every request failed: 10 of 10 with http_500: no"),
        replace(measured(32, 90, 5), parameters={"concurrency": 32}),
    ]
    each[-1] = replace(each[-1], outcome=Outcome.INTERRUPTED)
    return Results(tuple(scenario.named(f"gpt2_run_config_{n}") for n, scenario in enumerate(each)))


def test_the_csv_of_a_sweep_is_this(golden):
    golden("analyze/sweep.csv", summary.render_csv(summary.best_first(sweep())).encode())


def test_the_csv_of_what_genai_perf_measured_has_its_gpus(golden, tmp_path):
    for schema in ("newer", "older"):
        file = tmp_path / "checkpoint.json"
        file.write_bytes(genai_perf_checkpoint(schema))
        stored = Results(tuple(checkpoint.read(file)))
        golden(f"analyze/genai_perf_{schema}.csv", summary.render_csv(summary.best_first(stored)).encode())


def test_an_open_loop_has_its_rate_in_the_second_column():
    config = replace(chat(1), load=LoadConfig(request_rate=12.5))
    scenario = Scenario.planned(config, {"request_rate": 12.5}).named("gpt2_run_config_0")
    heading, row, *_ = summary.render_csv(Results((scenario,))).split("\r\n")
    assert ["Request Rate", "12.5"] == [heading.split(",")[1], row.split(",")[1]]


def test_the_latest_sweep_says_which_load_has_the_second_column():
    config = replace(chat(1), load=LoadConfig(request_rate=12.5))
    before = Scenario.planned(config, {"request_rate": 12.5}).named("gpt2_run_config_0")
    now = measured(4, 22, 38).named("gpt2_run_config_1")
    heading, *rows = summary.render_csv(Results((now, before)), latest=[now]).split("\r\n")
    assert ["Concurrency", "4", "1"] == [row.split(",")[1] for row in (heading, *rows[:2])]


def test_the_json_of_a_sweep_is_this(golden):
    results = sweep()
    golden("analyze/sweep.json", summary.render_json(summary.best_first(results), summary.knees(results)))


def test_the_table_of_a_sweep_is_this(golden):
    results, text = sweep(), io.StringIO()
    summary.show(results, summary.knees(results), Path("artifacts"), file=text, width=120)
    golden("analyze/sweep.txt", text.getvalue())


def test_each_combination_of_what_else_was_varied_has_a_knee_of_its_own():
    def row(osl, powers):
        return [
            replace(
                measured(concurrency, ttft, rate),
                name=f"{osl}-{concurrency}",
                parameters={"concurrency": concurrency, "output_sequence_length": osl},
            )
            for concurrency, ttft, rate in powers
        ]

    results = Results(
        (
            *row(8, [(1, 20, 10), (2, 22, 20), (4, 60, 21)]),
            *row(9, [(4, 22, 40), (8, 60, 41), (1, 20, 10)]),
        )
    )
    assert {"8-2", "9-4"} == summary.knees(results)


def test_a_sweep_of_something_else_than_load_has_no_knee():
    results = Results(tuple(replace(each, parameters={"batch_size": n}) for n, each in enumerate(sweep())))
    assert set() == summary.knees(results)
