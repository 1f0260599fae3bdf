import json
import socket

import httpx
import pytest
from server_wire import AT_ONCE, Wire, chat, request, words

from genai_perf.exceptions import ServerError
from genai_perf.server.latency import Fate
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (500, "server_error", None),
        (503, "server_error", None),
        (429, "requests", "rate_limit_exceeded"),
        (418, "invalid_request_error", None),
        (599, "server_error", None),
    ],
)
def test_errors_on_demand_are_openais(status: int, kind: str, code: str | None) -> None:
    with EmbeddedServer(ServerSettings(**AT_ONCE, error_rate=1, error_status=status)) as server:
        response = httpx.post(f"{server.url}/v1/chat/completions", json=chat())
        assert status == response.status_code
        assert (kind, code) == (response.json()["error"]["type"], response.json()["error"]["code"])
        assert (status == 429) == ("retry-after" in response.headers)


def test_which_requests_fail_can_be_told_in_advance() -> None:
    settings = ServerSettings(**AT_ONCE, error_rate=0.3, stall_rate=0.2, reset_rate=0.3, random_seed=5)
    tokens = 20
    seen = []
    with EmbeddedServer(settings) as server:
        for number in range(40):
            with Wire(server.url) as wire:
                wire.send(request(chat(max_tokens=tokens, stream=True)))
                fate = settings.failures.fate(number)
                if fate is Fate.STALL:
                    seen.append(_stalled(wire, settings.failures.tokens_before(number, tokens)))
                elif fate is Fate.RESET:
                    seen.append(_reset(wire))
                else:
                    status, _, body = wire.response()
                    seen.append(Fate.ANSWER if status == 200 and len(words(body)) == tokens else Fate.ERROR)
    assert [settings.failures.fate(number) for number in range(40)] == seen
    assert set(Fate) == set(seen)


def _stalled(wire: Wire, tokens: int) -> Fate:
    wire.head()
    body = b""
    while len(words(body)) < tokens:
        body += wire.chunk()
    assert tokens == len(words(body))
    wire.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):  # half an event, then nothing, and no end of file
        _read_to_the_end(wire)
    return Fate.STALL


def _reset(wire: Wire) -> Fate:
    with pytest.raises(ConnectionResetError):
        _read_to_the_end(wire)
    return Fate.RESET


def _read_to_the_end(wire: Wire) -> None:
    while wire.socket.recv(65536):
        pass


def test_a_whole_answer_is_cut_in_its_middle() -> None:
    with EmbeddedServer(ServerSettings(**AT_ONCE, stall_rate=1)) as server, Wire(server.url) as wire:
        wire.send(request(chat(max_tokens=100)))
        status, headers = wire.head()
        assert "HTTP/1.1 200 OK" == status
        wire.socket.settimeout(0.05)
        with pytest.raises(TimeoutError):
            wire.rest()
        assert int(headers["content-length"]) > 500


def test_stalled_answers_take_no_places() -> None:
    settings = ServerSettings(**AT_ONCE, stall_rate=0.5, max_active=1, random_seed=1)
    fates = [settings.failures.fate(number) for number in range(8)]
    assert Fate.STALL in fates[:6]
    assert Fate.ANSWER is fates[7]
    with EmbeddedServer(settings) as server:
        wires = [Wire(server.url) for _ in fates]
        for wire in wires:
            wire.send(request(chat(max_tokens=2, stream=True)))
            wire.head()
        assert 2 == len(words(wires[-1].response_body()))
        for wire in wires:
            wire.__exit__()


def test_a_reset_on_a_unix_socket_is_an_early_end(tmp_path) -> None:
    path = tmp_path / "s"
    settings = ServerSettings(**AT_ONCE, reset_rate=1, unix_socket=path)
    with EmbeddedServer(settings) as server, Wire(server.url) as wire:
        wire.send(request(chat(max_tokens=9, stream=True)))
        assert not wire.rest().endswith(b"0\r\n\r\n")
    assert not path.exists()


def test_an_address_in_use_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = EmbeddedServer(ServerSettings(port=port))
        with pytest.raises(ServerError, match=f"--port: 127.0.0.1:{port} cannot be listened on"), server:
            pass


def test_nothing_is_left_of_a_client_that_goes_away(tmp_path) -> None:
    log = tmp_path / "truth.jsonl"
    settings = ServerSettings(port=0, ttft_ms=0, itl_ms=5, max_active=1, truth_log=log)
    with EmbeddedServer(settings) as server:
        with Wire(server.url) as wire:
            wire.send(request(chat(max_tokens=1_000, stream=True)))
            wire.head()
            wire.chunk()
            with Wire(server.url) as waiting:
                waiting.send(request(chat(max_tokens=1, stream=True)))
        with Wire(server.url) as wire:  # gets the only place, or this would take five seconds
            wire.send(request(chat(max_tokens=3, stream=True)))
            assert 3 == len(words(wire.response()[2]))
    truths = [json.loads(line) for line in log.read_text().splitlines()]
    assert ["client_closed", "client_closed", "ok"] == [
        truth["outcome"] for truth in sorted(truths, key=lambda truth: truth["number"])
    ]
