"""Where a server's metrics are looked for, and who is told the endpoint's secrets."""

from pathlib import Path

import pytest

from genai_perf.config.schema import Config, EndpointConfig, TelemetryConfig
from genai_perf.exceptions import UsageError
from genai_perf.telemetry.server_pages import own_places, place_of, specs


def pages(*urls, named=(), on=True, interval_s=None, type_="chat", **endpoint):
    config = Config(
        endpoint=EndpointConfig(type=type_, model_names=("m",), urls=urls, **endpoint),
        telemetry=TelemetryConfig(server_metrics_urls=named, server_metrics=on, interval_s=interval_s),
    )
    return specs(config)


@pytest.mark.parametrize(
    ("url", "first", "name"),
    [
        ("host:8000", "http://host:8000/metrics", "server:host:8000"),
        ("host", "http://host:80/metrics", "server:host:80"),
        ("https://host", "https://host:443/metrics", "server:host:443"),
        ("http://host:8000/v1", "http://host:8000/metrics", "server:host:8000"),
        ("http://gateway/team/model", "http://gateway:80/team/model/metrics", "server:gateway:80"),
        ("[::1]:8000", "http://[::1]:8000/metrics", "server:[::1]:8000"),
        ("unix:/run/server.sock", "http://localhost/metrics", "server:/run/server.sock"),
    ],
)
def test_a_server_is_looked_for_where_the_endpoint_is(url, first, name):
    (spec,) = pages(url)
    assert ("page", name, first, True) == (spec.kind, spec.name, spec.settings["url"], spec.optional)


def test_nvidia_nim_has_its_page_elsewhere():
    (spec,) = pages("host:8000")
    assert ["http://host:8000/v1/metrics"] == spec.settings["others"]


def test_triton_has_a_port_of_its_own_for_it():
    (spec,) = pages("grpc-host:8001", type_="kserve", headers=("Authorization: Bearer sekret",))
    assert {"url": "http://grpc-host:8002/metrics"} == spec.settings


def test_without_a_url_it_is_the_usual_one():
    assert ["http://localhost:8000/metrics"] == [spec.settings["url"] for spec in pages()]


def test_several_servers_have_a_page_each():
    assert ["server:a:1", "server:b:2"] == [spec.name for spec in pages("a:1", "b:2")]


def test_nothing_is_looked_for_when_it_is_not_wanted_or_beyond_a_proxy():
    assert [] == pages("host:8000", on=False)
    assert [] == pages("host:8000", proxy="http://proxy:3128")


def test_a_page_that_was_named_is_asked_beside_those_that_are_found():
    named, found = pages("host:8000", named=("node1:9400/metrics",))
    assert ("server:node1:9400", "http://node1:9400/metrics", False) == (
        named.name,
        named.settings["url"],
        named.optional,
    )
    assert found.optional


def test_the_endpoints_own_page_can_be_named():
    (spec,) = pages("host:8000", named=("http://host:8000/metrics",))
    assert not spec.optional


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("127.0.0.1:8000", "http://localhost:8000/metrics"),
        ("localhost:8000", "[::1]:8000"),
        ("http://[::1]:8000/v1", "127.0.0.1:8000/metrics"),
    ],
)
def test_so_it_can_by_another_name_of_this_machine(url, named):
    assert [False] == [spec.optional for spec in pages(url, named=(named,))]
    assert 1 == len(pages(url, named.partition("/metrics")[0]))


def test_another_machines_name_is_not_this_ones():
    assert 2 == len(pages("127.0.0.10:8000", named=("localhost:8000",)))
    assert 2 == len(pages("localhost.example:8000", named=("127.0.0.1:8000",)))


@pytest.mark.parametrize(
    ("url", "source", "is_triton"),
    [
        ("127.0.0.1:8000", "server:localhost:8000", False),
        ("http://host/v1", "server:host:80", False),
        ("host:8000", "host1/run/server:host:8000/metrics", False),
        ("[::1]:8001", "server:[::1]:8002", True),
        ("unix:/run/server.sock", "server:/run/server.sock", False),
    ],
)
def test_whether_a_source_is_the_endpoints_own_is_told_by_its_name(url, source, is_triton):
    assert {place_of(source)} == own_places([url], is_triton=is_triton)


def test_two_pages_of_one_host_have_names_of_their_own():
    assert ["server:host:9400/metrics", "server:host:9400/other"] == [
        spec.name for spec in pages(named=("host:9400/metrics", "host:9400/other"), on=False)
    ]


def test_the_endpoints_headers_go_to_its_own_origin_alone():
    key = ("Authorization: Bearer sekret", "X-Team: red")
    own, other, found = pages(
        "https://host:8000", named=("https://host:8000/stats", "https://host:9000/metrics"), headers=key
    )
    assert {"Authorization": "Bearer sekret", "X-Team": "red"} == own.settings["headers"]
    assert "headers" not in other.settings
    assert "headers" in found.settings


def test_the_endpoints_tls_settings_hold_for_the_page_but_its_certificate_only_at_home():
    tls = {"tls_ca_file": Path("ca.pem"), "tls_cert_file": Path("me.pem"), "tls_verify_host": False}
    other, own = pages("https://host", named=("https://other/metrics",), **tls)
    assert {
        "verify": True,
        "verify_host": False,
        "ca": "ca.pem",
        "cert": "me.pem",
        "key": None,
    } == own.settings["tls"]
    assert ("ca.pem", None) == (other.settings["tls"]["ca"], other.settings["tls"]["cert"])


def test_the_interval_is_a_second_unless_given():
    assert [1.0] == [spec.interval_s for spec in pages("host")]
    assert [0.25] == [spec.interval_s for spec in pages("host", interval_s=0.25)]


def test_what_is_no_url_is_refused_by_name():
    with pytest.raises(UsageError, match="--server-metrics-url"):
        pages(named=("ftp://host",))
