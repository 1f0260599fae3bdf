"""What a transport makes of a URL."""

import pytest

from genai_perf.exceptions import UsageError
from genai_perf.transports.address import Address


@pytest.mark.parametrize(
    ("url", "tls", "authority", "is_literal", "target"),
    [
        ("localhost:8000", False, "localhost:8000", False, "/v1/chat"),
        ("http://127.0.0.1", False, "127.0.0.1", True, "/v1/chat"),
        ("http://model.example:80/", False, "model.example", False, "/v1/chat"),
        ("http://model.example:443", False, "model.example:443", False, "/v1/chat"),
        ("https://model.example", True, "model.example", False, "/v1/chat"),
        ("https://model.example:443/api/", True, "model.example", False, "/api/v1/chat"),
        ("https://model.example:80/a/b", True, "model.example:80", False, "/a/b/v1/chat"),
        ("[::1]:8000", False, "[::1]:8000", True, "/v1/chat"),
        ("http://[fe80::1%25eth0]:80", False, "[fe80::1]", True, "/v1/chat"),
        ("http://[fe80::1%eth0]:80", False, "[fe80::1]", True, "/v1/chat"),
        ("unix:/run/server.sock", False, "localhost", False, "/v1/chat"),
        ("http://bücher.example", False, "xn--bcher-kva.example", False, "/v1/chat"),
        ("http://model.example/größe", False, "model.example", False, "/gr%C3%B6%C3%9Fe/v1/chat"),
    ],
)
def test_an_address_knows_its_host_header_and_its_target(
    url: str, tls: bool, authority: str, is_literal: bool, target: str
) -> None:
    address = Address.of(url)
    assert url == address.shown
    assert (tls, authority, is_literal) == (address.tls, address.authority, address.is_literal)
    assert target == address.target("v1/chat") == address.target("/v1/chat")


def test_an_ipv6_address_is_connected_to_with_its_zone() -> None:
    assert "fe80::1%eth0" == Address.of("[fe80::1%25eth0]:80").url.host


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "ü" * 60])
def test_a_name_that_no_host_can_have_is_refused(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.of(f"http://{host}:8000")
    assert f"--url: 'http://{host}:8000': {host!r} is not the name of a host" == caught.value.message


def test_a_path_of_the_users_own_is_left_as_it_is() -> None:
    path = "openai/deployments/gpt%2D2/chat?api-version=2024-02-01&a=b%20c"
    assert f"/{path}" == Address.of("localhost").target(path)
