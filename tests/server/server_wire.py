"""A raw client for the server's tests: what is written is what goes over the wire."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

AT_ONCE: dict[str, Any] = {
    "port": 0,
    "ttft_ms": 0,
    "ttft_per_input_token_ms": 0,
    "itl_ms": 0,
    "itl_per_request_ms": 0,
}
"""Settings of a server that never waits."""


class Wire:
    """One connection."""

    def __init__(self, url: str) -> None:
        if url.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(20)
            self.socket.connect(url.removeprefix("unix:"))
        else:
            parts = urlsplit(url)
            self.socket = socket.create_connection((parts.hostname, parts.port), timeout=20)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> tuple[str, dict[str, str]]:
        """The next response's status line and headers, names in lower case."""
        status = self._file.readline().decode().strip()
        headers = {}
        while line := self._file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def response(self) -> tuple[int, dict[str, str], bytes]:
        """The next response, whole."""
        status, headers = self.head()
        code = int(status.split()[1])
        if headers.get("transfer-encoding") == "chunked":
            return code, headers, self.response_body()
        if "content-length" in headers:
            return code, headers, self._file.read(int(headers["content-length"]))
        return code, headers, self._file.read()

    def response_body(self) -> bytes:
        """The rest of a chunked response whose head has been read."""
        return b"".join(iter(self.chunk, b""))

    def chunk(self) -> bytes:
        """The next chunk; empty for the last one."""
        size = int(self._file.readline(), 16)
        data = self._file.read(size)
        assert self._file.readline() == b"\r\n"
        return data

    def rest(self) -> bytes:
        """Everything until the server closes."""
        return self._file.read()


def request(
    body: dict[str, Any] | bytes, path: str = "/v1/chat/completions", version: str = "1.1", head: str = ""
) -> bytes:
    """A POST with that body; `head` is more header lines, each with its CRLF."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (
        f"POST {path} HTTP/{version}\r\nHost: test\r\nContent-Length: {len(data)}\r\n{head}\r\n".encode()
        + data
    )


def chat(**more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": "m", "messages": [{"role": "user", "content": "Hello there"}], **more}


def words(body: bytes) -> list[str]:
    """The visible text of each event in a chat stream."""
    found = []
    for line in body.decode().split("\n"):
        if line.startswith("data: {"):
            deltas = [choice["delta"] for choice in json.loads(line[6:])["choices"]]
            found += [delta["content"] for delta in deltas if delta.get("content")]
    return found
