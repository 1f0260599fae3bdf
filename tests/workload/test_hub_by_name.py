"""A data set by its name, from a hub: `datasets` and the program as they are, the hub on loopback.

A process of its own each time, because `huggingface_hub` reads where its hub is when it is imported.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

NAME, COMMIT = "org/chats", "0123456789abcdef0123456789abcdef01234567"
FILLER = "x" * 50_000
FILES = {
    "train.jsonl": "".join(
        json.dumps({"id": number, "ask": f"What is {number}?", "reply": "a b c", "rest": FILLER}) + "\n"
        for number in range(2_000)
    ).encode(),
    "test.jsonl": b'{"id": 1, "ask": "Is it a test?", "reply": "yes", "rest": ""}\n',
}
ABOUT = {"id": NAME, "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES], "tags": []}
TREE = [{"type": "file", "oid": "a" * 40, "size": len(FILES[name]), "path": name} for name in FILES]


class Hub(ThreadingHTTPServer):
    """What `datasets` asks a hub for, of one data set with two splits."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.body_bytes = 0
        """Of the files, sent so far."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        about = f"/api/datasets/{NAME}"
        if path in (about, f"{about}/revision/{COMMIT}", f"{about}/revision/main"):
            self.send(200, json.dumps(ABOUT).encode())
        elif path == f"{about}/tree/{COMMIT}":
            self.send(200, json.dumps(TREE).encode())
        elif path.startswith(f"/datasets/{NAME}/resolve/") and path.rpartition("/")[2] in FILES:
            self.send_file(FILES[path.rpartition("/")[2]])
        else:
            code = "EntryNotFound" if NAME in path else "RepoNotFound"
            self.send(404, b"{}", {"X-Error-Code": code})

    do_HEAD = do_POST = do_GET  # noqa: N815  the handler's names

    def send_file(self, content: bytes) -> None:
        headers = {"ETag": f'"{"a" * 40}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if (wanted := self.headers.get("Range")) is None:
            self.send(200, content, headers)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = content[int(first) : int(last) + 1 if last else None]
        end = int(first) + len(part) - 1
        headers["Content-Range"] = f"bytes {first}-{end}/{len(content)}"
        self.server.body_bytes += len(part)
        self.send(206, part, headers)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def profile(hub: Hub, home: Path, words: str) -> "subprocess.CompletedProcess[str]":
    fixed = "profile -m gpt2 --endpoint-type chat --tokenizer builtin --url embedded --request-count 4"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    where = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        [sys.executable, "-m", "genai_perf", *fixed.split(), *words.split()],
        env=environment | where,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=100,
    )


def bodies(home: Path) -> list[dict[str, Any]]:
    (path,) = home.glob("artifacts/*/inputs.json")
    return [entry["payload"][0] for entry in json.loads(path.read_text())["data"]]


def test_the_rows_that_are_taken_are_read_as_a_stream(hub: Hub, tmp_path: Path) -> None:
    words = f"--input-dataset {NAME} --num-prompts 7 --dataset-columns prompt:ask output:reply"
    done = profile(hub, tmp_path, words)
    assert 0 == done.returncode, done.stderr
    assert f"{NAME}: prompt: ask, output: reply" in done.stderr
    sent = bodies(tmp_path)
    assert [f"What is {number}?" for number in range(7)] == [each["messages"][0]["content"] for each in sent]
    assert len({each["max_tokens"] for each in sent}) == 1  # as many as the answer has
    assert 0 < hub.body_bytes < len(FILES["train.jsonl"]) / 2
    (path,) = tmp_path.glob("artifacts/*/records.arrows")
    assert 4 == len(pa.ipc.open_stream(path).read_all())


def test_a_split_is_named(hub: Hub, tmp_path: Path) -> None:
    words = f"--input-dataset {NAME} --dataset-split test --dataset-columns prompt:ask"
    done = profile(hub, tmp_path, words)
    assert 0 == done.returncode, done.stderr
    assert ["Is it a test?"] == [each["messages"][0]["content"] for each in bodies(tmp_path)]


def test_a_name_that_the_hub_does_not_know_is_told(hub: Hub, tmp_path: Path) -> None:
    done = profile(hub, tmp_path, "--input-dataset org/nothing")
    assert 2 == done.returncode
    assert "error: --input-dataset: org/nothing: the hub has no 'org/nothing'" in done.stderr
