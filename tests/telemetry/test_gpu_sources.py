"""Which GPUs are asked for."""

import socket
from dataclasses import replace

import pytest
from exporter import Exporter

from genai_perf.clock import NS_PER_MS, monotonic_ns
from genai_perf.config.schema import Config, EndpointConfig, TelemetryConfig
from genai_perf.telemetry import dcgm, gpu_sources, nvml


def config(url="localhost:8000", **telemetry):
    endpoint = EndpointConfig(model_names=("m",), type="chat", urls=(url,))
    return Config(endpoint=endpoint, telemetry=TelemetryConfig(**telemetry))


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch):
    """No exporter at the default address, no library; a test gives what it wants."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(dcgm, "DEFAULT_URL", f"127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr(nvml, "is_installed", lambda: False)
        yield


def told(found):
    return [(each.name, each.optional) for each in found]


def test_where_there_is_nothing_nothing_is_asked_for_at_once():
    gpu_sources.specs(config())  # what is imported on the way is not counted
    before_ns = monotonic_ns()
    assert [] == gpu_sources.specs(config())
    assert monotonic_ns() - before_ns < 50 * NS_PER_MS


def test_an_exporter_on_this_machine_is_found(monkeypatch):
    with Exporter(lambda _: "") as exporter:
        monkeypatch.setattr(dcgm, "DEFAULT_URL", exporter.address)
        (found,) = gpu_sources.specs(config("http://elsewhere.example"))
        assert ("dcgm", True) == (found.name, found.optional)
        assert f"http://{exporter.address}/metrics" == found.settings["url"]
        assert 0 == exporter.asked


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("unix:/run/server.sock", True),
        (socket.gethostname(), True),
        ("192.0.2.7:8000", False),
        ("gpu.example:8000", False),
        ("embedded", False),
    ],
)
def test_nvml_is_asked_where_the_endpoint_is_on_this_machine(url, is_here, monkeypatch):
    monkeypatch.setattr(nvml, "is_installed", lambda: True)
    assert ([("nvml", True)] if is_here else []) == told(gpu_sources.specs(config(url)))


def test_what_was_named_is_asked_and_missed_when_it_is_not_there(monkeypatch):
    monkeypatch.setattr(nvml, "is_installed", lambda: True)
    named = config(gpu_urls=("node1", "http://node2:9401/metrics"))
    assert [("dcgm:node1:9400", False), ("dcgm:node2:9401", False)] == told(gpu_sources.specs(named))
    only = replace(named, telemetry=TelemetryConfig(gpu="dcgm"))
    assert [(f"dcgm:{dcgm.DEFAULT_URL}", False)] == told(gpu_sources.specs(only))
    (by_nvml,) = told(gpu_sources.specs(config(gpu="nvml")))
    assert by_nvml[0].startswith("nvml:")
    assert not by_nvml[1]


def test_off_is_off(monkeypatch):
    monkeypatch.setattr(nvml, "is_installed", lambda: True)
    assert [] == gpu_sources.specs(config(gpu="off", gpu_urls=("node1",)))


def test_gpus_are_asked_as_often_as_was_said():
    assert {0.33} == {each.interval_s for each in gpu_sources.specs(config(gpu="nvml"))}
    assert {0.05} == {each.interval_s for each in gpu_sources.specs(config(gpu="nvml", interval_s=0.05))}
