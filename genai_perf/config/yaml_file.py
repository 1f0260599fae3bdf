"""Config files: YAML into a layer of options, and into what is to be done with them.

A value that is empty, or that is the option's default, counts as not given: templates are full of those, and
nobody has asked for them. So whatever else is given goes with them, and nothing is told to be without effect.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genai_perf.config import keys
from genai_perf.config.arguments import did_you_mean
from genai_perf.config.documents import Entry
from genai_perf.config.documents import read as read_document
from genai_perf.config.keys import ALIASES, LEAVES, MEASUREMENTS, UNSAID
from genai_perf.config.options import Given, Option, parse
from genai_perf.exceptions import InputError

DEFAULT_INTERVAL_MS = 10_000
"""GenAI-Perf's, for `mode: interval` without a number."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a config file says."""

    path: Path
    layer: Mapping[str, Given]
    command: str
    """The command it stands for: `profile`, `analyze` or `process-export-files`."""
    model_names: str
    """Where it has, or should have, the models."""


def read(path: Path, swept: Collection[str]) -> ConfigFile:
    """The file's options. `swept` names what a sweep can vary. Raises InputError and UsageError."""
    document = read_document(path)
    top = document.mapping()
    layer: dict[str, Given] = {}
    for name, entry in top.items():
        for key, given in _sweep(entry, swept).items() if name == keys.ANALYZE else _options(entry):
            if key in layer and layer[key].texts != given.texts:
                other = layer[key].source.rpartition(" ")[2]
                raise InputError(f"{given.source} and {other} are one thing, and two values are given for it")
            layer[key] = given
    models = top.get("model_names", top.get("model_name"))
    return ConfigFile(path, layer, _command(top, layer), models.where if models else document.where)


def _command(top: Mapping[str, Entry], layer: Mapping[str, Given]) -> str:
    process = top.get("process")
    is_merge = process is not None and any(_is_set(entry) for entry in process.mapping().values())
    is_sweep = "analyze.sweep_types" in layer
    if process is not None and is_merge and is_sweep:
        raise InputError(
            f"{process.where}: process and analyze exclude each other",
            hint="a file is a sweep, or merges what is there already",
        )
    return "analyze" if is_sweep else "process-export-files" if is_merge else "profile"


def _options(entry: Entry) -> Iterator[tuple[str, Given]]:
    """What this entry, and all in it, gives."""
    path = ALIASES.get(entry.name, entry.name)
    if path == keys.STIMULUS:
        yield from _stimulus(entry)
    elif path == "perf_analyzer.measurement":
        yield from _measurement(entry)
    elif path == keys.BINARY or not _is_set(entry):
        if path not in LEAVES and not _is_section(path):
            raise _unknown(entry)
    elif (option := _option(path)) is not None:
        given = Given(tuple(_texts(option, entry)), entry.source)
        is_unsaid = str(entry.value) in UNSAID.get(entry.name, ())
        if parse(option, given) != option.default and not is_unsaid:
            yield option.key, given
    elif _is_section(path):
        for inner in entry.mapping().values():
            yield from _options(inner)
    else:
        raise _unknown(entry)


def _option(path: str) -> Option | None:
    """What a key sets; the last are those of options that stand elsewhere today."""
    if leaf := LEAVES.get(path):
        return leaf.option
    return keys.ALL_OPTIONS.get(path) if path in ALIASES.values() else None


def _is_section(path: str) -> bool:
    return any(known.startswith(f"{path}.") for known in (*LEAVES, *ALIASES))


def _is_set(entry: Entry) -> bool:
    value = entry.value
    return not (value is None or value == {} or value == [] or (isinstance(value, str) and not value.strip()))


# -- keys with a form of their own ----------------------------------------------------------------------


def _stimulus(entry: Entry) -> Iterator[tuple[str, Given]]:
    """`{concurrency: 8}`, or `fixed_schedule` as a word alone."""
    known = {leaf.path.rpartition(".")[2]: leaf for leaf in LEAVES.values() if leaf.is_load}
    if not _is_set(entry):
        return
    if isinstance(entry.value, str):
        leaf = known.get(entry.value.strip())
        if leaf is None:
            raise _unknown(Entry(None, entry.where, f"{entry.name}.{entry.value.strip()}"))
        assert leaf.option is not None
        if not leaf.option.is_switch:
            raise InputError(
                f"{entry.source}: {entry.value} has no value",
                hint=f"for example stimulus: {{{entry.value}: 8}}",
            )
        yield leaf.option.key, Given(("true",), entry.source)
        return
    given = [found for inner in entry.mapping().values() for found in _options(inner)]
    loads = [each for _, each in given if each.texts != ("false",)]
    if len(loads) > 1:
        first, second = loads[:2]
        raise InputError(
            f"{second.source} and {first.source.rpartition('.')[2]} exclude each other",
            hint="a run has one load; `analyze:` varies it from run to run",
        )
    yield from given


def _measurement(entry: Entry) -> Iterator[tuple[str, Given]]:
    """A mode and a number, of which either may be left out."""
    given = {inner.name: inner for inner in entry.mapping().values()}
    for name, inner in given.items():
        if name not in (keys.MODE, keys.NUM):
            raise _unknown(inner)
    mode, number = given.get(keys.MODE), given.get(keys.NUM)
    word = str(mode.plain()).strip().lower() if mode is not None and _is_set(mode) else "request_count"
    if word not in MEASUREMENTS:
        assert mode is not None
        raise InputError(f"{mode.source}: {word!r} is not one of {', '.join(MEASUREMENTS)}")
    option = keys.ALL_OPTIONS[MEASUREMENTS[word]]
    if number is not None and _is_set(number) and number.value != 0:
        found = Given(tuple(_texts(option, number)), number.source)
        parse(option, found)
        yield option.key, found
    elif word == "interval":
        assert mode is not None
        yield option.key, Given((str(DEFAULT_INTERVAL_MS),), mode.source)


_RENAMED = {"runtime_batch_size": "batch_size"}
"""GenAI-Perf's name for what `--sweep-type` calls otherwise."""


def _sweep(entry: Entry, swept: Collection[str]) -> dict[str, Given]:
    """`{concurrency: {start: 1, stop: 64}}` as the options of `analyze` say it."""
    parameters = dict(entry.mapping())
    if keys.SWEEP in parameters:
        parameters |= parameters.pop(keys.SWEEP).mapping()
    names, ranges, lists = [], [], []
    sources: dict[str, str] = {}
    for key, inner in parameters.items():
        name = _RENAMED.get(key, key)
        if name not in swept:
            raise _unknown(inner, [*swept, *_RENAMED])
        names.append(name)
        if isinstance(inner.value, list):
            lists.append(f"{name}:{','.join(_text(each) for each in inner.value)}")
            sources["analyze.sweep_lists"] = inner.source
        elif isinstance(inner.value, str) and "," in inner.value:
            lists.append(f"{name}:{inner.value}")
            sources["analyze.sweep_lists"] = inner.source
        elif bounds := _bounds(inner):
            ranges.append(f"{name}:{bounds}")
            sources["analyze.sweep_ranges"] = inner.source
    found = {"analyze.sweep_types": names, "analyze.sweep_ranges": ranges, "analyze.sweep_lists": lists}
    return {
        key: Given(tuple(texts), sources.get(key, entry.source) if len(texts) == 1 else entry.source)
        for key, texts in found.items()
        if texts
    }


_BOUNDS = ("start", "stop", "step")


def _bounds(entry: Entry) -> str | None:
    """`start:stop` or `start:stop:step`; None where the parameter's default range is meant."""
    given = {inner.name.rpartition(".")[2]: inner for inner in entry.mapping().values()}
    for name, inner in given.items():
        if name not in _BOUNDS:
            raise _unknown(inner, _BOUNDS)
    told = {name: _text(inner) for name, inner in given.items() if _is_set(inner)}
    if not told:
        return None
    for name in ("start", "stop"):
        if name not in told:
            raise InputError(f"{entry.source}: has no {name}", hint="for example {start: 1, stop: 64}")
    return ":".join(told[name] for name in _BOUNDS if name in told)


# -- values ---------------------------------------------------------------------------------------------


def _texts(option: Option, entry: Entry) -> Iterator[str]:
    """The values as a command line would give them."""
    if isinstance(entry.value, Mapping):
        yield from _of_mapping(option, entry)
        return
    several = entry.items()
    if len(several) > 1 and not option.is_repeatable:
        hint = "`analyze:` varies an option from run to run"
        raise InputError(f"{entry.source}: one value is wanted, not {len(several)}", hint=hint)
    for each in several:
        if isinstance(each.value, list | Mapping):
            raise InputError(f"{each.source}: not a plain value: {each.plain()!r}")
        if not _is_set(each):
            raise InputError(f"{entry.source}: an empty value in the list")
        text = _text(each, option)
        yield from [text] if isinstance(entry.value, list) else _split(option, text)


def _of_mapping(option: Option, entry: Entry) -> Iterator[str]:
    if option.key == "input.extra":
        yield json.dumps(entry.plain(), default=str)
        return
    if not isinstance(option.default, Mapping):
        raise InputError(
            f"{entry.source}: not a plain value: {entry.plain()!r}", hint=f"it is {option.value_name}"
        )
    for name, each in entry.mapping().items():
        yield f"{name}:{_text(each)}"


def _split(option: Option, text: str) -> list[str]:
    """A text with commas is several values, as in GenAI-Perf; but not where a value may hold some."""
    if not option.takes_several:
        return [text]
    return [
        part.strip() for part in re.split(r"[,\s]+" if isinstance(option.default, Mapping) else ",", text)
    ]


def _text(entry: Entry, option: Option | None = None) -> str:
    """One value. YAML reads `off` as false, which may be the name of a choice."""
    value: Any = entry.value
    if isinstance(value, bool):
        word = "on" if value else "off"
        return word if option is not None and word in option.choices else str(value).lower()
    return str(value)


def _unknown(entry: Entry, known: Collection[str] = ()) -> InputError:
    """GenAI-Perf's words, and what may have been meant."""
    section, _, key = entry.name.rpartition(".")
    if not known:
        inside = f"{section}." if section else ""
        known = {
            path.removeprefix(inside).partition(".")[0]
            for path in (*LEAVES, *ALIASES, keys.ANALYZE)
            if path.startswith(inside)
        }
    named = section.rpartition(".")[2] or "top-level"
    near = _elsewhere(key) or did_you_mean(key, sorted(known))
    return InputError(f"{entry.where}: User Config: {key} is not a valid {named} parameter{near}")


def _elsewhere(key: str) -> str:
    """A key that is called as its option is on the command line, or that stands in one other section."""
    flag = "--" + key.replace("_", "-")
    paths = [path for path, leaf in LEAVES.items() if leaf.option is not None and flag in leaf.option.flags]
    paths = paths or [path for path in LEAVES if path.rpartition(".")[2] == key]
    return f"; did you mean {paths[0]}?" if len(paths) == 1 else ""
