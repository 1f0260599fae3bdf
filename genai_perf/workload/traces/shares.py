"""How much of each prompt stands at the beginning of an earlier one: what a prefix cache can save at most."""

from array import array
from collections.abc import Sequence

from genai_perf.workload.traces.blocks import BLOCK

MOST_BLOCKS = 10_000_000
"""Different blocks that are remembered; in 168 MB. Rows that come later are told nothing about."""


class Shares:
    """Remembers every beginning of blocks that it was shown, and how long its last block was."""

    def __init__(self, most: int = MOST_BLOCKS) -> None:
        self._most = most
        self._count = 0
        # open addressing, because a set of so many ints takes five times the memory
        self._keys = array("Q", bytes(8 * 1024))
        self._tokens = array("H", bytes(2 * 1024))

    def shared(self, ids: Sequence[int], tokens: int) -> int | None:
        """Tokens at a prompt's beginning that an earlier one begins with too; None when memory is full."""
        if self._count + len(ids) > self._most:
            return None
        shared = 0
        goes_on = True
        beginning = 0
        for number in ids:
            beginning = hash((beginning, number))
            here = min(BLOCK, tokens)
            tokens -= here
            before = self._seen(beginning % 2**64 or 1, here)
            if goes_on:
                shared += min(before, here)
                goes_on = before >= BLOCK
        return shared

    def _seen(self, key: int, tokens: int) -> int:
        """How many tokens the block had at most when it was seen before, 0 for never; remembers it now."""
        keys, mask = self._keys, len(self._keys) - 1
        place = key & mask
        while keys[place] and keys[place] != key:
            place = (place + 1) & mask
        before = self._tokens[place]
        if tokens > before:
            self._tokens[place] = tokens
        if not keys[place]:
            keys[place] = key
            self._count += 1
            if 5 * self._count > 3 * len(keys):
                self._grow()
        return before

    def _grow(self) -> None:
        keys, tokens = self._keys, self._tokens
        self._keys = array("Q", bytes(16 * len(keys)))
        self._tokens = array("H", bytes(4 * len(tokens)))
        mask = len(self._keys) - 1
        for key, length in zip(keys, tokens, strict=True):
            if key:
                place = key & mask
                while self._keys[place]:
                    place = (place + 1) & mask
                self._keys[place], self._tokens[place] = key, length
