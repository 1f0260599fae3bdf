"""Where a server's own metrics are: the pages that were named, and those that its host may have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from genai_perf import endpoints
from genai_perf.config.urls import EMBEDDED, Url, parse_url
from genai_perf.telemetry import Spec

if TYPE_CHECKING:
    from genai_perf.config.schema import Config, EndpointConfig

INTERVAL_S = 1.0
_PATHS = ("metrics", "v1/metrics")
"""Where a server has its page: nearly all, and NVIDIA's NIM."""
_TRITON_PORT = 8002
"""Triton has its metrics at a port of their own."""
_FLAG = "--server-metrics-url"


def specs(config: Config) -> list[Spec]:
    """The pages that were named, and those that the endpoint's hosts may have. Raises UsageError."""
    settings = config.telemetry
    interval_s = settings.interval_s or INTERVAL_S
    found: dict[str, Spec] = {}
    for text in settings.server_metrics_urls:
        url = parse_url(text, _FLAG)
        page_url = _page_url(url, url.path or _PATHS[0])
        page = {"url": page_url, **_access(config.endpoint, url)}
        found.setdefault(_place(page_url), Spec("page", _name(url), interval_s, settings=page))
    if settings.server_metrics and config.endpoint.proxy is None:
        for text in config.urls:
            url = parse_url(text)
            page_url, page = _own_page(config.endpoint, url)
            own = Spec("page", _name(url), interval_s, optional=True, settings=page)
            found.setdefault(_place(page_url), own)
    return _with_names_of_their_own(list(found.values()))


def own_places(urls: Sequence[str], *, is_triton: bool) -> set[str]:
    """Where the servers behind these URLs have their pages, as `place_of` tells it of a source."""
    return {
        _HERE.sub("localhost", f"{_host(url)}:{_TRITON_PORT}" if is_triton else _name(url)[len("server:") :])
        for url in map(parse_url, urls)
    }


def place_of(source: str) -> str:
    """The address in a source's name, the same however this machine is called; without a path."""
    address = source.rpartition("server:")[2]
    return address if address.startswith("/") else _HERE.sub("localhost", address.partition("/")[0])


def _place(page_url: str) -> str:
    scheme, _, rest = page_url.partition("://")
    return f"{scheme}://{_HERE.sub('localhost', rest)}"


_HERE = re.compile(r"^(127\.0\.0\.1|\[::1\])(?=[:/]|$)")
"""This machine, by other names than `localhost`."""


def _own_page(endpoint: EndpointConfig, url: Url) -> tuple[str, dict[str, object]]:
    """Where the server behind this URL has its page, if it has one."""
    if endpoints.get(str(endpoint.type), endpoint.backend).is_triton:
        page_url = f"http://{_host(url)}:{_TRITON_PORT}/metrics"
        return page_url, {"url": page_url}
    prefix = "" if url.scheme == "unix" or url.path in ("", "v1") else f"{url.path}/"
    first, *others = (_page_url(url, prefix + path) for path in _PATHS)
    return first, {"url": first, "others": others, **_access(endpoint, url)}


def _access(endpoint: EndpointConfig, url: Url) -> dict[str, object]:
    """What is needed to be let in. The endpoint's headers go nowhere but to its own origin."""
    found: dict[str, object] = {}
    origins = {_origin(parse_url(text)) for text in endpoint.urls or ("localhost:8000",) if text != EMBEDDED}
    is_own = _origin(url) in origins
    if url.scheme == "unix":
        found["unix_socket"] = url.path
    if is_own and endpoint.headers:
        pairs = (header.partition(":") for header in endpoint.headers)
        found["headers"] = {name.strip(): value.strip() for name, _, value in pairs}
    if url.scheme == "https":
        found["tls"] = {
            "verify": endpoint.tls_verify,
            "verify_host": endpoint.tls_verify_host,
            "ca": str(endpoint.tls_ca_file) if endpoint.tls_ca_file else None,
            "cert": str(endpoint.tls_cert_file) if is_own and endpoint.tls_cert_file else None,
            "key": str(endpoint.tls_key_file) if is_own and endpoint.tls_key_file else None,
        }
    return found


def _origin(url: Url) -> tuple[str, str, int]:
    return (url.scheme, url.path if url.scheme == "unix" else url.host.lower(), url.port)


def _host(url: Url) -> str:
    return "localhost" if url.scheme == "unix" else f"[{url.host}]" if ":" in url.host else url.host


def _page_url(url: Url, path: str) -> str:
    if url.scheme == "unix":
        return f"http://localhost/{_PATHS[0] if path == url.path else path}"
    return f"{url.scheme}://{_host(url)}:{url.port}/{path}"


def _name(url: Url) -> str:
    return f"server:{url.path}" if url.scheme == "unix" else f"server:{_host(url)}:{url.port}"


def _with_names_of_their_own(found: list[Spec]) -> list[Spec]:
    """Two pages of one host and port differ by their paths."""
    names = [spec.name for spec in found]
    return [
        replace(spec, name=f"{spec.name}/{str(spec.settings['url']).split('/', 3)[3]}")
        if names.count(spec.name) > 1
        else spec
        for spec in found
    ]
