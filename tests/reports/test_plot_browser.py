"""Pictures in a real Chrome: the images that kaleido makes, and the pages as a reader opens them.

Without a Chrome or kaleido these are skipped; in CI they fail.
"""

import os
import re
import shutil
import struct
import subprocess
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest
from runs import chat, troubled

from genai_perf.reports import plots
from genai_perf.reports.plots.images import Image, by_kaleido
from genai_perf.reports.plots.pages import INDEX, LIBRARY

CHROME = next(
    filter(
        None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"))
    ),
    None,
)
MISSING = [
    what
    for what, is_there in (
        ("no Chrome or Chromium is installed (apt-get install chromium)", CHROME is not None),
        ("kaleido is not installed (make setup-plots)", find_spec("kaleido") is not None),
    )
    if not is_there
]

pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason="; ".join(MISSING))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of a run, images among them."""
    assert not MISSING
    directory = tmp_path_factory.mktemp("gpt2-openai-chat-concurrency8")
    return plots.write(chat(), directory).parent


def png(path: Path) -> tuple[int, int, int]:
    """Width, height, and how many different bytes its pixels have once PNG has filtered them.

    Few where there is nothing to see: the colour of the ground, and zeros for what is like its neighbour.
    """
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    place, pixels, size = 8, b"", (0, 0)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            size = struct.unpack_from(">II", chunk)
        elif kind == b"IDAT":
            pixels += chunk
        place += 12 + length
    return *size, len(set(zlib.decompress(pixels)))


def jpeg(path: Path) -> tuple[int, int]:
    """Width and height, from the frame's header."""
    data = path.read_bytes()
    assert data.startswith(b"\xff\xd8\xff")
    frame = re.search(rb"\xff[\xc0-\xc2]\x00\x11\x08(....)", data, re.DOTALL)
    assert frame
    height, width = struct.unpack(">HH", frame[1])
    return width, height


def opened(page: Path) -> str:
    """What Chrome makes of a page, as markup; no host has an address."""
    assert CHROME
    alone = ("--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND")
    command = [CHROME, *alone, f"--user-data-dir={page.parent}/chrome", "--virtual-time-budget=10000"]
    command += ["--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


SIZES = {
    "time_to_first_token": (700, 450),
    "request_latency": (700, 450),
    "distribution_of_input_sequence_lengths_to_output_sequence_lengths": (700, 450),
    "time_to_first_token_vs_input_sequence_lengths": (700, 450),
    "token-to-token_latency_vs_output_token_position": (700, 450),
    "timeline": (900, 645),
    "latency_over_time": (900, 650),
    "latency_distributions": (1250, 450),
}
"""By picture; its images have twice as many pixels either way."""


def test_every_picture_is_an_image_of_its_size_with_something_in_it(drawn: Path) -> None:
    images = {path.stem: png(path) for path in drawn.glob("*.png")}
    assert {stem: (2 * width, 2 * height) for stem, (width, height) in SIZES.items()} == {
        stem: (width, height) for stem, (width, height, _) in images.items()
    }
    assert [] == [stem for stem, (_, _, values) in images.items() if values < 100]


def test_genai_perfs_five_are_jpegs_of_its_size_too(drawn: Path) -> None:
    assert dict.fromkeys(list(SIZES)[:5], (1400, 900)) == {
        path.stem: jpeg(path) for path in drawn.glob("*.jpeg")
    }


def test_an_empty_image_would_be_found_out(tmp_path: Path) -> None:
    nothing = {"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False}}}
    assert by_kaleido([Image(tmp_path / "empty.png", "png", nothing, 700, 450)]) is None
    width, height, values = png(tmp_path / "empty.png")
    assert (1400, 900) == (width, height)
    assert values < 10


def test_the_index_draws_every_picture_without_a_network(drawn: Path) -> None:
    sections = opened(drawn / INDEX).split("<section ")[1:]
    assert list(SIZES) == [re.findall(r'id="([^"]+)"', section)[0] for section in sections]
    for section in sections:
        assert 'class="main-svg"' in section
        assert 'class="gtitle"' in section
        assert re.search(r'class="(point|box|hm|js-line|boxlayer)', section), section[:200]


def test_a_picture_has_a_page_of_its_own(drawn: Path) -> None:
    page = opened(drawn / "timeline.html")
    assert 1 == page.count("<section ")
    assert 'class="js-line"' in page
    assert "Time since the first request (s)" in page


def test_a_run_that_shares_its_library_opens_where_it_is_moved_to(drawn: Path, tmp_path: Path) -> None:
    there = plots.write(
        troubled(), tmp_path / "run", render=plots.no_images, library=drawn / LIBRARY
    ).parent.rename(tmp_path / "elsewhere")
    assert 'class="main-svg"' in opened(there / INDEX)


def test_a_page_without_its_library_would_be_found_out(drawn: Path, tmp_path: Path) -> None:
    alone = tmp_path / "timeline.html"
    shutil.copy(drawn / alone.name, alone)
    assert 'class="main-svg"' not in opened(alone)
