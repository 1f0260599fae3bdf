import pytest

from genai_perf.config.urls import Url, parse_url
from genai_perf.exceptions import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:8000", Url("http", "localhost", 8000, "")),
        ("localhost", Url("http", "localhost", 80, "")),
        ("http://host", Url("http", "host", 80, "")),
        ("https://host", Url("https", "host", 443, "")),
        ("HTTPS://host:8443/prefix/", Url("https", "host", 8443, "prefix")),
        ("grpc://host:8001", Url("grpc", "host", 8001, "")),
        ("grpcs://host", Url("grpcs", "host", 443, "")),
        ("10.0.0.1:80/a/b", Url("http", "10.0.0.1", 80, "a/b")),
        ("[::1]:8000", Url("http", "::1", 8000, "")),
        ("https://[fe80::1%eth0]/x", Url("https", "fe80::1%eth0", 443, "x")),
        ("unix:/run/server.sock", Url("unix", "", 0, "/run/server.sock")),
        ("unix:///run/server.sock", Url("unix", "", 0, "/run/server.sock")),
    ],
)
def test_a_url_has_these_parts(text, expected):
    assert expected == parse_url(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--url: '' is not a URL"),
        ("local host", "--url: 'local host' is not a URL"),
        ("ftp://host", "--url: ftp:// is no scheme this program speaks"),
        ("tcp://host:8001", "--url: tcp:// is no scheme this program speaks"),
        ("host:port", "--url: 'host:port': 'port' is not a port (1 to 65535)"),
        ("host:0", "--url: 'host:0': '0' is not a port (1 to 65535)"),
        ("host:65536", "--url: 'host:65536': '65536' is not a port (1 to 65535)"),
        ("host:", "--url: 'host:': '' is not a port (1 to 65535)"),
        ("http://", "--url: 'http://' names no host"),
        (":8000", "--url: ':8000' names no host"),
        ("::1:8000", "--url: '::1:8000' has too many colons"),
        ("[::1", "--url: '[::1' is not a URL"),
        (
            "host:80/?key=1",
            "--url: 'host:80/?key=1' has a query or a fragment; a server's address has neither",
        ),
        ("unix:", "--url: 'unix:' names no socket"),
        ("unix:run/server.sock", "--url: 'unix:run/server.sock' names no socket"),
        ("https://me:secret@host", "--url: https://***@host holds a user name"),
        ("me:secret@host:80", "--url: http://***@host:80 holds a user name"),
    ],
)
def test_what_is_no_url_is_refused_without_its_secrets(text, message):
    with pytest.raises(UsageError) as raised:
        parse_url(text)
    assert message == raised.value.message
