"""`--replay RUN`: the options of a run that sends once more what a former one sent.

What the former run was told of its server, its tokenizer and its metrics holds again, weaker than everything
that is said now; what it sent, and when, is in its records.
"""

from pathlib import Path

from genai_perf.config.options import Given, Layer
from genai_perf.exceptions import InputError, UsageError

REPLAY = "input.replay"

_KEPT = ("endpoint", "tokenizer", "metrics", "telemetry")
"""Sections of the former run that hold for a replay as well."""
_OF_SERVER = ("telemetry.server_metrics_urls", "telemetry.gpu_urls")
"""What is told of the server beside, and not of another one."""
_FIXED = ("input", "image", "audio")
"""Sections that have nothing left to decide."""
_BESIDE = (REPLAY, "input.replay_by", "input.random_seed")
_OF_LOAD = (
    "load.fixed_schedule",
    "load.speed_up",
    "load.max_concurrency",
    "load.request_count",
    "load.duration_s",
    "load.grace_period_s",
    "load.max_prefill_concurrency",
    "load.max_error_rate",
)
"""Options of the load that a replay takes: how fast, how much of it, and what is held back."""


def with_former(layer: Layer) -> Layer:
    """The layer over that of the run which it replays, if it does. Raises InputError and UsageError."""
    if REPLAY not in layer:
        return layer
    _check(layer)
    from genai_perf.config import effective, secrets, yaml_file

    run = Path(layer[REPLAY].texts[-1]).expanduser()
    path = run / effective.NAME
    if not path.is_file():
        raise InputError(
            f"{layer[REPLAY].source}: {str(run)!r} is not the directory of a run: it has no {effective.NAME}",
            hint="give a directory in --artifact-dir that `genai-perf profile` has written",
        )
    former = yaml_file.read(path, ()).layer
    kept = {key: given for key, given in former.items() if key.partition(".")[0] in _KEPT}
    for key in _OF_SERVER if "endpoint.urls" in layer else ():
        kept.pop(key, None)
    return {**secrets.given_again(kept, layer), **layer}


def _check(layer: Layer) -> None:
    for key, given in layer.items():
        section = key.partition(".")[0]
        if (section in _FIXED and key not in _BESIDE) or (section == "load" and key not in _OF_LOAD):
            _refuse(given, layer[REPLAY])


def _refuse(given: Given, replay: Given) -> None:
    raise UsageError(
        f"{given.source} and {replay.source} exclude each other",
        hint="a replay sends what the former run sent, when it sent it; --speed-up changes its pace",
    )
