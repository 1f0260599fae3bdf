"""All requests of a run, made before it begins: turns, then bodies, then bytes.

A body is put together in GenAI-Perf's order: what the endpoint writes, the token limit, then `--extra-inputs`
over both.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from genai_perf.config import Config
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import UsageError
from genai_perf.types import Request, Turn, Workload
from genai_perf.workload import files, synthetic
from genai_perf.workload.tokenizer import Tokenizer

_SYNTHETIC = "synthetic:"
_PAYLOAD = "payload:"


def is_synthetic(config: Config) -> bool:
    """Whether prompts are made rather than read."""
    return config.input.file is None or config.input.file.startswith(_SYNTHETIC)


def needs_tokenizer(config: Config, endpoint: Endpoint) -> bool:
    """Whether anything of this run is counted in tokens. Embeddings of a file, for one, are not."""
    return endpoint.produces_tokens or is_synthetic(config) or config.input.prefix_prompt_num > 0


def check(config: Config, endpoint: Endpoint) -> None:
    """Refuse what this endpoint, or this program, cannot send. Quick: reads no file. Raises UsageError."""
    given = config.input
    if config.endpoint.streaming and not endpoint.can_stream:
        raise UsageError(f"The --streaming option is not supported for {endpoint.name}.")
    if given.batch_size > 1 and not endpoint.can_batch:
        raise UsageError(
            f"The --batch-size-text flag is not supported for {endpoint.name}.",
            hint=f"it takes one text a request, not {given.batch_size}",
        )
    if given.file and given.file.startswith(_PAYLOAD):
        raise UsageError(
            f"--input-file: {given.file!r}: payload traces are not available",
            hint="give a JSONL file or directory, without a prefix",
        )
    if given.file and given.file.startswith(_SYNTHETIC) and "," in given.file:
        raise UsageError(
            f"--input-file: {given.file!r}: {endpoint.name} takes one synthetic data set, not several",
            hint="leave --input-file out for synthetic prompts",
        )


def build(config: Config, endpoint: Endpoint, tokenizer: Tokenizer | None) -> Workload:
    """One request for each row of the workload, bodies encoded; the same for the same seed, everywhere.

    `tokenizer` may be None where `needs_tokenizer` says no; `input_tokens` is None then. Raises UsageError
    and InputError.
    """
    check(config, endpoint)
    turns = _turns(config, tokenizer)
    names = config.endpoint.model_names
    rng = _stream(config, "models")
    at_random = config.endpoint.model_selection_strategy == "random"
    models = [rng.choice(names) if at_random else names[row % len(names)] for row in range(len(turns))]
    bodies = [body_of(turn, model, config, endpoint) for turn, model in zip(turns, models, strict=True)]
    counts = _input_tokens(turns, bodies, endpoint, tokenizer)
    requests = [
        Request(
            index=row,
            body=encode(body),
            model=str(body.get("model", model)),
            conversation=str(row),
            input_tokens=tokens,
            streaming=body.get("stream") in (True, [True]),
        )
        for row, (body, model, tokens) in enumerate(zip(bodies, models, counts, strict=True))
    ]
    return Workload(requests)


def body_of(turn: Turn, model: str, config: Config, endpoint: Endpoint) -> dict[str, Any]:
    """The JSON body of one turn."""
    streaming = config.endpoint.streaming
    extra = config.input.extra
    body = endpoint.build(turn, model, streaming)
    if endpoint.produces_tokens:
        if turn.max_tokens is not None:
            body |= endpoint.limit(turn.max_tokens, config.input.output_tokens_deterministic)
        if config.metrics.use_server_token_count and (streaming or not endpoint.usage_unasked):
            body |= endpoint.usage_request
    # `--extra-inputs max_completion_tokens` without a value: this server's name for the token limit
    named = {
        key: turn.max_tokens if key == "max_completion_tokens" and value is None else value
        for key, value in {**extra, **turn.extra}.items()
    }
    if "max_completion_tokens" in extra and "max_tokens" not in extra:
        body.pop("max_tokens", None)
    return endpoint.extend(body, named)


def _turns(config: Config, tokenizer: Tokenizer | None) -> list[Turn]:
    if is_synthetic(config):
        assert tokenizer is not None
        turns = _synthetic_turns(config, tokenizer)
    else:
        turns = _file_turns(config)
    if config.input.prefix_prompt_num:
        assert tokenizer is not None
        turns = _with_prefixes(turns, config, tokenizer)
    return _with_limits(turns, config)


def _synthetic_turns(config: Config, tokenizer: Tokenizer) -> list[Turn]:
    given = config.input
    size = given.batch_size
    tokens = synthetic.lengths(
        given.synthetic_tokens_mean,
        given.synthetic_tokens_stddev,
        given.num_dataset_entries * size,
        _stream(config, "input lengths"),
    )
    made = synthetic.prompts(synthetic.measure(tokenizer), tokenizer, tokens, _stream(config, "prompts"))
    return [
        Turn(
            texts=tuple(prompt.text for prompt in made[first : first + size]),
            input_tokens=made[first].tokens if size == 1 else None,
        )
        for first in range(0, len(made), size)
    ]


def _file_turns(config: Config) -> list[Turn]:
    """A turn for each row in order; with batches, as many samples as `--num-dataset-entries` says."""
    given = config.input
    assert given.file is not None
    rows = files.read(given.file)
    if given.batch_size == 1:
        return [Turn(texts=(row.text,), max_tokens=row.output_tokens) for row in rows]
    sampled = files.batches(rows, given.batch_size, given.num_dataset_entries, _stream(config, "batches"))
    return [
        Turn(
            texts=tuple(row.text for row in batch),
            max_tokens=max((row.output_tokens for row in batch if row.output_tokens), default=None),
        )
        for batch in sampled
    ]


def _with_prefixes(turns: list[Turn], config: Config, tokenizer: Tokenizer) -> list[Turn]:
    """Begin every text with one of a pool of prefixes, so that a server can reuse its work on them."""
    given = config.input
    pool = synthetic.prompts(
        synthetic.measure(tokenizer),
        tokenizer,
        [given.prefix_prompt_length] * given.prefix_prompt_num,
        _stream(config, "prefixes"),
    )
    rng = _stream(config, "prefix of each prompt")
    return [
        replace(
            turn,
            texts=tuple(f"{rng.choice(pool).text} {text}".strip() for text in turn.texts),
            input_tokens=None,
        )
        for turn in turns
    ]


def _with_limits(turns: list[Turn], config: Config) -> list[Turn]:
    """Draw how many output tokens each turn asks for, where its row does not say."""
    given = config.input
    if given.output_tokens_mean is None:
        return turns
    drawn = synthetic.lengths(
        given.output_tokens_mean,
        given.output_tokens_stddev,
        len(turns),
        _stream(config, "output lengths"),
        at_least=1,
    )
    return [
        turn if turn.max_tokens is not None else replace(turn, max_tokens=tokens)
        for turn, tokens in zip(turns, drawn, strict=True)
    ]


def _input_tokens(
    turns: list[Turn], bodies: list[dict[str, Any]], endpoint: Endpoint, tokenizer: Tokenizer | None
) -> list[int | None]:
    """Tokens of the text in each body as it is sent; only what is not known yet is counted."""
    if tokenizer is None:
        return [None] * len(turns)
    try:
        texts = [endpoint.prompt_text(body) for body in bodies]
    except (KeyError, TypeError) as exc:
        raise UsageError("--extra-inputs: the request body no longer holds a prompt to count") from exc
    counts = [
        turn.input_tokens if text == turn.texts[0] else None for turn, text in zip(turns, texts, strict=True)
    ]
    unknown = [row for row, count in enumerate(counts) if count is None]
    for row, count in zip(unknown, tokenizer.count(texts[row] for row in unknown), strict=True):
        counts[row] = count
    return counts


def encode(body: Mapping[str, Any]) -> bytes:
    """The bytes that a body goes over the wire as: compact JSON in UTF-8."""
    try:
        return msgspec.json.encode(body)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError) as exc:
        raise UsageError(f"--extra-inputs: cannot be written as JSON: {exc}") from exc


def _stream(config: Config, purpose: str) -> random.Random:
    """The random numbers of one kind of draw; seeding from a string is the same on every machine."""
    return random.Random(f"{config.input.random_seed}:{purpose}")
