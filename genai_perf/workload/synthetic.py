"""Prompts of an exact number of tokens, by any tokenizer, cut from the shipped text.

A prompt is a run of the text's words from a random place. Cutting at words instead of tokens keeps what
decoding and encoding again would change, and the sum of the words' own token counts is the prompt's count
with nearly every tokenizer. What is missing to the exact number is filled up with words of one token. Then
every prompt is counted, all at once, and those that came out wrong are cut again with what was learnt.
"""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain, islice

from genai_perf.exceptions import TokenizerError
from genai_perf.workload import builtin
from genai_perf.workload.tokenizer import Tokenizer

BATCH = 256
"""Prompts that are made and counted together."""

ROUNDS = 24
"""How often a prompt is cut again before the nearest one found is taken."""

FILLERS = 64

EDGE = 4
"""Words at each end of a prompt that are counted where the middle is known."""

PROOF_PAYS = 8
"""From this many times the text's tokens on, proving that they add up beats counting all prompts."""

STRETCH = 100
"""Words that are looked at together for that."""

_FRAME = "a"
"""A word's cost is what it adds behind this one, since the first word of a text is often split otherwise."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt and how many tokens it really has."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """The shipped text as a tokenizer sees it."""

    words: list[str]
    ends: list[int]
    """`ends[i]` is how many tokens the first i words have together."""
    fillers: list[str]
    """Frequent pieces that add one token to a text each; most begin with the blank that parts words."""


@lru_cache(maxsize=1)
def measure(tokenizer: Tokenizer) -> Corpus:
    """Count the shipped text's words. Raises TokenizerError where the tokenizer sees none of it."""
    words = builtin.words()
    frequency = Counter(words)
    distinct = list(frequency)
    frame, *costs = tokenizer.count([_FRAME, *(f"{_FRAME} {word}" for word in distinct)])
    cost = {word: max(0, total - frame) for word, total in zip(distinct, costs, strict=True)}
    ends = list(accumulate(map(cost.__getitem__, words), initial=0))
    if not ends[-1]:
        raise TokenizerError(
            f"{tokenizer.name}: finds no tokens in English text, so no synthetic prompts can be made",
            hint="give prompts with --input-file",
        )
    return Corpus(words, ends, _fillers(tokenizer, frequency, cost))


def _fillers(tokenizer: Tokenizer, frequency: Counter[str], cost: dict[str, int]) -> list[str]:
    """Pieces of one token: plain words, best such that are one token at the start of a text as well.

    A tokenizer of characters or bytes has no such words; there, letters are added to the last word.
    """
    single = [
        word
        for word, _ in frequency.most_common()
        if cost[word] == 1 and len(word) > 1 and word.isalpha() and word.islower()
    ][: 8 * FILLERS]
    alone = [word for word, tokens in zip(single, tokenizer.count(single), strict=True) if tokens == 1]
    return [f" {word}" for word in (alone or single)[:FILLERS]] or list("etaoinshr")


def prompts(
    corpus: Corpus, tokenizer: Tokenizer, tokens: Sequence[int], rng: random.Random
) -> Iterator[Prompt]:
    """A prompt for each number of tokens, made some at a time as they are asked for; 0 gives the empty one.

    They begin at different places of the text. Where no text of exactly that many tokens is found (some
    tokenizers need two for any word), it is the nearest one.
    """
    places = _places(len(corpus.words), rng)
    adds_up = sum(tokens) > PROOF_PAYS * corpus.ends[-1] and _adds_up(corpus, tokenizer)
    for first in range(0, len(tokens), BATCH):
        batch = tokens[first : first + BATCH]
        yield from _batch(corpus, tokenizer, batch, list(islice(places, len(batch))), adds_up)


def _adds_up(corpus: Corpus, tokenizer: Tokenizer) -> bool:
    """Whether the tokens of the text are those of its words, one after the other, everywhere in the text.

    So it is with any tokenizer that takes a text apart at its blanks. Then a run of words has the sum of
    their tokens, and only the ends of a prompt have to be counted: ten times faster for many long prompts.
    """
    words = corpus.words
    distinct = list(dict.fromkeys(words))
    frame, *framed = tokenizer.encode_all([_FRAME, *(f"{_FRAME} {word}" for word in distinct)])
    if any(ids[: len(frame)] != frame for ids in framed):
        return False
    ids_of = {word: ids[len(frame) :] for word, ids in zip(distinct, framed, strict=True)}
    stretches = [words[first : first + STRETCH + 1] for first in range(0, len(words), STRETCH)]
    encoded = tokenizer.encode_all(f"{_FRAME} {' '.join(stretch)}" for stretch in stretches)
    return all(
        ids == [*frame, *chain.from_iterable(ids_of[word] for word in stretch)]
        for stretch, ids in zip(stretches, encoded, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a prompt begins. From the second lap on, a doubled filler before it tells it apart."""

    start: int
    lap: int


def _places(words: int, rng: random.Random) -> Iterator[_Place]:
    """Every place of the text in random order, then all of them again; a shuffle made as it is read."""
    lap = 0
    while True:
        moved: dict[int, int] = {}
        for left in range(words, 0, -1):
            drawn = rng.randrange(left)
            yield _Place(moved.get(drawn, drawn), lap)
            moved[drawn] = moved.get(left - 1, left - 1)
        lap += 1


@dataclass(frozen=True, slots=True)
class _Cut:
    """A prompt to be, and what of it must be counted."""

    text: str
    to_count: str
    """The text, or where the corpus adds up, the text without its middle."""
    left_out: int
    """Tokens of that middle."""


def _batch(
    corpus: Corpus, tokenizer: Tokenizer, wanted: Sequence[int], places: list[_Place], adds_up: bool
) -> list[Prompt]:
    """Cut, count, and cut again what came out wrong, with the error taken off the budget."""
    first_words = tokenizer.count(corpus.words[place.start] for place in places)
    budgets = [
        tokens - alone + corpus.ends[place.start + 1] - corpus.ends[place.start]
        for tokens, alone, place in zip(wanted, first_words, places, strict=True)
    ]
    best = [Prompt("", 0)] * len(wanted)
    wrong = [i for i, tokens in enumerate(wanted) if tokens]
    for attempt in range(ROUNDS):
        cuts = [_cut(corpus, places[i], budgets[i], attempt, adds_up) for i in wrong]
        counts = tokenizer.count(cut.to_count for cut in cuts)
        for i, cut, counted in zip(wrong, cuts, counts, strict=True):
            tokens = counted + cut.left_out
            budgets[i] += wanted[i] - tokens
            if abs(tokens - wanted[i]) < abs(best[i].tokens - wanted[i]):
                best[i] = Prompt(cut.text, tokens)
        wrong = [i for i in wrong if best[i].tokens != wanted[i]]
        if not wrong:
            break
    return best


def _cut(corpus: Corpus, place: _Place, budget: int, attempt: int, adds_up: bool) -> _Cut:
    """The words from there on that fit into the budget, and fillers for the rest.

    Each attempt takes other fillers, and every fourth begins a word later: a tokenizer that joins words may
    answer the same budget with one too many and the next with one too few.
    """
    words, ends, fillers = corpus.words, corpus.ends, corpus.fillers
    first = start = (place.start + attempt // 4) % len(words)
    pieces: list[str] = []
    if place.lap:
        pieces += [fillers[place.lap % len(fillers)].strip()] * 2
        budget -= 2
    while budget > 0:
        end = bisect_right(ends, ends[start] + budget) - 1
        pieces += words[start:end]
        budget -= ends[end] - ends[start]
        if end < len(words):
            break
        start = 0
    filling = "".join(fillers[(place.start + attempt + k) % len(fillers)] for k in range(budget))
    text = (" ".join(pieces) + filling).strip()
    if not adds_up or place.lap or len(pieces) <= 2 * EDGE or len(pieces) != end - first:
        return _Cut(text, text, 0)
    edges = " ".join(pieces[:EDGE] + pieces[-EDGE:]) + filling
    return _Cut(text, edges, ends[end - EDGE] - ends[first + EDGE])
