"""The runs that are set side by side, and in which settings they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from genai_perf.config.options import OPTIONS
from genai_perf.config.schema import Config
from genai_perf.reports import Result


@dataclass(frozen=True, slots=True)
class Run:
    """One of the runs."""

    label: str
    """What the reader knows it by."""
    name: str
    """GenAI-Perf's name of it: its directory, and the export's stem."""
    path: Path
    """As it was given."""
    result: Result
    is_ours: bool = True
    """Whether its stamps are ours, so that it is known how exact they are."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that is not the same in all runs."""

    name: str
    """The flag, where it has one."""
    values: Sequence[str]
    """By run; `unset` where there is none, `?` where the run does not tell."""


_IMMATERIAL = ("output.", "telemetry.", "endpoint.service_kind")
_BY_MODEL = ("tokenizer.",)
"""Said by which tokenizer it came to instead."""


def settings(runs: Sequence[Run]) -> Iterator[Setting]:
    """What was set differently, the models and the load first.

    Of a run that another program made only what its files tell is looked at: a default may be ignorance.
    """
    flat = [_settings(run) for run in runs]
    keys = dict.fromkeys(key for each in flat for key in each)
    for key in sorted(keys, key=lambda key: (not key.startswith(("endpoint.model", "load.")), *_place(key))):
        shown = [_shown(run, key, each) for run, each in zip(runs, flat, strict=True)]
        if len({text for text in shown if text != "?"}) > 1:
            option = OPTIONS.get(key)
            yield Setting(option.long if option else key, shown)


def _settings(run: Run) -> dict[str, Any]:
    info = run.result.info
    defaults = _defaults()
    found = {
        f"{section}.{name}": value
        for section, values in info.config.items()
        if isinstance(values, Mapping)
        for name, value in values.items()
    }
    kept = {
        key: value
        for key, value in found.items()
        if not key.startswith((*_IMMATERIAL, *_BY_MODEL)) and (run.is_ours or value != defaults.get(key))
    }
    kept["endpoint type"] = info.endpoint
    kept["streaming"] = info.streaming
    kept.pop("endpoint.type", None)
    kept.pop("endpoint.streaming", None)
    if not run.is_ours:
        kept.pop("endpoint.path", None)  # there it is where requests went, whoever said so
    if info.tokenizer:
        kept["tokenizer"] = (
            f"{info.tokenizer.get('name')} {info.tokenizer.get('fingerprint', '')[:8]}".strip()
        )
    if run.is_ours:
        kept["genai-perf"] = info.version
    return kept


def _shown(run: Run, key: str, found: Mapping[str, Any]) -> str:
    """A value as text; what a run of another version has not is at its default."""
    if key not in found and not run.is_ours:
        return "?"
    value = found.get(key, _defaults().get(key))
    if value in (None, "", [], {}, ()):
        return "unset"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _defaults() -> dict[str, Any]:
    config = Config().public()
    return {
        f"{section}.{name}": value for section, values in config.items() for name, value in values.items()
    }


def _place(key: str) -> tuple[int, str]:
    known = list(OPTIONS)
    return known.index(key) if key in known else len(known), key
