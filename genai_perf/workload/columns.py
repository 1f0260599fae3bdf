"""Which column of a table is what, and what a row of it says.

`--dataset-columns` names them; then no others are taken. Otherwise they are known by their names (`NAMES`, in
any case), and which were taken is told. Several columns that make one prompt are joined by `+`.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genai_perf.config.arguments import did_you_mean
from genai_perf.exceptions import InputError
from genai_perf.workload import media, tables
from genai_perf.workload.tables import SNIPPET, Table

NAMES: Mapping[str, Sequence[str]] = {
    "messages": ("messages", "conversations", "conversation"),
    "prompt": (
        "text",
        "text_input",
        "prompt",
        "question",
        "instruction+input",  # Alpaca's
        "instruction",
        "query",
        "input",
        "inputs",
        "article",
        "document",
    ),
    "system": ("system_prompt", "system"),
    "output": ("output", "response", "answer", "completion", "highlights", "summary"),
    "output_length": ("output_length", "output_tokens"),
    "image": ("image", "images"),
    "audio": ("audio",),
}
"""The names that each is known by, the surest first."""

_OF_TRACES = {"input_length": "payload", "ContextTokens": "azure", "Request tokens": "burstgpt"}
"""Columns by which a trace is known that is given without its kind."""

_JOINED = re.compile(r"\s*\+\s*")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table, by what they are; several where they are joined."""

    prompt: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    output_length: str | None = None
    image: str | None = None
    audio: str | None = None
    messages: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        single = (self.output_length, self.image, self.audio, self.messages)
        return frozenset({*self.prompt, *self.system, *self.output, *filter(None, single)})

    def told(self) -> str:
        """For people: `prompt: instruction + input, output: response`."""
        said = {role: getattr(self, role) for role in NAMES}
        shown = {
            role: each if isinstance(each, str) else " + ".join(each) for role, each in said.items() if each
        }
        return ", ".join(f"{role}: {each}" for role, each in shown.items())


PLAIN = Columns(("text", "text_input"), (), (), "output_length", "image", "audio")
"""GenAI-Perf's JSONL: either of the two texts; each row may have other keys."""


def columns_of(table: Table, given: Mapping[str, str], takes: Collection[str], source: str) -> Columns:
    """The columns that the options name, or those that are known by name.

    `takes` is what can be sent: some of `text`, `image` and `audio`. `source` is what said where the table
    is. Raises InputError for a column that is not there, and where no column says anything to send.
    """
    if given:
        return _named(table, given)
    if table.kind in ("jsonl", "json") and _is_plain(table):
        return PLAIN
    found = _known(table, takes)
    if not (found.prompt or found.messages or found.image or found.audio):
        trace = next((kind for column, kind in _OF_TRACES.items() if column in table.columns), None)
        hint = (
            f"is it a trace? --input-file {trace}:{table.name}"
            if trace
            else f"name it: --dataset-columns prompt:{table.columns[0]}; known names are "
            f"{', '.join(NAMES['prompt'])}"
        )
        raise InputError(
            f"{source}: {table.name}: no column that is known to hold prompts{_there(table)}", hint=hint
        )
    return found


def _is_plain(table: Table) -> bool:
    """Whether the first row is as GenAI-Perf has them."""
    keys = set(table.columns)
    media_alone = keys & {"image", "audio"} and not any(_match(name, table) for name in NAMES["prompt"])
    return bool(keys & {"text", "text_input"}) or (bool(media_alone) and not keys & set(NAMES["messages"]))


def _named(table: Table, given: Mapping[str, str]) -> Columns:
    roles: dict[str, Any] = {}
    for role, said in given.items():
        parts = (said,) if said in table.columns else tuple(_JOINED.split(said))
        for part in parts:
            if part not in table.columns:
                raise InputError(
                    f"--dataset-columns: {role}:{said}: {table.name} has no column {part!r}"
                    f"{did_you_mean(part, table.columns)}",
                    hint=_there(table).removeprefix("; "),
                )
        if role in ("prompt", "system", "output"):
            roles[role] = parts
        elif len(parts) > 1:
            raise InputError(f"--dataset-columns: {role}:{said}: only texts are joined")
        else:
            roles[role] = parts[0]
    if not {"prompt", "messages", "image", "audio"} & set(roles):
        raise InputError(
            "--dataset-columns: none of them is sent: name the prompt, the messages, an image or audio",
            hint=_there(table).removeprefix("; "),
        )
    return Columns(**roles)


def _known(table: Table, takes: Collection[str]) -> Columns:
    roles: dict[str, Any] = {}
    taken: set[str] = set()
    for role, names in NAMES.items():
        if role in ("image", "audio") and role not in takes:
            continue
        if role == "prompt" and ("messages" in roles or "text" not in takes):
            continue
        found = next(filter(None, (_match(name, table) for name in names)), ())
        if found and not taken & set(found):
            taken |= set(found)
            roles[role] = found if role in ("prompt", "system", "output") else found[0]
    if "messages" in roles:  # the answers, and what the system says, are in them
        return Columns(messages=roles["messages"])
    return Columns(**roles)


def _match(name: str, table: Table) -> tuple[str, ...]:
    """The table's columns of that name, or joined name; nothing where one of them is missing."""
    there = {column.lower(): column for column in reversed(table.columns)}
    parts = name.split("+")
    return tuple(there[part] for part in parts) if all(part in there for part in parts) else ()


def _there(table: Table) -> str:
    return f"; its columns are {', '.join(table.columns)}"


# -- a row ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """What a row of a table says."""

    text: str
    """Empty only where there is something else."""
    output_tokens: int | None = None
    """How many to ask for (`output_length`); None leaves it to the options."""
    images: tuple[str, ...] = ()
    """As URLs; so is the audio."""
    audio: tuple[str, ...] = ()
    system: str | None = None
    answer: str | None = None
    """What was answered, where the row says so."""


class Empty(Exception):
    """A row without a prompt; the message says which column is empty, and where."""


def row_of(
    entry: tables.Row, where: str, columns: Columns, takes: Collection[str], readers: Mapping[str, media.Read]
) -> Row:
    """What a row says. Raises InputError, and Empty where it says nothing that could be sent."""
    urls: dict[str, tuple[str, ...]] = {"image": (), "audio": ()}
    for role, read_one in readers.items():
        column = columns.image if role == "image" else columns.audio
        if column is None or entry.get(column) is None or entry[column] == "":
            continue
        if role not in takes:
            one = f'{"an " * (role == "image")}"{column}"'
            raise InputError(f"{where}: has {one}; this endpoint takes {' and '.join(takes)} only")
        urls[role] = media.named(entry, column, read_one, where)
    text = ""
    if "text" in takes and (not any(urls.values()) or any(entry.get(name) for name in columns.prompt)):
        text = _prompt(entry, where, columns)
    elif not any(urls.values()):
        missing = next(iter(takes)) if columns is PLAIN else columns.image or columns.audio
        raise Empty(f'{where}: no "{missing}" field')
    system = _joined(entry, columns.system, where)
    answer = _joined(entry, columns.output, where)
    return Row(
        text,
        _output_tokens(entry, where, columns),
        urls["image"],
        urls["audio"],
        system or None,
        answer or None,
    )


def _prompt(entry: tables.Row, where: str, columns: Columns) -> str:
    if columns is PLAIN:
        given = [key for key in columns.prompt if entry.get(key)]
        if len(given) == 2:
            raise InputError(
                f"{where}: Each data entry must have only one of 'text_input' or 'text' key name."
            )
        names = tuple(given) or columns.prompt
    else:
        names = columns.prompt
    text = _joined(entry, names, where)
    if not text:
        there = [name for name in names if name in entry]
        raise Empty(f'{where}: "{there[0]}" is empty' if there else f'{where}: no "{names[0]}" field')
    return text


def _joined(entry: tables.Row, names: Sequence[str], where: str) -> str:
    texts = []
    for name in names:
        value = entry.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise InputError(f'{where}: "{name}" is not a string: {str(value)[:SNIPPET]}')
        if value.strip():
            texts.append(value.strip())
    return "\n\n".join(texts)


def _output_tokens(entry: tables.Row, where: str, columns: Columns) -> int | None:
    name = columns.output_length
    tokens = None if name is None else entry.get(name)
    if tokens is None or tokens == "":
        return None
    if columns is not PLAIN:  # CSV has nothing but strings, and a column with gaps is one of floats
        if isinstance(tokens, str) and tokens.strip().isdecimal():
            tokens = int(tokens)
        if isinstance(tokens, float) and tokens.is_integer():
            tokens = int(tokens)
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise InputError(f'{where}: "{name}" is not a number of at least 1: {str(tokens)[:SNIPPET]}')
    return tokens


def messages_of(entry: tables.Row, where: str, column: str) -> Any:
    """The list of messages in a row; CSV has it as JSON. Raises InputError."""
    value = entry.get(column)
    if isinstance(value, str) and value.lstrip().startswith("["):
        return tables.json_value(value, f'{where}: "{column}"')
    if value is None:
        raise InputError(f'{where}: no "{column}" field')
    return value
