"""What must hold of the options for images and audio.

Where GenAI-Perf has an error for it, its words are kept.
"""

from collections.abc import Iterator

from genai_perf.config.options import OPTIONS, Layer
from genai_perf.config.schema import Config, InputConfig
from genai_perf.exceptions import UsageError

DEPTHS = (8, 16, 24, 32)
"""Bits a sample in a WAV file."""
MP3_RATES_KHZ = (8, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48)
"""All that the format has."""
TAKE_IMAGES = (
    "multimodal",
    "responses",
    "messages",
    "nvclip",
    "image_retrieval",
    "huggingface_generate",
    "template",
)
TAKE_AUDIO = ("multimodal", "template")
"""The endpoint types that do; a test holds them against the endpoints themselves."""
SHORTEST_S = 0.1
"""Of made-up audio."""


def check(config: Config, given: Layer) -> None:
    """Raise UsageError for the first rule that is broken."""
    image, audio = config.image, config.audio
    if (image.width_mean > 0) != (image.height_mean > 0):
        raise UsageError("Both --image-width-mean and --image-height-mean values must be positive.")
    if 0 < audio.length_mean_s < SHORTEST_S:
        source = given["audio.length_mean_s"].source
        raise UsageError(
            f"{source}: {audio.length_mean_s:g} is not at least {SHORTEST_S} seconds",
            hint="0 seconds is no audio",
        )
    for depth in audio.depths:
        if depth not in DEPTHS:
            known = ", ".join(map(str, DEPTHS))
            raise UsageError(f"{given['audio.depths'].source}: {depth} bits is not one of {known}")
    for rate_khz in audio.sample_rates_khz:
        source = given["audio.sample_rates_khz"].source if "audio.sample_rates_khz" in given else ""
        if not 1 <= rate_khz <= 384:
            raise UsageError(
                f"{source}: {rate_khz:g} is not between 1 and 384",
                hint="rates are in kHz: --audio-sample-rates 16 44.1",
            )
        if audio.format == "mp3" and rate_khz not in MP3_RATES_KHZ:
            known = ", ".join(f"{known:g}" for known in MP3_RATES_KHZ)
            raise UsageError(f"{source}: MP3 has no sample rate of {rate_khz:g} kHz", hint=f"it has {known}")


def without_effect(config: Config, given: Layer) -> Iterator[str]:
    """A line for each option that changes nothing in this run."""
    if config.input.ready_made:
        return  # all of them; `ready_made` says so
    for section, made, by in (
        ("image", config.image.are_made, "--image-width-mean and --image-height-mean"),
        ("audio", config.audio.is_made, "--audio-length-mean"),
    ):
        for key in OPTIONS:
            if not key.startswith(f"{section}.") or key not in given:
                continue
            if not config.input.is_synthetic and key != f"{section}.batch_size":
                yield f"{given[key].source} has no effect with {config.input.source}"
            elif not made and config.input.is_synthetic and not key.endswith(("width_mean", "height_mean")):
                yield f"{given[key].source} has no effect without {by}"
    if "audio.depths" in given and config.audio.is_made and config.audio.format == "mp3":
        yield f"{given['audio.depths'].source} has no effect with --audio-format mp3"


def check_endpoint(config: Config, *, takes_text: bool, takes_images: bool, takes_audio: bool) -> list[str]:
    """The rules that depend on what the endpoint takes; raises UsageError, returns warnings."""
    kind = config.endpoint.type
    image, audio, from_file = config.image, config.audio, not config.input.is_synthetic
    if not takes_images and (image.are_made or image.batch_size > 1):
        option = "--batch-size-image" if image.batch_size > 1 else "--image-width-mean"
        raise UsageError(f"{option}: {kind} takes no images", hint=f"{', '.join(TAKE_IMAGES)} do")
    if not takes_audio and (audio.is_made or audio.batch_size > 1):
        option = "--batch-size-audio" if audio.batch_size > 1 else "--audio-length-mean"
        raise UsageError(f"{option}: {kind} takes no audio", hint=f"{' and '.join(TAKE_AUDIO)} do")
    if takes_text:
        if kind == "multimodal" and not (from_file or image.are_made or audio.is_made):
            return [
                "multimodal without images or audio sends text alone: "
                "give --image-width-mean and --image-height-mean, or --audio-length-mean"
            ]
        return []
    if not from_file and not image.are_made:
        raise UsageError(
            f"{kind} needs images: give --image-width-mean and --image-height-mean",
            hint='or an --input-file with {"image": "FILE or URL"} on each line',
        )
    unset, warnings = InputConfig(), []
    for name, option in (
        ("synthetic_tokens_mean", "--synthetic-input-tokens-mean"),
        ("prefix_prompt_num", "--num-prefix-prompts"),
    ):
        if getattr(config.input, name) != getattr(unset, name):
            warnings.append(f"{option} has no effect with {kind}")
    return warnings
