"""Where tables and lines go: a terminal, as wide as it is, or anything else, where a line stays whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 120
"""GenAI-Perf's table wrapped its values at 80 when piped."""


def opened(file: TextIO | None = None, width: int | None = None) -> Console:
    """What prints to `file`, or else to stdout. `width` is for tests; the terminal's is taken otherwise."""
    from rich.console import Console

    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    if width is None and not console.is_terminal:
        console.width = PIPED_WIDTH
    return console


def say(console: Console, line: str) -> None:
    """Print a line without what a terminal would act on, in letters that the output can take."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in line)
    printable = clean.encode(console.encoding, "backslashreplace").decode(console.encoding)
    # A terminal wraps between words; in a file, a line stays one line.
    console.print(printable, soft_wrap=not console.is_terminal)
