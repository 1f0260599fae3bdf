"""What a `--url` may look like, in one place for everyone who needs its parts."""

import re
from dataclasses import dataclass

from genai_perf.exceptions import UsageError

EMBEDDED = "embedded"
"""The word for the server that comes with this program, started for the run."""


_AUTHORITY = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.%\w-]+)\]|(?P<host>[^:\[\]]*))(:(?P<port>.*))?")


@dataclass(frozen=True, slots=True)
class Url:
    """Where a server listens."""

    scheme: str
    """`http`, `https`, `grpc`, `grpcs` or `unix`."""
    host: str
    """Name or address, without an IPv6 address's brackets; empty for `unix`."""
    port: int
    """The scheme's own where none was given; 0 for `unix`."""
    path: str
    """What the endpoint's path is appended to, without slashes at its ends; the socket's path for `unix`."""


def parse_url(text: str, source: str = "--url") -> Url:
    """The parts of `host:port`, `http(s)://host:port/path`, `grpc(s)://…`, `[::1]:port` or `unix:/path`.

    http where no scheme is given, as Perf Analyzer has it. UsageError for anything else.
    """
    if re.search(r"\s|[\x00-\x1f\x7f]", text) or not text:
        raise UsageError(f"{source}: {text!r} is not a URL")
    if text.startswith("unix:"):
        path = re.sub("^//(?=/)", "", text.removeprefix("unix:"))
        if not re.match("/[^/]", path):
            raise UsageError(f"{source}: {text!r} names no socket", hint="for example unix:/run/server.sock")
        return Url("unix", "", 0, path)
    scheme, rest = _split_scheme(text, source)
    authority, _, path = rest.partition("/")
    if "@" in authority:
        shown = f"{scheme}://***@{authority.rpartition('@')[2]}"
        raise UsageError(
            f"{source}: {shown} holds a user name",
            hint="give it as a header: -H 'Authorization: Basic …'",
        )
    if "?" in rest or "#" in rest:
        raise UsageError(f"{source}: {text!r} has a query or a fragment; a server's address has neither")
    host, port = _split_host(authority, text, source)
    return Url(scheme, host, port or _PORTS[scheme], path.strip("/"))


_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
"""Where a scheme is spoken unless the URL says otherwise."""


def _split_scheme(text: str, source: str) -> tuple[str, str]:
    if "://" not in text:
        return "http", text
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in _PORTS:
        raise UsageError(
            f"{source}: {scheme}:// is no scheme this program speaks",
            hint="host:port, http(s)://…, grpc(s)://…, unix:/path and embedded are known",
        )
    return scheme.lower(), rest


def _split_host(authority: str, text: str, source: str) -> tuple[str, int | None]:
    """(host, port or None), brackets removed."""
    if authority.count(":") > 1 and "[" not in authority:
        raise UsageError(
            f"{source}: {text!r} has too many colons", hint="an IPv6 address stands in brackets: [::1]:8000"
        )
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise UsageError(f"{source}: {text!r} is not a URL")
    host = match["v6"] or match["host"]
    port = match["port"]
    if not host:
        raise UsageError(f"{source}: {text!r} names no host")
    if port is None:
        return host, None
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise UsageError(f"{source}: {text!r}: {port!r} is not a port (1 to 65535)")
    return host, int(port)
