"""Prompts out of blocks: each block the same tokens wherever it stands, each prompt exactly as many as asked.

A block is a label, words that spell its number, and a run of the shipped text. All its words are one token
each and keep it whatever stands before and after them. So a block can be cut anywhere, blocks can be joined
in any order, and nothing has to be counted or remembered: a block follows from its number and the seed.

That words keep their token beside each other is not assumed but tried, once for each tokenizer:

* words are taken that are one token at the beginning of a text and inside it;
* of the most frequent, an alphabet is kept in which every word keeps its token next to every other. For
  byte-pair encoding that proves it for any sequence of them: a tokenization is the one that comes out as soon
  as every pair of neighbours in it is. Labels are of these words, and runs begin and end with one;
* the runs are parts of one sequence, which is encoded as a whole. It is the shipped text without its longer
  words, or, where tokens reach over blanks, the alphabet in random order;
* some prompts are counted at the end.

A tokenizer of characters or bytes has no such words; there it is letters.
"""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, chain, islice

from genai_perf.exceptions import TokenizerError
from genai_perf.workload import builtin
from genai_perf.workload.tokenizer import Tokenizer

BLOCK = 512
"""Tokens in a whole block."""

NUMBERS = 2**66
"""Blocks that can be told apart."""

ALPHABET = 64
"""Words in labels at most: every pair of them is tried."""

CANDIDATES = 4096
"""So many of the text's most frequent words are looked at."""

RUN = 32_768
"""Words in the sequence that runs are cut from."""

ENOUGH = 1024
"""From so many places on where a run can begin, the shipped text is varied enough."""

STRETCH = 256
"""Words of the sequence that are encoded together."""

_LETTERS = "etaoinshrdlucmfwypvbgkjqxz0123456789"

_SCATTER = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: neighbours' products lie far apart (Knuth's multiplicative hashing)."""


class Blocks:
    """The text of any block, for one tokenizer and seed."""

    def __init__(self, tokenizer: Tokenizer, seed: int) -> None:
        """Raises TokenizerError where no two words or letters keep their tokens beside each other."""
        rng = random.Random(f"{seed}:blocks")
        words = _Words.of(tokenizer)
        alphabet = sorted(words.alphabet)
        self._glue = words.glue
        self.label_tokens = 1
        while len(alphabet) ** self.label_tokens < NUMBERS:
            self.label_tokens += 1
        self._spelling = [rng.sample(alphabet, len(alphabet)) for _ in range(self.label_tokens)]
        self._run_tokens = BLOCK - self.label_tokens
        self._sequence, self._starts = _sequence(words, tokenizer, self._run_tokens, rng)
        ends = accumulate((len(word) + len(self._glue) for word in self._sequence), initial=0)
        self._offsets = list(ends)
        self._text = self._glue.join(self._sequence)
        self._shift = rng.randrange(2**64)
        self._count_some(tokenizer)

    def text(self, numbers: Sequence[int], tokens: int) -> str:
        """The prompt of these blocks, the last one cut so that it has `tokens` tokens in all."""
        last = tokens - (len(numbers) - 1) * BLOCK
        whole = [self._block(number, BLOCK) for number in numbers[:-1]]
        return self._glue.join([*whole, self._block(numbers[-1], last)])

    def _block(self, number: int, tokens: int) -> str:
        """Its first so many tokens."""
        label = []
        rest = number
        for letters in self._spelling[:tokens]:
            rest, digit = divmod(rest, len(letters))
            label.append(letters[digit])
        if tokens <= self.label_tokens:
            return self._glue.join(label)
        place = ((number * _SCATTER + self._shift) % 2**64) >> 20
        start = self._starts[place % len(self._starts)]
        begins, ends = self._offsets[start], self._offsets[start + tokens - self.label_tokens]
        label.append(self._text[begins : ends - len(self._glue)])
        return self._glue.join(label)

    def _count_some(self, tokenizer: Tokenizer) -> None:
        lengths = (BLOCK, 3 * BLOCK, 2 * BLOCK + self.label_tokens // 2, 1, BLOCK + BLOCK // 3)
        texts = [self.text(range(length, length + -(-length // BLOCK)), length) for length in lengths]
        if list(lengths) != tokenizer.count(texts):
            raise _unfit(tokenizer)


class _Words:
    """Words of one token, and how they are joined."""

    def __init__(self, glue: str, ids: dict[str, int], alphabet: Sequence[str]) -> None:
        self.glue = glue
        self.ids = ids
        """The token of each inside a text."""
        self.alphabet = frozenset(alphabet)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "_Words":
        """The shipped text's frequent words, or letters. Raises TokenizerError."""
        frequent = [word for word, _ in Counter(builtin.words()).most_common(CANDIDATES)]
        for glue, candidates in ((" ", frequent), ("", list(_LETTERS))):
            ids = _single(tokenizer, candidates, glue)
            plain = [word for word in ids if word.isalnum() and word == word.lower()]
            alphabet = _compatible(tokenizer, plain[:ALPHABET], ids, glue)
            if len(alphabet) > 1:
                return cls(glue, ids, alphabet)
        raise _unfit(tokenizer)


def _single(tokenizer: Tokenizer, words: Sequence[str], glue: str) -> dict[str, int]:
    """Those that are one token alone and behind another, in order, with the latter token."""
    alone = [ids for ids in zip(words, tokenizer.encode_all(words), strict=True) if len(ids[1]) == 1]
    if not alone:
        return {}
    before, (first,) = alone[0]
    behind = tokenizer.encode_all(f"{before}{glue}{word}" for word, _ in alone)
    return {
        word: ids[1]
        for (word, _), ids in zip(alone, behind, strict=True)
        if len(ids) == 2 and ids[0] == first
    }


def _compatible(tokenizer: Tokenizer, words: Sequence[str], ids: dict[str, int], glue: str) -> list[str]:
    """Those that keep their tokens next to each other, at the beginning of a text and inside it."""
    if not words:
        return []
    pairs = [(one, other) for one in words for other in words]
    first = dict(zip(words, chain.from_iterable(tokenizer.encode_all(words)), strict=True))
    before = words[0]
    beginning = tokenizer.encode_all(f"{one}{glue}{other}" for one, other in pairs)
    inside = tokenizer.encode_all(f"{before}{glue}{one}{glue}{other}" for one, other in pairs)
    clashes: dict[str, set[str]] = {word: set() for word in words}
    for (one, other), at_first, within in zip(pairs, beginning, inside, strict=True):
        kept = [ids[one], ids[other]]
        if at_first != [first[one], kept[1]] or within != [first[before], *kept]:
            clashes[one].add(other)
            clashes[other].add(one)
    left = list(words)
    while left:
        worst = max(left, key=lambda word: len(clashes[word].intersection(left)))
        if not clashes[worst].intersection(left):
            break
        left.remove(worst)
    return left


def _sequence(
    words: _Words, tokenizer: Tokenizer, run: int, rng: random.Random
) -> tuple[list[str], list[int]]:
    """The sequence that runs of so many words are cut from, and the places where one may begin."""
    letters = sorted(words.alphabet)
    text = list(islice((word for word in builtin.words() if word in words.ids), RUN)) if words.glue else []
    for sequence in (text, rng.choices(letters, k=RUN)):
        starts = [
            place
            for place in range(len(sequence) - run)
            if sequence[place] in words.alphabet and sequence[place + run - 1] in words.alphabet
        ]
        if len(starts) >= ENOUGH and _keeps_its_tokens(sequence, words, tokenizer):
            return sequence, starts
    raise _unfit(tokenizer)


def _keeps_its_tokens(sequence: Sequence[str], words: _Words, tokenizer: Tokenizer) -> bool:
    """Whether every word of it is its one token there. Stretches overlap by a word: each pair is seen."""
    stretches = [sequence[first : first + STRETCH + 1] for first in range(0, len(sequence), STRETCH)]
    encoded = tokenizer.encode_all(words.glue.join(stretch) for stretch in stretches)
    return all(
        len(ids) == len(stretch) and ids[1:] == [words.ids[word] for word in stretch[1:]]
        for stretch, ids in zip(stretches, encoded, strict=True)
    )


def _unfit(tokenizer: Tokenizer) -> TokenizerError:
    return TokenizerError(
        f"{tokenizer.name}: finds no words or letters that keep their tokens beside each other, so that no "
        "prompts of an exact length can be made for a trace",
        hint="give prompts (text) in the trace, or --tokenizer builtin",
    )
