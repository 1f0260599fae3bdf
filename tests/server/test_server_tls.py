import ssl
from pathlib import Path

import httpx
import pytest
from certificates import self_signed
from server_wire import AT_ONCE, chat, words

from genai_perf.exceptions import ServerError
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_streams_are_served_over_tls(files: tuple[Path, Path]) -> None:
    certificate, key = files
    settings = ServerSettings(**AT_ONCE, tls_cert_file=certificate, tls_key_file=key)
    context = ssl.create_default_context(cafile=str(certificate))
    with EmbeddedServer(settings) as server, httpx.Client(verify=context, timeout=20) as client:
        assert server.url.startswith("https://127.0.0.1:")
        url = server.url.replace("127.0.0.1", "localhost") + "/v1/chat/completions"
        for _ in range(2):
            response = client.post(url, json=chat(max_tokens=30, stream=True))
            assert 30 == len(words(response.content))


def test_a_reset_goes_through_tls(files: tuple[Path, Path]) -> None:
    certificate, key = files
    settings = ServerSettings(**AT_ONCE, tls_cert_file=certificate, tls_key_file=key, reset_rate=1)
    context = ssl.create_default_context(cafile=str(certificate))
    with EmbeddedServer(settings) as server, httpx.Client(verify=context, timeout=20) as client:
        url = server.url.replace("127.0.0.1", "localhost") + "/v1/chat/completions"
        with pytest.raises(httpx.TransportError):
            client.post(url, json=chat(max_tokens=30, stream=True))


def test_a_certificate_that_cannot_be_read_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    settings = ServerSettings(**AT_ONCE, tls_cert_file=tmp_path / "none.pem")
    with pytest.raises(ServerError, match=r"--tls-cert-file: .*none.pem: No such file"):
        EmbeddedServer(settings).__enter__()
