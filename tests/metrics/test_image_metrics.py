"""Latency and throughput for each image, where requests are nothing but images."""

from typing import Any

import pytest
from journal_rows import info, row, table

from genai_perf.config.schema import MetricsConfig
from genai_perf.exceptions import UsageError
from genai_perf.metrics.catalog import CATALOG
from genai_perf.metrics.compute import of_columns
from genai_perf.metrics.goodput import check_goodput
from genai_perf.metrics.reading import read_columns
from genai_perf.types import Stats

MS = 1_000_000


def measured(*rows: dict[str, Any], per_image: bool = True, **goodput: float) -> dict[str, Stats | float]:
    columns = read_columns(
        table(rows),
        count=None,
        input_tokens=None,
        use_server_token_count=False,
        slos=goodput,
        per_image=per_image,
    )
    run = info(endpoint="image_retrieval", streaming=False)
    summary = of_columns(columns, run, settings=MetricsConfig(goodput=goodput), produces_tokens=False)
    return dict(summary.metrics)


FOUR = row(80 * MS, images=4)
ONE = row(110 * MS, start_ns=60 * MS, images=1)


def test_a_requests_latency_is_shared_by_its_images() -> None:
    figures = measured(FOUR, ONE)
    throughput, latency = figures["image_throughput"], figures["image_latency"]
    assert isinstance(throughput, Stats)
    assert isinstance(latency, Stats)
    assert (20.0, 50.0, 35.0) == (throughput.min, throughput.max, throughput.avg)
    assert (20 * MS, 50 * MS) == (latency.min, latency.max)
    assert ("pages/sec", "images/sec") == (
        CATALOG["image_throughput"].unit.label,
        CATALOG["image_throughput"].unit.heading,
    )
    assert ("ms", "ms/image") == (CATALOG["image_latency"].unit.label, CATALOG["image_latency"].unit.heading)


def test_what_the_latency_may_be_off_by_is_shared_too() -> None:
    figures = measured(row(80 * MS, images=4, content_slack_ns=[4 * MS], content_lag_ns=[9 * MS]))
    latency = figures["image_latency"]
    assert isinstance(latency, Stats)
    assert latency.uncertainty is not None
    assert MS == latency.uncertainty["avg"]


@pytest.mark.parametrize("rows", [(row(80 * MS, images=None),), (row(80 * MS, images=0),)])
def test_where_nobody_counted_images_or_there_are_none_there_is_no_such_figure(
    rows: tuple[dict[str, Any]],
) -> None:
    assert not {"image_throughput", "image_latency"} & measured(*rows).keys()


def test_a_request_without_images_has_no_value_among_those_that_have() -> None:
    latency = measured(FOUR, row(80 * MS, images=0))["image_latency"]
    assert isinstance(latency, Stats)
    assert (1, 20 * MS) == (latency.count, latency.avg)


def test_where_requests_are_more_than_images_there_is_no_such_figure() -> None:
    assert not {"image_throughput", "image_latency"} & measured(FOUR, per_image=False).keys()


@pytest.mark.parametrize(
    ("slo", "limit", "good"),
    [("image_latency", 30, 1), ("image_throughput", 50, 1), ("image_latency", 50, 2)],
)
def test_goodput_takes_them_in_the_units_that_are_shown(slo: str, limit: float, good: int) -> None:
    figures = measured(FOUR, ONE, **{slo: limit})
    assert figures["request_goodput"] == pytest.approx(good / 0.110)


@pytest.mark.parametrize("slo", ["image_latency", "image_throughput"])
def test_goodput_refuses_them_where_there_are_none(slo: str) -> None:
    with pytest.raises(
        UsageError, match=f"--goodput: {slo} has no meaning where requests are more than images"
    ):
        check_goodput({slo: 1}, streaming=False, produces_tokens=True, open_loop=False)
    check_goodput({slo: 1}, streaming=False, produces_tokens=False, open_loop=False, per_image=True)
