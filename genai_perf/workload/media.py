"""What goes with a text: made-up images and audio without end, or what a row of a file names."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from genai_perf.config.schema import AudioConfig, ImageConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import images, sounds

Read = Callable[[str | bytes], str]
"""From what a row says, or holds, to a URL. Raises InputError."""

_HZ_PER_KHZ = 1000


def made_images(config: ImageConfig, rng: random.Random) -> Iterator[str]:
    """URLs of images without end, each different, each made when it is asked for."""
    width, height = (config.width_mean, config.width_stddev), (config.height_mean, config.height_stddev)
    return images.made(images.drawn(width, height, rng), config.format)


def made_audio(config: AudioConfig, rng: random.Random) -> Iterator[str]:
    """URLs of audio, likewise."""
    rates_hz = [round(rate_khz * _HZ_PER_KHZ) for rate_khz in config.sample_rates_khz]
    length = (config.length_mean_s, config.length_stddev_s)
    return sounds.made(sounds.drawn(length, rates_hz, config.depths, config.num_channels, rng), config.format)


def readers(base: Path) -> Mapping[str, Read]:
    """By a row's key, how what it names is read; each file once, however many rows name it.

    Relative paths count from the working directory, or where there is nothing from `base`.
    """

    def reader(of_file: Callable[[str, Path], str], of_bytes: Callable[[bytes, str], str]) -> Read:
        named = cache(lambda name: of_file(name, base))
        return lambda given: of_bytes(given, "in the row") if isinstance(given, bytes) else named(given)

    return {
        "image": reader(images.read, images.of_bytes),
        "audio": reader(sounds.read, sounds.of_bytes),
    }


def named(entry: Mapping[str, Any], key: str, read: Read, where: str) -> tuple[str, ...]:
    """The URLs of what a row names under a key, one or a list. InputError says where, and which."""
    given = entry.get(key)
    names = given if isinstance(given, list) else [] if given is None else [given]
    urls = []
    for place, name in enumerate(names):
        field = f'"{key}"[{place}]' if isinstance(given, list) else f'"{key}"'
        if isinstance(name, Mapping):  # as data sets have it: the file itself, or where it is
            name = name.get("bytes") or name.get("path")
        if not isinstance(name, str | bytes) or not name.strip():
            raise InputError(f"{where}: {field} is not the name of a file, or a URL: {str(name)[:60]!r}")
        try:
            urls.append(read(name.strip() if isinstance(name, str) else name))
        except InputError as exc:
            raise InputError(f"{where}: {field}: {exc.message}", hint=exc.hint) from exc
    return tuple(urls)
