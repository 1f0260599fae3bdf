"""Sounds to send: made up, or read from files; both end as `data:audio/…;base64,…` URLs.

A made-up sound is noise at a third of full scale, in every channel another. (What is said does not matter to
the time a model takes; how long it lasts does.)
"""

import io
import random
import struct
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from genai_perf.config.media import SHORTEST_S
from genai_perf.exceptions import InputError
from genai_perf.workload import local_media

if TYPE_CHECKING:
    from numpy.typing import NDArray

Format = Literal["wav", "mp3"]

_LOUDNESS = 0.3
"""Standard deviation of the samples, full scale being 1."""


class Sound(NamedTuple):
    """What a made-up sound is."""

    length_s: float
    rate_hz: int
    depth_bits: int
    channels: int
    seed: int


def drawn(
    length: tuple[float, float],
    rates_hz: Sequence[int],
    depths_bits: Sequence[int],
    channels: int,
    rng: random.Random,
) -> Iterator[Sound]:
    """Sounds without end; `length` is mean and deviation in seconds, drawn again where it is too short."""
    while True:
        length_s = rng.gauss(*length)
        if length_s >= SHORTEST_S:
            yield Sound(
                length_s, rng.choice(rates_hz), rng.choice(depths_bits), channels, rng.getrandbits(64)
            )


def made(sounds: Iterable[Sound], audio_format: Format) -> Iterator[str]:
    """Their `data:` URLs, in order."""
    for sound in sounds:
        samples = noise(sound)
        yield data_url(wav(samples, sound) if audio_format == "wav" else mp3(samples, sound), audio_format)


def data_url(audio: bytes, audio_format: Format) -> str:
    """A file's bytes as the URL that holds them."""
    return f"data:audio/{audio_format};base64,{b64encode(audio).decode()}"


def noise(sound: Sound) -> "NDArray[np.float32]":
    """Samples from -1 to 1, a row for each instant and a column for each channel."""
    rng = np.random.default_rng(sound.seed)
    shape = (round(sound.length_s * sound.rate_hz), sound.channels)
    samples: NDArray[np.float32] = np.clip(rng.standard_normal(shape, np.float32) * _LOUDNESS, -1, 1)
    return samples


def wav(samples: "NDArray[np.float32]", sound: Sound) -> bytes:
    """A WAV file of whole numbers: signed, but for those of 8 bits, which the format counts from 0."""
    most = 2 ** (sound.depth_bits - 1) - 1
    numbers = np.rint(samples.astype(np.float64) * most).astype("<i4")
    if sound.depth_bits == 8:
        data = (numbers + 128).astype(np.uint8).tobytes()
    else:
        size = sound.depth_bits // 8
        data = numbers.view(np.uint8).reshape(-1, 4)[:, :size].tobytes()  # the low bytes stand first
    frame_bytes = sound.channels * sound.depth_bits // 8
    padding = b"\0" * (len(data) % 2)
    head = struct.pack(
        "<4sI8sIHHIIHH4sI",
        *(b"RIFF", 36 + len(data) + len(padding), b"WAVEfmt ", 16, 1, sound.channels, sound.rate_hz),
        *(sound.rate_hz * frame_bytes, frame_bytes, sound.depth_bits, b"data", len(data)),
    )
    return b"".join([head, data, padding])


def mp3(samples: "NDArray[np.float32]", sound: Sound) -> bytes:
    """An MP3 file; the depth says nothing here."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, sound.rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


def read(given: str, base: Path) -> str:
    """The URL for what a data file names as audio: a `data:` URL as it is, a local WAV or MP3 as one.

    A relative path counts from the working directory, or where there is nothing from `base`. Raises
    InputError.
    """
    if given.startswith("data:"):
        return local_media.checked(given, "audio", "data:audio/wav;base64")
    if "://" in given:
        raise InputError(
            f"audio goes into the request, it cannot be a URL: {given}", hint="give a local file"
        )
    return of_bytes(local_media.content(given, base, "audio"), given)


def of_bytes(content: bytes, given: str) -> str:
    """The URL of a file's own bytes. Raises InputError."""
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return data_url(content, "wav")
    # an ID3 tag, or the eleven ones that an MPEG frame begins with
    if content[:3] == b"ID3" or (content[:1] == b"\xff" and content[1:2] >= b"\xe0"):
        return data_url(content, "mp3")
    raise InputError(f"Unsupported audio format of '{given}'.", hint="WAV and MP3 can be sent")
