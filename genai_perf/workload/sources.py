"""Where conversations come from: made, or read. All that is random is drawn from the seed, turn by turn."""

import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from genai_perf.clock import NS_PER_MS
from genai_perf.config import Config
from genai_perf.types import Turn
from genai_perf.workload import files, rankings, synthetic
from genai_perf.workload.tokenizer import Tokenizer

SYNTHETIC = "synthetic:"
PAYLOAD = "payload:"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns that belong together; of one turn mostly. Flags and files say session, as GenAI-Perf does."""

    turns: tuple[Turn, ...]
    id: str = ""
    """Its name in the records; empty: its number."""


def is_synthetic(config: Config) -> bool:
    """Whether prompts are made rather than read."""
    return config.input.is_synthetic


def conversations(
    config: Config, tokenizer: Tokenizer | None, *, rank: bool = False
) -> Iterator[Conversation]:
    """All of a run's, in order. `tokenizer` may be None where nothing is counted in tokens.

    `rank` asks for queries and their passages. Raises InputError and TokenizerError, some of them only when
    it comes to the row.
    """
    found: Iterator[Conversation]
    if rank:
        found = (Conversation((turn,)) for turn in rankings.turns(config, tokenizer))
    elif is_synthetic(config):
        assert tokenizer is not None
        found = _synthetic(config, tokenizer)
    else:
        found = _from_file(config)
    if config.input.prefix_prompt_num:
        assert tokenizer is not None
        found = _with_prefixes(found, config, tokenizer)
    return _with_limits(found, config)


def stream(config: Config, purpose: str) -> random.Random:
    """The random numbers of one kind of draw; seeding from a string is the same on every machine."""
    return random.Random(f"{config.input.random_seed}:{purpose}")


# -- made ---------------------------------------------------------------------------------------------


def _synthetic(config: Config, tokenizer: Tokenizer) -> Iterator[Conversation]:
    if config.input.num_sessions:
        return _sessions(config, tokenizer)
    return (
        Conversation((turn,))
        for turn in _synthetic_turns(config, tokenizer, config.input.num_dataset_entries)
    )


def _synthetic_turns(config: Config, tokenizer: Tokenizer, number: int) -> Iterator[Turn]:
    given = config.input
    size = given.batch_size
    tokens = synthetic.lengths(
        given.synthetic_tokens_mean,
        given.synthetic_tokens_stddev,
        number * size,
        stream(config, "input lengths"),
    )
    made = synthetic.prompts(synthetic.measure(tokenizer), tokenizer, tokens, stream(config, "prompts"))
    for first in made:
        rest = [next(made) for _ in range(size - 1)]
        yield Turn(
            texts=(first.text, *(prompt.text for prompt in rest)),
            input_tokens=first.tokens if size == 1 else None,
        )


def _sessions(config: Config, tokenizer: Tokenizer) -> Iterator[Conversation]:
    """GenAI-Perf's: as many turns as are drawn, each a prompt, with a pause after all but the last."""
    given = config.input
    draw = stream(config, "session turns")
    numbers = [
        max(1, round(draw.gauss(given.session_turns_mean, given.session_turns_stddev)))
        for _ in range(given.num_sessions)
    ]
    turns = _synthetic_turns(config, tokenizer, sum(numbers))
    pauses = stream(config, "session delays")
    names = stream(config, "session names")
    for number in numbers:
        said = [next(turns) for _ in range(number)]
        yield Conversation(
            (*(replace(turn, delay_ns=_pause_ns(config, pauses)) for turn in said[:-1]), said[-1]),
            id=str(uuid.UUID(int=names.getrandbits(128), version=4)),
        )


def _pause_ns(config: Config, draw: random.Random) -> int:
    given = config.input
    drawn_ms = max(0, round(draw.gauss(given.session_turn_delay_mean, given.session_turn_delay_stddev)))
    return int(drawn_ms * given.session_delay_ratio * NS_PER_MS)


# -- read ---------------------------------------------------------------------------------------------


def _from_file(config: Config) -> Iterator[Conversation]:
    """A turn for each row in order; with batches, as many samples as `--num-dataset-entries` says."""
    given = config.input
    assert given.file is not None
    rows = files.read(given.file)
    if given.batch_size == 1:
        for row in rows:
            yield Conversation((Turn(texts=(row.text,), max_tokens=row.output_tokens),))
        return
    for batch in files.batches(rows, given.batch_size, given.num_dataset_entries, stream(config, "batches")):
        limit = max((row.output_tokens for row in batch if row.output_tokens), default=None)
        yield Conversation((Turn(texts=tuple(row.text for row in batch), max_tokens=limit),))


# -- what goes over both ------------------------------------------------------------------------------


def _with_prefixes(
    found: Iterable[Conversation], config: Config, tokenizer: Tokenizer
) -> Iterator[Conversation]:
    """Begin with one of a pool of prefixes, so that a server can reuse its work on them. First turns only."""
    given = config.input
    pool = list(
        synthetic.prompts(
            synthetic.measure(tokenizer),
            tokenizer,
            [given.prefix_prompt_length] * given.prefix_prompt_num,
            stream(config, "prefixes"),
        )
    )
    draw = stream(config, "prefix of each prompt")
    for conversation in found:
        first, *rest = conversation.turns
        texts = tuple(f"{draw.choice(pool).text} {text}".strip() for text in first.texts)
        yield replace(conversation, turns=(replace(first, texts=texts, input_tokens=None), *rest))


def _with_limits(found: Iterable[Conversation], config: Config) -> Iterator[Conversation]:
    """Draw how many output tokens each turn asks for, where its row does not say."""
    given = config.input
    if given.output_tokens_mean is None:
        yield from found
        return
    draw = stream(config, "output lengths")
    for conversation in found:
        limited = []
        for turn in conversation.turns:
            drawn = synthetic.length(given.output_tokens_mean, given.output_tokens_stddev, draw, at_least=1)
            limited.append(turn if turn.max_tokens is not None else replace(turn, max_tokens=drawn))
        yield replace(conversation, turns=tuple(limited))
