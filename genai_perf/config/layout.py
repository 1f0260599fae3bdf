"""Config files as text: keys in their sections, with comments. Templates and effective configs look alike."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WIDTH = 100
"""Of comments, indentation included."""


@dataclass(frozen=True, slots=True)
class Line:
    """One key of a file."""

    path: str
    """With the sections around it."""
    value: str
    """As it is written; empty for none."""
    above: tuple[str, ...] = ()
    """Comments over it, a paragraph each."""
    behind: str = ""
    """A comment in the same line."""
    is_off: bool = False
    """Whether it stands there as a comment."""


def render(lines: Iterable[Line], *, indent: int = 0, apart: bool = False) -> str:
    """The text: a section's own keys, an empty line, then the sections in it. `apart` parts keys as well."""
    return "".join(f"{text}\n" for text in _section(_tree(lines), indent, apart))


_Tree = dict[str, Any]


def _tree(lines: Iterable[Line]) -> _Tree:
    tree: _Tree = {}
    for line in lines:
        *sections, key = line.path.split(".")
        inner = tree
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[key] = line
    return tree


def _section(tree: Mapping[str, Any], indent: int, apart: bool) -> Iterator[str]:
    own = [each for each in tree.values() if isinstance(each, Line)]
    for line in own:
        yield from _key(line, indent)
        if apart:
            yield ""
    if own and not apart:
        yield ""
    for name, inner in tree.items():
        if not isinstance(inner, Line):
            yield f"{'':{indent}}{name}:"
            yield from _section(inner, indent + 2, apart)


def _key(line: Line, indent: int) -> Iterator[str]:
    margin = " " * indent
    for paragraph in line.above:
        yield from textwrap.wrap(
            paragraph,
            _WIDTH,
            initial_indent=f"{margin}# ",
            subsequent_indent=f"{margin}# ",
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        )
    key = line.path.rpartition(".")[2]
    text = f"{key}: {line.value}" if line.value else f"{key}:"
    behind = f"  # {line.behind}" if line.behind else ""
    yield f"{margin}{'# ' if line.is_off else ''}{text}{behind}"
