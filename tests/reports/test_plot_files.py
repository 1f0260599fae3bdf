"""The files of the pictures: pages, images, parquet, config.yaml; and what is said without images."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from runs import chat, embeddings, troubled

from genai_perf.exceptions import ArtifactError
from genai_perf.reports import plots
from genai_perf.reports.plots import defaults, images
from genai_perf.reports.plots.images import Image, by_process

FIVE = {
    "time_to_first_token",
    "request_latency",
    "distribution_of_input_sequence_lengths_to_output_sequence_lengths",
    "time_to_first_token_vs_input_sequence_lengths",
    "token-to-token_latency_vs_output_token_position",
}
OURS = {"timeline", "latency_over_time", "latency_distributions"}


def no_images(_: Any) -> None:
    return None


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_run_leaves_pages_points_and_a_config_in_plots(tmp_path: Path) -> None:
    index = plots.write(chat(), tmp_path, render=no_images)
    assert tmp_path / "plots" / "index.html" == index
    pages = {f"{stem}.html" for stem in FIVE | OURS}
    points = {f"{stem}.gzip" for stem in FIVE}
    assert pages | points | {"index.html", "plotly.min.js", "config.yaml"} == names(index.parent)


def test_the_index_shows_every_picture_and_links_its_page(tmp_path: Path) -> None:
    index = plots.write(chat(), tmp_path, render=no_images).read_text()
    for stem in FIVE | OURS:
        assert f'<section id="{stem}">' in index
        assert f'id="plot-{stem}"' in index
        assert f'href="{stem}.html"' in index


def test_pages_load_nothing_but_the_script_beside_them(tmp_path: Path) -> None:
    index = plots.write(chat(), tmp_path, render=no_images)
    for page in index.parent.glob("*.html"):
        text = page.read_text()
        assert ["plotly.min.js"] == re.findall(r'\bsrc="([^"]*)"', text)
        assert not re.search(r'(href|src|action)="(https?:)?//', text)
        assert "sendChartToCloud" not in text
        assert len(text) < 300_000


def test_a_library_elsewhere_is_linked_to_or_else_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = plots.write(chat(), tmp_path / "first", render=no_images).with_name(plots.LIBRARY)
    for name in ("second", "second", "third"):
        linked = plots.write(chat(), tmp_path / name, render=no_images, library=shared)
        assert linked.with_name(plots.LIBRARY).samefile(shared)
    assert 3 == shared.stat().st_nlink

    def no_links(*_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    copy = plots.write(chat(), tmp_path / "fourth", render=no_images, library=shared)
    assert not copy.with_name(plots.LIBRARY).samefile(shared)
    assert shared.read_bytes() == copy.with_name(plots.LIBRARY).read_bytes()


def test_a_library_that_is_there_stays_so_that_links_to_it_do(tmp_path: Path) -> None:
    library = plots.write(chat(), tmp_path, render=no_images).with_name(plots.LIBRARY)
    first = library.stat().st_ino
    plots.write(chat(), tmp_path, render=no_images)
    assert first == library.stat().st_ino
    library.write_text("torn")
    plots.write(chat(), tmp_path, render=no_images)
    assert library.stat().st_size > 1_000_000


def test_the_index_says_what_was_run_and_what_to_know_of_it(tmp_path: Path) -> None:
    run = troubled()
    index = plots.write(run, tmp_path, render=no_images).read_text()
    assert "10 requests succeeded, 3 failed. Started 2023-11-14 22:13:20 UTC." in index
    assert f"<code>{run.info.command}</code>" in index
    assert "How exact: " in index
    assert run.summary.notes
    for note in run.summary.notes:
        assert f"Note: {note}" in index.replace("&#x27;", "'").replace("&quot;", '"').replace("&lt;", "<")


def test_what_a_server_says_is_never_markup_on_a_page(tmp_path: Path) -> None:
    from dataclasses import replace

    run = chat()
    evil = replace(run, info=replace(run.info, command="<script>alert(1)</script>"))
    index = plots.write(evil, tmp_path, render=no_images).read_text()
    assert "<script>alert" not in index


# -- GenAI-Perf's files -------------------------------------------------------------------------------


def test_the_points_are_parquet_with_the_values_under_their_labels(tmp_path: Path) -> None:
    run = tmp_path / "gpt2-openai-chat-concurrency8"
    run.mkdir()
    directory = plots.write(chat(), run, render=no_images).parent
    scatter = pq.read_table(directory / "time_to_first_token_vs_input_sequence_lengths.gzip").to_pydict()
    assert ["Input Sequence Length", "Time to First Token (ms)", "Run Name"] == list(scatter)
    assert [[12.0] * 10] == scatter["Input Sequence Length"]
    assert (
        pytest.approx([5 + number / 1000 for number in range(10)]) == scatter["Time to First Token (ms)"][0]
    )
    assert ["gpt2-openai-chat-concurrency8/profile_export"] == scatter["Run Name"]
    chunks = pq.read_table(directory / "token-to-token_latency_vs_output_token_position.gzip").to_pydict()
    assert [list(range(1, 10)) * 10] == chunks["Output Token Position"]
    assert 90 == len(chunks["Token-to-Token Latency (ms)"][0])


def test_the_points_of_a_box_stand_under_its_label_and_where_genai_perf_had_them(tmp_path: Path) -> None:
    directory = plots.write(chat(), tmp_path, render=no_images).parent
    box = pq.read_table(directory / "request_latency.gzip")
    assert ["Request Latency (ms)", "", "Run Name"] == box.column_names
    assert box.column(0).to_pylist() == box.column(1).to_pylist()
    assert 10 == len(box.column(0).to_pylist()[0])
    metadata = pq.ParquetFile(directory / "request_latency.gzip").metadata
    assert "GZIP" == metadata.row_group(0).column(0).compression


def test_config_yaml_has_genai_perfs_keys(tmp_path: Path) -> None:
    directory = plots.write(chat(), tmp_path, render=no_images).parent
    config = yaml.safe_load((directory / "config.yaml").read_text())
    assert ["plot1", "plot2", "plot3", "plot4", "plot5"] == list(config)
    assert {
        "title": "Token-to-Token Latency vs Output Token Position",
        "x_metric": "token_positions",
        "y_metric": "inter_token_latencies",
        "x_label": "Output Token Position",
        "y_label": "Token-to-Token Latency (ms)",
        "width": 700,
        "height": 450,
        "type": "scatter",
        "paths": [str(tmp_path / "profile_export.json")],
        "output": str(directory),
    } == config["plot5"]
    assert ("", "time_to_first_tokens", "box") == tuple(
        config["plot1"][key] for key in ("x_metric", "y_metric", "type")
    )


def test_embeddings_have_the_one_plot_that_is_theirs(tmp_path: Path) -> None:
    directory = plots.write(embeddings(), tmp_path, render=no_images).parent
    assert {"request_latency.gzip"} == {path.name for path in directory.glob("*.gzip")}
    config = (directory / "config.yaml").read_text()
    assert config.startswith("plot2:\n")
    assert config.count("title:") == 1
    assert "mine.json" in config


# -- images -------------------------------------------------------------------------------------------


def test_the_five_are_made_as_jpeg_and_all_as_png(tmp_path: Path) -> None:
    asked: list[Image] = []
    plots.write(chat(), tmp_path, render=lambda jobs: asked.extend(jobs))
    assert {f"{stem}.jpeg" for stem in FIVE} | {f"{stem}.png" for stem in FIVE | OURS} == {
        image.path.name for image in asked
    }
    for image in asked:
        assert tmp_path / "plots" == image.path.parent
        assert image.format == image.path.suffix[1:]
        assert "#ffffff" == image.figure["layout"]["paper_bgcolor"]  # JPEG has no transparency
        assert image.width >= 650
        assert image.height == image.figure["layout"]["height"]


def test_one_sentence_says_why_there_are_no_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plots.write(chat(), tmp_path, render=lambda jobs: "no Chrome is installed (get one)")
    assert ["no JPEG or PNG of the plots: no Chrome is installed (get one); the HTML pages are complete"] == [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING
    ]


def test_nothing_is_said_where_the_images_were_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plots.write(chat(), tmp_path, render=no_images)
    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_images_of_an_earlier_run_do_not_stay_beside_new_pages(tmp_path: Path) -> None:
    directory = tmp_path / "plots"
    directory.mkdir()
    (directory / "timeline.png").write_bytes(b"old")
    plots.write(chat(), tmp_path, render=lambda jobs: "no")
    assert "timeline.png" not in names(directory)


JOBS = [Image(Path("plots/timeline.png"), "png", {"data": [], "layout": {}}, 700, 450)]


def says(text: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.stdin.read(); print({text!r})"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (says('{"problem": null}'), None),
        (says('noise\n{"problem": null}'), None),
        (says('{"problem": "BrowserFailedError: closed"}'), "BrowserFailedError: closed"),
        (
            says(json.dumps({"problem": images.NO_CHROME})),
            "no Chrome or Chromium is installed (apt-get install chromium, or plotly_get_chrome)",
        ),
        (says(""), "the renderer did not say how it ended"),
        (says("noise"), "the renderer did not say how it ended"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "the renderer ended with 3"),
        (
            [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
            "the renderer ended with -9",
        ),
    ],
)
def test_however_the_renderer_ends_it_is_a_sentence(command: list[str], expected: str | None) -> None:
    assert expected == by_process(command, JOBS)


def test_a_browser_that_hangs_is_ended() -> None:
    hangs = [sys.executable, "-c", "import time; time.sleep(600)"]
    assert "the browser took more than 0.2 s" == by_process(hangs, JOBS, limit_s=0.2)


def test_the_renderer_is_told_what_to_make(tmp_path: Path) -> None:
    seen = tmp_path / "jobs.json"
    script = f"import sys; open({str(seen)!r}, 'w').write(sys.stdin.read()); print('{{\"problem\": null}}')"
    by_process([sys.executable, "-c", script], JOBS)
    assert [
        {
            "fig": {"data": [], "layout": {}},
            "path": "plots/timeline.png",
            "opts": {"format": "png", "width": 700, "height": 450, "scale": 2},
        }
    ] == json.loads(seen.read_text())


def test_a_directory_that_cannot_be_made_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a file")
    with pytest.raises(ArtifactError, match="cannot be made"):
        plots.write(chat(), tmp_path, render=no_images)


def test_every_plot_of_the_config_has_a_title_of_its_own() -> None:
    assert len(defaults.PLOTS) == len({plot.title for plot in defaults.PLOTS.values()})
