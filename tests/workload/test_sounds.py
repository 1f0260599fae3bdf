"""Sounds that are made up, and those that are read."""

import base64
import io
import random
import wave
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile

from genai_perf.config.media import DEPTHS, MP3_RATES_KHZ, SHORTEST_S
from genai_perf.exceptions import InputError
from genai_perf.workload import sounds
from genai_perf.workload.sounds import Sound


def file_of(url: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(url.partition(",")[2]))


def wav_of(sound: Sound) -> io.BytesIO:
    return file_of(next(sounds.made([sound], "wav")))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_file_holds_the_sound_at_every_depth(depth: int, channels: int) -> None:
    sound = Sound(0.25, 11_025, depth, channels, seed=3)
    with wave.open(wav_of(sound)) as file:
        assert (channels, depth // 8, 11_025, 2756) == file.getparams()[:4]
    samples, rate_hz = soundfile.read(wav_of(sound), always_2d=True)
    assert 11_025 == rate_hz
    # a step of the depth, and half of one for rounding; libsndfile counts full scale by 2^(depth-1)
    assert np.abs(samples - sounds.noise(sound)).max() <= 1.5 / 2 ** (depth - 1) + 1e-7
    assert np.abs(samples.mean()) < 0.03, "8 bits are counted from 0, which is no sound at 128"


def test_a_file_of_an_odd_length_is_padded_and_says_so() -> None:
    content = wav_of(Sound(0.1, 8_010, 8, 1, seed=0)).getvalue()
    assert 44 + 801 + 1 == len(content)
    assert len(content) - 8 == int.from_bytes(content[4:8], "little")
    assert 801 == int.from_bytes(content[40:44], "little")


def test_channels_are_not_the_same() -> None:
    left, right = sounds.noise(Sound(1.0, 8_000, 16, 2, seed=0)).T
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.05


@pytest.mark.parametrize("rate_khz", MP3_RATES_KHZ)
@pytest.mark.parametrize("channels", [1, 2])
def test_an_mp3_file_has_the_rate_the_channels_and_the_length(rate_khz: float, channels: int) -> None:
    sound = Sound(0.3, round(rate_khz * 1000), 16, channels, seed=0)
    url = next(sounds.made([sound], "mp3"))
    assert url.startswith("data:audio/mp3;base64,")
    about = soundfile.info(file_of(url))
    assert ("MP3", channels, sound.rate_hz) == (about.format, about.channels, about.samplerate)
    assert about.duration == pytest.approx(0.3, abs=0.001)


@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
def test_the_same_seed_gives_the_same_bytes(audio_format: sounds.Format) -> None:
    def drawn(seed: int) -> list[str]:
        rng = random.Random(seed)
        endless = sounds.drawn((0.2, 0.05), [8_000], [16], 1, rng)
        return list(islice(sounds.made(endless, audio_format), 3))

    assert drawn(0) == drawn(0)
    assert 6 == len({*drawn(0), *drawn(1)})


def some(count: int, length: tuple[float, float], rates_hz: Sequence[int] = (8_000,)) -> list[Sound]:
    return list(islice(sounds.drawn(length, rates_hz, [8, 16], 1, random.Random(0)), count))


def test_lengths_have_the_mean_asked_for_and_are_never_too_short() -> None:
    drawn = some(2_000, (1.0, 0.2), [16_000, 44_100])
    assert np.mean([sound.length_s for sound in drawn]) == pytest.approx(1.0, abs=0.02)
    assert {(rate, depth) for rate in (16_000, 44_100) for depth in (8, 16)} == {
        (sound.rate_hz, sound.depth_bits) for sound in drawn
    }
    assert min(sound.length_s for sound in some(200, (0.1, 0.5))) >= SHORTEST_S
    assert {2.0} == {sound.length_s for sound in some(3, (2.0, 0))}


# -- read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio_format", ["wav", "mp3"])
def test_a_file_goes_as_it_is(tmp_path: Path, audio_format: sounds.Format) -> None:
    url = next(sounds.made([Sound(0.1, 8_000, 16, 1, 0)], audio_format))
    path = tmp_path / "a"
    path.write_bytes(file_of(url).getvalue())
    assert url == sounds.read(str(path), tmp_path)
    assert url == sounds.read("a", tmp_path)
    assert url == sounds.read(url, tmp_path)


def test_an_mp3_file_with_a_tag_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3\x04\0\0\0\0\0\0")
    assert sounds.read("a.mp3", tmp_path).startswith("data:audio/mp3;base64,")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.wav", "Failed to open audio 'nothing.wav'."),
        (
            "https://example.com/a.wav",
            "audio goes into the request, it cannot be a URL: https://example.com/a.wav",
        ),
        ("data:image/png;base64,AA", "not a data: URL of audio: 'data:image/png;base64,AA'"),
        ("text.wav", "Unsupported audio format of 'text.wav'."),
        ("empty.wav", "Unsupported audio format of 'empty.wav'."),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path: Path, given: str, message: str) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(InputError) as refused:
        sounds.read(given, tmp_path)
    assert message == refused.value.message
