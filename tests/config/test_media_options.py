"""Options for images and audio: what they come to, and what is refused."""

import pytest

from genai_perf import endpoints
from genai_perf.config import media
from genai_perf.config.load import load
from genai_perf.config.options import Given
from genai_perf.config.schema import Config
from genai_perf.exceptions import UsageError

BASE = {"endpoint.model_names": "m", "endpoint.type": "multimodal"}


def loaded(**given: str) -> tuple[Config, list[str]]:
    values = BASE | {name.replace("__", "."): text for name, text in given.items()}
    layer = {key: Given(tuple(text.split()), "--" + key) for key, text in values.items()}
    result = load(layer, (), {})
    return result.config, list(result.warnings)


def test_nothing_is_made_unless_a_size_or_a_length_is_given() -> None:
    config, _ = loaded()
    assert (False, False) == (config.image.are_made, config.audio.is_made)
    config, _ = loaded(image__width_mean="64", image__height_mean="32", audio__length_mean_s="1.5")
    assert (True, True) == (config.image.are_made, config.audio.is_made)


def test_lists_of_numbers_are_numbers() -> None:
    config, _ = loaded(
        audio__length_mean_s="1",
        audio__depths="8 24",
        audio__sample_rates_khz="16 44.1",
        audio__num_channels="2",
    )
    assert ((8, 24), (16.0, 44.1), 2) == (
        config.audio.depths,
        config.audio.sample_rates_khz,
        config.audio.num_channels,
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"image__width_mean": "64"},
            "Both --image-width-mean and --image-height-mean values must be positive.",
        ),
        (
            {"image__width_mean": "0", "image__height_mean": "64"},
            "Both --image-width-mean and --image-height-mean values must be positive.",
        ),
        ({"image__width_mean": "-1"}, "--image.width_mean: -1 is not at least 0"),
        ({"image__width_mean": "20000"}, "--image.width_mean: 20000 is not at most 16384"),
        ({"image__batch_size": "0"}, "--image.batch_size: 0 is not at least 1"),
        ({"image__format": "gif"}, "--image.format: 'gif' is not one of png, jpeg"),
        ({"audio__length_mean_s": "0.05"}, "--audio.length_mean_s: 0.05 is not at least 0.1 seconds"),
        ({"audio__depths": "16 12"}, "--audio.depths: 12 bits is not one of 8, 16, 24, 32"),
        ({"audio__depths": "16.5"}, "--audio.depths: '16.5' is not a whole number"),
        ({"audio__sample_rates_khz": "16000"}, "--audio.sample_rates_khz: 16000 is not between 1 and 384"),
        (
            {"audio__format": "mp3", "audio__sample_rates_khz": "16 10"},
            "--audio.sample_rates_khz: MP3 has no sample rate of 10 kHz",
        ),
        ({"audio__num_channels": "3"}, "--audio.num_channels: 3 is not at most 2"),
        ({"audio__format": "ogg"}, "--audio.format: 'ogg' is not one of wav, mp3"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        loaded(**given)
    assert message == refused.value.message


@pytest.mark.parametrize(
    ("given", "warning"),
    [
        (
            {"image__format": "jpeg"},
            "--image.format has no effect without --image-width-mean and --image-height-mean",
        ),
        ({"audio__depths": "8"}, "--audio.depths has no effect without --audio-length-mean"),
        (
            {"audio__length_mean_s": "1", "audio__format": "mp3", "audio__depths": "8"},
            "--audio.depths has no effect with --audio-format mp3",
        ),
    ],
)
def test_what_has_no_effect_is_told(given: dict[str, str], warning: str) -> None:
    assert [warning] == loaded(**given)[1]


def test_what_a_file_brings_needs_no_size(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("input") / "a.jsonl"
    file.write_text('{"image": "https://a.b/c.png"}\n')
    _, warnings = loaded(input__file=str(file), image__batch_size="2")
    assert [] == warnings
    _, warnings = loaded(input__file=str(file), image__width_mean="64", image__height_mean="32")
    assert [
        f"--image.{name} has no effect with --input-file" for name in ("width_mean", "height_mean")
    ] == warnings


def test_vision_is_multimodal_and_says_so() -> None:
    config, warnings = loaded(endpoint__type="vision", image__width_mean="64", image__height_mean="32")
    assert "multimodal" == config.endpoint.type
    assert ["--endpoint.type: vision is called multimodal today"] == warnings


# -- with the endpoint ------------------------------------------------------------------------------


def checked(
    kind: str, *, text: bool = True, images: bool = True, audio: bool = True, **given: str
) -> list[str]:
    config, _ = loaded(endpoint__type=kind, **given)
    return media.check_endpoint(config, takes_text=text, takes_images=images, takes_audio=audio)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image__width_mean": "64", "image__height_mean": "32"}, "--image-width-mean: chat takes no images"),
        ({"image__batch_size": "2"}, "--batch-size-image: chat takes no images"),
        ({"audio__length_mean_s": "1"}, "--audio-length-mean: chat takes no audio"),
        ({"audio__batch_size": "2"}, "--batch-size-audio: chat takes no audio"),
    ],
)
def test_an_endpoint_that_takes_none_says_so(given: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked("chat", images=False, audio=False, **given)
    assert message == refused.value.message


def test_the_hint_has_the_endpoints_that_do() -> None:
    all_of_them = [endpoints.get(name) for name in endpoints.names()]
    assert sorted(media.TAKE_IMAGES) == [each.name for each in all_of_them if each.takes_images]
    assert sorted(media.TAKE_AUDIO) == [each.name for each in all_of_them if each.takes_audio]


def test_an_endpoint_of_images_alone_wants_some() -> None:
    with pytest.raises(UsageError) as refused:
        checked("image_retrieval", text=False)
    assert (
        "image_retrieval needs images: give --image-width-mean and --image-height-mean"
        == refused.value.message
    )
    size = {"image__width_mean": "64", "image__height_mean": "32"}
    assert [] == checked("image_retrieval", text=False, **size)
    assert ["--synthetic-input-tokens-mean has no effect with image_retrieval"] == checked(
        "image_retrieval", text=False, input__synthetic_tokens_mean="9", **size
    )


def test_multimodal_of_text_alone_is_said_aloud() -> None:
    (warning,) = checked("multimodal")
    assert warning.startswith("multimodal without images or audio sends text alone")
    assert [] == checked("multimodal", audio__length_mean_s="1")
