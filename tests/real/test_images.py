"""Images, against llama.cpp with a random vision tower: it decodes what it is sent, or says it cannot."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny_clip
from llama_server import LlamaServer, running
from made_run import MadeRun
from PIL import Image
from tiny_llama import TEMPLATE_TOKENS

Measure = Callable[..., MadeRun]
MULTIMODAL = ("--endpoint-type", "multimodal")
TEXT = ("--synthetic-input-tokens-mean", "20", "--output-tokens-mean", "8")
BY_SERVER = "--use-server-token-count"
LOAD = ("--concurrency", "2", "--request-count", "12", "--num-dataset-entries", "12")


@pytest.fixture(scope="module")
def seeing_llama(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    directory = tmp_path_factory.mktemp("seeing")
    projector = tiny_clip.make(directory / "mmproj.gguf")
    with running(model, directory / "log", "--mmproj", str(projector)) as started:
        yield started


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
@pytest.mark.parametrize("images", [1, 3])
def test_every_image_that_was_made_is_seen(
    seeing_llama: LlamaServer, measure: Measure, image_format: str, images: int
) -> None:
    size = ("--image-width-mean", "90", "--image-width-stddev", "30", "--image-height-mean", "64")
    kind = ("--image-format", image_format, "--batch-size-image", str(images))
    run = measure(seeing_llama, *MULTIMODAL, "--streaming", BY_SERVER, *TEXT, *LOAD, *size, *kind)
    assert (0, 12) == (run.exit_code, len(run.answered)), run.stderr
    assert {images} == {row["images"] for row in run.answered}
    urls = [
        part["image_url"]["url"]
        for body in run.bodies
        for part in body["messages"][0]["content"]
        if part["type"] == "image_url"
    ]
    assert 12 * images == len(set(urls))
    assert {20} == {row["input_tokens"] for row in run.answered}
    seen_tokens = 20 + TEMPLATE_TOKENS + images * tiny_clip.IMAGE_TOKENS
    assert {seen_tokens} == {row["usage_input_tokens"] for row in run.answered}
    assert {8} == {row["usage_output_tokens"] for row in run.answered}
    assert run.export["time_to_first_token"]["avg"] < run.export["request_latency"]["avg"]
    assert "Multi-Modal Metrics" in run.stdout


def test_images_of_a_file_are_seen_and_one_of_an_unknown_kind_is_the_servers_to_refuse(
    seeing_llama: LlamaServer, measure: Measure, tmp_path: Path
) -> None:
    def encoded(kind: str) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", (60, 40), (200, 30, 60)).save(file, kind)
        return file.getvalue()

    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    (tmp_path / "b.jpg").write_bytes(encoded("JPEG"))
    unknown = "data:image/webp;base64," + base64.b64encode(encoded("WEBP")).decode()
    rows = [{"text": "What is this?", "image": name} for name in ("a.png", "b.jpg", unknown)]
    rows.append({"text": "Compare.", "image": ["a.png", "b.jpg"]})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    load = ("--concurrency", "1", "--request-count", "8", "--output-tokens-mean", "4")
    run = measure(seeing_llama, *MULTIMODAL, "--input-file", str(tmp_path / "rows.jsonl"), *load)
    assert (0, 6) == (run.exit_code, len(run.answered)), run.stderr
    assert {2} == {row["input_index"] for row in run.requests if row["error_kind"]}
    assert {"http_400"} == set(run.export["errors"])


def test_a_server_that_does_not_see_is_an_error_in_its_words(llama: LlamaServer, measure: Measure) -> None:
    run = measure(llama, *MULTIMODAL, *TEXT, "--image-width-mean", "32", "--image-height-mean", "32")
    assert (1, "") == (run.exit_code, run.stdout)
    assert "image input is not supported" in run.stderr
