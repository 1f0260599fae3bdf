"""Numbers of tokens, drawn as the options say; `config/lengths.py` has the words for them.

Values that come with weights (pairs, lines of a file) are not tossed for one by one. Of n of them, each comes
as often as its share of n, rounded up or down, in an order that is shuffled: 100 prompts of
`128/128:0.4,1000/200:0.6` are 40 and 60, and as many prompts as a file has lines have exactly its lengths.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path
from statistics import NormalDist
from typing import TypeVar

from genai_perf.config.lengths import (
    LONGEST,
    Distribution,
    Pair,
    Weighted,
    parse,
    parse_pairs,
    parse_weight,
    some,
)
from genai_perf.config.schema import InputConfig
from genai_perf.exceptions import InputError, UsageError

_T = TypeVar("_T")


def of_prompts(given: InputConfig, count: int, rng: random.Random) -> list[int]:
    """Input tokens for so many prompts; with `--isl-osl`, the first halves of `pairs`. Raises InputError."""
    if given.isl_osl is not None:
        return [tokens for tokens, _ in pairs(given, count, rng)]
    if given.input_length_distribution is not None:
        distribution = parse(given.input_length_distribution, INPUT)
        return list(islice(draw(distribution, rng, count, INPUT), count))
    return [normal(given.synthetic_tokens_mean, given.synthetic_tokens_stddev, rng) for _ in range(count)]


def pairs(given: InputConfig, count: int, rng: random.Random) -> list[Pair]:
    """Input and output tokens for so many prompts, by `--isl-osl`. Raises InputError."""
    assert given.isl_osl is not None
    found = parse_pairs(given.isl_osl, PAIRS)
    return _shares(_read_pairs(found) if isinstance(found, Path) else found, count, rng)


def of_answers(given: InputConfig, rng: random.Random) -> Iterator[int] | None:
    """Output tokens to ask for, without end; None where no option says. Raises InputError."""
    if given.output_length_distribution is not None:
        distribution = parse(given.output_length_distribution, OUTPUT)
        return draw(distribution, rng, given.num_dataset_entries, OUTPUT)
    if given.output_tokens_mean is None:
        return None
    mean, stddev = given.output_tokens_mean, given.output_tokens_stddev
    return _endless(lambda: normal(mean, stddev, rng, at_least=1))


INPUT, OUTPUT, PAIRS = "--input-length-distribution", "--output-length-distribution", "--isl-osl"


def normal(mean: int, stddev: int, rng: random.Random, *, at_least: int = 0) -> int:
    """A token count as GenAI-Perf draws it: normal, cut towards zero to a whole number."""
    return max(at_least, int(rng.gauss(mean, stddev)))


def draw(distribution: Distribution, rng: random.Random, block: int, source: str) -> Iterator[int]:
    """Numbers of tokens without end. Those of a file have their exact shares in each `block`.

    Raises InputError for the file, and UsageError where a distribution has nothing within its bounds.
    """
    first, second = distribution.numbers
    least, most = distribution.least, distribution.most
    match distribution.kind:
        case "fixed":
            return _endless(lambda: least)
        case "uniform":
            return _endless(lambda: rng.randint(least, most))
        case "normal":
            return _endless(_within(NormalDist(first, second), least, most, rng, source))
        case "lognormal":
            logarithm = NormalDist(math.log(first), second)
            return _endless(_within(logarithm, least, most, rng, source, of=math.log, back=math.exp))
        case "zipf":
            ends = _zipf(first, least, most)
            return _endless(lambda: least + bisect_right(ends, rng.random() * ends[-1]))
        case "file":
            assert distribution.file is not None
            return _in_blocks(read(distribution.file), block, rng)


def _endless(one: Callable[[], int]) -> Iterator[int]:
    while True:
        yield one()


def _same(value: float) -> float:
    return value


def _within(
    distribution: NormalDist,
    least: int,
    most: int,
    rng: random.Random,
    source: str,
    of: Callable[[float], float] = _same,
    back: Callable[[float], float] = _same,
) -> Callable[[], int]:
    """Draws by the inverse of the distribution function, between its values at the bounds.

    What is drawn is `back` of the normal, rounded to the nearest whole number; `of` undoes `back`.
    """
    if distribution.stdev == 0:
        tokens = round(back(distribution.mean))
        if not least <= tokens <= most:
            raise UsageError(f"{source}: always {tokens} is not between {least} and {most:,}")
        return lambda: tokens
    low, high = distribution.cdf(of(least - 0.5)), distribution.cdf(of(most + 0.5))
    if high - low < _RARE:
        raise UsageError(f"{source}: next to nothing of it is between {least} and {most:,}")

    def one() -> int:
        # away from 0 and 1, where the inverse has no value
        share = min(max(low + (high - low) * rng.random(), _TINY), 1 - _TINY)
        return min(max(round(back(distribution.inv_cdf(share))), least), most)

    return one


_RARE = 1e-6
"""Of a distribution, less than that within its bounds is a mistake."""
_TINY = 2**-53


@lru_cache(maxsize=4)
def _zipf(exponent: float, least: int, most: int) -> list[float]:
    """Sums of n ** -exponent, from the least on."""
    return list(accumulate(n**-exponent for n in range(least, most + 1)))


# -- by weight ----------------------------------------------------------------------------------------


def _in_blocks(weighted: Weighted[_T], block: int, rng: random.Random) -> Iterator[_T]:
    while True:
        yield from _shares(weighted, block, rng)


def _shares(weighted: Weighted[_T], count: int, rng: random.Random) -> list[_T]:
    """So many values, each as often as its share, rounded up or down, in random order.

    Systematic sampling: `count` points at equal distances from a random start. On average each value gets
    exactly its share.
    """
    ends = list(accumulate(weight for _, weight in weighted))
    step = ends[-1] / count
    start = rng.random()
    last = len(weighted) - 1
    found = [weighted[min(bisect_right(ends, (start + place) * step), last)][0] for place in range(count)]
    rng.shuffle(found)
    return found


# -- from a file --------------------------------------------------------------------------------------


def read(path: Path) -> Weighted[int]:
    """Lengths and weights: lines of `tokens` or `tokens, weight`. `#` begins a comment. Raises InputError."""
    return [(numbers[0], weight) for numbers, weight in _lines(path, ("tokens",))]


def _read_pairs(path: Path) -> Weighted[Pair]:
    names = ("input tokens", "output tokens")
    return [((numbers[0], numbers[1]), weight) for numbers, weight in _lines(path, names)]


def _lines(path: Path, names: Sequence[str]) -> Weighted[Sequence[int]]:
    """On each line these numbers of tokens, maybe a weight after them."""
    form = ", ".join(names)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path}: {exc.strerror if isinstance(exc, OSError) else 'not text'}") from exc
    found: Weighted[Sequence[int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if not said:
            continue
        where = f"{path}:{number}"
        fields = [field.strip() for field in said.split(",")] if "," in said else said.split()
        if len(fields) not in (len(names), len(names) + 1):
            raise InputError(f"{where}: {said!r} is not `{form}` or `{form}, weight`")
        tokens = [_whole(field, name, where) for field, name in zip(fields, names)]
        found.append((tokens, parse_weight(fields[-1], where) if len(fields) > len(names) else 1.0))
    if not found:
        raise InputError(f"{path}: no lengths in it", hint=f"write `{form}` or `{form}, weight` on each line")
    return some(found, str(path))


def _whole(field: str, name: str, where: str) -> int:
    if not field.isdecimal() or not 1 <= int(field) <= LONGEST:
        raise InputError(f"{where}: {name}: {field!r} is not a whole number from 1 to {LONGEST:,}")
    return int(field)
