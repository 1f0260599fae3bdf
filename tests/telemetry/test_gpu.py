"""What the GPUs did in the measured window, from pages at chosen instants."""

import pytest
from sampled_run import S, rows, sampled

from genai_perf.metrics.gpu import GPU_CATALOG, Kind
from genai_perf.telemetry import gpu
from genai_perf.types import Summary

BLANK = 9223372036854775794


def every(step_s, until_s, source, page):
    """A page each `step_s`; `page(second)` gives its text."""
    count = round(until_s / step_s)
    return [(n * step_s, source, page(n * step_s)) for n in range(count + 1)]


def measured(tmp_path, pages, start_s=10, end_s=20):
    found = gpu.read(sampled(tmp_path, pages), round(start_s * S), round(end_s * S))
    assert found is not None
    return found


def by_id(found):
    return {each.id: each for each in found.gpus}


def square(second):
    """400 W for a second, 100 W for the next; so much energy until then (mJ), above an old total."""
    energy_j = second // 2 * 500 + min(second % 2, 1) * 400 + max(second % 2 - 1, 0) * 100
    return {
        "DEV_POWER_USAGE": 400.0 if second % 2 < 1 else 100.0,
        "DEV_TOTAL_ENERGY_CONSUMPTION": (energy_j + 123_456_789) * 1000.0,
    }


def test_power_and_energy_of_a_square_wave_are_exact(tmp_path):
    # readings in the middle of quarters of a second: none at the instant of a change
    pages = [(n / 4 + 0.125, "dcgm:a:9400", rows(0, square(n / 4 + 0.125))) for n in range(100)]
    found = measured(tmp_path, pages)
    figures = by_id(found)["0"].figures
    assert 250 == figures["gpu_power_usage"].avg
    assert (100, 400, 150) == tuple(
        getattr(figures["gpu_power_usage"], name) for name in ("min", "max", "std")
    )
    assert 2500 == pytest.approx(figures["energy_consumption"].avg / 1000, rel=1e-12)
    assert 0.0025 == pytest.approx(
        GPU_CATALOG["energy_consumption"].unit.of(figures["energy_consumption"].percentiles["p99"])
    )
    assert found.notes == ()
    assert 1.0 == by_id(found)["0"].covered


def test_only_the_measured_window_counts(tmp_path):
    def page(second):
        during = 10 <= second < 20
        return rows(0, {"DEV_GPU_UTIL": 90.0 if during else 3.0, "DEV_GPU_TEMP": 70.0 if during else 30.0})

    found = measured(tmp_path, every(0.5, 30, "dcgm:a:9400", page), 10.25, 19.75)
    figures = by_id(found)["0"].figures
    assert (90, 90) == (figures["gpu_utilization"].avg, figures["gpu_utilization"].min)
    assert 70 == figures["gpu_temperature"].avg


def test_numbers_that_mean_not_supported_are_no_readings(tmp_path):
    blanks = (BLANK - 2, BLANK, BLANK + 1, 140737488355328.0, 140737488355330.0, float("nan"), float("inf"))

    def page(n):
        used = 7.0 if n % 2 else BLANK
        return rows(0, {"DEV_POWER_USAGE": blanks[n % 7], "DEV_SM_CLOCK": 1980.0, "DEV_FB_USED": used})

    figures = by_id(measured(tmp_path, [(n, "dcgm:a:9400", page(n)) for n in range(30)]))["0"].figures
    assert {"gpu_clock_sm", "gpu_memory_used"} == set(figures)
    assert 7 == figures["gpu_memory_used"].max


def test_units_are_those_of_dcgm_and_shown_in_genai_perfs(tmp_path):
    raw = {
        "DEV_POWER_USAGE": (350.0, 350.0),
        "DEV_POWER_MGMT_LIMIT": (700.0, 700.0),
        "DEV_FB_TOTAL": (81559.0, 81559 * 1.048576e-3),
        "DEV_FB_USED": (1000.0, 1.048576),
        "DEV_FB_FREE": (80559.0, 80559 * 1.048576e-3),
        "DEV_GPU_UTIL": (87.0, 87.0),
        "PROF_SM_ACTIVE": (0.87, 87.0),
        "DEV_MEM_COPY_UTIL": (12.0, 12.0),
        "DEV_ENC_UTIL": (3.0, 3.0),
        "DEV_DEC_UTIL": (4.0, 4.0),
        "DEV_SM_CLOCK": (1980.0, 1980.0),
        "DEV_MEM_CLOCK": (2619.0, 2619.0),
        "DEV_GPU_TEMP": (55.0, 55.0),
        "DEV_MEMORY_TEMP": (61.0, 61.0),
        "DEV_ECC_SBE_VOL_TOTAL": (5.0, 5.0),
        "DEV_ECC_DBE_VOL_TOTAL": (6.0, 6.0),
        "DEV_ECC_SBE_AGG_TOTAL": (7.0, 7.0),
        "DEV_ECC_DBE_AGG_TOTAL": (8.0, 8.0),
        "DEV_XID_ERRORS": (79.0, 79.0),
        "DEV_RETIRED_SBE": (9.0, 9.0),
        "DEV_RETIRED_DBE": (10.0, 10.0),
        "DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": (11.0, 11.0),
        "DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": (12.0, 12.0),
        "PROF_PCIE_TX_BYTES": (2048.0, 2.0),
        "PROF_PCIE_RX_BYTES": (512.0, 0.5),
        "DEV_PCIE_REPLAY_COUNTER": (13.0, 13.0),
    }
    page = rows(0, {name: value for name, (value, _) in raw.items()})
    figures = by_id(measured(tmp_path, every(1, 30, "dcgm:a:9400", lambda _: page)))["0"].figures
    for name, (_, shown) in raw.items():
        (metric,) = [row for row in GPU_CATALOG.values() if f"DCGM_FI_{name}" in row.series]
        assert shown == pytest.approx(metric.unit.of(figures[metric.tag].avg)), name
    # those that are differences have tests of their own
    shown_tags = figures.keys() - {"energy_consumption"}  # made of the power, for want of a counter
    assert shown_tags == {tag for tag, row in GPU_CATALOG.items() if row.kind is not Kind.GROWTH}


def test_throttling_is_the_difference_in_the_window_and_worth_a_note(tmp_path):
    # 0.1 s of each second, counted in ns
    page = lambda second: rows(0, {"DEV_POWER_VIOLATION": 5e9 + second * 1e8, "DEV_THERMAL_VIOLATION": 4e9})  # noqa: E731
    found = measured(tmp_path, every(0.5, 30, "dcgm:a:9400", page))
    figures = by_id(found)["0"].figures
    unit = GPU_CATALOG["power_throttle_duration"].unit
    assert 1_000_000 == unit.of(figures["power_throttle_duration"].avg)
    assert 0 == figures["thermal_throttle_duration"].avg
    assert ("GPU 0: slowed down by the power limit for 1 of 10 s.",) == found.notes


def test_an_error_that_comes_while_it_is_measured_is_worth_a_note(tmp_path):
    page = lambda second: rows(0, {"DEV_XID_ERRORS": 79.0 if second > 15 else 0.0})  # noqa: E731
    found = measured(tmp_path, every(0.5, 30, "dcgm:a:9400", page))
    assert ("GPU 0: Xid Last Error changed while it was measured.",) == found.notes


def test_gpus_of_several_hosts_are_told_apart_and_summed(tmp_path):
    def page(host, watts):
        first = {"DEV_POWER_USAGE": watts, "DEV_GPU_UTIL": 50.0, "DEV_GPU_TEMP": watts / 5}
        second = {"DEV_POWER_USAGE": watts, "DEV_GPU_UTIL": 100.0}
        return lambda _: rows(0, first, Hostname=host) + rows(1, second, Hostname=host)

    one = every(0.5, 30, "dcgm:10.0.0.1:9400", page("node1", 300.0))
    two = every(0.7, 30, "dcgm:10.0.0.2:9400", page("node2", 200.0))
    found = measured(tmp_path, [*one, *two])
    assert ["node1:0", "node1:1", "node2:0", "node2:1"] == [each.id for each in found.gpus]
    assert 4 == found.boards
    assert 1000 == pytest.approx(found.total["gpu_power_usage"].avg)
    assert 75 == pytest.approx(found.total["gpu_utilization"].avg)
    assert 60 == found.total["gpu_temperature"].avg


def test_two_hosts_of_one_name_are_told_apart_by_their_addresses(tmp_path):
    def page(uuid):
        return lambda _: rows(0, {"DEV_POWER_USAGE": 100.0}, Hostname="localhost", UUID=uuid)

    pages = [*every(1, 30, "dcgm:a:9400", page("GPU-1")), *every(1, 30, "dcgm:b:9400", page("GPU-2"))]
    assert {"a:9400:0", "b:9400:0"} == set(by_id(measured(tmp_path, pages)))


def test_a_gpu_that_two_sources_tell_of_counts_once(tmp_path):
    page = lambda _: rows(0, {"DEV_POWER_USAGE": 100.0})  # noqa: E731
    pages = [*every(1, 30, "dcgm:a:9400", page), *every(1, 30, "dcgm:a.local:9400", page)]
    found = measured(tmp_path, pages)
    assert 100 == found.total["gpu_power_usage"].avg
    assert ["dcgm:a:9400"] == list(found.sources)


def test_where_named_sources_tell_of_gpus_those_found_here_add_none(tmp_path):
    page = lambda host: lambda _: rows(0, {"DEV_POWER_USAGE": 100.0}, Hostname=host)  # noqa: E731
    pages = [*every(1, 30, "dcgm", page("here")), *every(1, 30, "server:there:9400", page("there"))]
    assert ["there"] == [each.host for each in measured(tmp_path, pages).gpus]


def test_a_gpu_of_this_machine_is_told_by_the_exporter_rather_than_by_its_server(tmp_path):
    exporter = lambda _: rows(0, {"DEV_POWER_USAGE": 100.0}, UUID="GPU-a")  # noqa: E731
    server = lambda _: 'nv_gpu_power_usage{gpu_uuid="GPU-a"} 90.0\n'  # noqa: E731
    found = measured(
        tmp_path, [*every(1, 30, "dcgm", exporter), *every(1, 30, "server:localhost:8002", server)]
    )
    assert [("dcgm", 100)] == [(each.source, each.figures["gpu_power_usage"].avg) for each in found.gpus]


def test_mig_instances_stand_beside_their_gpu_whose_power_counts_once(tmp_path):
    def page(second):
        instances = [
            rows(
                0,
                {**square(second), "DEV_FB_USED": 1000.0 * n, "PROF_SM_ACTIVE": 0.25 * n},
                GPU_I_PROFILE="3g.40gb",
                GPU_I_ID=str(n),
            )
            for n in (1, 2)
        ]
        return "".join(instances) + rows(1, {**square(second), "DEV_FB_USED": 500.0})

    pages = [(n / 4 + 0.125, "dcgm:a:9400", page(n / 4 + 0.125)) for n in range(100)]
    found = measured(tmp_path, pages)
    gpus = by_id(found)
    assert ["0", "0/1", "0/2", "1"] == list(gpus)
    assert {"gpu_power_usage", "energy_consumption"} == set(gpus["0"].figures)
    assert {"gpu_memory_used", "sm_utilization"} == set(gpus["0/2"].figures)
    assert 2 == found.boards
    assert 500 == pytest.approx(found.total["gpu_power_usage"].avg)
    assert 5_000_000 == pytest.approx(found.total["energy_consumption"].avg)
    assert 3500 == found.total["gpu_memory_used"].avg
    assert 0.375 == found.total["sm_utilization"].avg


def test_rows_of_several_pods_are_one_reading(tmp_path):
    def page(second):
        pods = ("a",) if second < 15 else ("b", "c")
        return "".join(rows(0, square(second), pod=pod) for pod in pods)

    pages = [(n / 4 + 0.125, "dcgm:a:9400", page(n / 4 + 0.125)) for n in range(100)]
    figures = by_id(measured(tmp_path, pages))["0"].figures
    assert 250 == figures["gpu_power_usage"].avg
    assert 2_500_000 == pytest.approx(figures["energy_consumption"].avg)


def test_tritons_own_page_is_read_too(tmp_path):
    def page(second):
        return (
            "".join(
                f'nv_gpu_utilization{{gpu_uuid="{uuid}"}} 0.25\n'
                f'nv_gpu_memory_total_bytes{{gpu_uuid="{uuid}"}} 85899345920.0\n'
                f'nv_gpu_memory_used_bytes{{gpu_uuid="{uuid}"}} 22630000000.0\n'
                f'nv_gpu_power_usage{{gpu_uuid="{uuid}"}} 63.5\n'
                f'nv_gpu_power_limit{{gpu_uuid="{uuid}"}} 300.0\n'
                f'nv_energy_consumption{{gpu_uuid="{uuid}"}} {1_000_000 + second * 63.5}\n'
                for uuid in ("GPU-b", "GPU-a")
            )
            + 'nv_inference_count{model="m",version="1"} 7\n'
        )

    found = measured(tmp_path, every(0.5, 30, "server:h:8002", page))
    assert [("0", "GPU-b"), ("1", "GPU-a")] == [(each.id, each.uuid) for each in found.gpus]
    shown = {tag: GPU_CATALOG[tag].unit.of(stats.avg) for tag, stats in found.gpus[0].figures.items()}
    assert {
        "gpu_utilization": 25,
        "total_gpu_memory": 85.89934592,
        "gpu_memory_used": 22.63,
        "gpu_power_usage": 63.5,
        "gpu_power_limit": 300,
        "energy_consumption": 635e-6,
    } == pytest.approx(shown)


def test_scrapes_that_fail_are_counted_and_shift_no_average(tmp_path):
    pages = [
        (n / 4 + 0.125, "dcgm:a:9400", None if n % 3 == 0 else rows(0, square(n / 4 + 0.125)))
        for n in range(100)
    ]
    found = measured(tmp_path, pages)
    health = found.sources["dcgm:a:9400"]
    assert (100, 34) == (health.scrapes, health.failures)
    assert (
        "dcgm:a:9400 did not answer 34 of 100 times that it was asked: connection refused.",
    ) == found.notes
    figures = by_id(found)["0"].figures
    # a third is missing, evenly: at each of ten changes at most an eighth of a second is on the wrong side
    assert abs(figures["gpu_power_usage"].avg - 250) <= 10 * 300 * 0.25 / 10
    assert abs(figures["energy_consumption"].avg / 1000 - 2500) <= 2 * 300 * 0.25


def test_a_gpu_that_is_lost_is_known_for_a_part_and_the_others_go_on(tmp_path):
    def page(second):
        return rows(0, {"DEV_POWER_USAGE": 100.0}) + (
            rows(1, {"DEV_POWER_USAGE": 300.0}) if second <= 12 else ""
        )

    found = measured(tmp_path, every(0.5, 30, "dcgm:a:9400", page))
    assert 1.0 == by_id(found)["0"].covered
    assert 0.4 == by_id(found)["1"].covered  # two seconds, and two that a reading reaches
    assert 400 == found.total["gpu_power_usage"].avg
    assert "GPU 1: known for 40% of the measured time; the figures are of that." in found.notes


def test_readings_older_than_the_window_give_no_energy_and_say_so(tmp_path):
    page = lambda second: rows(0, square(second // 30 * 30))  # noqa: E731
    found = measured(tmp_path, every(0.5, 95, "dcgm:a:9400", page), 35, 45)
    assert "energy_consumption" not in by_id(found)["0"].figures
    assert "energy_consumption" not in found.total
    assert found.notes[0].startswith(
        "GPU 0: readings are refreshed every 30 s, and 10 s were measured: the energy"
    )


@pytest.mark.parametrize("until_s", [10.2, 13])
def test_an_exporter_that_dies_early_gives_no_energy_and_says_that_it_was_not_read(tmp_path, until_s):
    page = lambda second: rows(0, square(second)) if second <= until_s else None  # noqa: E731
    found = measured(tmp_path, every(0.5, 30, "dcgm:a:9400", page))
    assert "energy_consumption" not in found.total
    assert [
        f"GPU 0: known for {by_id(found)['0'].covered:.0%} of the measured time; the figures are of that.",
        "GPU 0: the energy is unknown, it was read in less than half of the measured time.",
    ] == [note for note in found.notes if note.startswith("GPU")]


def test_what_is_so_of_eight_gpus_is_one_line_each(tmp_path):
    def page(second):
        known = {**square(second), "DEV_POWER_VIOLATION": second * 1e8, "DEV_XID_ERRORS": second // 15}
        return "".join(rows(gpu, known) for gpu in range(8))

    pages = [(n * 2 + 0.5, "dcgm:a:9400", page(n * 2 + 0.5) if n != 7 else None) for n in range(15)]
    every_gpu = "GPUs 0, 1, 2, 3, 4, 5, 6, 7: "
    notes = measured(tmp_path, pages, start_s=10, end_s=20).notes
    assert "dcgm:a:9400 did not answer 1 of 15 times that it was asked: connection refused." == notes[0]
    assert [
        "2,000.0 W on average by the energy, 3,200.0 W by 32 readings of the power; "
        "the energy misses nothing.",
        "slowed down by the power limit for up to 1 of 10 s.",
        "Xid Last Error changed while it was measured.",
    ] == [note.removeprefix(every_gpu) for note in notes[1:]]


def test_without_a_counter_the_energy_is_power_by_time_and_that_is_said(tmp_path):
    found = measured(tmp_path, every(0.5, 30, "dcgm:a:9400", lambda _: rows(0, {"DEV_POWER_USAGE": 120.0})))
    assert 1_200_000 == by_id(found)["0"].figures["energy_consumption"].avg
    assert ("GPU 0: no energy counter; the energy is the average power by the time.",) == found.notes


def test_readings_that_miss_what_the_energy_has_seen_are_told(tmp_path):
    # read each two seconds, always while power is high
    pages = [(n * 2 + 0.5, "dcgm:a:9400", rows(0, square(n * 2 + 0.5))) for n in range(15)]
    found = measured(tmp_path, pages)
    (note,) = found.notes
    assert note.startswith("GPU 0: 250.0 W on average by the energy, 400.0 W by 5 readings of the power;")


def test_a_named_source_that_never_answered_is_told(tmp_path):
    pages = [*every(1, 3, "dcgm:a:9400", lambda _: None), *every(1, 3, "server:a:8000", lambda _: None)]
    told = gpu.unanswered(sampled(tmp_path, pages).sources)
    assert ["dcgm:a:9400 was asked for GPUs 4 times and never answered: connection refused."] == told


def test_a_page_without_gpus_is_nothing(tmp_path):
    pages = every(1, 30, "server:h:8000", lambda _: "vllm:num_requests_running 3\n")
    assert gpu.read(sampled(tmp_path, pages), 10 * S, 20 * S) is None


def test_what_was_sampled_at_another_time_is_nothing(tmp_path):
    pages = every(1, 30, "dcgm:a:9400", lambda _: rows(0, {"DEV_POWER_USAGE": 120.0}))
    assert gpu.read(sampled(tmp_path, pages), 100 * S, 110 * S) is None


def test_energy_is_told_for_each_token_and_request(tmp_path):
    pages = [
        (n / 4 + 0.125, "dcgm:a:9400", rows(0, square(n / 4)) + rows(1, square(n / 4))) for n in range(100)
    ]
    found = measured(tmp_path, pages)
    summary = Summary({"output_token_throughput": 1000.0}, requests=50, errors={}, exactness={})
    assert {
        "output_token_throughput_per_gpu": ("tokens/sec/GPU", 500),
        "energy": ("J", 5000),
        "average_power": ("W", 500),
        "energy_per_request": ("J/request", 100),
        "energy_per_output_token": ("J/token", 0.5),
        "output_tokens_per_joule": ("tokens/J", 2),
    } == {name: (unit, pytest.approx(value)) for name, (unit, value) in found.efficiency(summary).items()}


def test_values_are_those_that_checkpoints_have(tmp_path):
    page = rows(0, {"DEV_POWER_USAGE": 100.0, "DEV_POWER_MGMT_LIMIT": 700.0})
    values = measured(tmp_path, every(1, 30, "dcgm:a:9400", lambda _: page)).values()
    assert {"0"} == set(values)
    assert 100 == values["0"]["gpu_power_usage_p99"]
    assert ["gpu_power_limit_avg"] == [tag for tag in values["0"] if tag.startswith("gpu_power_limit")]
