"""`genai-perf compare`: runs found, named and read; the files that are left; what is said of bad input."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from merging import CHAT, DONE, NEWER, answered, at_level, event, exported, failed, leave_export, leave_run

from genai_perf.analyze import compare
from genai_perf.analyze.compared_runs import Given, Settings, read
from genai_perf.cli import main
from genai_perf.config.schema import MetricsConfig
from genai_perf.exceptions import InputError
from genai_perf.profile import report
from genai_perf.reports.plots import images
from genai_perf.reports.plots.images import no_images

FIVE = {
    "time_to_first_token",
    "request_latency",
    "distribution_of_input_sequence_lengths_to_output_sequence_lengths",
    "time_to_first_token_vs_input_sequence_lengths",
    "token-to-token_latency_vs_output_token_position",
}
OURS = {"differences_from_the_first_run", "latency_distributions_of_the_runs"}
NAME = "gpt2-openai-chat-concurrency8"


def rows(count: int = 20, ttft_ms: float = 10) -> list[Any]:
    return [answered(place * 30, ttft_ms + place % 3) for place in range(count)]


def export_of(count: int = 20, ttft_ms: float = 10) -> list[dict[str, Any]]:
    """Requests as GenAI-Perf left them: a token at `ttft_ms`, another 4 ms later."""
    return [
        exported(
            at, [(at + ttft_ms, event("one")), (at + ttft_ms + 4, event(" two")), (at + ttft_ms + 5, DONE)]
        )
        for at in range(0, 30 * count, 30)
    ]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """`before` and `after`, each with its run's directory in it."""
    return (
        leave_run(tmp_path / "before" / NAME, rows()).parent,
        leave_run(tmp_path / "after" / NAME, rows(ttft_ms=12), config=at_level(9)).parent,
    )


def labels(tmp_path: Path, *paths: Path) -> list[str]:
    found = read([Given(path, "--files") for path in paths], tmp_path / "scratch", Settings())
    return [run.label for runs in found.values() for run in runs]


def compared(tmp_path: Path, *files: Path, **options: Any) -> dict[str, Any]:
    directory = tmp_path / "compare"
    assert 0 == compare.of_files(list(map(str, files)), directory, render=no_images, **options)
    document: dict[str, Any] = json.loads((directory / "comparison.json").read_text())
    return document


def value(document: dict[str, Any], tag: str, statistic: str, label: str) -> Any:
    (metric,) = [
        each for each in document["metrics"] if (each["metric"], each["statistic"]) == (tag, statistic)
    ]
    return metric["runs"][label]


# -- the files --------------------------------------------------------------------------------------------


def test_everything_is_left_in_one_directory(tmp_path: Path, two: tuple[Path, Path]) -> None:
    compared(tmp_path, *two)
    directory = tmp_path / "compare"
    pages = {f"{stem}.html" for stem in FIVE | OURS} | {"index.html", "plotly.min.js"}
    tables = {"config.yaml", "comparison.csv", "comparison.json"}
    assert pages | tables | {f"{stem}.gzip" for stem in FIVE} == {path.name for path in directory.iterdir()}
    index = (directory / "index.html").read_text()
    assert all(f'<section id="{stem}">' in index for stem in FIVE | OURS)
    assert "Comparison: before · after" in index
    assert "http://" not in index.replace("http://www.w3.org", "")


def test_config_yaml_is_genai_perfs(tmp_path: Path, two: tuple[Path, Path]) -> None:
    before, after = two
    report(before / NAME)
    compared(tmp_path, before / NAME / "profile_export.json", after)
    config = yaml.safe_load((tmp_path / "compare" / "config.yaml").read_text())
    assert [f"plot{number}" for number in range(1, 6)] == list(config)
    assert {
        "title": "Time to First Token vs Input Sequence Lengths",
        "x_metric": "input_sequence_lengths",
        "y_metric": "time_to_first_tokens",
        "x_label": "Input Sequence Length",
        "y_label": "Time to First Token (ms)",
        "width": 1200,
        "height": 450,
        "type": "scatter",
        "paths": [str(before / NAME / "profile_export.json"), str(after)],
        "output": str(tmp_path / "compare"),
    } == config["plot4"]


def test_one_run_is_as_wide_as_a_run(tmp_path: Path, two: tuple[Path, Path]) -> None:
    document = compared(tmp_path, two[0])
    assert 700 == yaml.safe_load((tmp_path / "compare" / "config.yaml").read_text())["plot1"]["width"]
    assert [NAME] == [run["run"] for run in document["runs"]]
    assert not (tmp_path / "compare" / "differences_from_the_first_run.html").exists()


def test_the_points_have_a_row_for_each_run(tmp_path: Path, two: tuple[Path, Path]) -> None:
    compared(tmp_path, *two)
    table = pq.read_table(
        tmp_path / "compare" / "time_to_first_token_vs_input_sequence_lengths.gzip"
    ).to_pydict()
    assert [f"{NAME}/profile_export"] * 2 == table["Run Name"]
    assert [[10, 11, 12], [12, 13, 14]] == [each[:3] for each in table["Time to First Token (ms)"]]
    assert [20, 20] == [len(each) for each in table["Input Sequence Length"]]


def test_what_config_yaml_says_is_drawn_again(tmp_path: Path, two: tuple[Path, Path]) -> None:
    compared(tmp_path, *two)
    directory = tmp_path / "compare"
    first = {path.name: path.read_bytes() for path in directory.glob("*.gzip")}
    for path in directory.glob("*.gzip"):
        path.unlink()
    assert 0 == compare.of_config(directory / "config.yaml", render=no_images)
    assert first == {path.name: path.read_bytes() for path in directory.glob("*.gzip")}
    index = (directory / "index.html").read_text()
    assert list(FIVE) == [stem for stem in FIVE if f'<section id="{stem}">' in index]
    assert "differences_from" not in index


def test_plots_go_where_they_are_to_and_paths_are_found_beside_the_file(
    tmp_path: Path, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert two
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "after").rename(elsewhere / "after")
    plot = {"type": "scatter", "x_metric": "num_output_tokens", "y_metric": "inter_token_latency"}
    rows = {
        "one": plot | {"title": "ITL / tokens", "paths": ["before", "after"], "output": "a"},
        "two": plot | {"title": "Only one", "paths": "before", "output": "b/c"},
    }
    (elsewhere / "mine.yaml").write_text(yaml.safe_dump(rows))
    assert 0 == compare.of_config(elsewhere / "mine.yaml", render=no_images)
    assert {"itl_tokens.html", "comparison.csv"} < {path.name for path in (tmp_path / "a").iterdir()}
    assert {"only_one.html", "only_one.gzip", "index.html", "plotly.min.js"} == {
        path.name for path in (tmp_path / "b" / "c").iterdir()
    }


# -- the runs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directories", "expected"),
    [
        (["before/run", "after/run"], ["before", "after"]),
        (["x/c1", "x/c2", "x/c4"], ["c1", "c2", "c4"]),
        (["a/c1", "a/c2", "b/c1", "b/c2"], ["a/c1", "a/c2", "b/c1", "b/c2"]),
        (["a", "a/deeper"], ["a", "deeper"]),
        (["a/x/run", "b/x/run", "b/y/run"], ["a/x", "b/x", "b/y"]),
    ],
)
def test_runs_are_called_by_what_tells_them_apart(
    tmp_path: Path, directories: list[str], expected: list[str]
) -> None:
    files = [leave_run(tmp_path / name, rows(1)) / "records.arrows" for name in directories]
    assert expected == labels(tmp_path, *files)


def test_a_directory_stands_for_the_only_run_in_it(tmp_path: Path, two: tuple[Path, Path]) -> None:
    assert ["before", "after"] == labels(tmp_path, *two)
    assert ["before", "after"] == labels(tmp_path, *(each / NAME for each in two))


def test_the_journal_beside_an_export_is_what_is_read(tmp_path: Path, two: tuple[Path, Path]) -> None:
    report(two[0] / NAME)
    export = two[0] / NAME / "profile_export.json"
    document = compared(tmp_path, export, two[1])
    assert [True, True] == [run["exactness_is_known"] for run in document["runs"]]
    assert value(document, "time_to_first_token", "p50", "before")["uncertainty"] is not None


def test_another_export_beside_a_journal_is_read_itself(tmp_path: Path, two: tuple[Path, Path]) -> None:
    leave_export(tmp_path / "theirs", export_of(ttft_ms=20))
    other = (tmp_path / "theirs" / "profile_export.json").rename(two[0] / NAME / "other.json")
    document = compared(tmp_path, two[1], other)
    assert [True, False] == [run["exactness_is_known"] for run in document["runs"]]
    assert 20 == pytest.approx(list(document["metrics"][1]["runs"].values())[1]["value"])


def test_genai_perfs_runs_have_no_bounds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours = leave_run(tmp_path / "ours", rows())
    theirs = leave_export(
        tmp_path / "theirs", export_of(ttft_ms=15), config={**NEWER, "tokenizer": {"name": "builtin"}}
    )
    with caplog.at_level(logging.WARNING):
        document = compared(tmp_path, ours, theirs)
    ttft = value(document, "time_to_first_token", "p50", "theirs")
    assert (15, None, "worse") == (ttft["value"], ttft["uncertainty"], ttft["verdict"])
    assert any("stamps are of an export" in note for note in document["notes"])
    assert not [path for path in (tmp_path / "compare").iterdir() if path.is_dir()]


def test_an_export_of_several_levels_is_several_runs(tmp_path: Path) -> None:
    directory = leave_export(tmp_path / "levels", export_of())
    export = json.loads((directory / "profile_export.json").read_text())
    (experiment,) = export["experiments"]
    export["experiments"].append({**experiment, "experiment": {"mode": "concurrency", "value": 16}})
    (directory / "profile_export.json").write_text(json.dumps(export))
    document = compared(tmp_path, directory / "profile_export.json")
    assert ["levels (concurrency 8)", "levels (concurrency 16)"] == [run["run"] for run in document["runs"]]


def test_the_same_run_twice_is_one(tmp_path: Path, two: tuple[Path, Path]) -> None:
    assert 1 == len(compared(tmp_path, two[0], two[0])["runs"])
    assert [NAME, f"{NAME} (2)"] == labels(tmp_path, two[0], two[0] / NAME)


def test_a_goodput_is_asked_of_every_run(tmp_path: Path, two: tuple[Path, Path]) -> None:
    settings = Settings(metrics=MetricsConfig(goodput={"time_to_first_token": 11.5}))
    document = compared(tmp_path, *two, settings=settings)
    good = [value(document, "request_goodput", "avg", label) for label in ("before", "after")]
    assert good[0]["value"] > 20
    assert (0, "worse") == (good[1]["value"], good[1]["verdict"])


def test_failures_and_settings_are_told(
    tmp_path: Path, two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    failing = leave_run(tmp_path / "failing", [*rows(), failed(700)])
    compared(tmp_path, *two, failing)
    told = capsys.readouterr().out
    assert "failing: 20 requests succeeded, 1 failed" in told
    assert "  --concurrency: 8 (before), 9 (after), 8 (failing)\n" in told.replace(f"/{NAME}", "")


def test_a_run_without_an_answer_is_no_hindrance(tmp_path: Path, two: tuple[Path, Path]) -> None:
    nothing = leave_run(tmp_path / "nothing", [failed(0), failed(10)])
    document = compared(tmp_path, two[0], nothing)
    assert any("nothing to measure" in note for note in document["notes"])


def test_embeddings_have_their_latency_alone(tmp_path: Path) -> None:
    config = replace(CHAT, endpoint=replace(CHAT.endpoint, type="embeddings", streaming=False))
    found = [answered(at, tokens=1, text="", content_chars=[0]) for at in range(0, 600, 30)]
    paths = [leave_run(tmp_path / name, found, config=config, endpoint="embeddings") for name in ("a", "b")]
    document = compared(tmp_path, *paths)
    assert ["plot2"] == list(yaml.safe_load((tmp_path / "compare" / "config.yaml").read_text()))
    assert {"request_latency", "request_throughput"} == {each["metric"] for each in document["metrics"]}


# -- bad input --------------------------------------------------------------------------------------------


def in_file(text: str, tmp_path: Path) -> str:
    path = tmp_path / "plots.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        compare.of_config(path, render=no_images)
    return raised.value.message.replace(f"{path}", "plots.yaml")


GOOD = """\
mine:
  title: One
  type: scatter
  x_metric: input_sequence_lengths
  y_metric: request_latencies
  paths: [nowhere]
"""


NO_NAME = "cannot be the name of a file of its own"
TWICE = GOOD + GOOD.replace("mine", "other").replace("One", "oNe")
POSITIONS = (
    "token_positions goes with inter_token_latencies alone: the first is the x_metric of a scatter or "
    "heatmap, the other its y_metric"
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", "6: mine.paths: nowhere is not there"),
        (
            "latencies",
            "latncies",
            "5: mine.y_metric: no metric 'request_latncies'; did you mean request_latencies?",
        ),
        (
            "scatter",
            "scater",
            "3: mine.type: 'scater' is not one of box, heatmap, scatter; did you mean scatter?",
        ),
        ("title: One", "titel: One", "2: mine.titel: no such field; did you mean title?"),
        ("  title: One\n", "", "1: mine.title: is missing"),
        ("  x_metric: input_sequence_lengths\n", "", "1: mine.x_metric: a scatter needs one"),
        ("title: One", "title: ../..", f"2: mine.title: '../..' {NO_NAME}"),
        ("title: One", "title: Index", f"2: mine.title: 'Index' {NO_NAME}"),
        ("title: One", "title: [a]", "2: mine.title: not a text: ['a']"),
        ("mine:", "mine:\n  width: 9", "2: mine.width: 9 is not a whole number from 100 to 10,000 (px)"),
        ("paths: [nowhere]", "paths: []", "1: mine.paths: is missing"),
        ("paths: [nowhere]", "paths: [a, '']", "6: mine.paths: an empty path"),
        ("input_sequence_lengths", "token_positions", f"5: mine.y_metric: {POSITIONS}"),
        (GOOD, "", " no plot in it"),
        (GOOD, "mine: 3", "1: mine: not a plot: 3"),
        (GOOD, TWICE, "7: other.title: 'oNe' is the title of plots.yaml:1: mine too"),
    ],
)
def test_a_mistake_in_the_file_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"plots.yaml:{expected}" == in_file(GOOD.replace(old, new, 1), tmp_path)
    assert not (tmp_path / "compare").exists()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path / "nowhere", "--files: {} is not there"),
        (lambda path: path, "--files: {} holds 2 runs"),
        (lambda path: path / "before" / NAME / "inputs.json", "--files: {} is no run"),
        (lambda path: path / "empty", "--files: {} is no run"),
    ],
)
def test_what_is_no_run_is_named(
    tmp_path: Path, two: tuple[Path, Path], make: Callable[[Path], Path], expected: str
) -> None:
    (two[0].parent / "empty").mkdir()
    given = make(tmp_path)
    with pytest.raises(InputError) as raised:
        compared(tmp_path, two[0], given)
    assert expected.format(given) == raised.value.message
    assert not (tmp_path / "compare").exists()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "Either the --config or --files option must be specified."),
        (["-f", "a", "--config", "b"], "--config contradicts --files: the file names the runs itself"),
        (
            ["--config", "b", "--artifact-dir", "c"],
            "--config contradicts --artifact-dir: the file says where its plots go (output)",
        ),
    ],
)
def test_a_command_line_that_cannot_be(
    argv: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["compare", *argv])
    assert f"error: {expected}\n" in capsys.readouterr().err + "\n"


def test_from_the_command_line(
    tmp_path: Path,
    two: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(images, "by_kaleido", no_images)
    assert 0 == main(["compare", "--files", "before", "after"])
    table = capsys.readouterr().out
    assert "GenAI-Perf | Comparison" in table
    assert table.endswith("Files: compare\n")
    assert 0 == main(["compare", "--config", "compare/config.yaml"])
    assert table == capsys.readouterr().out
    assert two
