"""Which models a server says it has."""

from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from proxy import Proxy
from server import Peer, Server, answer
from wire import unused_port

from genai_perf.config.schema import Config, EndpointConfig
from genai_perf.transports.models import known_models

MODELS = b'{"object": "list", "data": [{"id": "gpt2", "object": "model"}, {"id": "other"}]}'


def lists(peer: Peer) -> None:
    while peer.request():
        peer.write(answer(MODELS, "Content-Type: application/json"))


def config(url: str, **settings: Any) -> Config:
    return Config(endpoint=EndpointConfig(urls=(url,), **settings))


def test_the_names_come_from_the_models_of_the_first_url() -> None:
    with Server(lists) as server:
        headers = ("Authorization: Bearer secret",)
        assert ["gpt2", "other"] == known_models(config(server.url + "/api", headers=headers))
    (request,) = server.requests
    assert ("GET", "/api/v1/models") == (request.method, request.target)
    assert "Bearer secret" == request.headers["authorization"]


@pytest.mark.parametrize("listen", ["::1", "socket"])
def test_ipv6_and_unix_sockets_are_asked(listen: str, tmp_path: Path) -> None:
    with Server(lists, listen=str(tmp_path / listen) if listen == "socket" else listen) as server:
        assert ["gpt2", "other"] == known_models(config(server.url))
    assert "/v1/models" == server.requests[0].target


def test_a_server_with_tls_is_asked_with_the_settings_of_the_run(authority: Authority) -> None:
    with Server(lists, tls=authority.server_context("127.0.0.1")) as server:
        assert ["gpt2", "other"] == known_models(config(server.url, tls_ca_file=authority.file))
        assert [] == known_models(config(server.url))


def test_a_server_behind_a_proxy_is_asked_through_it() -> None:
    with Server(Proxy(plain=MODELS)) as proxy:
        names = known_models(config("http://model.example", transport="httpx", proxy=proxy.url))
    assert ["gpt2", "other"] == names
    assert "http://model.example/v1/models" == proxy.requests[0].target


@pytest.mark.parametrize(
    "wire",
    [
        answer(b"not found", status="404 Not Found"),
        answer(b"<html></html>", "Content-Type: text/html"),
        answer(b"[]"),
        answer(b'{"data": null}'),
        answer(b'{"data": ["gpt2"]}'),
        answer(b"\xff\xfe\xfd"),
        b"garbage\r\n\r\n",
        b"",
    ],
)
def test_a_server_that_does_not_say_is_no_failure(wire: bytes) -> None:
    def script(peer: Peer) -> None:
        if peer.request():
            peer.write(wire)

    with Server(script) as server:
        assert [] == known_models(config(server.url))


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "xn--a.invalid"])
def test_a_server_that_is_not_there_is_no_failure(host: str) -> None:
    assert [] == known_models(config(f"{host}:{unused_port()}"))
