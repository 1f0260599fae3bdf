"""What a sweep measures: `--sweep-type`, `--sweep-range` and `--sweep-list` as a config for each scenario.

Pure; everything that is wrong is found here, before the first request. A range without a step means the
powers of two in it, as GenAI-Perf documents it. Its words are kept where it has an error for something.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

from genai_perf import endpoints
from genai_perf.analyze.parameters import PARAMETERS
from genai_perf.config import checkpoint, checks, legacy, load, passthrough
from genai_perf.config.options import (
    ANALYZE_OPTIONS,
    CHECKPOINT_OPTIONS,
    OPTIONS,
    Given,
    Layer,
    Option,
    parse,
)
from genai_perf.config.schema import CheckpointConfig, Config
from genai_perf.exceptions import UsageError

DEFAULT_TYPE = "concurrency"

DEFAULT_RANGES: Mapping[str, str] = {
    "concurrency": "1:1024",
    "request_rate": "16:8192",
    "batch_size": "1:128",
    "input_sequence_length": "100:1000",
    "num_dataset_entries": "100:1000",
}
"""GenAI-Perf's, for a type without values of its own."""

MOST_SCENARIOS = 10_000
"""A range with a step that was forgotten or misspelt is more likely than a sweep of weeks."""

Value = int | float


@dataclass(frozen=True, slots=True)
class Step:
    """One scenario to come."""

    parameters: Mapping[str, Value]
    """What is varied, by the sweep's names, in its order."""
    config: Config


@dataclass(frozen=True, slots=True)
class Sweep:
    """What an `analyze` command line comes to."""

    steps: tuple[Step, ...]
    memory: CheckpointConfig
    warnings: tuple[str, ...] = ()


def load_sweep(
    flags: Layer,
    extra_tokens: Sequence[str],
    environ: Mapping[str, str],
    file: Layer = MappingProxyType({}),
) -> Sweep:
    """The checked scenarios of an `analyze` command line; UsageError for the first thing that is wrong.

    `extra_tokens` is what stands behind the first bare `--`, `file` what a config file says.
    """
    memory, flags, said = checkpoint.load(flags, environ, by_default=True, file=file)
    file = {key: given for key, given in file.items() if key not in CHECKPOINT_OPTIONS}
    from_environment, notes = load.read_environment(environ, {**OPTIONS, **ANALYZE_OPTIONS})
    layers = (file, from_environment, flags)
    ours = reduce(_stronger, (_section(layer, own=True) for layer in layers))
    known = load.merge(*(_section(layer, own=False) for layer in layers))
    passed = passthrough.interpret(extra_tokens, known)
    if passed.levels is not None:
        raise UsageError(
            f"{passed.levels.source} cannot go with a sweep",
            hint="--sweep-type and --sweep-range say it here",
        )
    if passed.report is not None:
        raise UsageError(
            "-f cannot go with a sweep", hint="analyze_export_genai_perf.csv has all that was measured"
        )
    if "input.replay" in known:
        raise UsageError(
            f"{known['input.replay'].source} cannot go with a sweep", hint="a replay has its one load"
        )
    swept = values(ours)
    _check_nothing_twice(swept, {**_section(flags, own=False), **passed.layer})
    steps, warnings = [], [*said, *notes, *passed.warnings]
    for each in _product(swept):
        merged = load.merge(known, passed.layer, each)
        legacy.reject_later_values(merged)
        config, note = legacy.with_endpoint_type(load.build(merged))
        told = [*([note] if note else []), *checks.check(config, merged)]
        _check_effects(each, told, config)
        warnings += [line for line in told if line not in warnings]
        steps.append(Step({name: _plain(config, name) for name in swept}, config))
    return Sweep(tuple(steps), memory, tuple(warnings))


def values(layer: Layer) -> dict[str, tuple[Given, ...]]:
    """The values of each parameter that is varied, still text, in the sweep's order. Raises UsageError."""
    nobody = Given((), "--sweep-type")
    types = layer.get("analyze.sweep_types", nobody)
    names = [name for text in types.texts for name in text.replace(",", " ").split()]
    for name in names:
        if name not in PARAMETERS:
            raise UsageError(f"{types.source}: {name!r} is not one of {', '.join(PARAMETERS)}")
        if names.count(name) > 1:
            raise UsageError(f"{types.source}: {name} is given twice")
    names = names or [DEFAULT_TYPE]
    found: dict[str, tuple[Given, ...]] = {}
    for key, read in (("analyze.sweep_ranges", _of_range), ("analyze.sweep_lists", _of_list)):
        given = layer.get(key, nobody)
        for text in given.texts:
            name, rest = _addressed(text, names, given.source)
            if name in found:
                raise UsageError(
                    f"{given.source}: {name} has its values already", hint="one range or list each"
                )
            found[name] = tuple(Given((value,), given.source) for value in read(rest, name, given.source))
    for name in names:
        if name not in found:
            if name not in DEFAULT_RANGES:
                raise UsageError(f"{types.source} {name}: needs --sweep-range or --sweep-list")
            texts = _of_range(DEFAULT_RANGES[name], name, types.source)
            found[name] = tuple(Given((text,), types.source) for text in texts)
    return {name: found[name] for name in names}


def _addressed(text: str, names: Sequence[str], source: str) -> tuple[str, str]:
    """Whose values these are, and the values."""
    name, colon, rest = text.partition(":")
    name = name.strip()
    if colon and not _is_number(name):
        if name in names:
            return name, rest
        if name in PARAMETERS:
            raise UsageError(f"{source}: {name} is not swept", hint=f"add --sweep-type {name}")
        if source.endswith(("list", "LIST")):
            raise UsageError(f"{source}: no sweep type {name!r} is swept")
    elif len(names) > 1:
        raise UsageError(
            f"{source}: {text!r}: which sweep type is it of?",
            hint=f"give it behind its --sweep-type, or as {names[0]}:{text}",
        )
    return names[0], text


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


# -- values ---------------------------------------------------------------------------------------------


def _of_range(text: str, name: str, source: str) -> list[str]:
    """`min:max` or `min:max:step`, both ends included."""
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise UsageError(
            f"The format of '{source}' must be min:max or min:max:step.", hint=f"given: {text!r}"
        )
    least, most, *steps = (_whole(part, source) for part in parts)
    if least < 1 or most < 1:
        raise UsageError(f"{source} min/max value must be positive", hint=f"given: {text!r}")
    if steps and steps[0] < 1:
        raise UsageError(f"{source} step value must be positive", hint=f"given: {text!r}")
    if least >= most:
        raise UsageError(f"{source} max must be greater than min", hint=f"given: {text!r}")
    if name == "concurrency":
        _check_concurrency(least, most, bool(steps), source)
    if steps:
        found: Sequence[int] = range(least, most + 1, steps[0])
    else:
        found = powers_of_two(least, most)
        if not found:
            raise UsageError(f"{source}: no power of two in {text}", hint="a step may follow: min:max:step")
    _check_number(len(found), source)
    return [str(value) for value in found]


def _check_concurrency(least: int, most: int, has_step: bool, source: str) -> None:
    listed = "--sweep-list takes any values"
    if has_step:
        raise UsageError(f"{source} step is not supported when sweeping concurrency", hint=listed)
    if any(value & (value - 1) for value in (least, most)):
        raise UsageError(
            f"{source} min/max values must be powers of 2 when sweeping concurrency", hint=listed
        )


def powers_of_two(least: int, most: int) -> list[int]:
    """Those from `least` to `most`, both included."""
    first = (least - 1).bit_length()
    return [1 << exponent for exponent in range(first, most.bit_length())]


def _of_list(text: str, name: str, source: str) -> list[str]:
    """`a,b,c`, each checked by its option's own rules."""
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise UsageError(f"{source}: an empty value in {text!r}")
    option = OPTIONS[PARAMETERS[name]]
    typed = [parse(option, Given((part,), source)) for part in found]
    for part, value in zip(found, typed, strict=True):
        if typed.count(value) > 1:
            raise UsageError(f"{source}: {part} stands twice in {text!r}")
    _check_number(len(found), source)
    return found


def _whole(text: str, source: str) -> int:
    return int(parse(_WHOLE, Given((text,), source)))


_WHOLE = Option(
    key="sweep.end", type=int, default=None, flags=(), off=None, help="", metavar=None,
    at_least=None, more_than=None, at_most=None,
)  # fmt: skip


# -- scenarios ------------------------------------------------------------------------------------------


def _product(swept: Mapping[str, Sequence[Given]]) -> Iterator[dict[str, Given]]:
    """A layer for each combination, the first parameter varying slowest."""
    total = 1
    for given in swept.values():
        total *= len(given)
    _check_number(total, "--sweep-type")
    for chosen in itertools.product(*swept.values()):
        yield {PARAMETERS[name]: value for name, value in zip(swept, chosen, strict=True)}


def _check_number(scenarios: int, source: str) -> None:
    if scenarios > MOST_SCENARIOS:
        raise UsageError(f"{source}: {scenarios:,} scenarios are more than {MOST_SCENARIOS:,}")


def _check_nothing_twice(swept: Mapping[str, object], flags: Layer) -> None:
    """What is swept cannot be fixed as well, nor can what excludes it."""
    names = {PARAMETERS[name]: name for name in swept}
    for key, name in names.items():
        rivals = {key, *(other for group in load.EXCLUSIVE if key in group for other in group)}
        for other in sorted(rivals & {*flags, *(names.keys() - {key})}):
            source = flags[other].source if other in flags else f"--sweep-type {names[other]}"
            raise UsageError(f"{source} and --sweep-type {name} exclude each other")


def _check_effects(swept: Layer, warnings: Sequence[str], config: Config) -> None:
    """A parameter without effect is no sweep."""
    endpoint = endpoints.get(str(config.endpoint.type))
    for name, has_effect in (
        ("batch_size", endpoint.can_batch),
        ("output_sequence_length", endpoint.produces_tokens),
        ("num_dataset_entries", config.input.file is None or config.input.batch_size > 1),
    ):
        if PARAMETERS[name] in swept and not has_effect:
            what = f"{endpoint.name} of a file" if name == "num_dataset_entries" else endpoint.name
            raise UsageError(f"--sweep-type {name} has no effect with {what}")
    for key, given in swept.items():
        name = next(name for name, option in PARAMETERS.items() if option == key)
        start = f"{given.source} has no effect"
        for line in warnings:
            if line.startswith(start):
                raise UsageError(f"--sweep-type {name} {line.removeprefix(given.source).strip()}")


def _plain(config: Config, name: str) -> Value:
    """The value as names and files show it: a whole rate without its `.0`."""
    section, _, field = PARAMETERS[name].partition(".")
    value: Value = getattr(getattr(config, section), field)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _stronger(weak: Layer, strong: Layer) -> dict[str, Given]:
    """Both layers; what is swept, and over which values, is said by one of them."""
    said = ("analyze.sweep_types", "analyze.sweep_ranges", "analyze.sweep_lists")
    replaced = said if any(key in strong for key in said) else ()
    return {**{key: given for key, given in weak.items() if key not in replaced}, **strong}


def _section(layer: Layer, *, own: bool) -> dict[str, Given]:
    """The part of a layer that is about the sweep, or the rest."""
    return {key: given for key, given in layer.items() if (key in ANALYZE_OPTIONS) is own}
