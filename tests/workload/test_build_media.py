"""Requests with images and audio, and those that a template of the user's makes."""

import json
from pathlib import Path
from typing import Any

import pytest

from genai_perf import endpoints
from genai_perf.config.schema import AudioConfig, Config, EndpointConfig, ImageConfig, InputConfig
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import InputError, UsageError
from genai_perf.types import Request
from genai_perf.workload.build import build, needs_tokenizer
from genai_perf.workload.tokenizer import Tokenizer

MULTIMODAL, NVCLIP, IMAGE_RETRIEVAL, TEMPLATE = map(
    endpoints.get, ("multimodal", "nvclip", "image_retrieval", "template")
)
SMALL = ImageConfig(width_mean=20, height_mean=10)
SHORT = AudioConfig(length_mean_s=0.1, sample_rates_khz=(8.0,))
URL = "https://a.b/{}.png"


def config(
    image: ImageConfig | None = None, audio: AudioConfig | None = None, path: str | None = None, **given: Any
) -> Config:
    return Config(
        endpoint=EndpointConfig(model_names=("m",), path=path),
        input=InputConfig(**{"num_dataset_entries": 6, "synthetic_tokens_mean": 20, **given}),
        image=image or ImageConfig(),
        audio=audio or AudioConfig(),
    )


def made(given: Config, endpoint: Endpoint, tokenizer: Tokenizer | None) -> list[Request]:
    return list(build(given, endpoint, tokenizer).requests)


def bodies(requests: list[Request]) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in requests]


def parts(body: dict[str, Any], kind: str) -> list[Any]:
    return [part[kind] for part in body["messages"][0]["content"] if part["type"] == kind]


def rows(directory: Path, *lines: dict[str, Any]) -> str:
    path = directory / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_every_request_has_images_and_audio_of_its_own(builtin_tokenizer: Tokenizer) -> None:
    given = config(
        ImageConfig(width_mean=20, height_mean=10, batch_size=2),
        AudioConfig(length_mean_s=0.1, sample_rates_khz=(8.0,), batch_size=3),
    )
    requests = made(given, MULTIMODAL, builtin_tokenizer)
    images = [image["url"] for body in bodies(requests) for image in parts(body, "image_url")]
    audio = [audio["data"] for body in bodies(requests) for audio in parts(body, "input_audio")]
    assert (12, 18) == (len(set(images)), len(set(audio)))
    assert {2} == {request.images for request in requests}


def test_only_the_text_is_counted(builtin_tokenizer: Tokenizer) -> None:
    requests = made(config(SMALL, SHORT), MULTIMODAL, builtin_tokenizer)
    assert {20} == {request.input_tokens for request in requests}


def test_images_and_audio_change_nothing_else_that_is_drawn(builtin_tokenizer: Tokenizer) -> None:
    plain = bodies(made(config(), MULTIMODAL, builtin_tokenizer))
    loaded = bodies(made(config(SMALL, SHORT), MULTIMODAL, builtin_tokenizer))
    assert [parts(body, "text") for body in plain] == [parts(body, "text") for body in loaded]


def test_the_same_seed_gives_the_same_requests(builtin_tokenizer: Tokenizer) -> None:
    given = config(ImageConfig(width_mean=20, width_stddev=5, height_mean=10, format="jpeg"), SHORT)
    again = [made(given, MULTIMODAL, builtin_tokenizer) for _ in range(2)]
    assert again[0] == again[1]


def test_a_prompt_of_no_tokens_leaves_the_images_alone(builtin_tokenizer: Tokenizer) -> None:
    (body, *_) = bodies(made(config(SMALL, synthetic_tokens_mean=0), MULTIMODAL, builtin_tokenizer))
    assert ["image_url"] == [part["type"] for part in body["messages"][0]["content"]]


def test_image_retrieval_needs_neither_text_nor_tokenizer() -> None:
    given = config(SMALL)
    assert not needs_tokenizer(given, IMAGE_RETRIEVAL)
    requests = made(given, IMAGE_RETRIEVAL, None)
    assert {(1, None)} == {(request.images, request.input_tokens) for request in requests}
    assert [["image_url"]] * 6 == [[part["type"] for part in body["input"]] for body in bodies(requests)]


def test_sessions_have_images_in_every_turn(builtin_tokenizer: Tokenizer) -> None:
    given = config(SMALL, num_sessions=2, session_turns_mean=3)
    requests = made(given, MULTIMODAL, builtin_tokenizer)
    assert [(0, 1), (1, 1), (2, 1)] * 2 == [(request.turn, request.images) for request in requests]


# -- read -------------------------------------------------------------------------------------------


def test_rows_of_a_file_keep_their_images(tmp_path: Path, builtin_tokenizer: Tokenizer) -> None:
    name = rows(
        tmp_path,
        {"text": "What is this?", "image": URL.format(1), "output_length": 5},
        {"image": [URL.format(2), URL.format(3)]},
        {"text": "Nothing."},
    )
    requests = made(config(file=name), MULTIMODAL, builtin_tokenizer)
    assert [1, 2, 0] == [request.images for request in requests]
    first, second, third = bodies(requests)
    assert (5, ["What is this?"], [{"url": URL.format(1)}]) == (
        first["max_tokens"],
        parts(first, "text"),
        parts(first, "image_url"),
    )
    assert ([], 2) == (parts(second, "text"), len(parts(second, "image_url")))
    assert ["Nothing."] == parts(third, "text")
    assert [0] == [request.input_tokens for request in requests[1:2]]


def test_batches_draw_texts_and_images_apart(tmp_path: Path) -> None:
    lines = [{"text": f"text {number}", "image": URL.format(number)} for number in range(5)]
    given = config(
        ImageConfig(batch_size=3), file=rows(tmp_path, *lines), batch_size=2, num_dataset_entries=40
    )
    drawn = [body["input"] for body in bodies(made(given, NVCLIP, None))]
    assert 40 == len(drawn)
    assert {(2, 3)} == {(len(set(each[:2])), len(set(each[2:]))) for each in drawn}
    assert {f"text {number}" for number in range(5)} == {text for each in drawn for text in each[:2]}
    assert {URL.format(number) for number in range(5)} == {url for each in drawn for url in each[2:]}


def test_a_batch_of_more_images_than_there_are_is_refused(tmp_path: Path) -> None:
    given = config(ImageConfig(batch_size=2), file=rows(tmp_path, {"image": URL.format(1)}))
    with pytest.raises(InputError, match="Batch size for images cannot be larger"):
        made(given, IMAGE_RETRIEVAL, None)


# -- templates --------------------------------------------------------------------------------------


def test_each_text_of_a_turn_becomes_a_request_by_the_built_in_template(builtin_tokenizer: Tokenizer) -> None:
    given = config(path="x", batch_size=2, extra={"payload_template": "nv-embedqa"})
    requests = made(given, TEMPLATE, builtin_tokenizer)
    assert list(range(12)) == [request.index for request in requests]
    assert all(list(body) == ["text"] and len(body["text"]) == 1 for body in bodies(requests))
    assert {None} == {request.input_tokens for request in requests}


def test_a_template_of_ones_own_gets_everything_there_is(
    tmp_path: Path, builtin_tokenizer: Tokenizer
) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(
        '[{"q": "{{ texts[0] }}", "n": {{ max_tokens }}, "i": {{ images }}, "a": {{ audio | length }}}]'
    )
    given = config(SMALL, path="x", extra={"payload_template": str(template)}, output_tokens_mean=9)
    requests = made(given, TEMPLATE, builtin_tokenizer)
    for request, body in zip(requests, bodies(requests), strict=True):
        assert (9, 1, 0) == (body["n"], len(body["i"]), body["a"])
        assert [20] == builtin_tokenizer.count([body["q"]])
        assert "m" == request.model


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("[{% if %}]", ":1: "),
        ('{"a": 1}', ": must render a JSON list"),
        ('[{"a": "{{ prompt }}"}]', ":1: 'prompt' is undefined"),
    ],
)
def test_a_template_is_tried_before_a_single_prompt_is_made(
    tmp_path: Path, source: str, message: str
) -> None:
    template = tmp_path / "t.jinja"
    template.write_text(source)
    given = config(path="x", extra={"payload_template": str(template)})
    with pytest.raises(InputError) as refused:
        made(given, TEMPLATE, None)  # without a tokenizer there can be no prompt
    assert refused.value.message.startswith(f"{template}{message}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (config(extra={"payload_template": "nv-embedqa"}), "--endpoint-type template needs --endpoint"),
        (config(path="x"), "The template converter requires the extra input payload_template"),
        (config(path="x", extra={"payload_template": "no.jinja"}), "Template file not found: no.jinja"),
    ],
)
def test_what_a_template_needs_is_said(given: Config, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        made(given, TEMPLATE, None)
    assert refused.value.message.startswith(message)


def test_a_template_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"\xff\xfe")
    for name, reason in ((tmp_path, "Is a directory"), (tmp_path / "t", "not UTF-8")):
        with pytest.raises(InputError, match=reason):
            made(config(path="x", extra={"payload_template": str(name)}), TEMPLATE, None)
