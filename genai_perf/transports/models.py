"""Asking a server which models it has. Nothing here is measured, so httpx does it."""

from genai_perf.config.schema import Config
from genai_perf.config.urls import parse_url
from genai_perf.transports.tls import client_context

_LIMIT_S = 2.0


def known_models(config: Config) -> list[str]:
    """The names in `/v1/models` of the first URL; empty when the server does not say."""
    import httpx

    url = parse_url(config.urls[0])
    headers = [header.split(":", 1) for header in config.endpoint.headers]
    socket = url.path if url.scheme == "unix" else None
    base = "http://localhost" if socket else f"{url.scheme}://{_bracketed(url.host)}:{url.port}/{url.path}"
    verify = client_context(config.endpoint) if url.scheme == "https" else True
    try:
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=socket, verify=verify), timeout=_LIMIT_S, trust_env=False
        ) as client:
            answer = client.get(
                f"{base.rstrip('/')}/v1/models",
                headers={name.strip(): value.strip() for name, value in headers},
            )
            return [str(model["id"]) for model in answer.json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return []


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
