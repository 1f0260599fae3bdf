"""Whole runs whose server tells of itself: the table, the file, and figures that must agree exactly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from server import Peer, Server, answer

from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings

MODEL = ("-m", "gpt2", "--tokenizer", "builtin", "--endpoint-type", "chat")
REQUESTS, ISL, OSL = 40, 30, 16
LOAD = (
    "--synthetic-input-tokens-mean",
    str(ISL),
    "--output-tokens-mean",
    str(OSL),
    "--request-count",
    str(REQUESTS),
)


def profile(directory: Path, *arguments: str, **environment: str) -> tuple[str, str, int]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GENAI_PERF_")}
    done = subprocess.run(
        [sys.executable, "-m", "genai_perf", "profile", *MODEL, *arguments, "--artifact-dir", str(directory)],
        env={**kept, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
    )
    return done.stdout, done.stderr, done.returncode


def exported(directory: Path) -> dict:
    (path,) = directory.rglob("profile_export_genai_perf.json")
    return json.loads(path.read_bytes())


def samples(directory: Path) -> list[dict]:
    (path,) = directory.rglob("telemetry.arrows")
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_stream(file).read_all().to_pylist()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """A run with a warm-up against a server that logs the truth: its directory, its output, the truth."""
    directory = tmp_path_factory.mktemp("run")
    log = directory / "truth.jsonl"
    with EmbeddedServer(ServerSettings(port=0, truth_log=log, ttft_ms=30, itl_ms=5)) as server:
        warmed = (
            "--warmup-request-count",
            "7",
            "--telemetry-interval",
            "0.1",
            "--concurrency",
            "8",
            "--streaming",
        )
        stdout, stderr, code = profile(directory / "a", "-u", server.url, *LOAD, *warmed)
    assert 0 == code, stderr
    truths = [json.loads(line) for line in log.read_text().splitlines()]
    return directory / "a", stdout, truths[7:]


def test_requests_and_tokens_agree_exactly_and_without_the_warm_up(embedded):
    directory, _, truths = embedded
    compared = exported(directory)["server_metrics"]["comparison"]
    for tag, total in (
        ("requests_succeeded", REQUESTS),
        ("prompt_tokens", REQUESTS * ISL),
        ("generation_tokens", REQUESTS * OSL),
    ):
        figures = compared[tag]["total"]
        assert (total, total, 0) == (figures["server"], figures["ours"], figures["difference"]), tag
    assert REQUESTS * OSL == sum(truth["output_tokens"] for truth in truths)


def test_requests_that_name_no_model_are_counted_beside_those_that_did_before(tmp_path):
    with EmbeddedServer(ServerSettings(port=0, ttft_ms=2, itl_ms=1)) as server:
        for number, endpoint_type in enumerate(("chat", "huggingface_generate")):
            here = tmp_path / str(number)
            _, stderr, code = profile(here, "-u", server.url, "--endpoint-type", endpoint_type, *LOAD)
            assert 0 == code, stderr
            compared = exported(here)["server_metrics"]["comparison"]
            for tag, expected in (("requests_succeeded", REQUESTS), ("generation_tokens", REQUESTS * OSL)):
                figures = compared[tag]["total"]
                assert (expected, 0) == (figures["server"], figures["difference"]), (endpoint_type, tag)


def test_the_servers_means_are_those_of_its_log_of_the_truth(embedded):
    directory, _, truths = embedded
    compared = exported(directory)["server_metrics"]["comparison"]
    ttft = [truth["token_ns"][0] - truth["received_ns"] for truth in truths]
    latency = [truth["end_ns"] - truth["received_ns"] for truth in truths]
    gaps = [(truth["token_ns"][-1] - truth["token_ns"][0]) / (len(truth["token_ns"]) - 1) for truth in truths]
    for tag, true in (
        ("time_to_first_token", ttft),
        ("inter_token_latency", gaps),
        ("request_latency", latency),
    ):
        figures = compared[tag]["avg"]
        assert figures["server"] == pytest.approx(sum(true) / len(true) / 1e6), tag
        assert figures["difference"] == pytest.approx(figures["ours"] - figures["server"]), tag
        assert compared[tag]["p50"]["low"] <= compared[tag]["p50"]["server"] <= compared[tag]["p50"]["high"]


def test_the_console_shows_what_the_server_says_what_we_saw_and_the_difference(embedded):
    _, stdout, _ = embedded
    (line,) = [line for line in stdout.splitlines() if line.startswith("Server: ")]
    assert line.startswith("Server: embedded server at 127.0.0.1:")
    assert "requests succeeded 40 (none)" in line


def test_the_time_series_joins_the_records(embedded):
    directory, _, _ = embedded
    (path,) = directory.rglob("records.arrows")
    with pa.OSFile(str(path)) as file:
        rows = [row for row in pa.ipc.open_stream(file).read_all().to_pylist() if row["phase"] == "benchmark"]
    start_ns, end_ns = min(row["start_ns"] for row in rows), max(row["end_ns"] for row in rows)
    running = {
        row["at_ns"]: row["value"]
        for row in samples(directory)
        if row["series"] == "vllm:num_requests_running"
    }
    meanwhile = [value for at_ns, value in running.items() if start_ns < at_ns < end_ns]
    assert meanwhile
    assert max(meanwhile) <= 8
    assert 0 == running[max(running)]
    before = [at_ns for at_ns in running if at_ns < start_ns]
    assert 0 == running[max(before)]  # between the warm-up and the first request


def test_a_report_that_is_made_again_says_the_same(embedded, tmp_path):
    directory, stdout, _ = embedded
    (run,) = [path.parent for path in directory.rglob("run.json")]
    before = exported(directory)["server_metrics"]
    again = subprocess.run(
        [sys.executable, "-m", "genai_perf", "report", str(run)], capture_output=True, text=True, check=True
    )
    assert stdout.splitlines()[:-1] == again.stdout.splitlines()[:-1]
    assert before == exported(directory)["server_metrics"]


def test_without_server_metrics_nobody_is_asked(tmp_path):
    def script(peer: Peer) -> None:
        while asked := peer.request():
            assert "/metrics" not in asked.target
            peer.write(answer(b'{"choices": [{"message": {"content": "Hello"}}]}'))

    with Server(script) as server:
        for number, arguments in enumerate((("--no-server-metrics",), ())):
            environment = {"GENAI_PERF_SERVER_METRICS": "off"} if not arguments else {}
            here = tmp_path / str(number)
            stdout, stderr, code = profile(
                here, "-u", server.url, "--gpu-telemetry", "off", *arguments, *LOAD, **environment
            )
            assert 0 == code, stderr
            assert "Server: " not in stdout
            assert not [*here.rglob("telemetry*")]


def test_the_key_goes_to_the_servers_page_and_into_no_file(tmp_path):
    seen = []

    def script(peer: Peer) -> None:
        while asked := peer.request():
            if asked.target == "/metrics":
                seen.append(asked.headers.get("authorization"))
                peer.write(answer(b"# TYPE mine counter\nmine 1\n"))
            else:
                peer.write(answer(b'{"choices": [{"message": {"content": "Hello"}}]}'))

    with Server(script) as server:
        _, stderr, code = profile(
            tmp_path, "-u", server.url, "-H", "Authorization: Bearer sekret", "--gpu-telemetry", "off", *LOAD
        )
    assert 0 == code, stderr
    assert {"Bearer sekret"} == set(seen)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"sekret" not in file.read_bytes(), file


def test_a_page_that_was_named_and_is_not_there_is_one_note(tmp_path):
    with Server(lambda peer: None) as gone:
        address = f"127.0.0.1:{gone.port}"
    stdout, stderr, code = profile(
        tmp_path, "-u", "embedded", "--server-metrics-url", f"{address}/metrics", "--no-server-metrics", *LOAD
    )
    assert 0 == code, stderr
    (note,) = [line for line in stdout.splitlines() if address in line]
    assert note.endswith("never answered: connection refused.")


def test_a_page_that_is_no_url_is_refused_before_anything_is_sent(tmp_path):
    _, stderr, code = profile(tmp_path, "-u", "embedded", "--server-metrics-url", "ftp://host/metrics", *LOAD)
    assert 2 == code
    assert "--server-metrics-url: ftp:// is no scheme this program speaks" in stderr
    assert [] == list(tmp_path.iterdir())


def test_a_server_that_answers_every_path_alike_has_no_metrics(tmp_path):
    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(
                answer(b'{"choices": [{"message": {"content": "Hello"}}]}', "Content-Type: application/json")
            )

    with Server(script) as server:
        stdout, stderr, code = profile(tmp_path, "-u", server.url, "--gpu-telemetry", "off", *LOAD)
    assert (0, "") == (code, "".join(line for line in stderr.splitlines() if "metrics" in line))
    assert "Server: " not in stdout
    assert not [*tmp_path.rglob("telemetry*")]
