"""Reading a command line the way `argparse` did, which GenAI-Perf's users have in their scripts.

Long options by any unambiguous beginning, `--name=value`, several values after one flag (`-m a b`), short
flags joined to each other and to their value (`-vp5000`). What remains is pairs of canonical flag and value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from genai_perf.exceptions import UsageError


class Takes(Enum):
    """How many values follow a flag."""

    NOTHING = 0
    ONE = 1
    SEVERAL = 2
    SWITCH = 3
    """True or false, where one of these follows; true otherwise."""


@dataclass(frozen=True, slots=True)
class Flag:
    """What one spelling on the command line stands for."""

    name: str
    """The spelling that is handed on."""
    takes: Takes
    is_current: bool = True
    """Whether it may be suggested to somebody who misspelt another."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command line, read."""

    pairs: list[tuple[str, str | None]] = field(default_factory=list)
    """Canonical flag and value, in order; None for a flag that takes none."""
    positionals: list[str] = field(default_factory=list)


def read(tokens: Sequence[str], flags: Mapping[str, Flag], *, kind: str = "option") -> Arguments:
    """Read `tokens` against the known `flags`; UsageError for what is unknown, ambiguous or lacks a value.

    `kind` is what an error calls a flag.
    """
    arguments = Arguments()
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if not _looks_like_a_flag(token, flags):
            arguments.positionals.append(token)
            continue
        spelling, value, rest = _cut(token, flags)
        flag = resolve(spelling, flags, kind=kind)
        if flag.takes is Takes.NOTHING:
            if value is not None:
                raise UsageError(f"{spelling}: takes no value, {value!r} was given")
            arguments.pairs.append((flag.name, None))
            if rest:
                tokens = [*tokens[:position], f"-{rest}", *tokens[position:]]
            continue
        if flag.takes is Takes.SWITCH and value is None:
            value = "true"
            if position < len(tokens) and tokens[position].lower() in ("true", "false"):
                value = tokens[position]
                position += 1
        values = [value] if value is not None else []
        while position < len(tokens) and (flag.takes is Takes.SEVERAL or not values):
            if _looks_like_a_flag(tokens[position], flags) or value is not None:
                break
            values.append(tokens[position])
            position += 1
        if not values:
            raise UsageError(f"{spelling}: needs a value", hint=_dash_hint(spelling, tokens, position, flags))
        arguments.pairs.extend((flag.name, text) for text in values)
    return arguments


def resolve(spelling: str, flags: Mapping[str, Flag], *, kind: str = "option") -> Flag:
    """The flag that `spelling` names, in full or by an unambiguous beginning.

    Where one of several is the beginning of all others it is meant: a new `--concurrency-schedule` takes
    nothing from those who write `--concur`. Nor does an old spelling from a beginning of a present one.
    """
    if spelling in flags:
        return flags[spelling]
    if spelling.startswith("--"):
        found = {known: flag for known, flag in flags.items() if known.startswith(spelling)}
        matches = {known: flag for known, flag in found.items() if flag.is_current} or found
        if len({flag.name for flag in matches.values()}) == 1:
            return next(iter(matches.values()))
        shortest = min(matches, key=len, default="")
        if matches and all(known.startswith(shortest) for known in matches):
            return matches[shortest]
        if matches:
            raise UsageError(f"{spelling} is ambiguous: {', '.join(sorted(matches))}")
    current = [known for known, flag in flags.items() if flag.is_current]
    raise UsageError(f"no {kind} {spelling}{did_you_mean(spelling, current)}")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean …?` for the nearest known word, or nothing when none is near."""
    from difflib import get_close_matches

    bare = {each.lstrip("-"): each for each in known}  # dashes make every flag look like any other
    nearest = get_close_matches(word.lstrip("-"), bare, n=1)
    return f"; did you mean {bare[nearest[0]]}?" if nearest else ""


def _looks_like_a_flag(token: str, flags: Mapping[str, Flag]) -> bool:
    """Argparse's rule: a dash begins a flag, but not a negative number or a name with a blank."""
    if len(token) < 2 or token[0] != "-":
        return False
    if token[1] != "-" and token[:2] in flags:
        return True
    return not re.fullmatch(r"-(\d+|\d*\.\d+)", token) and " " not in token.partition("=")[0]


def _cut(token: str, flags: Mapping[str, Flag]) -> tuple[str, str | None, str]:
    """(spelling, joined value or None, short flags that are joined to it)."""
    if token.startswith("--") or token in flags:
        spelling, equals, value = token.partition("=")
        return spelling, value if equals else None, ""
    spelling, rest = token[:2], token[2:]
    if rest and spelling in flags and flags[spelling].takes is Takes.NOTHING:
        return spelling, None, rest
    return spelling, rest.removeprefix("=") or None, ""


def _dash_hint(spelling: str, tokens: Sequence[str], position: int, flags: Mapping[str, Flag]) -> str | None:
    if position < len(tokens) and tokens[position] not in flags:
        return f"a value that begins with a dash is joined: {spelling}={tokens[position]}"
    return None
