"""What a record does with its value."""

import math
import re

import pytest

from genai_perf.analyze.records import any_record_type, known_tag, record_type
from genai_perf.exceptions import UsageError
from genai_perf.metrics import ISL, REQUEST_THROUGHPUT, TTFT, figure
from genai_perf.metrics.gpu import GPU_CATALOG

TTFT_P99 = record_type("time_to_first_token_p99")
TTFT_AVG = record_type("time_to_first_token_avg")
THROUGHPUT = record_type("request_throughput_avg")
POWER = record_type("gpu_power_usage_avg")


def test_less_latency_is_a_greater_record_and_more_throughput_too() -> None:
    assert TTFT_P99(5) > TTFT_P99(6)
    assert TTFT_P99(5) >= TTFT_P99(5)
    assert THROUGHPUT(6) > THROUGHPUT(5)
    assert TTFT_P99(5) == TTFT_P99(5)
    assert TTFT_P99(5) != TTFT_P99(6)


def test_a_difference_is_positive_where_the_left_one_is_better() -> None:
    assert 4 == (TTFT_P99(6) - TTFT_P99(10)).value()
    assert 4 == (THROUGHPUT(10) - THROUGHPUT(6)).value()


def test_records_are_added_scaled_and_divided() -> None:
    assert 16 == (TTFT_P99(6) + TTFT_P99(10)).value()
    assert 12 == (TTFT_P99(6) * 2).value() == (2 * TTFT_P99(6)).value()
    assert 3 == (TTFT_P99(6) / 2).value()
    assert type(TTFT_P99(6) / 2) is TTFT_P99


def test_a_gpus_record_keeps_its_gpu() -> None:
    record = POWER(65.0, "GPU-1")
    assert "GPU-1" == (record * 2).device_uuid()
    assert POWER(1.0).device_uuid() == ""


def test_records_of_one_metric_can_be_compared_and_those_of_two_cannot() -> None:
    assert TTFT_AVG(5) > TTFT_P99(9)
    with pytest.raises(TypeError):
        TTFT_P99(5) + THROUGHPUT(5)
    with pytest.raises(TypeError):
        TTFT_P99(5) < THROUGHPUT(5)  # noqa: B015
    assert TTFT_P99(5) != THROUGHPUT(5)


def test_only_numbers_are_values_and_factors() -> None:
    with pytest.raises(TypeError, match="'5' is not a number"):
        TTFT_P99("5")
    with pytest.raises(TypeError):
        TTFT_P99(5) * "2"
    with pytest.raises(TypeError):
        TTFT_P99(5) / TTFT_P99(5)


@pytest.mark.parametrize(
    ("record", "other", "gain"),
    [
        (THROUGHPUT(200), THROUGHPUT(100), 100),
        (THROUGHPUT(100), THROUGHPUT(200), -50),
        (TTFT_P99(100), TTFT_P99(200), 100),
        (TTFT_P99(200), TTFT_P99(100), -50),
        (THROUGHPUT(0), THROUGHPUT(0), 0),
        (THROUGHPUT(1), THROUGHPUT(0), math.inf),
        (TTFT_P99(0), TTFT_P99(1), math.inf),
        (TTFT_P99(1), TTFT_P99(0), -100),
    ],
)
def test_a_gain_is_of_the_other_where_more_is_better_and_of_itself_where_less_is(record, other, gain) -> None:
    assert gain == record.calculate_percentage_gain(other)


def test_a_records_own_constraint_is_strict_and_in_base_units() -> None:
    assert TTFT_P99(9).is_passing_constraint(10)
    assert not TTFT_P99(10).is_passing_constraint(10)
    assert THROUGHPUT(11).is_passing_constraint(10)
    assert not THROUGHPUT(10).is_passing_constraint(10)


def test_the_greatest_value_stands_for_several_records() -> None:
    greatest = TTFT_P99.aggregation_function()
    assert 7 == greatest([TTFT_P99(5), TTFT_P99(7), TTFT_P99(6)]).value()


def test_throughputs_of_several_models_are_added_and_latencies_averaged() -> None:
    assert 6 == THROUGHPUT.value_function()([1, 2, 3])
    assert 2 == TTFT_P99.value_function()([1, 2, 3])


def test_a_record_survives_its_checkpoint() -> None:
    tag, values = TTFT_P99(5008910.0, timestamp=3).create_checkpoint_object()
    assert ("time_to_first_token_p99", {"_value": 5008910.0, "_timestamp": 3}) == (tag, values)
    again = TTFT_P99.create_class_from_checkpoint(values)
    assert (5008910.0, 3) == (again.value(), again.timestamp())


@pytest.mark.parametrize("key", ["_device_uuid", "_device"])
def test_a_gpus_id_is_read_under_either_of_its_names(key: str) -> None:
    record = POWER.create_class_from_checkpoint({"_value": 65.1, "_timestamp": 0, key: "0"})
    assert "0" == record.device_uuid()


@pytest.mark.parametrize(
    ("tag", "stored", "read"),
    [
        ("time_to_first_token_p99", 5_008_910.0, 5.00891),
        ("request_throughput_avg", 1.3, 1.3),
        ("input_sequence_length_p99", 201, 201),
        ("error_rate_avg", 0.25, 25),
        ("gpu_power_usage_avg", 65.1, 65.1),
        ("energy_consumption_avg", 1.73e9, 1.73),  # mJ, MJ
        ("gpu_memory_used_p99", 21_582.0, 22.630367232),  # MiB, GB
        ("total_gpu_memory_avg", 24_576.0, 25.769803776),
        ("gpu_utilization_p99", 20.0, 20.0),
        ("sm_utilization_p99", 0.2, 20.0),
        ("pcie_receive_throughput_avg", 2048, 2.0),
    ],
)
def test_a_record_is_read_in_the_unit_of_its_header(tag: str, stored: float, read: float) -> None:
    record = record_type(tag)(stored)
    assert read == pytest.approx(record.reduced(), rel=1e-12)
    assert read == pytest.approx(record.value() / 10**record.reduction_factor, rel=1e-12)


@pytest.mark.parametrize("tag", GPU_CATALOG)
def test_a_gpu_metrics_heading_ends_in_its_unit(tag: str) -> None:
    row = GPU_CATALOG[tag]
    unit = re.search(r"\((.*)\)$", row.heading)
    if row.unit.label in ("errors", "pages", "retries"):
        assert unit is None
    else:
        assert unit is not None
        assert row.unit.label == unit[1].removeprefix("°")


def test_a_tag_that_nobody_knows_keeps_its_value() -> None:
    record = any_record_type("time_to_third_token_p99")(7.0)
    assert ("time_to_third_token_p99", 7.0) == (record.tag, record.reduced())
    assert any_record_type("time_to_third_token_p99") is type(record)
    with pytest.raises(KeyError):
        record_type("time_to_third_token_p99")


def test_a_misspelt_tag_is_told_with_its_neighbours() -> None:
    with pytest.raises(UsageError, match="no record has the tag 'time_to_first_tokn_p99'") as caught:
        known_tag("time_to_first_tokn_p99")
    assert "time_to_first_token_p99" in str(caught.value.hint)
    with pytest.raises(UsageError):
        known_tag("time_to_first_token_base")


def test_typed_names_are_tags() -> None:
    assert "time_to_first_token_p99" == TTFT.p99.tag == TTFT_P99.tag
    assert "request_throughput_avg" == REQUEST_THROUGHPUT.tag
    assert "p99 Time To First Token (ms)" == TTFT.p99.heading == TTFT_P99.header()
    assert "p99.9 Time To First Token (ms)" == TTFT.p99_9.heading
    assert "Request Throughput (per sec)" == REQUEST_THROUGHPUT.heading
    assert "max GPU Power Usage (W)" == figure("gpu_power_usage", "max").heading
    assert ISL.avg.unit.label == "tokens"
    with pytest.raises(KeyError):
        figure("time_to_third_token", "avg")
