"""Queries, and the passages to rank for each: two data sets, read or made.

Read: `queries.jsonl` and `passages.jsonl` in a directory. With `--batch-size-text` 1 they go together row by
row, up to the shorter; otherwise each of `--num-dataset-entries` requests has a query and that many passages,
drawn. Made: one of each for every entry, independent of each other.
"""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from genai_perf.config import Config
from genai_perf.exceptions import InputError, UsageError
from genai_perf.types import Turn
from genai_perf.workload import files, lengths, synthetic
from genai_perf.workload.tokenizer import Tokenizer

QUERIES, PASSAGES = "queries", "passages"
SYNTHETIC = f"synthetic:{QUERIES},{PASSAGES}"
"""The input file that GenAI-Perf's users give; none at all means the same here."""
_MISSING = "Both 'queries.jsonl' and 'passages.jsonl' must be present in the input datasets."
_HINT = f"give --input-file a directory that holds both, or {SYNTHETIC}"


def check(config: Config) -> None:
    """Raise UsageError unless the input file can hold both data sets. Reads no file."""
    file = config.input.file
    if file is not None and file.startswith("synthetic:"):
        named = file.removeprefix("synthetic:").split(",")
        if sorted(named) != [PASSAGES, QUERIES]:
            raise UsageError(_MISSING, hint=f"--input-file is {file!r}; {_HINT}")


def turns(config: Config, tokenizer: Tokenizer | None) -> Iterator[Turn]:
    """A query and its passages for each request. `tokenizer` may be None where they are read.

    Raises InputError.
    """
    file = config.input.file
    if file is None or file.startswith("synthetic:"):
        assert tokenizer is not None
        return _made(config, tokenizer)
    return _read(config, Path(file))


def _made(config: Config, tokenizer: Tokenizer) -> Iterator[Turn]:
    size = config.input.batch_size
    queries = _prompts(config, tokenizer, QUERIES, 1)
    passages = _prompts(config, tokenizer, PASSAGES, size)
    for query in queries:
        yield Turn(texts=(query,), passages=tuple(islice(passages, size)))


def _prompts(config: Config, tokenizer: Tokenizer, purpose: str, each: int) -> Iterator[str]:
    given = config.input
    draw = _stream(config, f"{purpose}: lengths")
    tokens = lengths.of_prompts(given, given.num_dataset_entries * each, draw)
    source = synthetic.measure(tokenizer)
    for prompt in synthetic.prompts(source, tokenizer, tokens, _stream(config, purpose)):
        yield prompt.text


def _read(config: Config, directory: Path) -> Iterator[Turn]:
    given = config.input
    found = {name: directory / f"{name}.jsonl" for name in (QUERIES, PASSAGES)}
    if not all(path.is_file() for path in found.values()):
        there = sorted(path.name for path in directory.glob("*.jsonl"))
        lies = f"{directory} holds {', '.join(there) or 'neither'}"
        if not directory.is_dir():
            lies = f"{directory} is {'a file' if directory.exists() else 'not there'}"
        raise InputError(_MISSING, hint=f"{lies}; {_HINT}")
    queries, passages = (files.read(str(path)) for path in found.values())
    pairs: list[tuple[files.Row, tuple[files.Row, ...]]]
    if given.batch_size == 1:
        pairs = [(query, (passage,)) for query, passage in zip(queries, passages, strict=False)]
    else:
        draw = _stream(config, "batches")
        drawn = files.batches(passages, given.batch_size, given.num_dataset_entries, draw)
        pairs = [(draw.choice(queries), batch) for batch in drawn]
    for query, batch in pairs:
        yield Turn(texts=(query.text,), passages=tuple(passage.text for passage in batch))


def _stream(config: Config, purpose: str) -> random.Random:
    """The random numbers of one kind of draw; seeding from a string is the same on every machine."""
    return random.Random(f"{config.input.random_seed}:{purpose}")
