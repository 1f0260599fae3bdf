"""A source that is a page of Prometheus metrics, over HTTP, on one connection that is kept."""

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from genai_perf.clock import NS_PER_S, monotonic_ns
from genai_perf.telemetry import Sample, ScrapeError, Spec
from genai_perf.telemetry.prometheus import Reader

LIMIT_BYTES = 4 << 20
"""No page is larger: vLLM's is 60 kB, an exporter's for eight GPUs 50 kB."""
LIMIT_S = 5.0
"""The longest that a page may take, from asking to the last byte."""
_PROBE_LIMIT_S = 1.0
"""The same for one that nobody has asked for, until it has answered once."""
_MOST_REDIRECTS = 3
_PART_BYTES = 65_536
_HEADERS = {"Accept": "text/plain; version=0.0.4, text/plain", "User-Agent": "genai-perf"}


def source(spec: Spec) -> "Page":
    """The page that `spec.settings` describes; see `Page`."""
    return Page(spec.name, limit_s=_PROBE_LIMIT_S if spec.optional else LIMIT_S, **spec.settings)


class Page:
    """A page at `url` (http, https, or over `unix_socket`), or at the first of `others` that is one."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        others: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        tls: Mapping[str, Any] | None = None,
        unix_socket: str | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        """`headers` go to the URL's own origin alone; `tls` may have verify, verify_host, ca, cert, key."""
        self.name = name
        self._asked_url = self._url = url
        self._others = list(others)
        self._headers = dict(headers or {})
        self._tls = dict(tls or {})
        self._unix_socket = unix_socket
        self._limit_s = limit_s
        self._connection: http.client.HTTPConnection | None = None
        self._origin = ("", "")
        self._reader = Reader()

    def sample(self) -> list[Sample]:
        """Fetch the page and read it. Raises ScrapeError."""
        try:
            samples = self._sample()
        except ScrapeError:
            samples = self._sample_others()
            if not samples:
                raise
        self._others.clear()
        self._limit_s = LIMIT_S
        return samples

    def _sample_others(self) -> list[Sample]:
        """From the first of the other places that has a page, which is the one to ask from then on."""
        first = self._asked_url
        for url in self._others:
            self._asked_url = url
            self._forget()
            with suppress(ScrapeError):
                return self._sample()
        self._asked_url = first
        self._forget()
        return []

    def _sample(self) -> list[Sample]:
        deadline_ns = monotonic_ns() + round(self._limit_s * NS_PER_S)
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                status, content_type, text, location = self._fetch(deadline_ns)
                if location is None:
                    break
                self._url = urljoin(self._url, location)
                if urlsplit(self._url).scheme not in ("http", "https"):
                    raise ScrapeError(f"redirected to {self._url}, which is no page of metrics")
            else:
                raise ScrapeError(f"redirected more than {_MOST_REDIRECTS} times")
            if status != 200:
                raise ScrapeError(f"HTTP {status} {http.client.responses.get(status, '')}".rstrip())
            samples = self._reader.read(text)
            if not samples or self._reader.torn > len(samples):
                raise ScrapeError(f"no page of Prometheus metrics ({content_type or 'no content type'})")
        except ScrapeError:
            self._forget()
            raise
        return samples

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _forget(self) -> None:
        """Begin anew next time: another connection, and where we were sent may have been for now only."""
        self.close()
        self._url = self._asked_url

    def _fetch(self, deadline_ns: int) -> tuple[int, str, str, str | None]:
        """Status, content type and text of the page, or where it is said to be."""
        was_open = self._connection is not None
        try:
            return self._exchange(deadline_ns)
        except (http.client.HTTPException, OSError) as exc:
            self.close()
            if was_open and not isinstance(exc, TimeoutError):  # kept for us until now, and then closed
                try:
                    return self._exchange(deadline_ns)
                except (http.client.HTTPException, OSError) as again:
                    self.close()
                    raise ScrapeError(_why(again, self._limit_s)) from again
            raise ScrapeError(_why(exc, self._limit_s)) from exc

    def _exchange(self, deadline_ns: int) -> tuple[int, str, str, str | None]:
        parts = urlsplit(self._url)
        asked = urlsplit(self._asked_url)
        is_own = (parts.scheme, parts.netloc) == (asked.scheme, asked.netloc)
        connection = self._connect(parts, is_own, deadline_ns)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={**_HEADERS, **(self._headers if is_own else {})})
        response = connection.getresponse()
        content_type = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        location = response.getheader("Location") if 300 <= response.status < 400 else None
        body = self._body(connection, response, deadline_ns)
        if response.will_close or location is not None:
            self.close()
        return response.status, content_type, body.decode("utf-8", "replace"), location

    def _body(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, deadline_ns: int
    ) -> bytes:
        parts, size = [], 0
        while part := response.read1(_PART_BYTES):
            parts.append(part)
            size += len(part)
            if size > LIMIT_BYTES:
                raise ScrapeError(f"the page is larger than {LIMIT_BYTES >> 20} MiB")
            _limit(connection, deadline_ns)
        if response.length:  # read1 takes the end of a connection for the end of a body
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # nor does it notice the end of a body; the connection stays open
        return b"".join(parts)

    def _connect(self, parts: SplitResult, is_own: bool, deadline_ns: int) -> http.client.HTTPConnection:
        origin = (parts.scheme, parts.netloc)
        if self._connection is not None and self._origin == origin:
            _limit(self._connection, deadline_ns)
            return self._connection
        self.close()
        self._origin = origin
        timeout_s = _left_s(deadline_ns)
        host, port = parts.hostname or "", parts.port
        if parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=_context(self._tls)
            )
        elif self._unix_socket is not None and is_own:
            self._connection = _UnixConnection(self._unix_socket, timeout_s)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        return self._connection


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _limit(connection: http.client.HTTPConnection, deadline_ns: int) -> None:
    """Let the next read take no longer than until then. TimeoutError when it is past."""
    if connection.sock is not None:
        connection.sock.settimeout(_left_s(deadline_ns))


def _left_s(deadline_ns: int) -> float:
    left_s = (deadline_ns - monotonic_ns()) / NS_PER_S
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _context(tls: Mapping[str, Any]) -> ssl.SSLContext:
    """The endpoint's settings; they were checked when its own connections were made."""
    context = ssl.create_default_context(cafile=tls.get("ca"))
    verify = tls.get("verify", True)
    context.check_hostname = verify and tls.get("verify_host", True)
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if tls.get("cert"):
        context.load_cert_chain(tls["cert"], tls.get("key"))
    return context


def _why(exc: Exception, limit_s: float) -> str:
    """Why the page could not be had, in words that are the same each time."""
    match exc:
        case TimeoutError():
            return f"no answer within {limit_s:g} s"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {exc.verify_message.rstrip('.')}"
        case ssl.SSLError():
            return f"TLS failed: {(exc.reason or str(exc)).lower().replace('_', ' ')}"
        case ConnectionRefusedError():
            return "connection refused"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "the server closed the connection"
        case http.client.IncompleteRead():
            return "the page was cut off"
        case http.client.HTTPException():
            return f"the answer is not HTTP ({type(exc).__name__})"
        case OSError():
            return exc.strerror or str(exc)
    return str(exc)
