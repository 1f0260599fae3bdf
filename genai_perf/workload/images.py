"""Pictures to send: made up, or read from files; both end as `data:` URLs.

A made-up picture is a stack of strips, windows on two textures whose detail falls off with its size as in
photographs. So it compresses about as well as they do: 512 x 512 take some 570 kB as PNG and 80 kB as JPEG.
The strip at the top is each picture's own, so that no two are the same and no server can answer one from a
cache; those below are shared, so that a PNG costs a few milliseconds instead of ten.
"""

import io
import random
import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from genai_perf.exceptions import InputError
from genai_perf.workload import local_media

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    """Rows, columns, red-green-blue."""

Format = Literal["png", "jpeg"]

JPEG_QUALITY = 85
STRIP_ROWS = 32

_SIDE = 512
"""Of a texture, which repeats without a seam beyond that."""
_LIGHT, _COLOUR = 160, 95
"""The most that brightness and colour add to a pixel; together no more than a byte holds."""
_LIGHT_FALLOFF, _COLOUR_FALLOFF = 1.2, 1.6
"""Powers of the spatial frequency that amplitudes go down with; photographs have 1 to 1.5."""
_SHARED = 32
"""Different strips below the top."""
_KEPT = 256
"""Strips that are kept, for the widths that come most."""


class Place(NamedTuple):
    """Where a strip's windows begin on the textures."""

    light_row: int
    light_column: int
    colour_row: int
    colour_column: int


Normal = tuple[int, int]
"""Mean and standard deviation."""


class Picture(NamedTuple):
    """What a made-up picture shows, in pixels."""

    width: int
    height: int
    top: Place
    """Of the strip at the top, which has the rows that full strips leave over."""
    below: tuple[Place, ...]


def drawn(width: Normal, height: Normal, rng: random.Random) -> Iterator[Picture]:
    """Pictures without end, no two the same; sizes are drawn as GenAI-Perf draws them, max(1, |normal|)."""
    always = random.Random(0)
    shared = [_place(always) for _ in range(_SHARED)]

    def length(normal: Normal) -> int:
        return max(1, int(abs(rng.gauss(*normal))))

    while True:
        rows = length(height)
        below = rng.choices(shared, k=(rows - 1) // STRIP_ROWS)
        yield Picture(length(width), rows, _place(rng), tuple(below))


def made(pictures: Iterable[Picture], image_format: Format) -> Iterator[str]:
    """Their `data:` URLs, in order; each is made when it is asked for."""
    textures, reach = reaching(0), 0

    @lru_cache(maxsize=_KEPT)
    def shared(place: Place, width: int) -> _Packed:
        return _pack(_strip(textures, place, width, STRIP_ROWS))

    for picture in pictures:
        if picture.width > reach:
            reach = picture.width
            textures = reaching(reach)
        if image_format == "jpeg":
            yield data_url(_jpeg(pixels(picture, textures)), "jpeg")
        else:
            top = _pack(_strip(textures, picture.top, picture.width, _top_rows(picture)))
            below = [shared(place, picture.width) for place in picture.below]
            yield data_url(_png(picture.width, picture.height, [top, *below]), "png")


def data_url(image: bytes, image_format: Format) -> str:
    """A file's bytes as the URL that holds them."""
    return f"data:image/{image_format};base64,{b64encode(image).decode()}"


class Textures(NamedTuple):
    """What windows are on."""

    light: "Pixels"
    """Brightness: one channel."""
    colour: "Pixels"


def reaching(width: int) -> Textures:
    """The textures, repeated so far that a strip of this width fits in anywhere."""
    light, colour = _textures()
    more = ((0, STRIP_ROWS), (0, width), (0, 0))
    return Textures(np.pad(light, more, mode="wrap"), np.pad(colour, more, mode="wrap"))


def pixels(picture: Picture, textures: Textures) -> "Pixels":
    """All of a picture; the same everywhere."""
    top = _strip(textures, picture.top, picture.width, _top_rows(picture))
    below = [_strip(textures, place, picture.width, STRIP_ROWS) for place in picture.below]
    return np.concatenate([top, *below])


def _place(rng: random.Random) -> Place:
    return Place(*(rng.randrange(_SIDE) for _ in range(4)))


def _top_rows(picture: Picture) -> int:
    return picture.height - STRIP_ROWS * len(picture.below)


@lru_cache(maxsize=1)
def _textures() -> Textures:
    """A square of each, the same in every run."""
    rng = np.random.default_rng(0)
    light = _texture(rng, _LIGHT_FALLOFF) * _LIGHT
    colour = np.stack([_texture(rng, _COLOUR_FALLOFF) for _ in range(3)], axis=-1) * _COLOUR
    return Textures(light.astype(np.uint8)[:, :, None], colour.astype(np.uint8))


def _texture(rng: np.random.Generator, falloff: float) -> "NDArray[np.float64]":
    """Values from 0 to 1: noise, with amplitudes that go down with a power of the frequency."""
    frequency = np.hypot(np.fft.fftfreq(_SIDE)[:, None], np.fft.rfftfreq(_SIDE))
    frequency[0, 0] = np.inf  # no constant part
    noise = np.fft.rfft2(rng.standard_normal((_SIDE, _SIDE)))
    texture = np.fft.irfft2(noise / frequency**falloff)
    clipped: NDArray[np.float64] = np.clip(0.5 + texture / (5 * texture.std()), 0, 1)
    return clipped


def _strip(textures: Textures, place: Place, width: int, rows: int) -> "Pixels":
    light_row, light_column, colour_row, colour_column = place
    light = textures.light[light_row : light_row + rows, light_column : light_column + width]
    colour = textures.colour[colour_row : colour_row + rows, colour_column : colour_column + width]
    return light + colour


class _Packed(NamedTuple):
    """Some rows of a PNG."""

    filtered: bytes
    deflated: bytes
    """Blocks that end with a byte, so that others can follow."""


def _pack(strip: "Pixels") -> _Packed:
    """By Huffman codes alone: a photograph has no repetitions that were worth looking for."""
    height, width, channels = strip.shape
    rows = strip.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = 1  # each byte is the difference to that of the pixel on the left
    filtered[:, 1 : 1 + channels] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=filtered[:, 1 + channels :])
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
    return _Packed(filtered.tobytes(), packer.compress(filtered.data) + packer.flush(zlib.Z_FULL_FLUSH))


def _png(width: int, height: int, strips: Sequence[_Packed]) -> bytes:
    """A PNG file of these strips, top down. Pillow would compress each anew: 20 ms and more."""
    check = zlib.adler32(b"".join(strip.filtered for strip in strips))
    data = b"".join(
        [_ZLIB_HEAD, *(strip.deflated for strip in strips), _LAST_BLOCK, struct.pack(">I", check)]
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, red-green-blue
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


_ZLIB_HEAD = b"\x78\x01"
_LAST_BLOCK = b"\x03\x00"
"""With nothing in it."""


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _jpeg(image: "Pixels") -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def read(given: str, base: Path) -> str:
    """The URL for what a data file names as an image: a URL as it is, a local PNG or JPEG as a `data:` URL.

    A relative path counts from the working directory, or where there is nothing from `base`. Raises
    InputError.
    """
    if given.startswith("data:"):
        url = local_media.checked(given, "image", "data:image/png;base64")
        _kind_of(local_media.decoded(url, "image"), f"{given[:60]}…")
        return url
    parts = urlsplit(given)
    if parts.scheme and parts.netloc:
        return given
    if "://" in given or given.startswith("//"):
        raise InputError(f"Valid URL must have both a scheme and netloc: {given}")
    return of_bytes(local_media.content(given, base, "image"), given)


def of_bytes(content: bytes, given: str) -> str:
    """The URL of a file's own bytes, once Pillow has seen that they are an image. Raises InputError."""
    kind = _kind_of(content, given)
    if kind not in ("PNG", "JPEG"):
        raise InputError(
            f"Unsupported image format '{kind}' of the image '{given}'.", hint="PNG and JPEG can be sent"
        )
    return data_url(content, "png" if kind == "PNG" else "jpeg")


def _kind_of(content: bytes, given: str) -> str:
    """Pillow's name for the format of these bytes. Raises InputError where they are no image."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = str(image.format)
            image.verify()
    except OSError as exc:  # and UnidentifiedImageError, which is one
        reason = "it is no image" if isinstance(exc, UnidentifiedImageError) else exc.strerror or str(exc)
        raise InputError(f"Failed to open image '{given}'.", hint=reason) from exc
    except (
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as exc:  # what Pillow finds in a broken one
        raise InputError(f"Failed to open image '{given}'.", hint=str(exc)) from exc
    return kind
