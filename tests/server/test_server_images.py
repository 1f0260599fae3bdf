"""The embedded server where images are in what it is asked."""

import json
from typing import Any

import httpx
import pytest
from server_wire import chat

from genai_perf.server.openai import Api, Ask, Refusal, parse
from genai_perf.server.process import EmbeddedServer

PNG = "data:image/png;base64,iVBO" + "A" * 100_000


@pytest.fixture(scope="module")
def client(server: EmbeddedServer):
    with httpx.Client(base_url=server.url, timeout=20) as opened:
        yield opened


def test_an_image_beside_a_text_is_no_text(client: httpx.Client) -> None:
    parts = [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": PNG}}]
    audio = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    plain = client.post("/v1/chat/completions", json=chat(max_tokens=1)).json()
    messages = [{"role": "user", "content": [*parts, audio]}]
    seen = client.post("/v1/chat/completions", json=chat(max_tokens=1) | {"messages": messages}).json()
    alone = client.post(
        "/v1/chat/completions", json=chat(max_tokens=1) | {"messages": [{"role": "user", "content": "Hi"}]}
    ).json()
    assert alone["usage"] == seen["usage"]
    assert 1 == seen["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]


def test_an_image_among_texts_has_a_vector_and_no_tokens(client: httpx.Client) -> None:
    body = {"model": "m", "input": ["one two", PNG]}
    answer = client.post("/v1/embeddings", json=body).raise_for_status().json()
    text, image = (each["embedding"] for each in answer["data"])
    assert text != image
    alone = client.post("/v1/embeddings", json={"model": "m", "input": ["one two"]}).json()
    assert alone["usage"] == answer["usage"]


def test_image_retrieval_says_something_of_each_image(client: httpx.Client) -> None:
    images = [{"type": "image_url", "url": PNG}, {"type": "image_url", "url": "https://a.b/c.png"}]
    answer = client.post("/v1/infer", json={"input": images}).raise_for_status().json()
    assert [{"index": 0, "bounding_boxes": {}}, {"index": 1, "bounding_boxes": {}}] == answer["data"]


def test_a_body_of_images_says_how_many() -> None:
    body = {"input": [{"type": "image_url", "url": PNG}] * 3}
    assert Ask(Api.INFER, "", (), images=3) == parse(Api.INFER, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": []}, "input is empty; at least one image is needed"),
        ({"input": [{"type": "text", "url": ""}]}, "input holds a part of type 'text'; there is image_url"),
        ({"input": [{"type": "image_url"}]}, "missing required field `url`"),
        ({}, "missing required field `input`"),
    ],
)
def test_a_body_without_images_is_refused(body: dict[str, Any], message: str) -> None:
    refusal = parse(Api.INFER, json.dumps(body).encode())
    assert isinstance(refusal, Refusal)
    assert message in refusal.message
