"""openorca and cnn_dailymail, from a server that answers as the hub's row service does."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from genai_perf.config.schema import InputConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import hub_rows
from genai_perf.workload.columns import columns_of

ROWS = 250


class Service(ThreadingHTTPServer):
    """Rows by offset and length; `failure` is (status, body) of all answers instead."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []
        self.failure: tuple[int, bytes] | None = None
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(path.query).items()}
        self.server.asked.append({"path": path.path, **query})
        status, body = self.server.failure or (200, _page(int(query["offset"]), int(query["length"])))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Quietly."""


def _page(offset: int, length: int) -> bytes:
    numbers = range(offset, min(offset + length, ROWS))
    rows = [
        {
            "id": str(n),
            "system_prompt": "" if n % 2 else "Be brief.",
            "question": f"What is {n}?",
            "response": "7",
        }
        for n in numbers
    ]
    found = {"rows": [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in zip(numbers, rows)]}
    return json.dumps({**found, "features": [], "num_rows_total": ROWS}).encode()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    server = Service()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def rows(service: Service, name: str = "openorca", count: int | None = None) -> list[dict[str, Any]]:
    table = hub_rows.table(name, server=service.url)
    return [dict(row) for _, row in islice(table.rows(table.columns), count)]


def test_it_is_asked_for_as_genai_perf_asked(service: Service) -> None:
    assert "What is 0?" == rows(service, "OpenOrca", 1)[0]["question"]
    rows(service, "cnn_dailymail", 1)
    shared = {"path": "/rows", "split": "train", "offset": "0", "length": "100"}
    assert [
        {**shared, "dataset": "Open-Orca/OpenOrca", "config": "default"},
        {**shared, "dataset": "abisee/cnn_dailymail", "config": "1.0.0"},
    ] == service.asked


def test_pages_are_fetched_as_rows_are_asked_for_and_all_of_them_to_the_end(service: Service) -> None:
    assert 100 == len(rows(service, count=100))
    assert 1 == len(service.asked)
    assert [f"What is {n}?" for n in range(ROWS)] == [row["question"] for row in rows(service)]
    assert ["0", "100", "200"] == [asked["offset"] for asked in service.asked]


def test_what_was_fetched_once_needs_no_network(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first = rows(service, count=150)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert first == rows(service, count=150)
    with pytest.raises(InputError) as raised:
        rows(service)
    assert (
        "openorca: rows 200 to 299 are not in the local cache, and HF_HUB_OFFLINE is set"
        == raised.value.message
    )
    assert "--num-dataset-entries" in str(raised.value.hint)


def test_a_torn_page_in_the_cache_is_fetched_again(service: Service, tmp_path: Path) -> None:
    first = rows(service, count=100)
    (file,) = tmp_path.glob("genai-perf/datasets/openorca/*")
    file.write_bytes(file.read_bytes()[:50])
    assert first == rows(service, count=100)
    assert 2 == len(service.asked)


def test_a_cache_that_cannot_be_written_is_done_without(service: Service, tmp_path: Path) -> None:
    (tmp_path / "genai-perf").write_text("in the way")
    assert 100 == len(rows(service, count=100))


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        ((404, b'{"error": "The dataset does not exist."}'), "The dataset does not exist. (HTTP 404)"),
        ((502, b"<html>"), "the hub's answer is none (HTTP 502)"),
        ((200, b'{"rows": 7}'), "the hub's answer is none (HTTP 200)"),
        ((200, b'{"rows": [7]}'), "the hub's answer is none (HTTP 200)"),
        ((200, b"[]"), "the hub's answer is none (HTTP 200)"),
    ],
)
def test_an_answer_without_rows_is_told(service: Service, failure: tuple[int, bytes], why: str) -> None:
    service.failure = failure
    with pytest.raises(InputError) as raised:
        rows(service)
    assert f"openorca: rows 0 to 99 cannot be fetched: {why}" == raised.value.message


def test_texts_that_the_hub_cut_short_are_told(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    row = {"row": {"question": "What"}, "truncated_cells": ["question"]}
    service.failure = (200, json.dumps({"rows": [row]}).encode())
    rows(service)
    told = "openorca: rows 0 to 99: 1 of them were cut short by the hub, being too long for a page"
    assert [told] == caplog.messages


def test_a_hub_that_does_not_answer_is_told_with_what_to_do(service: Service) -> None:
    gone = Service()
    gone.server_close()
    with pytest.raises(InputError, match="rows 0 to 99 cannot be fetched: the hub does not answer") as raised:
        rows(gone)
    assert "--input-dataset DIR" in str(raised.value.hint)


def test_the_roles_are_genai_perf_s_unless_the_options_name_others(service: Service) -> None:
    table = hub_rows.table("openorca", server=service.url)
    found = columns_of(table, hub_rows.columns("openorca"), ("text",), "--input-dataset")
    assert "prompt: question, system: system_prompt" == found.told()
    assert {"prompt": "article"} == hub_rows.columns("CNN_DailyMail")
    assert {} == hub_rows.columns(str(InputConfig().dataset))
