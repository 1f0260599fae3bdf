"""The page on which the embedded server tells of itself."""

import time

import httpx
import pytest
from server_wire import AT_ONCE, chat

from genai_perf.server.metrics import CONTENT_TYPE, Metrics
from genai_perf.server.process import EmbeddedServer
from genai_perf.server.settings import ServerSettings
from genai_perf.telemetry.prometheus import Reader


@pytest.fixture
def own():
    """A server that nobody else asks."""
    with EmbeddedServer(ServerSettings(**AT_ONCE)) as running:
        yield running


def read(server: EmbeddedServer) -> dict[str, float]:
    """Values by name, those of several label sets added up."""
    response = httpx.get(f"{server.url}/metrics").raise_for_status()
    assert CONTENT_TYPE == response.headers["content-type"]
    reader = Reader()
    values: dict[str, float] = {}
    for sample in reader.read(response.text):
        values[sample.name] = values.get(sample.name, 0) + sample.value
    assert 0 == reader.torn
    return values


def test_before_the_first_request_there_is_a_page_already(own: EmbeddedServer) -> None:
    values = read(own)
    assert (0, 0, 1) == (
        values["vllm:num_requests_running"],
        values["vllm:num_requests_waiting"],
        values["genai_perf_server_info"],
    )


def test_requests_and_tokens_are_counted_when_they_are_answered(own: EmbeddedServer) -> None:
    url = f"{own.url}/v1/chat/completions"
    said = httpx.post(url, json=chat(max_tokens=7)).json()["usage"]
    httpx.post(url, json=chat(max_tokens=5, stream=True)).raise_for_status()
    httpx.post(url, json={"model": "m"})
    values = read(own)
    assert 12 == values["vllm:generation_tokens_total"]
    assert 2 * said["prompt_tokens"] == values["vllm:prompt_tokens_total"]
    assert 2 == values["vllm:request_success_total"] == values["vllm:e2e_request_latency_seconds_count"]
    assert 1 == values["vllm:time_to_first_token_seconds_count"]
    assert 4 == values["vllm:inter_token_latency_seconds_count"]


def test_reasoning_is_generated_too() -> None:
    with EmbeddedServer(ServerSettings(**AT_ONCE, reasoning_tokens=3)) as server:
        httpx.post(
            f"{server.url}/v1/chat/completions", json=chat(max_tokens=7, stream=True)
        ).raise_for_status()
        assert 10 == read(server)["vllm:generation_tokens_total"]


def test_what_is_being_decoded_and_what_waits_is_told() -> None:
    slow = ServerSettings(port=0, ttft_ms=20_000, max_active=1)
    with EmbeddedServer(slow) as server, httpx.Client() as client:
        sent = [client.build_request("POST", f"{server.url}/v1/chat/completions", json=chat(stream=True))] * 2
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(httpx.Client().send, request) for request in sent]
            deadline = time.monotonic() + 10
            while (values := read(server))["vllm:num_requests_waiting"] != 1:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert 1 == values["vllm:num_requests_running"]
            server.stop()
            for one in asked:
                assert isinstance(one.exception(), httpx.HTTPError)


def test_it_is_open_to_everybody_and_can_only_be_read() -> None:
    with EmbeddedServer(ServerSettings(**AT_ONCE, api_key="sekret")) as server:
        assert httpx.get(f"{server.url}/metrics").is_success
        assert b"" == httpx.head(f"{server.url}/metrics").raise_for_status().content
        assert 405 == httpx.post(f"{server.url}/metrics").status_code


def test_instants_fall_into_the_buckets_that_they_belong_to() -> None:
    metrics = Metrics()
    metrics.count(
        "m",
        received_ns=1_000_000,
        admitted_ns=1_000_000,
        end_ns=500_000_000,
        token_ns=[21_000_000, 31_000_000, 41_000_001],
        input_tokens=3,
        output_tokens=3,
        finish_reason="stop",
    )
    values = {
        (sample.name, sample.labels.get("le")): sample.value
        for sample in Reader().read(metrics.page(running=0, waiting=0).decode())
    }
    assert (0, 1) == tuple(values["vllm:time_to_first_token_seconds_bucket", le] for le in ("0.01", "0.02"))
    assert (1, 2) == tuple(values["vllm:inter_token_latency_seconds_bucket", le] for le in ("0.01", "0.025"))
    assert 0.020000001 == pytest.approx(values["vllm:inter_token_latency_seconds_sum", None])
    assert 0.499 == pytest.approx(values["vllm:e2e_request_latency_seconds_sum", None])
