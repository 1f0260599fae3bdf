"""From what the user said to the configs of the runs: defaults < file < environment < flags < pass-through.

A source that picks one of several options which exclude each other replaces what weaker sources said of the
whole group: `--request-rate` on the command line beats GENAI_PERF_CONCURRENCY. Within one source it is an
error.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from genai_perf.config import checks, legacy, passthrough, replays, traces
from genai_perf.config.latency_report import LatencyReport
from genai_perf.config.levels import Levels
from genai_perf.config.options import OPTIONS, Given, Layer, Option, parse
from genai_perf.config.schema import (
    AudioConfig,
    Config,
    EndpointConfig,
    ImageConfig,
    InputConfig,
    LoadConfig,
    MetricsConfig,
    OutputConfig,
    TelemetryConfig,
    TokenizerConfig,
)
from genai_perf.config.traffic import read_classes
from genai_perf.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a command line comes to."""

    config: Config
    """The run; where there are several, the first."""
    warnings: tuple[str, ...]
    """What the user should know, a line each: options without effect here."""
    levels: Levels | None = None
    """The loads of several runs, where a range after `--` says them."""
    report: LatencyReport | None = None
    """A CSV of all runs, where one is asked for after `--`."""


EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    (
        "load.concurrency",
        "load.session_concurrency",
        "load.request_rate",
        "load.session_rate",
        "load.request_intervals",
        "load.request_rate_schedule",
        "load.concurrency_schedule",
        "load.periodic_concurrency_range",
        "load.fixed_schedule",
    ),
    ("load.measurement_interval_ms", "load.measurement_request_count", "load.request_count"),
    ("load.measurement_interval_ms", "load.measurement_request_count", "load.duration_s"),
    ("output.verbose", "output.quiet"),
    ("input.file", "input.dataset"),
    ("input.synthetic_tokens_mean", "input.input_length_distribution", "input.isl_osl"),
    ("input.output_tokens_mean", "input.output_length_distribution", "input.isl_osl"),
)
"""Groups of options of which one source may give only one. A request count and a duration go together:
whichever is reached first ends the run."""

_HINTS = {EXCLUSIVE[0]: "--max-concurrency limits what an open loop has in flight"}


def load(
    flags: Layer,
    extra_tokens: Sequence[str],
    environ: Mapping[str, str],
    file: Layer = MappingProxyType({}),
) -> Loaded:
    """The checked config of a `profile` command line; UsageError for the first thing that is wrong.

    `extra_tokens` is what stands behind the first bare `--`, `file` what a config file says.
    """
    weak, notes = read_environment(environ)
    known = replays.with_former(merge(file, weak, flags))
    passed = passthrough.interpret(extra_tokens, known)
    warnings = [*notes, *passed.warnings]
    configs = []
    levels = passed.levels
    for level in [{}] if levels is None else [levels.layer(bound) for bound in levels.bounds]:
        merged = merge(known, passed.layer, level)
        merged, renamed = legacy.renamed_values(merged)
        warnings += [line for line in renamed if line not in warnings]
        legacy.reject_later_values(merged)
        config, note = legacy.with_endpoint_type(build(merged))
        warnings += [note] if note is not None and note not in warnings else []
        given = dict(merged)
        if passed.report is not None or (levels is not None and levels.threshold_ms is not None):
            given.pop("load.stability_percentile", None)  # is in force there, also without windows
        warnings += [line for line in checks.check(config, given) if line not in warnings]
        configs.append(_with_traffic(config, merged))
    return Loaded(configs[0], tuple(warnings), levels, passed.report)


def _with_traffic(config: Config, layer: Layer) -> Config:
    if config.input.traffic_file is None:
        return config

    def make(layer: Layer) -> Config:
        own = {key: given for key, given in layer.items() if not key.startswith("load.")}
        kind, _ = legacy.with_endpoint_type(build(own))
        checks.check(kind, own)
        return replace(kind, load=config.load)

    return replace(config, traffic=read_classes(config.input.traffic_file, layer, make))


def merge(*layers: Layer) -> dict[str, Given]:
    """One layer of several, the last the strongest."""
    merged: dict[str, Given] = {}
    for layer in layers:
        for group in EXCLUSIVE:
            chosen = [key for key in group if _is_chosen(layer.get(key))]
            if len(chosen) > 1:
                first, second = (layer[key].source for key in chosen[:2])
                raise UsageError(f"{first} and {second} exclude each other", hint=_HINTS.get(group))
            if chosen:
                for key in group:
                    merged.pop(key, None)
        merged.update(layer)
    return merged


def _is_chosen(given: Given | None) -> bool:
    """A switch that is given as off chooses nothing."""
    return given is not None and given.texts[-1].lower() not in ("false", "0", "no", "off")


def build(layer: Layer) -> Config:
    """The typed config of one layer, values checked one by one but not against each other."""
    values: dict[str, dict[str, Any]] = {}
    for key, given in layer.items():
        section, _, name = key.partition(".")
        values.setdefault(section, {})[name] = parse(OPTIONS[key], given)
    if path := values.get("endpoint", {}).get("path"):
        values["endpoint"]["path"] = path.lstrip(" /")
    config = Config(
        endpoint=EndpointConfig(**values.get("endpoint", {})),
        input=InputConfig(**values.get("input", {})),
        image=ImageConfig(**values.get("image", {})),
        audio=AudioConfig(**values.get("audio", {})),
        load=LoadConfig(**values.get("load", {})),
        tokenizer=TokenizerConfig(**values.get("tokenizer", {})),
        metrics=MetricsConfig(**values.get("metrics", {})),
        telemetry=TelemetryConfig(**values.get("telemetry", {})),
        output=OutputConfig(**values.get("output", {})),
    )
    return traces.with_schedule(config)


def read_environment(
    environ: Mapping[str, str], options: Mapping[str, Option] = OPTIONS
) -> tuple[dict[str, Given], list[str]]:
    """The layer of `GENAI_PERF_…` variables, and warnings for those that look misspelt.

    An empty variable is not given. A name that is no option's and near none is somebody else's: container
    platforms set such for every service.
    """
    layer: dict[str, Given] = {}
    known: dict[str, Option] = {}
    for option in options.values():
        known.update(dict.fromkeys(option.variables, option))
        for name in option.variables:
            if environ.get(name, "").strip() and option.key not in layer:
                layer[option.key] = Given(_split(option, environ[name]), name)
    notes = []
    for name in environ:
        if not name.startswith("GENAI_PERF_") or name in known or name == "GENAI_PERF_LOG_LEVEL":
            continue
        if nearest := get_close_matches(name, known, n=1, cutoff=0.93):
            notes.append(f"{name} is no option's variable; did you mean {nearest[0]}?")
    return layer, notes


def _split(option: Option, text: str) -> tuple[str, ...]:
    """The values in a variable: by commas and blanks, but by lines where a value may hold those."""
    if option.takes_several:
        return tuple(re.split(r"[\s,]+", text.strip(" \t\n,")))
    if option.is_repeatable:
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    return (text.strip(),)
