"""Where one of the run's URLs points, as a transport needs it, and why nobody could be reached there."""

import os
import socket
from dataclasses import dataclass

from genai_perf.config.urls import Url, parse_url


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and what stands before the API's path there."""

    shown: str
    """As the user gave it."""
    url: Url

    @classmethod
    def of(cls, text: str) -> "Address":
        """UsageError for what is no URL."""
        return cls(text, parse_url(text))

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.scheme == "https"

    @property
    def authority(self) -> str:
        """The Host header; a socket's path is nobody's name."""
        if self.url.scheme == "unix":
            return "localhost"
        host = f"[{self.url.host}]" if ":" in self.url.host else self.url.host
        return host if self.url.port == (443 if self.tls else 80) else f"{host}:{self.url.port}"

    @property
    def is_literal(self) -> bool:
        """Whether the host needs no name resolution."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, self.url.host)
            except OSError:
                continue
            return True
        return False

    def target(self, api_path: str) -> str:
        """The request target for an API's path."""
        prefix = self.url.path if self.url.scheme != "unix" else ""
        return "/" + "/".join(part for part in (prefix, api_path.lstrip("/")) if part)


def reason(exc: OSError) -> str:
    """Why a connection could not be made, in the system's words: event loops have words of their own."""
    code = exc.errno or 0
    return os.strerror(code) if code > 0 else exc.strerror or str(exc)  # a resolver's errors are below zero
