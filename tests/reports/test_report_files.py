"""The CSV and the JSON, and what all written reports promise."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from journal_rows import failed
from runs import BODIES, CHAT, RUNS, chat, result, streamed, troubled, write_inputs

from genai_perf.config.schema import LoadConfig
from genai_perf.exceptions import ArtifactError
from genai_perf.reports import Result, csv_file, json_file, raw
from genai_perf.reports.input_config import input_config

WRITERS = (csv_file.write, json_file.write, raw.write)


@pytest.mark.parametrize("run", sorted(RUNS))
def test_the_csv_is_genai_perfs_byte_for_byte(
    run: str, tmp_path: Path, golden: Callable[[str, bytes], None]
) -> None:
    golden(f"csv/{run}.csv", csv_file.write(RUNS[run](), tmp_path).read_bytes())


@pytest.mark.parametrize("run", sorted(RUNS))
def test_the_json_has_genai_perfs_keys_first(
    run: str, tmp_path: Path, golden: Callable[[str, bytes], None]
) -> None:
    text = json_file.write(RUNS[run](), tmp_path).read_bytes()
    golden(f"json/{run}.json", text)
    keys = list(json.loads(text))
    compatible = [tag for tag in json_file.COMPATIBLE if tag in keys]
    assert keys[: len(compatible) + 1] == [*compatible, "input_config"]


def test_a_statistic_of_the_json_stands_in_genai_perfs_order() -> None:
    document = json_file.document(chat())
    assert list(document["request_latency"]) == [
        *("unit", "avg", "p1", "p5", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "min", "max", "std"),
        *("p99.9", "count"),
    ]
    assert list(document["request_throughput"]) == ["unit", "avg"]


def test_csv_and_json_and_table_show_the_same_number(tmp_path: Path) -> None:
    rows = list(csv.DictReader(csv_file.render(chat()).splitlines()))
    document = json_file.document(chat())
    assert rows[0]["p99"] == f"{document['time_to_first_token']['p99']:,.2f}"


def test_secrets_do_not_reach_a_report(tmp_path: Path) -> None:
    write_inputs(tmp_path, "chat")
    for write in WRITERS:
        assert b"secret" not in write(troubled(), tmp_path).read_bytes()


@pytest.mark.parametrize(
    ("load", "stimulus", "measurement"),
    [
        (LoadConfig(), {"concurrency": 1}, {"mode": "request_count", "num": 10}),
        (LoadConfig(concurrency=64), {"concurrency": 64}, {"mode": "request_count", "num": 128}),
        (LoadConfig(request_rate=50.0), {"request_rate": 50.0}, {"mode": "request_count", "num": 500}),
        (LoadConfig(duration_s=5.0), {"concurrency": 1}, {"mode": "request_count", "num": ""}),
        (
            LoadConfig(periodic_concurrency_range="2:8:2"),
            {"periodic_concurrency_range": "2:8:2"},
            {"mode": "request_count", "num": 8},
        ),
        (
            LoadConfig(measurement_interval_ms=4000),
            {"concurrency": 1},
            {"mode": "interval", "num": 4000},
        ),
    ],
)
def test_the_load_is_told_in_genai_perfs_words(
    load: LoadConfig, stimulus: object, measurement: object
) -> None:
    told = input_config(result(streamed(1), replace(CHAT, load=load)))["perf_analyzer"]
    assert (told["stimulus"], told["measurement"]) == (stimulus, measurement)


def test_the_files_are_named_after_the_raw_export(tmp_path: Path) -> None:
    run = RUNS["embeddings"]()
    write_inputs(tmp_path, "embeddings")
    written = {write(run, tmp_path).name for write in WRITERS}
    assert written == {"mine.json", "mine_genai_perf.json", "mine_genai_perf.csv"}
    assert {file.name for file in tmp_path.iterdir()} == {*written, "inputs.json"}


@pytest.mark.parametrize("write", WRITERS)
def test_a_directory_that_cannot_be_written_to_is_one_clear_error(
    write: Callable[[Result, Path], Path], tmp_path: Path
) -> None:
    write_inputs(tmp_path, "chat")
    for name in ("profile_export.json", "profile_export_genai_perf.json", "profile_export_genai_perf.csv"):
        (tmp_path / name).mkdir()
    with pytest.raises(ArtifactError, match="cannot be written: Is a directory") as refused:
        write(chat(), tmp_path)
    assert "genai-perf report" in str(refused.value.hint)
    assert not list(tmp_path.glob(".*"))


def test_a_report_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    write_inputs(tmp_path, "chat")
    path = raw.write(chat(), tmp_path)
    before = path.read_bytes()
    rows = [*streamed(), streamed(1)[0] | {"input_index": 99}]
    with pytest.raises(ArtifactError, match="no row 99"):
        raw.write(result(rows), tmp_path)
    assert before == path.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_run_that_only_failed_has_every_report(tmp_path: Path) -> None:
    write_inputs(tmp_path, "chat")
    run = result([failed(), failed("reset", "by peer")])
    for write in WRITERS:
        assert write(run, tmp_path).stat().st_size > 0
    document = json_file.document(run)
    assert document["errors"]["reset"] == {"count": 1, "message": "by peer"}
    assert "request_latency" not in document
    assert BODIES["chat"]["model"] == "gpt2"
