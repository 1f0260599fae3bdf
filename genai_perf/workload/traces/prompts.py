"""From the rows of a trace to what is said, and when."""

from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path

from genai_perf.clock import NS_PER_S
from genai_perf.config import Config
from genai_perf.exceptions import InputError
from genai_perf.types import Turn
from genai_perf.workload import lengths
from genai_perf.workload.sources import Conversation, stream
from genai_perf.workload.tokenizer import Tokenizer
from genai_perf.workload.traces import FORMATS, Format
from genai_perf.workload.traces.blocks import BLOCK, Blocks
from genai_perf.workload.traces.rows import Row
from genai_perf.workload.traces.shares import Shares

_OWN_BLOCKS = 2**20
"""Blocks that one prompt without hash ids can have."""

_AT_ONCE = 256


class Prompts:
    """Makes a turn of each row. The same row, at the same place, becomes the same turn for the same seed."""

    def __init__(self, config: Config, tokenizer: Tokenizer | None) -> None:
        self._given = config.input
        self._tokenizer = tokenizer
        self._blocks: Blocks | None = None
        drawn = stream(config, "input lengths")
        self._lengths = chain.from_iterable(lengths.of_prompts(self._given, _AT_ONCE, drawn) for _ in count())
        limits = lengths.of_answers(self._given, stream(config, "output lengths"))
        self._limits: Iterator[int | None] = repeat(None) if limits is None else limits
        self._pauses = config.input.session_delay_ratio if config.has_sessions else 0
        self._shares = Shares()

    def turn(self, place: int, row: Row) -> Turn:
        """What the row says; `place` counts the rows from 0. Raises TokenizerError."""
        drawn = next(self._limits)
        limit = drawn if row.output_tokens is None else row.output_tokens
        delay_ns = int(row.delay_ns * self._pauses) or None
        if row.text is not None:
            return Turn((row.text,), max_tokens=limit, delay_ns=delay_ns, extra=row.extra)
        tokens = row.input_tokens or max(1, next(self._lengths))
        return Turn(
            (self._made(place, row.hash_ids, tokens),),
            max_tokens=limit,
            input_tokens=tokens,
            shared_tokens=self._shares.shared(row.hash_ids, tokens) if row.hash_ids else None,
            delay_ns=delay_ns,
            extra=row.extra,
        )

    def _made(self, place: int, ids: tuple[int, ...], tokens: int) -> str:
        """Even numbers are the blocks of hash ids, odd ones a row's own, which no other has."""
        if self._blocks is None:
            assert self._tokenizer is not None
            self._blocks = Blocks(self._tokenizer, self._given.random_seed)
        if ids:
            return self._blocks.text([2 * number for number in ids], tokens)
        first = place * _OWN_BLOCKS
        own = range(first, first + -(-tokens // BLOCK))
        return self._blocks.text([2 * number + 1 for number in own], tokens)


def conversations(config: Config, tokenizer: Tokenizer | None) -> Iterator[Conversation]:
    """The trace as data for another load: its instants are left alone.

    Each row by itself; where the load is one of sessions, the rows of each session together, in the order in
    which the sessions begin. Raises InputError and TokenizerError when it comes to the row.
    """
    prompts = Prompts(config, tokenizer)
    source, path = _source(config)
    found = _some(source.rows(path), path)
    if not config.has_sessions:
        for place, row in enumerate(found):
            yield Conversation((prompts.turn(place, row),), id=row.session or "")
        return
    sessions: dict[str, list[Row]] = {}
    for number, row in enumerate(found):
        sessions.setdefault(f"session {row.session}" if row.session else f"row {number}", []).append(row)
    places = count()
    for rows in sessions.values():
        said = [prompts.turn(next(places), row) for row in source.as_turns(rows)]
        yield Conversation(tuple(said), id=rows[0].session or "")


def scheduled(config: Config, tokenizer: Tokenizer | None) -> Iterator[Conversation]:
    """Each row by itself with its instant, counted from the first row's and divided by `--speed-up`.

    Raises InputError and TokenizerError when it comes to the row.
    """
    prompts = Prompts(config, tokenizer)
    speed_up = config.load.speed_up
    for place, (row, after_ns) in enumerate(in_order(config)):
        due_ns = after_ns if speed_up == 1 else round(after_ns / speed_up)
        yield Conversation((prompts.turn(place, row),), id=row.session or "", due_ns=due_ns)


def check(config: Config) -> None:
    """Read the whole trace as it will be sent, and make nothing of it. Raises InputError for a bad row."""
    for _ in in_order(config):
        pass


def in_order(config: Config) -> Iterator[tuple[Row, int]]:
    """(row, ns after the first one). A stream cannot be sorted, so it must be.

    Raises InputError for a row without an instant, or with one that lies before the last row's.
    """
    source, path = _source(config)
    first_ns: int | None = None
    last_ns = last_line = 0
    for row in _some(source.rows(path), path):
        where = f"{path}:{row.line}"
        if row.at_ns is None:
            raise InputError(
                f'{where}: no "{source.at}", which a fixed schedule needs',
                hint="with a load option, such as --concurrency or --session-concurrency, no row needs one",
            )
        if first_ns is None:
            first_ns = row.at_ns
        elif row.at_ns < last_ns:
            back_s = (last_ns - row.at_ns) / NS_PER_S
            raise InputError(
                f'{where}: "{source.at}" goes back in time, to {back_s:,.3f} s before line {last_line}',
                hint=f"put the trace into order: {source.sorted_by.format(file=path)}",
            )
        last_ns, last_line = row.at_ns, row.line
        yield row, row.at_ns - first_ns


def _source(config: Config) -> tuple[Format, Path]:
    trace = config.input.trace
    assert trace is not None
    return FORMATS[trace.kind], trace.path


def _some(rows: Iterator[Row], path: Path) -> Iterator[Row]:
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path}: holds no requests")
    yield first
    yield from rows
