"""Where one of the run's URLs points, as a transport needs it, and why nobody could be reached there."""

import os
import socket
from dataclasses import dataclass, replace
from urllib.parse import quote

from genai_perf.config.urls import Url, parse_url
from genai_perf.exceptions import UsageError

_NOT_QUOTED = "".join(map(chr, range(0x21, 0x7F)))
"""What a user may write into a path without our meddling: all that is ASCII."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and what stands before the API's path there."""

    shown: str
    """As the user gave it."""
    url: Url
    """With a host that is ASCII."""

    @classmethod
    def of(cls, text: str) -> "Address":
        """UsageError for what is no URL, or names a host that cannot exist."""
        url = parse_url(text)
        try:
            host = url.host.encode("idna").decode() if ":" not in url.host else url.host.replace("%25", "%")
        except UnicodeError as exc:
            raise UsageError(f"--url: {text!r}: {url.host!r} is not the name of a host") from exc
        return cls(text, replace(url, host=host))

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.scheme in ("https", "grpcs")

    @property
    def authority(self) -> str:
        """The Host header; a socket's path is nobody's name."""
        if self.url.scheme == "unix":
            return "localhost"
        host = f"[{self._unscoped}]" if ":" in self.url.host else self.url.host
        return host if self.url.port == (443 if self.tls else 80) else f"{host}:{self.url.port}"

    @property
    def is_literal(self) -> bool:
        """Whether the host needs no name resolution."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, self._unscoped)
            except OSError:
                continue
            return True
        return False

    def target(self, api_path: str) -> str:
        """The request target for an API's path."""
        prefix = self.url.path if self.url.scheme != "unix" else ""
        return "/" + quote("/".join(part for part in (prefix, api_path.lstrip("/")) if part), _NOT_QUOTED)

    def http_url(self, api_path: str) -> str:
        """The URL of an API's path, for a client that wants one."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.target(api_path)}"

    @property
    def _unscoped(self) -> str:
        """The host without an IPv6 address's zone, which means something on this machine only."""
        return self.url.host.partition("%")[0]


def reason(exc: OSError) -> str:
    """Why a connection could not be made, in the system's words: event loops have words of their own."""
    code = exc.errno or 0
    return os.strerror(code) if code > 0 else exc.strerror or str(exc)  # a resolver's errors are below zero
