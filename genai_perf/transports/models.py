"""Asking a server which models it has. Nothing here is measured, so httpx does it."""

from genai_perf.config.schema import Config
from genai_perf.transports.address import Address
from genai_perf.transports.tls import client_context

_LIMIT_S = 2.0


def known_models(config: Config) -> list[str]:
    """The names in `/v1/models` of the first URL; empty when the server does not say."""
    import httpx

    address = Address.of(config.urls[0])
    headers = [header.split(":", 1) for header in config.endpoint.headers]
    transport = httpx.HTTPTransport(
        verify=client_context(config.endpoint) if address.tls else True,
        uds=address.url.path if address.url.scheme == "unix" else None,
        proxy=config.endpoint.proxy,
    )
    try:
        with httpx.Client(transport=transport, timeout=_LIMIT_S, trust_env=False) as client:
            answer = client.get(
                address.http_url("v1/models"),
                headers={name.strip(): value.strip() for name, value in headers},
            )
            return [str(model["id"]) for model in answer.json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return []
