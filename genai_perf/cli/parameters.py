"""From rows of options to a Typer command's parameters, and from its values back to a layer.

Typer is given every value as text: one place, `config/options.py`, knows what the text means, whether it
comes from a flag or from the environment.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import typer

from genai_perf.config.arguments import Flag, Takes
from genai_perf.config.options import Given, Layer, Option


def parameters(options: Iterable[Option], panels: Mapping[str, str]) -> list[inspect.Parameter]:
    """One keyword parameter for each option that has flags; `panels` titles the help's sections."""
    return [
        inspect.Parameter(
            _name(option),
            inspect.Parameter.KEYWORD_ONLY,
            default=_typer_option(option, panels[option.section]),
            annotation=_annotation(option),
        )
        for option in options
        if option.flags
    ]


def layer(options: Iterable[Option], values: Mapping[str, Any]) -> Layer:
    """What was given on the command line, from a command's keyword values; None means not given."""
    given = {}
    for option in options:
        value = values.get(_name(option))
        if value is None or value == []:
            continue
        if isinstance(value, bool):
            source = option.long if value else option.off or option.long
            given[option.key] = Given((str(value).lower(),), source)
        else:
            texts = tuple(value) if isinstance(value, list | tuple) else (value,)
            given[option.key] = Given(texts, option.long)
    return given


def known_flags(parameters: Iterable[Any]) -> dict[str, Flag]:
    """The spellings of a Typer command's options, for `arguments.read`; handed on as their long flag."""
    known: dict[str, Flag] = {}
    for parameter in parameters:
        if parameter.param_type_name != "option":
            continue
        is_switch = parameter.is_flag or parameter.count
        takes = Takes.NOTHING if is_switch else Takes.ONE
        if parameter.multiple and str(parameter.metavar or "").endswith("…"):
            takes = Takes.SEVERAL
        if str(parameter.metavar or "") == "[true|false]":
            takes = Takes.SWITCH
        for spellings in (parameter.opts, parameter.secondary_opts):
            name = next((spelling for spelling in spellings if spelling.startswith("--")), None)
            known |= {spelling: Flag(name or spelling, takes) for spelling in spellings}
    return known


def _name(option: Option) -> str:
    return option.key.replace(".", "_")


def _annotation(option: Option) -> Any:
    if option.is_switch and not option.may_have_value:
        return bool | None
    return list[str] | None if option.is_repeatable else str | None


def _typer_option(option: Option, panel: str) -> Any:
    names = list(option.flags)
    if option.off:
        names[-1] = f"{names[-1]}/{option.off}"
    complete = (lambda: list(option.choices)) if option.choices else None
    return typer.Option(
        None,
        *names,
        metavar=option.metavar if option.is_switch else option.value_name,
        help=option.help + _default(option),
        show_default=False,
        rich_help_panel=panel,
        autocompletion=complete,
    )


def _default(option: Option) -> str:
    if "[default" in option.help or option.default is None or option.default is False:
        return ""
    if option.is_repeatable and not option.default:
        return ""
    default = f"{option.default:g}" if isinstance(option.default, float) else option.default
    return f" [default: {'on' if default is True else default}]"
