"""Traces in Mooncake's form, as GenAI-Perf's `payload:FILE` has it: an object a line.

    {"timestamp": 0, "input_length": 655, "output_length": 52, "hash_ids": [46, 47]}

`timestamp` and `delay` are in ms. `text` (or `text_input`) is the prompt; without one it is made, of exactly
`input_length` tokens. `session_id` groups rows. `hash_ids` are the prompt's blocks of 512 tokens, of which
the last may be shorter. Every other key goes to the top level of the request's body.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from genai_perf.clock import NS_PER_MS
from genai_perf.exceptions import InputError
from genai_perf.workload import tables
from genai_perf.workload.traces.blocks import BLOCK
from genai_perf.workload.traces.rows import SNIPPET, Row, duration_ns, lines, refuse, whole

MOST_IDS = 2**64
"""A hash id is a number below this."""

SORTED_BY = "jq -sc 'sort_by(.timestamp)[]' {file} > sorted.jsonl"
"""A command that puts such a file into order."""

AT = "timestamp"
"""The field that says when."""

_FIELDS = (AT, "delay", "input_length", "output_length", "session_id", "hash_ids", "text", "text_input")
_OTHERS = "a field that a trace does not have goes into the request's body"
_NEAR = 0.85
"""How alike two names are, by difflib, that are taken for one; the longer may have two letters more."""


def rows(path: Path) -> Iterator[Row]:
    """The rows in their order, read as they are asked for. Raises InputError when it comes to a bad one."""
    for number, content in lines(path):
        yield _row(number, content, f"{path}:{number}")


def _row(number: int, content: bytes, where: str) -> Row:
    entry = tables.json_value(content, where)
    if not isinstance(entry, dict):
        raise InputError(f"{where}: not a JSON object: {content[:SNIPPET].decode(errors='replace')}")
    take = entry.pop
    at, delay = take(AT, None), take("delay", None)
    tokens, limit = take("input_length", None), take("output_length", None)
    session = take("session_id", None)
    if session is not None and (isinstance(session, bool) or not isinstance(session, str | int)):
        refuse(session, "session_id", where, "a string or a whole number")
    tokens = None if tokens is None else whole(tokens, "input_length", where, at_least=1)
    ids = take("hash_ids", None)
    text = _text(entry, where)
    for key in entry:
        if meant := _misspelt(key):
            raise InputError(f"{where}: unknown field {key!r}; did you mean {meant}?", hint=_OTHERS)
    return Row(
        line=number,
        at_ns=None if at is None else duration_ns(at, AT, where, NS_PER_MS),
        text=text,
        input_tokens=tokens,
        output_tokens=None if limit is None else whole(limit, "output_length", where, at_least=1),
        hash_ids=_blocks(ids, tokens, where) if ids else (),
        session=None if session is None else str(session),
        delay_ns=0 if delay is None else duration_ns(delay, "delay", where, NS_PER_MS),
        extra=entry,
    )


@lru_cache(maxsize=256)
def _misspelt(key: str) -> str | None:
    """The field that this one is likely meant to be."""
    near = get_close_matches(key.lower(), _FIELDS, 1, _NEAR)
    return near[0] if near and abs(len(near[0]) - len(key)) <= 2 else None


def _text(entry: dict[str, Any], where: str) -> str | None:
    given = {key: text for key in ("text", "text_input") if (text := entry.pop(key, None))}
    if len(given) == 2:
        raise InputError(f"{where}: Each data entry must have only one of 'text_input' or 'text' key name.")
    for key, text in given.items():
        if not isinstance(text, str):
            refuse(text, key, where, "a string")
        return text.strip() or None
    return None


def _blocks(ids: Any, tokens: int | None, where: str) -> tuple[int, ...]:
    if not isinstance(ids, list):
        refuse(ids, "hash_ids", where, "a list of whole numbers")
    for number in ids:
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MOST_IDS:
            refuse(number, "hash_ids", where, "a list of whole numbers from 0 to 2^64 - 1")
    if tokens is None:
        raise InputError(f'{where}: "hash_ids" without "input_length"')
    last = tokens - (len(ids) - 1) * BLOCK
    if not 0 < last <= BLOCK:
        raise InputError(
            f"{where}: Input_length: {tokens}, Hash_ids: {_shown(ids)}, Block_size: {BLOCK} are not "
            f"compatible. The final hash id length: {last} must be greater than 0 and less than or equal to "
            f"{BLOCK}."
        )
    return tuple(ids)


def _shown(ids: list[int]) -> str:
    text = str(ids)
    return text if len(text) <= SNIPPET else f"{text[:SNIPPET]}…"
