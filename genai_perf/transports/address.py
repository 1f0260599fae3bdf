"""Where a URL points."""

import socket
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from genai_perf.exceptions import UsageError

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A server, as one of the run's URLs names it."""

    url: str
    """As given, without credentials."""
    host: str
    port: int
    tls: bool
    path: str
    """What the URL puts before the API's path; begins with a slash or is empty."""
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"

    @property
    def is_literal(self) -> bool:
        """Whether the host needs no name resolution."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, self.host)
            except OSError:
                continue
            return True
        return False

    def target(self, api_path: str) -> str:
        """The request target for an API's path."""
        return f"{self.path}/{api_path.lstrip('/')}"


def parse(url: str) -> Address:
    """`host`, `host:port`, `http(s)://host:port/prefix`, `[::1]:8000`, `unix:/path`, `http+unix://%2Fpath/prefix`.

    Raises UsageError.
    """
    if url.startswith("unix:"):
        path = "/" + url.removeprefix("unix:").lstrip("/")
        return Address(url, "localhost", 80, False, "", path)
    whole = url if "://" in url else f"http://{url}"
    parts = urlsplit(whole)
    try:
        port = parts.port
    except ValueError as exc:
        raise UsageError(f"--url: {url!r}: {exc}") from exc
    if parts.scheme == "http+unix":
        return Address(url, "localhost", 80, False, parts.path.rstrip("/"), unquote(parts.netloc))
    if parts.scheme not in _DEFAULT_PORTS:
        raise UsageError(
            f"--url: {url!r}: no scheme named {parts.scheme!r}",
            hint="http://, https://, unix:/path or host:port",
        )
    if not parts.hostname:
        raise UsageError(f"--url: {url!r}: no host", hint="e.g. localhost:8000 or https://host/prefix")
    shown = whole.replace(f"{parts.netloc.rpartition('@')[0]}@", "", 1) if "@" in parts.netloc else url
    return Address(
        shown,
        parts.hostname,
        port if port is not None else _DEFAULT_PORTS[parts.scheme],
        parts.scheme == "https",
        parts.path.rstrip("/"),
    )
