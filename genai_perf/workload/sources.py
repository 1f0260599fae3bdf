"""Where conversations come from: made, or read. All that is random is drawn from the seed, turn by turn."""

import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice, repeat
from typing import TypeVar

from genai_perf.clock import NS_PER_MS
from genai_perf.config import Config
from genai_perf.endpoints import Endpoint
from genai_perf.types import Turn
from genai_perf.workload import files, lengths, media, rankings, synthetic
from genai_perf.workload.tokenizer import Tokenizer

SYNTHETIC = "synthetic:"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns that belong together; of one turn mostly. Flags and files say session, as GenAI-Perf does."""

    turns: tuple[Turn, ...]
    id: str = ""
    """Its name in the records; empty: its number."""
    due_ns: int | None = None
    """When it begins, after the first one, where a trace says."""


def is_synthetic(config: Config) -> bool:
    """Whether prompts are made rather than read."""
    return config.input.is_synthetic


def conversations(config: Config, endpoint: Endpoint, tokenizer: Tokenizer | None) -> Iterator[Conversation]:
    """All of a run's, in order. `tokenizer` may be None where nothing is counted in tokens.

    Raises InputError and TokenizerError, some of them only when it comes to the row.
    """
    found: Iterator[Conversation]
    if endpoint.takes_passages:
        found = (Conversation((turn,)) for turn in rankings.turns(config, tokenizer))
    elif not is_synthetic(config):
        found = _read(config, endpoint)
    elif endpoint.takes_text:
        assert tokenizer is not None
        found = _with_media(_synthetic(config, tokenizer), config)
    else:
        wordless = (Conversation((Turn(texts=()),)) for _ in range(config.input.num_dataset_entries))
        found = _with_media(wordless, config)
    if config.input.prefix_prompt_num and endpoint.takes_text:
        assert tokenizer is not None
        found = _with_prefixes(found, config, tokenizer)
    return _with_limits(found, config, tokenizer if endpoint.produces_tokens else None)


def models(config: Config) -> Iterator[str]:
    """Which model each conversation goes to, without end."""
    names = config.endpoint.model_names
    if config.endpoint.model_selection_strategy != "random":
        yield from cycle(names)
    draw = stream(config, "models")
    while True:
        yield draw.choice(names)


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
    draw = stream(config, "input lengths")
    limits: Iterator[int | None] = repeat(None)
    if given.isl_osl is not None:
        pairs = lengths.pairs(given, number, draw)
        tokens = [tokens_in for tokens_in, _ in pairs for _ in range(size)]
        limits = (tokens_out for _, tokens_out in pairs)
    else:
        tokens = lengths.of_prompts(given, number * size, draw)
    made = synthetic.prompts(synthetic.measure(tokenizer), tokenizer, tokens, stream(config, "prompts"))
    for first, limit in zip(made, limits):
        rest = [next(made) for _ in range(size - 1)]
        yield Turn(
            texts=(first.text, *(prompt.text for prompt in rest)),
            input_tokens=first.tokens if size == 1 else None,
            max_tokens=limit,
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


def _with_media(found: Iterable[Conversation], config: Config) -> Iterator[Conversation]:
    """Give every turn the made-up images and pieces of audio that are asked for, made when it comes to it."""
    number_of_images = config.image.batch_size if config.image.are_made else 0
    pieces_of_audio = config.audio.batch_size if config.audio.is_made else 0
    if not number_of_images and not pieces_of_audio:
        yield from found
        return
    images = media.made_images(config.image, stream(config, "images"))
    audio = media.made_audio(config.audio, stream(config, "audio"))
    for conversation in found:
        yield replace(
            conversation,
            turns=tuple(
                replace(
                    turn,
                    images=tuple(islice(images, number_of_images)),
                    audio=tuple(islice(audio, pieces_of_audio)),
                )
                for turn in conversation.turns
            ),
        )


# -- read ---------------------------------------------------------------------------------------------


def _read(config: Config, endpoint: Endpoint) -> Iterator[Conversation]:
    """A conversation for each row in order; with batches, as many samples as `--num-dataset-entries` says."""
    kinds = {"text": endpoint.takes_text, "image": endpoint.takes_images, "audio": endpoint.takes_audio}
    takes = [kind for kind, is_taken in kinds.items() if is_taken]
    rows = files.conversations(config.input, takes, whole=config.has_sessions)
    if not endpoint.takes_system:
        rows = (tuple(map(_with_system_before, turns)) for turns in rows)
    if max(config.input.batch_size, config.image.batch_size, config.audio.batch_size) > 1:
        return _sampled([turns[0] for turns in rows], config)
    return (Conversation(turns) for turns in rows)


def _with_system_before(turn: Turn) -> Turn:
    """What the system says as the beginning of the text, as GenAI-Perf joins them."""
    if turn.system is None or not turn.texts:
        return turn
    return replace(turn, system=None, texts=(f"{turn.system} {turn.texts[0]}", *turn.texts[1:]))


def _sampled(rows: Sequence[Turn], config: Config) -> Iterator[Conversation]:
    """Texts, images and audio drawn from all there are, independent of each other, as GenAI-Perf does."""
    count = config.input.num_dataset_entries
    said = [row for row in rows if row.texts]
    images = [image for row in rows for image in row.images]
    audio = [audio for row in rows for audio in row.audio]

    def samples(pool: Sequence[_T], size: int, kind: str) -> list[tuple[_T, ...]]:
        purpose = "batches" if kind == "text" else f"batches of {kind}"
        return files.batches(pool, size, count, stream(config, purpose), kind) if pool else [()] * count

    for batch, seen, heard in zip(
        samples(said, config.input.batch_size, "text"),
        samples(images, config.image.batch_size, "image"),
        samples(audio, config.audio.batch_size, "audio"),
        strict=True,
    ):
        limit = max((row.max_tokens for row in batch if row.max_tokens), default=None)
        texts = tuple(text for row in batch for text in row.texts)
        system = batch[0].system if len(batch) == 1 else None
        yield Conversation((Turn(texts, system=system, images=seen, audio=heard, max_tokens=limit),))


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


def _with_limits(
    found: Iterable[Conversation], config: Config, tokenizer: Tokenizer | None
) -> Iterator[Conversation]:
    """Say how many output tokens each turn asks for.

    As its row says; else as they are drawn, where an option says how; else as many as its answer has, where
    the input has one and `tokenizer` counts it.
    """
    drawn = lengths.of_answers(config.input, stream(config, "output lengths"))
    for conversation in found:
        turns = conversation.turns
        if drawn is not None:
            limits: Iterable[int | None] = list(islice(drawn, len(turns)))
        elif tokenizer is not None and any(turn.answer for turn in turns):
            counts = tokenizer.count(turn.answer or "" for turn in turns)
            limits = [count or None for count in counts]
        else:
            yield conversation
            continue
        yield replace(
            conversation,
            turns=tuple(
                turn if turn.max_tokens is not None or limit is None else replace(turn, max_tokens=limit)
                for turn, limit in zip(turns, limits)
            ),
        )
