"""DCGM exporters, asked by the real sampling process."""

import asyncio
from itertools import count, pairwise

import pytest
from exporter import Exporter, Wave
from sampled_run import rows

from genai_perf.clock import NS_PER_MS, NS_PER_S, Origin, monotonic_ns
from genai_perf.exceptions import UsageError
from genai_perf.telemetry import ScrapeError, dcgm, gpu, store
from genai_perf.telemetry.sampler import Sampler

WAVE = Wave(low_w=100.0, high_w=400.0, period_ns=200 * NS_PER_MS)
INTERVAL_S = 0.02


async def sampled(directory, specs, until_ns):
    """Sample until the instant; the origin, and where what is measured began and ended."""
    origin = Origin.now()
    with Sampler() as sampler:
        sampler.start(specs)
        sampler.begin(directory, origin)
        await sampler.mark()
        start_ns = origin.elapsed_ns()
        await asyncio.sleep(max(0, until_ns - monotonic_ns()) / NS_PER_S)
        end_ns = origin.elapsed_ns()
        await sampler.mark()
        sampler.end()
    return origin, start_ns, end_ns


def answers(telemetry, source):
    """(asked, answered) in ns, in order."""
    return sorted(telemetry.answered()[source])


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("node1", "http://node1:9400/metrics"),
        ("node1:9500", "http://node1:9500/metrics"),
        ("http://node1/", "http://node1:80/metrics"),
        ("https://node1/gpus", "https://node1:443/gpus"),
        ("[::1]", "http://[::1]:9400/metrics"),
        ("http://[::1]:9400/metrics", "http://[::1]:9400/metrics"),
    ],
)
def test_an_address_may_be_as_short_as_a_host(given, url):
    assert url == dcgm.page_url(given)


def test_an_address_that_is_none_is_told():
    with pytest.raises(UsageError, match="--gpu-telemetry-url: 'a b' is not a URL"):
        dcgm.page_url("a b")


def test_only_what_is_known_of_gpus_is_kept():
    page = rows(0, {"DEV_POWER_USAGE": 1.0, "DEV_FAN_SPEED": 2.0}) + "go_goroutines 9\n"
    with Exporter(lambda _: page) as exporter:
        source = dcgm.source(dcgm.spec(exporter.address, interval_s=1))
        assert ["DCGM_FI_DEV_POWER_USAGE"] == [sample.name for sample in source.sample()]
        exporter.page = lambda _: "go_goroutines 9\n"
        with pytest.raises(ScrapeError, match="the page has no metrics of GPUs"):
            source.sample()
        source.close()


async def test_energy_and_power_are_as_exact_as_the_readings_are_dense(tmp_path):
    with Exporter(WAVE.page) as exporter:
        spec = dcgm.spec(exporter.address, interval_s=INTERVAL_S)
        origin, start_ns, end_ns = await sampled(tmp_path, [spec], monotonic_ns() + NS_PER_S)
    telemetry = store.read(tmp_path)
    found = gpu.read(telemetry, start_ns, end_ns)
    times = answers(telemetry, spec.name)
    took_ns = max(answered - asked for asked, answered in times)
    gap_ns = max(after - before for (before, _), (after, _) in pairwise(times))
    step_w = WAVE.high_w - WAVE.low_w
    truth_j = WAVE.energy_j(origin.monotonic_ns + end_ns) - WAVE.energy_j(origin.monotonic_ns + start_ns)
    energy_j = found.gpus[0].figures["energy_consumption"].avg / 1000
    # between two readings the energy is taken to grow evenly, at each end of the window; and a page is of an
    # instant between asking and answering
    assert abs(energy_j - truth_j) <= 2 * step_w * (gap_ns / 4 + took_ns) / NS_PER_S
    duration_ns = end_ns - start_ns
    changes = 2 * duration_ns // WAVE.period_ns + 2
    truth_w = truth_j * NS_PER_S / duration_ns
    power_w = found.gpus[0].figures["gpu_power_usage"].avg
    assert abs(power_w - truth_w) <= changes * step_w * (gap_ns / 2 + took_ns) / duration_ns


async def test_an_exporter_that_fails_now_and_then_is_asked_on(tmp_path):
    asked = count(1)

    def page(now_ns):
        if next(asked) % 3 == 0:
            raise OSError
        return WAVE.page(now_ns)

    with Exporter(page) as exporter:
        spec = dcgm.spec(exporter.address, interval_s=INTERVAL_S)
        _, start_ns, end_ns = await sampled(tmp_path, [spec], monotonic_ns() + NS_PER_S)
    found = gpu.read(store.read(tmp_path), start_ns, end_ns)
    health = found.sources[spec.name]
    assert 0 < health.failures < health.scrapes
    assert {"HTTP 503 Service Unavailable": health.failures} == dict(health.errors)
    assert 1 == sum("did not answer" in note for note in found.notes)
    power = found.gpus[0].figures["gpu_power_usage"]
    assert {power.min, power.max} <= {WAVE.low_w, WAVE.high_w}


async def test_an_exporter_that_hangs_holds_nobody_else_up_and_is_asked_once(tmp_path):
    with Exporter(WAVE.page) as hanging, Exporter(lambda now_ns: WAVE.page(now_ns, gpu=1)) as quick:
        hanging.held.clear()
        specs = [dcgm.spec(each.address, interval_s=INTERVAL_S) for each in (hanging, quick)]
        _, start_ns, end_ns = await sampled(tmp_path, specs, monotonic_ns() + NS_PER_S // 2)
        assert (1, 1) == (hanging.asked, hanging.most_at_once)
        assert quick.asked > 5
    telemetry = store.read(tmp_path)
    found = gpu.read(telemetry, start_ns, end_ns)
    assert ["1"] == [each.id for each in found.gpus]
    assert [
        f"dcgm:{hanging.address} was asked for GPUs once and never answered: no answer until the run ended."
    ] == gpu.unanswered(telemetry.sources)


async def test_an_exporter_that_hangs_in_the_middle_has_failed_once_when_the_run_ends(tmp_path):
    def page(now_ns):
        if exporter.asked >= 5:
            exporter.held.clear()  # from the next one on
        return WAVE.page(now_ns)

    with Exporter(page) as exporter:
        spec = dcgm.spec(exporter.address, interval_s=INTERVAL_S)
        _, start_ns, end_ns = await sampled(tmp_path, [spec], monotonic_ns() + NS_PER_S // 2)
    found = gpu.read(store.read(tmp_path), start_ns, end_ns)
    (health,) = found.sources.values()
    assert {"no answer until the run ended": 1} == dict(health.errors)
    assert 1 < health.scrapes <= 6  # an answer from before the log was open is not in it


async def test_nobody_there_is_no_telemetry_and_no_error(tmp_path):
    with Exporter(WAVE.page) as exporter:
        address = exporter.address
    spec = dcgm.spec(address, interval_s=INTERVAL_S, optional=True, name="dcgm")
    await sampled(tmp_path, [spec], monotonic_ns())
    telemetry = store.read(tmp_path)
    assert telemetry is None or gpu.read(telemetry, 0, NS_PER_S) is None
