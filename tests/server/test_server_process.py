import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from server_wire import AT_ONCE, Wire, chat, request

from genai_perf.exceptions import ServerError
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings


def test_it_runs_inside_the_block_and_not_after_it() -> None:
    with EmbeddedServer() as server:
        assert server.is_running()
        assert 200 == httpx.get(f"{server.url}/health").status_code
    assert not server.is_running()
    server.stop()


def test_at_the_end_it_says_what_it_served() -> None:
    with EmbeddedServer(ServerSettings(**AT_ONCE, verbose=True)) as server:
        httpx.post(f"{server.url}/v1/chat/completions", json=chat(max_tokens=5))
        httpx.post(f"{server.url}/v1/chat/completions", content=b"{")
    told = json.loads(server.log)
    assert (2, {"ok": 1, "error": 1}, 5) == (told["requests"], told["outcomes"], told["tokens"])


def test_a_server_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    settings = ServerSettings(port=0, truth_log=tmp_path / "none" / "log")
    with pytest.raises(ServerError, match=r"did not start \(exit code 1\): --truth-log: .* No such file"):
        EmbeddedServer(settings).__enter__()


def test_a_server_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(ServerError, match="was not ready within 0 s"):
        EmbeddedServer(ready_limit_s=0).__enter__()


def test_it_does_not_outlive_whoever_started_it() -> None:
    starter = (
        "import os, sys\n"
        "from genai_perf.server.process import EmbeddedServer\n"
        "server = EmbeddedServer().__enter__()\n"
        "print(server.url, flush=True)\n"
        "os._exit(9)\n"
    )
    started = subprocess.run(
        [sys.executable, "-c", starter],
        stdout=subprocess.PIPE,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    url = started.stdout.decode().strip()
    assert 9 == started.returncode
    with pytest.raises(OSError, match=r"refused|reset|Broken"):
        _ask_until_it_has_gone(url)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(how: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "genai_perf.server", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    ready = process.stdout.readline().decode()
    assert ready.startswith("READY http://127.0.0.1:")
    with Wire(ready.removeprefix("READY ").strip()) as wire:
        wire.send(request(chat(stream=True)))
        wire.head()
        process.send_signal(how)
        assert (b"", b"") == process.communicate(timeout=20)
    assert 0 == process.returncode


def test_it_listens_on_ipv6_and_says_so() -> None:
    with EmbeddedServer(ServerSettings(**AT_ONCE, host="::1")) as server:
        assert server.url.startswith("http://[::1]:")
        assert 200 == httpx.get(f"{server.url}/health").status_code


def test_it_listens_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with EmbeddedServer(ServerSettings(**AT_ONCE, unix_socket=path)) as server:
        assert f"unix:{path}" == server.url
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            answer = client.post("http://test/v1/chat/completions", json=chat(max_tokens=2)).json()
        assert 2 == answer["usage"]["completion_tokens"]
    assert not path.exists()


def _ask_until_it_has_gone(url: str) -> None:
    while True:
        with Wire(url) as wire:
            wire.send(b"GET / HTTP/1.1\r\n\r\n")
            wire.socket.recv(1000)
