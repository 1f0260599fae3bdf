"""The pictures of a sweep."""

from pathlib import Path
from typing import Any

import pytest

from genai_perf.reports.plots import sweep, write_sweep
from genai_perf.reports.plots.look import Picture
from genai_perf.types import Stats, Summary

MS = 1_000_000
LOADS = (1, 2, 4, 8, 16)


def stats(ns: float, uncertainty_ns: float = 0.0) -> Stats:
    percentiles = {name: ns * float(name[1:]) / 50 for name in ("p1", "p25", "p50", "p75", "p90", "p99")}
    return Stats(
        count=10,
        avg=ns,
        std=0,
        min=ns,
        max=ns,
        percentiles=percentiles,
        uncertainty=dict.fromkeys(percentiles, uncertainty_ns),
    )


def run(load: float, *, places: int = 4, tokens: bool = True, failed: int = 0, due: bool = False) -> Summary:
    """A server with so many places."""
    latency = 100 * MS * max(1.0, load / places)
    per_s = load / (latency / 1e9)
    metrics: dict[str, Any] = {"request_latency": stats(latency), "request_throughput": per_s}
    if tokens:
        metrics |= {
            "time_to_first_token": stats(latency / 2, MS),
            "inter_token_latency": stats(latency / 20, MS),
            "output_token_throughput": per_s * 10,
        }
    if due:
        metrics["request_latency_from_due"] = stats(latency * 2)
    errors = {"http_500": (failed, "no")} if failed else {}
    return Summary(metrics=metrics, requests=10, errors=errors, exactness={})


NOTHING = Summary(metrics={}, requests=0, errors={"connect": (10, "refused")}, exactness={})


def pictures(points: Any, parameter: str = "Concurrency") -> dict[str, Picture]:
    drawn = sweep.sweep(points if isinstance(points, dict) else {"": points}, parameter)
    return {picture.title: picture for picture in sweep.pictures(drawn)}


def about(picture: Picture) -> str:
    return picture.figure.layout.title.subtitle.text


def named(picture: Picture, name: str) -> list[Any]:
    return [each for each in picture.figure.data if each.name == name]


def test_a_sweep_of_streams_has_five_pictures_with_their_axes_named() -> None:
    axes = {
        title: (picture.figure.layout.xaxis.title.text, picture.figure.layout.yaxis.title.text)
        for title, picture in pictures([(load, run(load)) for load in LOADS]).items()
    }
    throughput = "Output Token Throughput (tokens/sec)"
    assert {
        "Throughput against Latency": ("Request Latency (ms)", throughput),
        "Time To First Token against Concurrency": ("Concurrency", "Time To First Token (ms)"),
        "Inter Token Latency against Concurrency": ("Concurrency", "Inter Token Latency (ms)"),
        "Request Latency against Concurrency": ("Concurrency", "Request Latency (ms)"),
        "Throughput against Concurrency": ("Concurrency", throughput),
    } == axes


def test_a_sweep_without_tokens_has_latency_and_requests() -> None:
    found = pictures([(load, run(load, tokens=False)) for load in LOADS], "Request rate (requests/s)")
    assert [
        "Throughput against Latency",
        "Request Latency against Request Rate",
        "Throughput against Request Rate",
    ] == list(found)
    axis = found["Throughput against Latency"].figure.layout.yaxis
    assert "Request Throughput (requests/sec)" == axis.title.text


def test_the_knee_is_ringed_named_and_labelled() -> None:
    picture = pictures([(load, run(load, places=4)) for load in LOADS])["Throughput against Latency"]
    (ring,) = named(picture, "knee: greatest throughput / latency")
    assert ([100.0], [400.0]) == (list(ring.x), list(ring.y))
    assert "5 scenarios · knee: Concurrency 4" == about(picture)
    (line,) = named(picture, "average")
    assert "4" in line.text


def test_a_sweep_that_never_saturates_has_no_ring() -> None:
    picture = pictures([(load, run(load, places=99)) for load in LOADS])["Throughput against Latency"]
    assert [] == named(picture, "knee: greatest throughput / latency")
    assert "5 scenarios · no knee within the sweep" == about(picture)


def test_an_open_loops_latency_counts_from_due() -> None:
    picture = pictures([(load, run(load, due=True)) for load in LOADS])["Throughput against Latency"]
    assert "Request Latency From Due (ms)" == picture.figure.layout.xaxis.title.text
    assert [200.0, 200.0, 200.0, 400.0, 800.0] == list(named(picture, "average")[0].x)


def test_points_stand_in_the_order_of_their_load() -> None:
    picture = pictures([(load, run(load)) for load in (16, 1, 4, 8, 2)])["Throughput against Concurrency"]
    assert list(LOADS) == list(picture.figure.data[0].x)


def test_scenarios_that_measured_nothing_are_left_out_and_said_to_be() -> None:
    found = pictures([*((load, run(load)) for load in LOADS), (32, NOTHING)])
    assert all("5 scenarios, 1 measured nothing" in about(picture) for picture in found.values())


def test_failed_requests_of_a_scenario_are_said() -> None:
    found = pictures([(load, run(load, failed=3)) for load in LOADS])
    assert "15 requests failed, and in no figure" in about(found["Throughput against Concurrency"])


@pytest.mark.parametrize(
    ("title", "up"),
    [("Time To First Token against Concurrency", 0.0), ("Inter Token Latency against Concurrency", 1.0)],
)
def test_percentiles_carry_what_the_measurement_leaves_open(title: str, up: float) -> None:
    """A latency can only be shorter than it was measured; a gap either way."""
    picture = pictures([(load, run(load)) for load in LOADS])[title]
    for line in picture.figure.data:
        assert ({1.0}, {up}) == (set(line.error_y.arrayminus), set(line.error_y.array))


def test_percentiles_are_in_the_units_of_the_reports() -> None:
    picture = pictures([(load, run(load)) for load in LOADS])["Request Latency against Concurrency"]
    assert {"p50": 100.0, "p90": 180.0, "p99": 198.0} == {
        each.name: each.y[0] for each in picture.figure.data
    }


def test_a_product_of_sweeps_has_a_line_for_each_series() -> None:
    series = {f"isl {places}": [(load, run(load, places=places)) for load in LOADS] for places in (2, 4, 99)}
    found = pictures(series)
    assert "15 scenarios · 2 of 3 series have a knee" == about(found["Throughput against Latency"])
    assert list(series) == [each.name for each in found["Throughput against Concurrency"].figure.data]
    latency = found["Request Latency against Concurrency"].figure.data
    assert [f"{name}: {percent}" for name in series for percent in ("p50", "p99")] == [
        each.name for each in latency
    ]


def test_labels_of_points_on_one_another_do_not_overlap() -> None:
    """A server that turns away what it has no place for: more load changes nothing."""
    picture = pictures([(load, run(min(load, 4))) for load in (1, 2, 4, 8, 16, 32, 64)])[
        "Throughput against Latency"
    ]
    assert 1 == sum(text in ("4", "8", "16", "32", "64") for text in named(picture, "average")[0].text)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ((1, 2, 4, 8, 16), "log"),
        ((10, 100, 1000), "log"),
        ((100, 150, 200), None),
        ((5,), None),
        ((0, 1, 9), None),
    ],
)
def test_loads_in_powers_stand_on_a_logarithmic_axis(loads: tuple[int, ...], expected: str | None) -> None:
    picture = pictures([(load, run(max(load, 1))) for load in loads])["Throughput against Concurrency"]
    assert expected == picture.figure.layout.xaxis.type
    assert list(loads) == list(picture.figure.layout.xaxis.tickvals)


def test_a_sweep_of_which_nothing_is_left_has_an_index_all_the_same(tmp_path: Path) -> None:
    index = write_sweep({"": [(1, NOTHING)]}, tmp_path, parameter="Concurrency", render=lambda images: None)
    assert "0 scenarios, 1 measured nothing" in index.read_text()


def test_the_files_of_a_sweep(tmp_path: Path) -> None:
    points = {"": [(load, run(load)) for load in LOADS]}
    index = write_sweep(points, tmp_path, parameter="Concurrency", title="a <b> title", render=lambda _: None)
    assert tmp_path / "plots" / "index.html" == index
    assert [
        "index.html",
        "inter_token_latency_against_concurrency.html",
        "plotly.min.js",
        "request_latency_against_concurrency.html",
        "throughput_against_concurrency.html",
        "throughput_against_latency.html",
        "time_to_first_token_against_concurrency.html",
    ] == sorted(path.name for path in index.parent.iterdir())
    assert "<h1>a &lt;b&gt; title</h1>" in index.read_text()
