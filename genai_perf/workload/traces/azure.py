"""Azure's LLM inference traces of 2023 and 2024: CSV, the instants in wall-clock time.

TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2024-05-10 00:00:00.009930+00:00,2162,5
"""

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path

from genai_perf.clock import NS_PER_S
from genai_perf.workload.traces.rows import Row, records, refuse, whole

AT = "TIMESTAMP"
SORTED_BY = "(head -1 {file}; tail -n +2 {file} | sort -s -t, -k1,1) > sorted.csv"

_COLUMNS = (AT, "ContextTokens", "GeneratedTokens")
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII
)


def rows(path: Path) -> Iterator[Row]:
    """The rows in their order, read as they are asked for. Raises InputError when it comes to a bad one.

    A row without tokens, on either side, is sent with one: there is no shorter request.
    """
    for number, fields in records(path, _COLUMNS, _COLUMNS):
        where = f"{path}:{number}"
        yield Row(
            line=number,
            at_ns=_instant_ns(fields[AT], where),
            input_tokens=max(1, whole(fields["ContextTokens"], "ContextTokens", where, at_least=0)),
            output_tokens=max(1, whole(fields["GeneratedTokens"], "GeneratedTokens", where, at_least=0)),
        )


def _instant_ns(text: str, where: str) -> int:
    """Since the first day there is. UTC where no offset is given."""
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        refuse(text, AT, where, "an instant like 2023-11-16 18:17:03.97996")
    day, hours, minutes, seconds, fraction, sign, ahead_h, ahead_min = found.groups()
    try:
        days = _days(day)
    except ValueError:
        refuse(text, AT, where, "an instant like 2023-11-16 18:17:03.97996")
    ahead_s = (int(ahead_h) * 60 + int(ahead_min)) * 60 if sign else 0
    in_s = ((days * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
    in_s -= -ahead_s if sign == "-" else ahead_s
    return in_s * NS_PER_S + int((fraction or "").ljust(9, "0"))


@lru_cache(maxsize=8)
def _days(day: str) -> int:
    return date.fromisoformat(day).toordinal()
