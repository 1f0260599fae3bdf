"""Typer's commands with GenAI-Perf's habits: help in plain sections, and a line read as `argparse` read it.

Help is the same on a terminal, in a pipe and in a file, and quick to print.
"""

from typing import Any

from typer.core import TyperCommand, TyperGroup

from genai_perf.cli.parameters import known_flags
from genai_perf.config import arguments, legacy
from genai_perf.exceptions import UsageError


class SectionedGroup(TyperGroup):
    """The program itself: its options, then its commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options' sections, then the commands."""
        _write_sections(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write every command with the first line of its help, uncut."""
        rows = [
            (name, (self.commands[name].help or "").partition("\n")[0]) for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class SectionedCommand(TyperCommand):
    """A command whose options stand under the titles they were declared with (`rich_help_panel`)."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections in the order of their first option."""
        _write_sections(self, ctx, formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the line as `argparse` did, then let Typer convert the values."""
        if ctx.resilient_parsing:  # completion: half a line
            return super().parse_args(ctx, args)
        read = arguments.read(args, known_flags(self.get_params(ctx)))
        tokens = [flag if value is None else f"{flag}={value}" for flag, value in read.pairs]
        return super().parse_args(ctx, [*tokens, "--", *read.positionals])


class TextCommand(SectionedCommand):
    """A command whose options are rows of the schema: their values stay text until the config is loaded.

    Typer's own conversion would load pydantic and build a model for every option, 0.2 s before any work.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Fill in the command's parameters, old spellings included; what is not given stays None."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        own = self.get_params(ctx)
        read = arguments.read(args, legacy.known_flags(known_flags(own)))
        if ("--help", None) in read.pairs:
            return super().parse_args(ctx, ["--help"])
        by_flag = {flag: each for each in own for flag in (*each.opts, *each.secondary_opts)}
        for flag, value in self.in_order(legacy.translate(read.pairs)):
            parameter = by_flag[flag]
            if value is None:
                ctx.params[parameter.name] = flag in parameter.opts
            elif parameter.multiple:
                ctx.params.setdefault(parameter.name, []).append(value)
            else:
                ctx.params[parameter.name] = value
        _place(read.positionals, own, ctx)
        return []

    def in_order(self, pairs: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
        """The line's flags and values, for a command in which it matters what stands before what."""
        return pairs


def _place(positionals: list[str], parameters: list[Any], ctx: Any) -> None:
    """Give the positional arguments to the parameters that take them."""
    takers = [each for each in parameters if each.param_type_name == "argument"]
    if len(positionals) > len(takers):
        extra = positionals[len(takers)]
        raise UsageError(f"unexpected argument {extra!r}", hint=f"see {ctx.command_path} --help")
    if len(positionals) < len(takers):
        missing = takers[len(positionals)]
        raise UsageError(f"{missing.metavar} is missing", hint=f"see {ctx.command_path} --help")
    ctx.params.update({taker.name: text for taker, text in zip(takers, positionals, strict=True)})


def _write_sections(command: Any, ctx: Any, formatter: Any) -> None:
    """Write every visible parameter of `command`, grouped by its title."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        row = _row(parameter, ctx)
        if row is not None:
            usual = "Arguments" if parameter.param_type_name == "argument" else "Other"
            title = getattr(parameter, "rich_help_panel", None) or usual
            sections.setdefault(title, []).append(row)
    if "Other" in sections:
        sections["Other"] = sections.pop("Other")
    for title, rows in sections.items():
        with formatter.section(title):
            formatter.write_dl(rows)


def _row(parameter: Any, ctx: Any) -> tuple[str, str] | None:
    """Names and text, short flags first; None for what is hidden."""
    row: tuple[str, str] | None = parameter.get_help_record(ctx)
    if row is None or parameter.param_type_name == "argument":
        return row and (parameter.metavar or row[0], parameter.help or "")
    if not parameter.is_flag and not parameter.metavar:
        return row
    spellings = sorted([*parameter.opts, *parameter.secondary_opts], key=lambda flag: flag.startswith("--"))
    names = ", ".join(spellings)
    return (names if parameter.is_flag else f"{names} {parameter.metavar}"), row[1]
