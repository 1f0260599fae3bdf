"""The options, read off the schema: their names, and how a value that came as text becomes a typed one.

A source of values (flags, environment, later a file) is a `Layer`: texts by the option's key, each with
the name that an error should give. What the texts mean is the same for every source.
"""

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from genai_perf.config.schema import (
    AnalyzeConfig,
    CheckpointConfig,
    CompareConfig,
    ConfigFileConfig,
    ProcessConfig,
    TemplateConfig,
    sections,
)
from genai_perf.config.values import (
    parse_columns,
    parse_extra_inputs,
    parse_goodput,
    parse_periodic_range,
)
from genai_perf.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it, and where."""

    texts: tuple[str, ...]
    """Several only where the option takes several."""
    source: str
    """What an error names: `--concurrency`, `GENAI_PERF_CONCURRENCY`."""


Layer = Mapping[str, Given]
"""What one source says, by `Option.key`."""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the schema."""

    key: str
    """`section.field`, e.g. `load.concurrency`."""
    type: Any
    """The annotation, without its `| None`."""
    default: Any
    flags: tuple[str, ...]
    """Every spelling, the usual one first; empty where no flag sets it."""
    off: str | None
    """The flag that sets a boolean to False."""
    help: str
    metavar: str | None
    at_least: float | None
    more_than: float | None
    at_most: float | None

    @property
    def section(self) -> str:
        """Which part of the config it is in."""
        return self.key.partition(".")[0]

    @property
    def long(self) -> str:
        """The long flag that help and errors call it by; the key where it has none."""
        return next((flag for flag in self.flags if flag.startswith("--")), self.key)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it, one for each long flag."""
        return tuple(variable_name(flag) for flag in self.flags if flag.startswith("--"))

    @property
    def is_switch(self) -> bool:
        """Whether it is a flag that stands without a value."""
        return self.type is bool

    @property
    def may_have_value(self) -> bool:
        """Whether it is such a flag, and `true` or `false` may follow; the metavar says so."""
        return self.is_switch and self.metavar is not None

    @property
    def is_repeatable(self) -> bool:
        """Whether several values add up; where not, the last one counts."""
        return get_origin(self.type) is not None and not self.choices

    @property
    def takes_several(self) -> bool:
        """Whether several values may follow one flag, as in `-m a b`; the metavar's ellipsis says so."""
        return bool(self.metavar) and str(self.metavar).endswith("…")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it may be; empty where it is not a choice."""
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def value_name(self) -> str:
        """What help calls the value."""
        if self.metavar:
            return self.metavar
        return "|".join(self.choices) or {int: "N", float: "X", Path: "PATH"}.get(self.type, "TEXT")


def variable_name(flag: str) -> str:
    """`GENAI_PERF_REQUEST_RATE` for `--request-rate`."""
    return "GENAI_PERF_" + flag.removeprefix("--").replace("-", "_").upper()


def parse(option: Option, given: Given) -> Any:
    """The typed value of what was given; UsageError names where it came from."""
    if option.key in _PARSERS:
        return _PARSERS[option.key](given.texts, given.source)
    if get_origin(option.type) is tuple:
        if not all(text.strip() for text in given.texts):
            raise UsageError(f"{given.source}: an empty value")
        one = replace(option, type=get_args(option.type)[0])
        return tuple(_parse_scalar(one, text.strip(), given.source) for text in given.texts)
    value = _parse_scalar(option, given.texts[-1], given.source)
    if not isinstance(value, bool) and isinstance(value, int | float):
        _check_bounds(option, value, given.source)
    return value


def _parse_scalar(option: Option, text: str, source: str) -> Any:
    if option.choices:
        if text not in option.choices:
            raise UsageError(f"{source}: {text!r} is not one of {', '.join(option.choices)}")
        return text
    if option.type is bool:
        return _parse_switch(text, source)
    if option.type is int:
        if not re.fullmatch(r"\s*[+-]?\d+\s*", text, re.ASCII):
            raise UsageError(f"{source}: {text!r} is not a whole number")
        return int(text)
    if option.type is float:
        return parse_number(text, source)
    if not text:
        raise UsageError(f"{source}: an empty value")
    return Path(text).expanduser() if option.type is Path else text


def parse_number(text: str, source: str) -> float:
    """A finite number, or a UsageError that names `source`."""
    if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text, re.ASCII):
        raise UsageError(f"{source}: {text!r} is not a number")
    return float(text)


def _parse_switch(text: str, source: str) -> bool:
    match text.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off":
            return False
    raise UsageError(f"{source}: {text!r} is neither true nor false")


def _check_bounds(option: Option, value: float, source: str) -> None:
    if option.at_least is not None and value < option.at_least:
        raise UsageError(f"{source}: {value:g} is not at least {option.at_least:g}")
    if option.more_than is not None and value <= option.more_than:
        raise UsageError(f"{source}: {value:g} is not more than {option.more_than:g}")
    if option.at_most is not None and value > option.at_most:
        raise UsageError(f"{source}: {value:g} is not at most {option.at_most:g}")


def rows_of(section: str, schema: type) -> list[Option]:
    """The options that the dataclass `schema` declares with `option(...)`."""
    return [
        Option(
            key=f"{section}.{row.name}",
            type=_without_none(row.type),
            default=row.default_factory() if row.default_factory is not MISSING else row.default,
            **{name: row.metadata[name] for name in _METADATA},
        )
        for row in fields(schema)
    ]


_METADATA = ("flags", "off", "help", "metavar", "at_least", "more_than", "at_most")


def _read_schema() -> dict[str, Option]:
    rows = [row for name, section in sections().items() for row in rows_of(name, section)]
    return {row.key: row for row in rows}


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is not None:
        kept: Sequence[Any] = [kind for kind in get_args(annotation) if kind is not type(None)]
        if len(kept) < len(get_args(annotation)):
            return kept[0]
    return annotation


def _parse_range(texts: Sequence[str], source: str) -> str:
    parse_periodic_range(texts[-1], source)
    return texts[-1]


_PARSERS = {
    "input.extra": parse_extra_inputs,
    "input.columns": parse_columns,
    "metrics.goodput": parse_goodput,
    "load.periodic_concurrency_range": _parse_range,
}
"""Options whose values have a grammar of their own."""

OPTIONS: Mapping[str, Option] = _read_schema()
"""Every row of the schema by its key, in the schema's order."""

CHECKPOINT_OPTIONS: Mapping[str, Option] = {row.key: row for row in rows_of("checkpoint", CheckpointConfig)}
"""Those of the commands that measure, `profile` and `analyze`, beside them."""

ANALYZE_OPTIONS: Mapping[str, Option] = {row.key: row for row in rows_of("analyze", AnalyzeConfig)}
"""Those of `analyze` alone."""

PROCESS_OPTIONS: Mapping[str, Option] = {row.key: row for row in rows_of("process", ProcessConfig)}
"""Those of `process-export-files` alone."""

COMPARE_OPTIONS: Mapping[str, Option] = {row.key: row for row in rows_of("compare", CompareConfig)}
"""Those of `compare` alone."""

CONFIG_OPTIONS: Mapping[str, Option] = {row.key: row for row in rows_of("config", ConfigFileConfig)}
"""Those of `config` alone."""

TEMPLATE_OPTIONS: Mapping[str, Option] = {row.key: row for row in rows_of("template", TemplateConfig)}
"""Those of `create-template`."""
