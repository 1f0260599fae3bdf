"""What a command needs to know of the command line beyond its own options."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invocation:
    """How the program was called."""

    command: str
    """The command line for the record, secrets blanked."""
    passed_through: Sequence[str]
    """What stood behind the first bare `--`."""
