"""Pictures that are made up, and those that are read."""

import base64
import io
import random
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from genai_perf.exceptions import InputError
from genai_perf.workload import images
from genai_perf.workload.images import STRIP_ROWS, Format, Picture


def opened(url: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    image.load()
    return image


def pictures_of(sizes: list[tuple[int, int]], seed: int = 0) -> list[Picture]:
    rng = random.Random(seed)
    return [next(images.drawn((width, 0), (height, 0), rng)) for width, height in sizes]


def made(sizes: list[tuple[int, int]], image_format: Format = "png", seed: int = 0) -> list[str]:
    return list(images.made(pictures_of(sizes, seed), image_format))


SIDES = st.integers(1, 3 * STRIP_ROWS + 1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=4), st.integers(0, 9))
def test_a_png_of_any_size_shows_the_picture(sizes: list[tuple[int, int]], seed: int) -> None:
    pictures = pictures_of(sizes, seed)
    textures = images.reaching(max(width for width, _ in sizes))
    for picture, url, size in zip(pictures, images.made(pictures, "png"), sizes, strict=True):
        image = opened(url)
        assert ("PNG", "RGB", size) == (image.format, image.mode, image.size)
        assert (images.pixels(picture, textures) == np.asarray(image)).all()


@pytest.mark.parametrize("size", [(1, 1), (33, 65), (1500, 900)])
def test_a_jpeg_shows_nearly_the_same(size: tuple[int, int]) -> None:
    (picture,) = pictures_of([size])
    image = opened(next(images.made([picture], "jpeg")))
    assert ("JPEG", "RGB", size) == (image.format, image.mode, image.size)
    shown = images.pixels(picture, images.reaching(size[0])).astype(int)
    assert np.abs(shown - np.asarray(image)).mean() < 12


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_a_url_says_what_it_holds(image_format: Format) -> None:
    (url,) = made([(8, 8)], image_format)
    assert url.startswith(f"data:image/{image_format};base64,")


@pytest.mark.parametrize("image_format", ["png", "jpeg"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(image_format: Format) -> None:
    sizes = [(40, 40), (64, 96)]
    assert made(sizes, image_format) == made(sizes, image_format)
    assert set() == set(made(sizes, image_format)) & set(made(sizes, image_format, seed=1))


@pytest.mark.parametrize("side", [16, 100])
def test_no_two_pictures_are_the_same(side: int) -> None:
    urls = made([(side, side)] * 300)
    assert len(urls) == len(set(urls))


def test_a_picture_compresses_about_as_well_as_a_photograph() -> None:
    raw = 512 * 512 * 3
    png, jpeg = (
        np.mean([len(url) * 3 / 4 for url in made([(512, 512)] * 5, image_format)])
        for image_format in ("png", "jpeg")
    )
    assert 0.5 < png / raw < 0.8
    assert 0.05 < jpeg / raw < 0.15


def test_sizes_have_the_mean_and_the_deviation_asked_for_and_are_at_least_1() -> None:
    def sizes(*asked: tuple[int, int], count: int = 3_000) -> tuple[list[int], list[int]]:
        pictures = list(islice(images.drawn(*asked, random.Random(0)), count))
        return [picture.width for picture in pictures], [picture.height for picture in pictures]

    for lengths, (mean, stddev) in zip(sizes((100, 20), (300, 10)), [(100, 20), (300, 10)], strict=True):
        assert np.mean(lengths) == pytest.approx(mean, abs=1)
        assert np.std(lengths) == pytest.approx(stddev, abs=1)
    assert ({64}, {33}) == tuple(map(set, sizes((64, 0), (33, 0), count=9)))
    assert (1, 1) == tuple(map(min, sizes((1, 3), (2, 9), count=500)))


# -- read -------------------------------------------------------------------------------------------


def save(path: Path, image_format: str, **more: Any) -> Path:
    Image.new("RGB", (5, 4), (200, 30, 60)).save(path, image_format, **more)
    return path


@pytest.mark.parametrize(("name", "kind"), [("a.png", "png"), ("a.jpg", "jpeg"), ("no extension", "png")])
def test_a_file_goes_as_it_is(tmp_path: Path, name: str, kind: str) -> None:
    path = save(tmp_path / name, kind)
    head, _, data = images.read(str(path), tmp_path).partition(",")
    assert f"data:image/{kind};base64" == head
    assert path.read_bytes() == base64.b64decode(data)


def test_a_relative_path_counts_from_the_working_directory_and_then_from_the_data_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        place.mkdir()
    monkeypatch.chdir(here)
    save(there / "a.png", "png")
    assert images.read("a.png", there).startswith("data:image/png")
    save(here / "a.png", "jpeg")
    assert images.read("a.png", there).startswith("data:image/jpeg")


GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="
"""A picture of one pixel; what a server takes is for it to say."""


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.png", "http://h:1/x?y=1", GIF, "s3://bucket/a.png"],
)
def test_a_url_is_kept(url: str, tmp_path: Path) -> None:
    assert url == images.read(url, tmp_path)


@pytest.mark.parametrize("url", ["https://", "https:///a.png", "//example.com/a.png"])
def test_half_a_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        images.read(url, tmp_path)
    assert f"Valid URL must have both a scheme and netloc: {url}" == refused.value.message


@pytest.mark.parametrize(
    "url", ["data:text/plain;base64,AAAA", "data:image/png,AAAA", "data:image/png;base64"]
)
def test_a_data_url_that_holds_no_image_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a data: URL of image"):
        images.read(url, tmp_path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data:image/png;base64,AAAA", "Failed to open image 'data:image/png;base64,AAAA…'."),
        ("data:image/png;base64,AA§A", "the data: URL of image is not base64: 'data:image/png;base64,AA§A'"),
    ],
)
def test_a_data_url_of_something_else_is_refused(url: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        images.read(url, tmp_path)
    assert message == refused.value.message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"this is no image", "it is no image"),
        (b"", "it is no image"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        images.read(str(path), tmp_path)
    assert (f"Failed to open image '{path}'.", reason) == (refused.value.message, refused.value.hint)


def test_a_directory_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Failed to open image"):
        images.read(str(tmp_path), tmp_path)


@pytest.mark.parametrize("lost", [20, 60])
def test_a_png_that_was_cut_off_is_refused(tmp_path: Path, lost: int) -> None:
    path = save(tmp_path / "x.png", "png")
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputError, match="Failed to open image"):
        images.read(str(path), tmp_path)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP"])
def test_other_formats_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / "x", kind)
    with pytest.raises(InputError) as refused:
        images.read(str(path), tmp_path)
    assert f"Unsupported image format '{kind}' of the image '{path}'." == refused.value.message
