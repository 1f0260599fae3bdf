"""What the pictures of a run show, by their data: GenAI-Perf's five, the timeline, the latencies."""

from typing import Any

import pytest
from journal_rows import failed, row
from runs import CHAT, RUNS, chat, embeddings, result, streamed, troubled, unstreamed

from genai_perf.reports import Result
from genai_perf.reports.plots import defaults, distributions, over_time, series
from genai_perf.reports.plots.look import Picture
from genai_perf.types import Stats

MS = 1_000_000


def pictures_of(run: Result) -> dict[str, Picture]:
    drawn = series.read(run)
    found = defaults.points(drawn)
    pictures = [
        *defaults.pictures(drawn, found),
        *over_time.pictures(drawn),
        *distributions.pictures(drawn),
    ]
    return {picture.title: picture for picture in pictures}


def titles(picture: Picture, axis: str) -> list[str]:
    """The titles of all x axes, or all y axes, that have one."""
    layout = picture.figure.layout
    names = sorted(
        (name for name in layout if name.startswith(f"{axis}axis")), key=lambda name: (len(name), name)
    )
    every = [layout[name] for name in names]
    return [found.title.text for found in every if found.title.text]


def about(picture: Picture) -> str:
    return picture.figure.layout.title.subtitle.text


def trace(picture: Picture, name: str) -> Any:
    (found,) = [each for each in picture.figure.data if each.name == name]
    return found


NOTHING = [
    row(5 * MS, texts=["t"]),  # one token
    row(),  # answered without text
    failed(sent_ns=10, end_ns=MS),
    failed("connect"),  # never sent
]
FEW = {
    "one request": streamed(1),
    "one token": NOTHING[:1],
    "one empty": NOTHING[1:2],
    "one failed": NOTHING[2:3],
    "one never sent": NOTHING[3:],
    "warm-up only": [row(5 * MS, phase="warmup")],
    "some of each": NOTHING,
    "none": [],
}


# -- all pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", FEW.values(), ids=FEW)
@pytest.mark.parametrize("streaming", [True, False])
def test_there_are_pictures_of_however_little(rows: list[dict[str, Any]], streaming: bool) -> None:
    run = result(rows, CHAT) if streaming else result(rows, _unstreamed())
    pictures = pictures_of(run)
    assert [each.title for each in defaults.PLOTS.values()] == list(pictures)[:5]
    assert "Timeline" in pictures
    for picture in pictures.values():
        assert picture.figure.to_json()


@pytest.mark.parametrize("run", sorted(RUNS))
def test_every_axis_has_a_title_and_every_latency_its_unit(run: str) -> None:
    for picture in pictures_of(RUNS[run]()).values():
        box = [each for each in picture.figure.data if each.type == "box"]
        assert titles(picture, "x")
        assert titles(picture, "y") or box  # GenAI-Perf's boxes have an axis without a name
        for title in (*titles(picture, "x"), *titles(picture, "y")):
            assert "(ms)" in title or not any(word in title for word in ("Latency", "Time to", "Time To"))


@pytest.mark.parametrize("run", sorted(RUNS))
def test_every_picture_says_of_how_many_requests_it_is(run: str) -> None:
    made = RUNS[run]()
    for picture in pictures_of(made).values():
        said = about(picture)
        chunks = "chunk gap" in said or "in one piece" in said
        assert chunks or f"{made.summary.requests:,} request" in said


def test_a_picture_is_named_after_its_title_as_genai_perf_does() -> None:
    assert [
        "time_to_first_token",
        "request_latency",
        "distribution_of_input_sequence_lengths_to_output_sequence_lengths",
        "time_to_first_token_vs_input_sequence_lengths",
        "token-to-token_latency_vs_output_token_position",
        "timeline",
        "latency_over_time",
        "latency_distributions",
    ] == [picture.stem for picture in pictures_of(chat()).values()]


def test_embeddings_have_their_latency_and_nothing_of_tokens() -> None:
    assert [
        "Request Latency",
        "Timeline",
        "Latency over Time",
        "Latency Distributions",
    ] == list(pictures_of(embeddings()))


# -- GenAI-Perf's five --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "x", "y"),
    [
        ("Time to First Token", ["Time to First Token (ms)"], []),
        ("Request Latency", ["Request Latency (ms)"], []),
        (
            "Distribution of Input Sequence Lengths to Output Sequence Lengths",
            ["Input Sequence Length (tokens)"],
            ["Output Sequence Length (tokens)"],
        ),
        (
            "Time to First Token vs Input Sequence Lengths",
            ["Input Sequence Length (tokens)"],
            ["Time to First Token (ms)"],
        ),
        (
            "Token-to-Token Latency vs Output Token Position",
            ["Output Token Position"],
            ["Token-to-Token Latency (ms)"],
        ),
    ],
)
def test_the_five_have_genai_perfs_labels(title: str, x: list[str], y: list[str]) -> None:
    picture = pictures_of(chat())[title]
    assert x == titles(picture, "x")
    assert y == titles(picture, "y")


@pytest.mark.parametrize("tag", ["time_to_first_token", "request_latency"])
def test_a_box_is_made_of_the_figures_in_the_table(tag: str) -> None:
    run = chat()
    stats = run.summary.metrics[tag]
    assert isinstance(stats, Stats)
    title = {"time_to_first_token": "Time to First Token", "request_latency": "Request Latency"}[tag]
    (box,) = [each for each in pictures_of(run)[title].figure.data if each.type == "box"]
    expected = [stats.percentiles["p25"], stats.percentiles["p50"], stats.percentiles["p75"], stats.avg]
    assert pytest.approx([figure / MS for figure in expected]) == [
        box.q1[0],
        box.median[0],
        box.q3[0],
        box.mean[0],
    ]


def test_outliers_are_shown_beside_the_box() -> None:
    rows = [row((5 + number % 3) * MS, texts=["t"]) for number in range(20)] + [row(90 * MS, texts=["t"])]
    picture = pictures_of(result(rows))["Request Latency"]
    assert [90.0] == list(trace(picture, "1 outlier: beyond 1.5 lengths of the box").x)


def test_of_many_outliers_the_extremes_are_among_those_shown() -> None:
    rows = [row(5 * MS, texts=["t"])] * 4000 + [
        row((100 + number) * MS, texts=["t"]) for number in range(900)
    ]
    picture = pictures_of(result(rows))["Request Latency"]
    shown = trace(picture, "500 of 900 outliers: beyond 1.5 lengths of the box").x
    assert (500, 100.0, 999.0) == (len(shown), min(shown), max(shown))


def test_a_field_of_the_heat_map_counts_the_requests_of_its_lengths() -> None:
    lengths = [(12, 2), (12, 2), (13, 2), (12, 4)]
    rows = [row(5 * MS, texts=["x" * tokens], input_tokens=given) for given, tokens in lengths]
    picture = pictures_of(result(rows))["Distribution of Input Sequence Lengths to Output Sequence Lengths"]
    (heat,) = picture.figure.data
    assert [11.5, 12.5, 13.5] == list(heat.x)
    assert [1.5, 2.5, 3.5, 4.5] == list(heat.y)
    assert [[2, 1], [None, None], [1, None]] == [
        [None if each != each else each for each in line] for line in heat.z.tolist()
    ]


def test_time_to_first_token_stands_over_the_length_of_its_own_prompt() -> None:
    rows = [row((5 + number) * MS, (9 + number) * MS, input_tokens=100 * number) for number in range(3)]
    rows.insert(1, failed())
    rows.insert(2, row(1 * MS, phase="warmup"))
    dots = trace(pictures_of(result(rows))["Time to First Token vs Input Sequence Lengths"], "request")
    assert [(0, 5.0), (100, 6.0), (200, 7.0)] == list(zip(dots.x, dots.y))


def test_every_chunk_after_the_first_is_a_point_at_its_position() -> None:
    rows = [row(5 * MS, 6 * MS, 9 * MS), failed(), row(7 * MS), row(1 * MS, 3 * MS)]
    picture = pictures_of(result(rows))["Token-to-Token Latency vs Output Token Position"]
    dots, mean = trace(picture, "gap"), trace(picture, "mean of all at a position")
    assert [(1, 1.0), (2, 3.0), (1, 2.0)] == list(zip(dots.x, dots.y))
    assert [(1, 1.5), (2, 3.0)] == list(zip(mean.x, mean.y))
    assert "3 chunk gaps · a chunk is 2.00 tokens on average" == about(picture)


def test_unstreamed_answers_have_the_five_and_say_what_their_first_token_is() -> None:
    pictures = pictures_of(unstreamed())
    assert [each.title for each in defaults.PLOTS.values()] == list(pictures)[:5]
    assert "not streamed: it is the request latency" in about(pictures["Time to First Token"])
    assert "not streamed" not in about(pictures["Request Latency"])
    empty = pictures["Token-to-Token Latency vs Output Token Position"]
    assert ["every answer came in one piece: no token after another to time"] == [
        each.text for each in empty.figure.layout.annotations
    ]


def test_a_large_scatter_shows_a_sample_and_says_so() -> None:
    rows = [row(*(token * MS for token in range(1, 1002))) for _ in range(6)]
    run = result(rows)
    picture = pictures_of(run)["Token-to-Token Latency vs Output Token Position"]
    assert "showing 5,000 of 6,000 chunk gaps (a random sample)" in about(picture)
    assert 5000 == len(trace(picture, "gap").x)
    again = pictures_of(run)["Token-to-Token Latency vs Output Token Position"]
    assert list(trace(picture, "gap").x) == list(trace(again, "gap").x)
    assert 1000 == len(trace(picture, "mean of all at a position").x)


# -- over time ----------------------------------------------------------------------------------------


def test_the_timeline_has_a_panel_for_what_the_run_has() -> None:
    panels = [
        "Requests<br>in flight",
        "Output<br>tokens/s",
        "Requests/s<br>completed",
        "Requests/s<br>failed",
    ]
    assert panels == titles(pictures_of(troubled())["Timeline"], "y")
    assert panels[:3] == titles(pictures_of(chat())["Timeline"], "y")
    assert [panels[0], panels[2]] == titles(pictures_of(embeddings())["Timeline"], "y")
    assert [panels[0], panels[3]] == titles(pictures_of(result([failed(end_ns=MS)]))["Timeline"], "y")
    assert ["Time since the first request (s)"] == titles(pictures_of(chat())["Timeline"], "x")


def test_rates_of_the_timeline_add_up_to_the_run() -> None:
    run = chat()
    picture = pictures_of(run)["Timeline"]
    for name, expected in (("tokens/s", 100), ("requests/s", 10)):
        steps = trace(picture, name)
        widths = steps.x[1:] - steps.x[:-1]
        assert pytest.approx(expected) == float((steps.y[:-1] * widths).sum())


def test_failures_are_told_apart_by_kind_and_the_rare_ones_put_together() -> None:
    kinds = ["http_500"] * 5 + ["timeout"] * 3 + ["reset"] * 2 + ["tls", "dns"]
    rows = [failed(kind, sent_ns=1, end_ns=(place + 1) * MS) for place, kind in enumerate(kinds)]
    picture = pictures_of(result([*streamed(3), *rows]))["Timeline"]
    shown = [each.name for each in picture.figure.data if each.name.startswith("failed")]
    assert [
        "failed: http_500 (5)",
        "failed: timeout (3)",
        "failed: reset (2)",
        "failed: other failures (2)",
    ] == shown
    assert "3 requests succeeded, 12 failed" in about(picture)


def test_the_warm_up_is_shaded() -> None:
    warm = [each | {"phase": "warmup"} for each in streamed(2)]
    picture = pictures_of(result(warm + streamed(5)[2:]))["Timeline"]
    assert ["warm-up"] == [each.text for each in picture.figure.layout.annotations]
    assert {(0.0, 0.02)} == {(shape.x0, shape.x1) for shape in picture.figure.layout.shapes}


def test_an_open_loop_shows_latencies_from_due_and_from_start() -> None:
    rows = [each | {"due_ns": each["start_ns"] - 40 * MS} for each in streamed(100)]
    picture = pictures_of(result(rows))["Latency over Time"]
    names = [each.name for each in picture.figure.data if each.showlegend]
    assert [
        "a request from due",
        "p50 from due",
        "p99 from due",
        "a request from start",
        "p50 from start",
        "p99 from start",
    ] == names
    due, start = (
        [each for each in picture.figure.data if each.name == f"a request from {word}"]
        for word in ("due", "start")
    )
    assert pytest.approx([40.0] * 2) == [each.y[0] - other.y[0] for each, other in zip(due, start)]
    assert pytest.approx([0.04] * 2) == [other.x[0] - each.x[0] for each, other in zip(due, start)]


def test_a_closed_loop_shows_one_latency_of_each_kind() -> None:
    picture = pictures_of(result(streamed(100)))["Latency over Time"]
    assert ["a request", "p50", "p99"] == [each.name for each in picture.figure.data if each.showlegend]
    assert ["Time To First Token (ms)", "Request Latency (ms)"] == titles(picture, "y")


# -- distributions ------------------------------------------------------------------------------------


def test_the_distributions_pass_through_the_reported_percentiles() -> None:
    run = result([row((5 + number**2) * MS, (900 + number) * MS) for number in range(30)])
    picture = pictures_of(run)["Latency Distributions"]
    marks = [each for each in picture.figure.data if each.mode == "markers"]
    for mark, tag in zip(marks, distributions.TAGS):
        stats = run.summary.metrics[tag]
        assert isinstance(stats, Stats)
        reported = [stats.percentiles[name] / MS for name in ("p50", "p90", "p99")]
        assert pytest.approx(reported) == list(mark.x)


def test_a_long_tail_makes_the_axis_logarithmic() -> None:
    rows = [row(5 * MS, texts=["t"]) for _ in range(50)] + [row(900 * MS, texts=["t"])]
    (axis,) = [
        axis
        for name in ("xaxis", "xaxis2")
        if (axis := pictures_of(result(rows))["Latency Distributions"].figure.layout[name]).title.text
        == "Request Latency (ms)"
    ]
    assert "log" == axis.type


def test_names_that_look_like_markup_are_text() -> None:
    picture = pictures_of(result([failed("<b>x</b>", sent_ns=1, end_ns=2)]))["Timeline"]
    assert "<b>" not in "".join(each.name for each in picture.figure.data)


def _unstreamed() -> Any:
    from dataclasses import replace

    return replace(CHAT, endpoint=replace(CHAT.endpoint, streaming=False))
