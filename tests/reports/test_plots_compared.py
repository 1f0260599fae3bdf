"""What the pictures of several runs show, by their data; and that a real Chrome draws them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journal_rows import row
from runs import CHAT, embeddings, result, streamed, troubled, unstreamed
from test_plot_browser import MISSING, opened
from test_plot_browser import pytestmark as needs_chrome

from genai_perf.reports import Result, plots
from genai_perf.reports.compared import Run
from genai_perf.reports.comparison import compare
from genai_perf.reports.plots import defaults, points, several, side_by_side
from genai_perf.reports.plots.config_file import Plot, Row
from genai_perf.reports.plots.look import PALETTE, Picture

MS = 1_000_000
BOX, LATENCY, HEAT, SCATTER, CHUNKS = defaults.PLOTS.values()


def lengths(*tokens: int) -> Result:
    """A request of so many output tokens each, and ten times as many input tokens."""
    rows = [
        row(*(5 * MS + at * MS for at in range(count)), texts=["t"] * count, input_tokens=10 * count,
            start_ns=place, content_slack_ns=[0] * count, content_lag_ns=[0] * count)
        for place, count in enumerate(tokens)
    ]  # fmt: skip
    return result(rows, CHAT)


def runs(*found: Result) -> list[Run]:
    return [
        Run(f"run {place}", f"run{place}/export", Path(f"{place}"), each)
        for place, each in enumerate(found, start=1)
    ]


def drawn(plot: Plot, *found: Result, **size: Any) -> Picture:
    row_ = Row(plot, ("a", "b"), Path("compare"), **size)
    return several.drawn(row_, several.members(runs(*found)))[0]


def of_kind(picture: Picture, kind: str) -> Sequence[Any]:
    return [each for each in picture.figure.data if each.type == kind]


def about(picture: Picture) -> str:
    text: str = picture.figure.layout.title.subtitle.text
    return text


def test_each_run_has_a_box_of_its_colour_the_first_on_top() -> None:
    picture = drawn(LATENCY, result(streamed(10)), result(streamed(30)), unstreamed())
    boxes = of_kind(picture, "box")
    assert [0, 1, 2] == [box.y[0] for box in boxes]
    assert list(PALETTE[:3]) == [box.marker.color for box in boxes]
    assert picture.figure.layout.yaxis.range[0] > picture.figure.layout.yaxis.range[1]
    assert ["run 1", "run 2", "run 3"] == [
        text.partition("<br>")[0] for text in picture.figure.layout.yaxis.ticktext
    ]
    assert "3 runs · 43 requests" in about(picture)


def test_a_box_has_the_quartiles_of_the_reports() -> None:
    picture = drawn(LATENCY, troubled(), result(streamed(10)))
    for box, found in zip(of_kind(picture, "box"), (troubled(), result(streamed(10)))):
        stats = found.summary.metrics["request_latency"]
        assert [box.q1[0], box.median[0], box.q3[0]] == pytest.approx(
            [stats.percentiles[name] / MS for name in ("p25", "p50", "p75")]  # type: ignore[union-attr]
        )


def test_maps_have_the_same_fields_and_colours_and_stand_three_in_a_row() -> None:
    picture = drawn(HEAT, lengths(2, 3, 9), lengths(3), lengths(30, 30), lengths(4))
    maps = of_kind(picture, "heatmap")
    assert 4 == len(maps)
    assert [3, 1, 2, 1] == [np.nansum(each.z) for each in maps]
    assert all(list(maps[0].x) == list(each.x) and list(maps[0].y) == list(each.y) for each in maps)
    assert {"coloraxis"} == {each.coloraxis for each in maps}
    assert 2 == picture.figure.layout.coloraxis.cmax
    assert ["run 1", "run 2", "run 3", "run 4"] == [note.text for note in picture.figure.layout.annotations]
    assert picture.height > drawn(HEAT, lengths(2), lengths(3)).height


def test_a_sample_is_shared_among_the_runs_by_their_size() -> None:
    picture = drawn(SCATTER, lengths(*[2] * 9000), lengths(*[3] * 3000))
    assert [3750, 1250] == [len(each.x) for each in of_kind(picture, "scatter")]
    assert "2 runs · showing 5,000 of 12,000 requests" == about(picture)


def test_chunks_have_a_line_of_means_over_all_of_each_run() -> None:
    picture = drawn(CHUNKS, lengths(3, 3), lengths(4))
    lines = {each.name: each for each in of_kind(picture, "scatter") if each.mode.startswith("lines")}
    assert {"run 1: mean", "run 2: mean"} == set(lines)
    assert ([1, 2, 3], [1, 1, 1]) == (list(lines["run 2: mean"].x), list(lines["run 2: mean"].y))


def test_a_run_without_values_is_left_out_and_one_without_a_stream_is_named() -> None:
    picture = drawn(BOX, result(streamed(10)), unstreamed(), embeddings(), result([row()]))
    assert 2 == sum(box.name in ("run 1", "run 2") for box in of_kind(picture, "box"))
    assert "not streamed, so that it is the request latency: run 2" in about(picture)
    assert "no run has values for it" == about(drawn(CHUNKS, unstreamed(), embeddings()))


@pytest.mark.parametrize("name", points.NAMES)
@pytest.mark.parametrize("kind", ["box", "scatter", "heatmap"])
def test_every_metric_can_be_drawn_in_every_way(name: str, kind: Any) -> None:
    if name == points.POSITIONS:
        plot = Plot("Any", "heatmap", name, "inter_token_latencies", "x", "y")
    else:
        plot = Plot("Any", kind, "" if kind == "box" else "request_latencies", name, "x", "y")
    picture = drawn(plot, troubled(), result(streamed(3)), width=1200)
    assert 1200 == picture.width
    assert picture.figure.to_json()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("time_to_first_tokens", "time_to_first_tokens"),
        ("time_to_first_token", "time_to_first_tokens"),
        ("num_output_tokens", "output_sequence_lengths"),
        ("output_token_throughputs_per_user", "output_token_throughputs_per_user"),
        ("request_latency_from_due", "request_latency_from_due"),
        ("token_positions", "token_positions"),
        ("request_throughput", None),
        ("nonsense", None),
    ],
)
def test_metrics_have_genai_perfs_names_and_ours(given: str, expected: str | None) -> None:
    assert expected == points.known(given)


def test_names_are_short_enough_for_an_axis_and_no_markup() -> None:
    assert "a&lt;b&gt;" == several.short("a<b>")
    long = several.short("x" * 30 + "y" * 30)
    assert (39, "…") == (len(long), long[19])


def test_differences_are_drawn_with_their_intervals() -> None:
    comparison = compare(runs(result(streamed(30)), result(streamed(40)), result(streamed(600))))
    picture = side_by_side.differences(comparison)
    assert picture is not None
    assert ["run 2", "run 3"] == [each.name for each in picture.figure.data]
    for trace in picture.figure.data:
        assert all(length >= 0 for length in (*trace.error_x.array, *trace.error_x.arrayminus))
    ticks = picture.figure.layout.yaxis.ticktext
    assert "← Time To First Token p50" in ticks
    assert "→ Request Throughput" in ticks
    assert "Output Sequence Length avg" in ticks


def test_there_is_nothing_to_draw_of_one_run_or_of_too_few_requests() -> None:
    assert side_by_side.differences(compare(runs(result(streamed(30))))) is None
    assert side_by_side.differences(compare(runs(result(streamed(3)), result(streamed(3))))) is None
    assert side_by_side.distributions(several.members(runs(result([row()])))) is None


def test_distributions_have_a_curve_for_each_run_in_each_latency() -> None:
    picture = side_by_side.distributions(several.members(runs(result(streamed(10)), unstreamed())))
    assert picture is not None
    assert ["run 1", "run 1", "run 1", "run 2"] == sorted(each.name for each in picture.figure.data)
    assert ["run 1", "run 2"] == [each.name for each in picture.figure.data if each.showlegend]


@needs_chrome
def test_chrome_draws_every_picture_of_several_runs(tmp_path: Path) -> None:
    assert not MISSING
    comparison = compare(runs(result(streamed(30)), troubled(), unstreamed()))
    rows = [Row(plot, ("a", "b", "c"), tmp_path) for plot in defaults.PLOTS.values()]
    by_path = dict(zip("abc", ([each] for each in comparison.runs)))
    index = plots.write_comparison(
        rows, by_path, comparison, tmp_path, with_ours=True, render=plots.no_images
    )
    sections = opened(index).split("<section ")[1:]
    assert 7 == len(sections)
    for section in sections:
        assert 'class="main-svg"' in section
        assert 'class="gtitle"' in section
