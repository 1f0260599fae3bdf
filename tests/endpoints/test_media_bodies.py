"""Bodies with images and audio, byte for byte, and what is read in their answers."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from exchanges import chunk, exchange, stream, whole

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig
from genai_perf.endpoints import decode_whole
from genai_perf.types import Answer, Turn
from genai_perf.workload import bodies, build

PNG, JPEG, URL = "data:image/png;base64,iVBO", "data:image/jpeg;base64,/9j/", "https://a.b/c.png"
WAV, MP3 = "data:audio/wav;base64,UklG", "data:audio/mpeg;base64,SUQz"

MULTIMODAL = {
    "text alone": Turn(("What is this?",)),
    "no text either": Turn(("",)),
    "an image": Turn(("What is this?",), images=(PNG,)),
    "an image alone": Turn(("",), images=(PNG,)),
    "an image of a file without text": Turn((), images=(URL,)),
    "images and audio": Turn(("Compare.",), images=(PNG, JPEG, URL), audio=(WAV, MP3)),
    "a system message": Turn(("What is this?",), system="Be brief.", images=(PNG,)),
    "a limit": Turn(("What is this?",), images=(PNG,), max_tokens=7),
}
NVCLIP = {
    "text alone": Turn(("A cat.",)),
    "images alone": Turn(("",), images=(PNG, JPEG)),
    "both": Turn(("A cat.", "A dog."), images=(PNG, JPEG)),
}
IMAGE_RETRIEVAL = {"an image": Turn((), images=(PNG,)), "several": Turn((), images=(PNG, JPEG, URL))}


@pytest.mark.parametrize(
    ("name", "turns"),
    [("multimodal", MULTIMODAL), ("nvclip", NVCLIP), ("image_retrieval", IMAGE_RETRIEVAL)],
)
def test_bodies_are_these_bytes(
    name: str, turns: dict[str, Turn], golden: Callable[[str, bytes], None]
) -> None:
    endpoint = endpoints.get(name)
    lines = []
    for streaming in (False, True)[: 1 + endpoint.can_stream]:
        for extra in ({}, {"temperature": 0.5}):
            config = Config(
                endpoint=EndpointConfig(model_names=("m",), streaming=streaming),
                input=InputConfig(extra=extra),
            )
            lines.append(
                f"# {'streaming' if streaming else 'plain'}{' with extra inputs' * bool(extra)}".encode()
            )
            for title, turn in turns.items():
                lines.append(f"#   {title}".encode())
                lines.append(bodies.encode(build.body_of(turn, "m", config, endpoint)))
    golden(f"requests/{name}.txt", b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    ("name", "turns", "expected"),
    [
        ("multimodal", MULTIMODAL, ["What is this?", "", "What is this?", "", "", "Compare."]),
        ("nvclip", NVCLIP, ["A cat.", "", "A cat. A dog."]),
        ("image_retrieval", IMAGE_RETRIEVAL, ["", ""]),
    ],
)
def test_only_text_is_counted(name: str, turns: dict[str, Turn], expected: list[str]) -> None:
    endpoint = endpoints.get(name)
    counted = [endpoint.prompt_text(endpoint.build(turn, "m", False)) for turn in turns.values()]
    assert expected == counted[: len(expected)]


def test_a_system_message_and_answers_in_between_are_counted_too() -> None:
    endpoint = endpoints.get("multimodal")
    first = endpoint.build(MULTIMODAL["a system message"], "m", False)
    assert endpoint.follow is not None
    second = endpoint.follow(first, "A cat.", endpoint.build(Turn(("And this?",), images=(URL,)), "m", False))
    assert "Be brief. What is this? A cat. And this?" == endpoint.prompt_text(second)
    assert ["system", "user", "assistant", "user"] == [message["role"] for message in second["messages"]]


def read(name: str, body: bytes, **fields: Any) -> Answer:
    return decode_whole(endpoints.get(name), whole(body, **fields))


def test_multimodal_answers_are_read_as_chats() -> None:
    streamed = exchange(stream(chunk("A "), chunk("cat."), chunk(finish_reason="stop")))
    answer = decode_whole(endpoints.get("multimodal"), streamed)
    assert (["A ", "cat."], "stop", None) == (answer.content, answer.finish_reason, answer.error)


NVCLIP_ANSWER = {
    "object": "list",
    "data": [{"index": 0, "embedding": [0.1, 0.2], "object": "embedding"}],
    "model": "nvidia/nvclip-vit-h-14",
    "usage": {"num_images": 1, "num_text_tokens": 0, "prompt_tokens": 0, "total_tokens": 0},
}
FOUND = {
    "data": [{"index": 0, "bounding_boxes": {"table": [], "chart": [{"x_min": 0.1, "confidence": 0.9}]}}],
    "usage": {"images_size_mb": 0.5},
}


@pytest.mark.parametrize(("name", "body"), [("nvclip", NVCLIP_ANSWER), ("image_retrieval", FOUND)])
def test_an_answer_is_one_event_without_text(name: str, body: dict[str, Any]) -> None:
    answer = read(name, msgspec.json.encode(body))
    assert ([""], [0], None) == (answer.content, answer.content_reads, answer.error)


@pytest.mark.parametrize(
    ("name", "body", "fields", "kind", "message"),
    [
        ("nvclip", b'{"data":[]}', {}, "decode", "the answer holds no embeddings"),
        (
            "nvclip",
            b'{"error":{"message":"Image is corrupt"}}',
            {"status": 422},
            "http_422",
            "Image is corrupt",
        ),
        (
            "image_retrieval",
            b"<html>",
            {"content_type": "text/html"},
            "decode",
            "the answer (text/html) is not",
        ),
        ("image_retrieval", b'{"error":"no image"}', {}, "server", "no image"),
        ("image_retrieval", b'{"detail":"too large"}', {"status": 413}, "http_413", "too large"),
        (
            "multimodal",
            b'{"error":{"message":"image input is not supported"}}',
            {},
            "server",
            "image input is not",
        ),
    ],
)
def test_what_is_wrong_is_told_in_the_servers_words(
    name: str, body: bytes, fields: dict[str, Any], kind: str, message: str
) -> None:
    answer = read(name, body, **fields)
    assert answer.error is not None
    assert kind == answer.error.kind
    assert message in answer.error.message
    assert [] == answer.content
