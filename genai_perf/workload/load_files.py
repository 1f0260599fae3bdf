"""The files that say when to send: gaps, and loads that change."""

import math
from collections.abc import Iterator
from pathlib import Path

from genai_perf.config.schema import LoadConfig
from genai_perf.exceptions import InputError
from genai_perf.schedule import LoadFile, Stretch


def read(load: LoadConfig) -> LoadFile:
    """What the file says that the load options name, if they name one. Raises InputError."""
    if load.request_intervals is not None:
        return LoadFile(intervals_us=read_intervals(load.request_intervals))
    if load.request_rate_schedule is not None:
        return LoadFile(stretches=read_schedule(load.request_rate_schedule, "--request-rate-schedule"))
    if load.concurrency_schedule is not None:
        return LoadFile(stretches=read_schedule(load.concurrency_schedule, "--concurrency-schedule"))
    return LoadFile()


def read_intervals(path: Path) -> list[int]:
    """Gaps in µs, one a line. Raises InputError."""
    gaps = []
    for where, text in _lines(path, "--request-intervals"):
        if not text.isdecimal():
            raise InputError(f"{where}: {text!r} is not a whole number of µs")
        gaps.append(int(text))
    if not any(gaps):
        raise InputError(f"--request-intervals: {path}: no gap above 0 µs in it")
    return gaps


def read_schedule(path: Path, option: str) -> tuple[Stretch, ...]:
    """Stretches of a load, one a line: `seconds, level`, or `seconds, level, level at the end`.

    `#` begins a comment. Raises InputError.
    """
    stretches = tuple(_stretch(where, text) for where, text in _lines(path, option))
    if not any(stretch.start or stretch.end for stretch in stretches):
        raise InputError(
            f"{option}: {path}: no load above 0 in it", hint="write `seconds, level` on each line"
        )
    return stretches


def _stretch(where: str, text: str) -> Stretch:
    fields = [field.strip() for field in text.split(",")]
    if len(fields) not in (2, 3):
        raise InputError(
            f"{where}: {text!r} has {len(fields)} field{'s' * (len(fields) != 1)}",
            hint="a line is `seconds, level` or `seconds, level, level at the end`",
        )
    numbers = []
    for name, field in zip(("seconds", "level", "level at the end"), fields):
        try:
            number = float(field)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{where}: {name}: {field!r} is not a number")
        if number < 0 or (name == "seconds" and not number):
            raise InputError(
                f"{where}: {name}: {field} is not {'above' if name == 'seconds' else 'at least'} 0"
            )
        numbers.append(number)
    return Stretch(numbers[0], numbers[1], numbers[-1])


def _lines(path: Path, option: str) -> Iterator[tuple[str, str]]:
    """(place, text) of each line that says something."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not text"
        raise InputError(f"{option}: {path}: {reason}") from exc
    for number, line in enumerate(lines, 1):
        if text := line.partition("#")[0].strip():
            yield f"{path}:{number}", text
