from collections.abc import Callable

from genai_perf.metrics.catalog import CATALOG, Shown, Unit, metrics_table_markdown


def test_the_rows_users_know_are_first_and_in_their_order() -> None:
    assert [metric.heading for metric in CATALOG.values() if metric.shown is Shown.TABLE] == [
        "Time To First Token (ms)",
        "Time To Second Token (ms)",
        "Request Latency (ms)",
        "Image Throughput (images/sec)",
        "Image Latency (ms/image)",
        "Inter Token Latency (ms)",
        "Output Token Throughput Per User (tokens/sec/user)",
        "Output Sequence Length (tokens)",
        "Input Sequence Length (tokens)",
        "Output Token Throughput (tokens/sec)",
        "Request Throughput (per sec)",
        "Request Goodput (per sec)",
        "Request Count (count)",
    ]


def test_every_metric_with_a_goodput_has_a_direction_and_a_value_per_request() -> None:
    for metric in CATALOG.values():
        if metric.slo:
            assert metric.better
            assert metric.per == "request"


def test_a_unit_converts_without_losing_a_digit() -> None:
    assert Unit.MS.of(333_333) == 0.333333
    assert Unit.TOKENS.of(17) == 17


def test_the_readme_table_has_a_row_for_every_metric(golden: Callable[[str, str], None]) -> None:
    golden("metrics/table.md", metrics_table_markdown())
