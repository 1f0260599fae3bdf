"""Each page in docs/endpoints tells the truth: its examples run, and send and print what is shown.

A page has `$ genai-perf profile …` examples in console blocks, each against the server of the same place in
its row of SERVERS. The first json block under "What is sent" is a body that the first example sends.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import greeter
import pytest
from pages import PAGES, ROOT, blocks, examples, first_words, shape
from server import Peer, Server, answer

from genai_perf import endpoints
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

RECORDED = ROOT / "tests" / "dialects"
LIMIT_S = 60


@contextmanager
def embedded() -> Iterator[str]:
    """The program's own server."""
    with EmbeddedServer(ServerSettings(port=0, ttft_ms=5, itl_ms=1)) as server:
        yield server.url


def answering(sent: bytes, *, closes: bool = False) -> Callable[[], AbstractContextManager[str]]:
    """A server that answers every request with these bytes."""

    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(sent)
            if closes:
                return

    @contextmanager
    def serve() -> Iterator[str]:
        with Server(script) as server:
            yield server.url

    return serve


def recorded(name: str, *, closes: bool = False) -> Callable[[], AbstractContextManager[str]]:
    """A server that answers as a real one did, once."""
    return answering((RECORDED / f"{name}.http").read_bytes(), closes=closes)


def tokens_of_tgi(*texts: str) -> bytes:
    """A stream in TGI's words; its own server cannot be had here."""
    events = [
        {
            "index": index,
            "token": {"id": 100 + index, "text": text, "logprob": -0.1, "special": False},
            "generated_text": None if index < len(texts) else "".join(texts),
            "details": None
            if index < len(texts)
            else {"finish_reason": "length", "generated_tokens": len(texts), "input_length": 9},
        }
        for index, text in enumerate(texts, 1)
    ]
    body = b"".join(b"data:" + json.dumps(event).encode() + b"\n\n" for event in events)
    return answer(body, "Content-Type: text/event-stream")


NVIDIA_RANKING = (
    b'{"rankings":[{"index":1,"logit":2.5},{"index":0,"logit":-7.1}],"usage":{"prompt_tokens":9}}'
)

SERVERS: dict[str, list[Callable[[], AbstractContextManager[str]]]] = {
    "chat": [embedded, recorded("vllm-tools-stream")],
    "completions": [embedded, embedded],
    "dynamic_grpc": [greeter.serving, greeter.serving],
    "embeddings": [embedded],
    "huggingface_generate": [answering(tokens_of_tgi("A", " class", " is"))],
    "image_retrieval": [embedded],
    "messages": [recorded("llama.cpp-messages-stream", closes=True)],
    "multimodal": [embedded, embedded],
    "nvclip": [embedded],
    "rankings": [
        answering(answer(NVIDIA_RANKING, "Content-Type: application/json")),
        recorded("llama.cpp-rerank-tei"),
    ],
    "rerank": [recorded("llama.cpp-rerank")],
    "responses": [recorded("llama.cpp-responses-stream", closes=True)],
    "template": [embedded],
}
"""By page: a server for each of its examples."""

OF_TRITON = {"generate", "kserve"}
"""Pages whose examples run against Triton, in `tests/triton`."""


EXAMPLES = [(name, place) for name, servers in SERVERS.items() for place in range(len(servers))]


def run(command: str, url: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """As a reader would, beside the sample inputs."""
    program, *words = shlex.split(command.replace("localhost:8000", url))
    assert program == "genai-perf"
    (directory / "inputs").symlink_to(ROOT / "inputs")
    return subprocess.run(
        [sys.executable, "-m", "genai_perf", *words],
        cwd=directory,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.parametrize(("name", "place"), EXAMPLES, ids=[f"{name}-{place}" for name, place in EXAMPLES])
def test_an_example_runs_and_sends_and_prints_what_is_shown(name: str, place: int, tmp_path: Path) -> None:
    command, shown = examples(name)[place]
    assert f"--endpoint-type {name}" in command
    with SERVERS[name][place]() as url:
        done = run(command, url, tmp_path)
    assert 0 == done.returncode, done.stderr
    assert ", 0 failed" in done.stdout
    printed = {first_words(line) for line in done.stdout.splitlines()}
    for line in shown:
        assert first_words(line) in printed, line
    if place == 0:
        (inputs,) = tmp_path.glob("artifacts/*/inputs.json")
        row = json.loads(inputs.read_text())["data"][0]
        sent = row["payload"][0] if "payload" in row else row
        assert shape(json.loads("\n".join(blocks(name, "json")[0]))) == shape(sent)


TRIED = [
    name
    for name, (first, *_) in SERVERS.items()
    if first is not embedded and "`--url embedded`" in (PAGES / f"{name}.md").read_text()
]


@pytest.mark.parametrize("name", TRIED)
def test_an_example_also_runs_without_a_server_where_the_page_says_so(name: str, tmp_path: Path) -> None:
    done = run(examples(name)[0][0], "embedded", tmp_path)
    assert 0 == done.returncode, done.stderr
    assert ", 0 failed" in done.stdout


def test_every_page_has_its_row_and_every_example_its_server() -> None:
    assert sorted(SERVERS) == sorted({page.stem for page in PAGES.glob("*.md")} - OF_TRITON)
    assert set(SERVERS) <= set(endpoints.names())
    for name, servers in SERVERS.items():
        assert len(servers) == len(examples(name)), f"docs/endpoints/{name}.md"
        text = (PAGES / f"{name}.md").read_text()
        for heading in ("## What is sent", "## What is read", "## Metrics", "## Example"):
            assert heading in text, f"docs/endpoints/{name}.md: {heading}"
        assert f"/{endpoints.get(name).path.lstrip('/')}" in text
