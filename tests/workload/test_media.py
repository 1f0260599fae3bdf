"""Images and audio that rows of a file name."""

import base64
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from genai_perf.config.schema import AudioConfig, ImageConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import media, sounds
from genai_perf.workload.files import Row, batches, read

EVERYTHING = ("text", "image", "audio")
URL = "https://a.b/c.png"


def write(directory: Path, *rows: Any) -> str:
    path = directory / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def png(tmp_path: Path) -> str:
    """Its URL; the file is `a.png`."""
    Image.new("RGB", (3, 2), (9, 99, 199)).save(tmp_path / "a.png")
    return f"data:image/png;base64,{base64.b64encode((tmp_path / 'a.png').read_bytes()).decode()}"


@pytest.fixture
def wav(tmp_path: Path) -> str:
    url = next(sounds.made([sounds.Sound(0.1, 8_000, 8, 1, 0)], "wav"))
    (tmp_path / "a.wav").write_bytes(base64.b64decode(url.partition(",")[2]))
    return url


def test_rows_name_images_and_audio_one_or_several(tmp_path: Path, png: str, wav: str) -> None:
    name = write(
        tmp_path,
        {"text": "What is this?", "image": "a.png"},
        {"text_input": "Compare.", "image": ["a.png", URL, png], "output_length": 3},
        {"image": URL},
        {"text": "Write it down.", "audio": "a.wav"},
        {"audio": ["a.wav", wav], "image": None, "text": ""},
        {"text": "nothing else", "image": []},
    )
    assert read(name, EVERYTHING) == [
        Row("What is this?", None, (png,)),
        Row("Compare.", 3, (png, URL, png)),
        Row("", None, (URL,)),
        Row("Write it down.", None, (), (wav,)),
        Row("", None, (), (wav, wav)),
        Row("nothing else"),
    ]


def test_where_only_images_are_sent_a_text_is_left_alone(tmp_path: Path) -> None:
    name = write(tmp_path, {"text": "What is this?", "image": URL}, {"image": URL})
    assert read(name, ["image"]) == [Row("", None, (URL,))] * 2


@pytest.mark.parametrize(
    ("row", "takes", "message"),
    [
        ({"text": "a", "image": "x.png"}, ["text"], 'has an "image"; this endpoint takes text only'),
        ({"text": "a", "audio": "x.wav"}, ["text"], 'has "audio"; this endpoint takes text only'),
        (
            {"text": "a", "audio": "x.wav"},
            ["text", "image"],
            'has "audio"; this endpoint takes text and image only',
        ),
        ({"text": "a", "image": "x.png"}, EVERYTHING, "\"image\": Failed to open image 'x.png'."),
        ({"image": [URL, "x.png"]}, EVERYTHING, "\"image\"[1]: Failed to open image 'x.png'."),
        (
            {"image": "http:///x"},
            EVERYTHING,
            '"image": Valid URL must have both a scheme and netloc: http:///x',
        ),
        ({"image": 7}, EVERYTHING, "\"image\" is not the name of a file, or a URL: '7'"),
        ({"image": [URL, " "]}, EVERYTHING, "\"image\"[1] is not the name of a file, or a URL: ' '"),
        ({"audio": "rows.jsonl"}, EVERYTHING, "\"audio\": Unsupported audio format of 'rows.jsonl'."),
        ({"image": "rows.jsonl"}, EVERYTHING, "\"image\": Failed to open image 'rows.jsonl'."),
        ({"image": [], "text": ""}, EVERYTHING, '"text" is empty'),
        ({"prompt": "a"}, EVERYTHING, 'no "text" field'),
        ({"text": "a"}, ["image"], 'no "image" field'),
        (
            {"text": "a", "text_input": "b", "image": URL},
            EVERYTHING,
            "Each data entry must have only one of 'text_input' or 'text' key name.",
        ),
        ({"text": 3, "image": URL}, EVERYTHING, '"text" is not a string: 3'),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_field(
    tmp_path: Path, row: dict[str, Any], takes: Sequence[str], message: str
) -> None:
    good = {"text": "fine", "image": URL} if "image" in takes else {"text": "fine"}
    name = write(tmp_path, good, row)
    with pytest.raises(InputError) as refused:
        read(name, takes)
    assert f"{name}:2: {message}" == refused.value.message


def test_a_file_that_many_rows_name_is_there_once(tmp_path: Path, png: str) -> None:
    first, second = read(write(tmp_path, {"image": "a.png"}, {"image": "a.png"}), EVERYTHING)
    assert png == first.images[0]
    assert first.images[0] is second.images[0]


def test_a_batch_of_images_cannot_be_larger_than_there_are() -> None:
    with pytest.raises(InputError) as refused:
        batches([URL], 2, 10, Random(0), "image")
    assert (
        "Batch size for images cannot be larger than the number of available images" == refused.value.message
    )
    assert "--batch-size-image is 2, the file has 1" == refused.value.hint


def test_made_up_media_follow_the_options() -> None:
    image = ImageConfig(width_mean=20, height_mean=10, format="jpeg")
    (first, second) = islice(media.made_images(image, Random(0)), 2)
    assert first.startswith("data:image/jpeg;base64,")
    assert first != second
    audio = AudioConfig(length_mean_s=0.1, sample_rates_khz=(11.025,), depths=(24,), num_channels=2)
    content = base64.b64decode(next(media.made_audio(audio, Random(0))).partition(",")[2])
    assert (2, 11_025, 24) == tuple(
        int.from_bytes(content[start : start + size], "little") for start, size in ((22, 2), (24, 4), (34, 2))
    )
