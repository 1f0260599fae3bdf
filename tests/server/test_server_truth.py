import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_wire import AT_ONCE, Wire, chat, request, words

from genai_perf.clock import monotonic_ns
from genai_perf.exceptions import ArtifactError
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings
from genai_perf.server.truth import Truth, TruthLog


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_log_tells_when_a_request_came_and_when_each_token_went(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    settings = ServerSettings(port=0, ttft_ms=10, itl_ms=4, itl_per_request_ms=0, truth_log=log)
    with EmbeddedServer(settings) as server, Wire(server.url) as wire:
        before_ns = monotonic_ns()
        wire.send(request(chat(max_tokens=5, stream=True), head="X-Request-Id: mine\r\n"))
        arrivals = []
        wire.head()
        while wire.chunk():
            arrivals.append(monotonic_ns())
        after_ns = monotonic_ns()
    (truth,) = read(log)
    assert ("mine", 0, "m", "ok", 200) == tuple(
        truth[key] for key in ("id", "number", "model", "outcome", "status")
    )
    assert "/v1/chat/completions" == truth["path"]
    assert (5, 0) == (truth["output_tokens"], truth["reasoning_tokens"])
    assert truth["input_tokens"] > 0
    assert before_ns <= truth["received_ns"] == truth["admitted_ns"]
    assert truth["token_ns"][-1] == truth["end_ns"] <= after_ns
    # the first chunks are the role and the first token, which go together; nothing comes before it went
    assert 5 == len(truth["token_ns"])
    assert all(sent < came for sent, came in zip(truth["token_ns"], arrivals[1:6], strict=True))
    # never early: each token has waited as long as the model says, counted from the one before being due
    first_due_ns = truth["received_ns"] + 10_000_000 + 20_000 * truth["input_tokens"]
    assert all(sent >= first_due_ns + index * 4_000_000 for index, sent in enumerate(truth["token_ns"]))


def test_reasoning_tokens_have_instants_of_their_own(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    with EmbeddedServer(ServerSettings(**AT_ONCE, reasoning_tokens=3, truth_log=log)) as server:
        for streaming in (True, False):
            httpx.post(f"{server.url}/v1/chat/completions", json=chat(max_tokens=2, stream=streaming))
    streamed, whole = read(log)
    assert (3, 2) == (len(streamed["reasoning_ns"]), len(streamed["token_ns"]))
    assert (0, 1) == (len(whole["reasoning_ns"]), len(whole["token_ns"]))
    for truth in (streamed, whole):
        assert (3, 2) == (truth["reasoning_tokens"], truth["output_tokens"])


def test_every_request_to_the_model_has_its_line_whatever_became_of_it(tmp_path: Path) -> None:
    log = tmp_path / "truth.jsonl"
    settings = ServerSettings(port=0, ttft_ms=0, itl_ms=1000, models=("m",), truth_log=log)
    with EmbeddedServer(settings) as server, Wire(server.url) as wire:
        url = f"{server.url}/v1/chat/completions"
        httpx.get(f"{server.url}/health")
        httpx.post(url, content=b"{")
        httpx.post(url, json=chat() | {"model": "other"})
        httpx.post(url, json=chat(max_tokens=1))
        httpx.post(f"{server.url}/v1/embeddings", json={"model": "m", "input": "Hi"})
        wire.send(request(chat(max_tokens=9, stream=True)))
        wire.head()
        assert 1 == len(words(wire.chunk() + wire.chunk()))
        server.stop()
    told = [
        (truth["number"], truth["status"], truth["outcome"], truth["output_tokens"]) for truth in read(log)
    ]
    assert [
        (0, 400, "error", 0),
        (1, 404, "error", 0),
        (2, 200, "ok", 1),
        (3, 200, "ok", 0),
        (4, 200, "shutdown", 1),
    ] == told


def truth(number: int) -> Truth:
    return Truth(number, f"req-{number}", "/", "m", True, 200, "ok", 1, 1, 9, 3, 2, 0, [4, 9], [])


async def test_closing_writes_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    log = TruthLog(path, asyncio.get_running_loop())
    for number in range(1000):
        log.add(truth(number))
    assert "" == path.read_text()
    log.close()
    assert list(range(1000)) == [each["number"] for each in read(path)]


async def test_a_full_disk_ends_the_log_and_not_the_server() -> None:
    log = TruthLog(Path("/dev/full"), asyncio.get_running_loop())
    log.add(truth(0))
    log.close()
    assert isinstance(log.error, ArtifactError)
    assert "--truth-log: /dev/full cannot be written: No space left on device" == log.error.message


async def test_a_log_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file or directory"):
        TruthLog(tmp_path / "none" / "truth.jsonl", asyncio.get_running_loop())
