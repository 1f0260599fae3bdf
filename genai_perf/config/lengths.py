"""How many tokens: the words for it on the command line.

    512                          always so many
    normal:MEAN:STDDEV           uniform:MIN:MAX           lognormal:MEDIAN:SIGMA
    zipf:EXPONENT:MAX            file:FILE                 lines of `tokens` or `tokens, weight`

`normal`, `lognormal` and `zipf` may end with `:LEAST..MOST` (or `:LEAST..`, `:..MOST`): nothing beyond that
is drawn. Without it the least is one token.

Input and output together, as weighted pairs (`--isl-osl`): `128/128:0.4,1000/200:0.6`, or `file:FILE` with
lines of `input, output` or `input, output, weight`.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar, cast

from genai_perf.exceptions import UsageError

Kind = Literal["fixed", "normal", "uniform", "lognormal", "zipf", "file"]

_T = TypeVar("_T")

Weighted = list[tuple[_T, float]]
"""Values and how often they come, in proportion to each other."""

Pair = tuple[int, int]
"""Input tokens, output tokens."""

LONGEST = 10_000_000
"""No prompt has more tokens than that; also what keeps a zipf distribution's table small enough."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where a number of tokens comes from."""

    kind: Kind
    numbers: tuple[float, float] = (0, 0)
    """By the kind: mean and stddev, min and max, median and sigma, exponent and max, the length and 0."""
    least: int = 1
    most: int = LONGEST
    file: Path | None = None


_NAMES: dict[str, tuple[str, str]] = {
    "normal": ("MEAN", "STDDEV"),
    "uniform": ("MIN", "MAX"),
    "lognormal": ("MEDIAN", "SIGMA"),
    "zipf": ("EXPONENT", "MAX"),
}
_WHOLE = {"MIN", "MAX"}
_ABOVE_0 = {"MIN", "MAX", "MEDIAN", "EXPONENT"}
_CUT = ("normal", "lognormal", "zipf")

HINT = "for example 512, normal:550:100, uniform:100:2000, lognormal:500:0.8:..8000, zipf:1.2:4096, file:FILE"


def parse(text: str, source: str) -> Distribution:
    """The distribution that a text describes. `source` is what an error names. Raises UsageError."""
    kind, _, rest = text.strip().partition(":")
    if kind == "file":
        return Distribution("file", file=_path(rest, source))
    if kind in _NAMES:
        return _with_numbers(kind, rest, text, source)
    if not re.fullmatch(r"\d+", text.strip(), re.ASCII):
        raise UsageError(f"{source}: {text!r} describes no lengths", hint=HINT)
    length = _tokens(text.strip(), "the length", source)
    return Distribution("fixed", (length, 0), length, length)


def _with_numbers(kind: str, rest: str, text: str, source: str) -> Distribution:
    fields = rest.split(":") if rest else []
    bounds = fields.pop() if fields and ".." in fields[-1] else None
    names = _NAMES[kind]
    if len(fields) != len(names):
        raise UsageError(f"{source}: {text!r} is not {kind}:{':'.join(names)}", hint=HINT)
    numbers = []
    for name, field in zip(names, fields):
        if name in _WHOLE:
            numbers.append(float(_tokens(field, name, source)))
            continue
        number = _number(field, name, source)
        if number < 0 or (number == 0 and name in _ABOVE_0):
            raise UsageError(
                f"{source}: {name}: {field} is not {'above' if name in _ABOVE_0 else 'at least'} 0"
            )
        numbers.append(number)
    first, second = numbers
    least, most = 1, LONGEST
    if kind == "uniform":
        if first > second:
            raise UsageError(f"{source}: MIN {fields[0]} is more than MAX {fields[1]}")
        least, most = int(first), int(second)
    if kind == "zipf":
        most = int(second)
    if bounds is not None:
        if kind not in _CUT:
            raise UsageError(f"{source}: {text!r}: {kind} has its bounds already")
        low, _, high = bounds.partition("..")
        least = _tokens(low, "LEAST", source) if low else least
        most = min(most, _tokens(high, "MOST", source)) if high else most
        if least > most:
            raise UsageError(f"{source}: {text!r}: LEAST {least} is more than MOST {most}")
    return Distribution(cast("Kind", kind), (first, second), least, most)


def parse_pairs(text: str, source: str) -> Weighted[Pair] | Path:
    """The pairs that a text holds, or the file that does. Raises UsageError."""
    if text.startswith("file:"):
        return _path(text.removeprefix("file:"), source)
    pairs = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([^/:]+)/([^/:]+)(?::([^/:]+))?\s*", part)
        if not found:
            raise UsageError(
                f"{source}: {part.strip()!r} is not ISL/OSL:WEIGHT",
                hint="for example --isl-osl 128/128:0.4,1000/200:0.6",
            )
        tokens_in, tokens_out, weight = found.groups()
        pair = _tokens(tokens_in, "input tokens", source), _tokens(tokens_out, "output tokens", source)
        pairs.append((pair, parse_weight(weight, source) if weight else 1.0))
    return some(pairs, source)


def parse_weight(text: str, source: str) -> float:
    """How often something comes, in proportion. Raises UsageError."""
    weight = _number(text, "weight", source)
    if weight < 0:
        raise UsageError(f"{source}: weight: {text.strip()} is not at least 0")
    return weight


def some(weighted: Weighted[_T], source: str) -> Weighted[_T]:
    """Those that come at all. Raises UsageError where none does."""
    found = [(value, weight) for value, weight in weighted if weight > 0]
    if not found:
        raise UsageError(f"{source}: no weight above 0")
    return found


def _tokens(text: str, name: str, source: str) -> int:
    if not re.fullmatch(r"\s*\d+\s*", text, re.ASCII):
        raise UsageError(f"{source}: {name}: {text.strip()!r} is not a whole number of tokens")
    tokens = int(text)
    if not 1 <= tokens <= LONGEST:
        raise UsageError(f"{source}: {name}: {tokens} is not between 1 and {LONGEST:,} tokens")
    return tokens


def _number(text: str, name: str, source: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{source}: {name}: {text.strip()!r} is not a number")
    return number


def _path(text: str, source: str) -> Path:
    path = Path(text).expanduser()
    if not text or not path.is_file():
        raise UsageError(f"{source}: no file {text!r}")
    return path
