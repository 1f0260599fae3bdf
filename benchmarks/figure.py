"""What every benchmark gives: lines of one table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    measured: str
    wanted: str
    reached: bool
