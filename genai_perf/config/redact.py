"""The command line as it may be written down: what the user typed, without its secrets."""

import re
import shlex
from collections.abc import Iterable

BLANK = "***"


def redact(argv: Iterable[str]) -> str:
    """`argv` quoted for a shell, with the values of headers, user names in URLs and bearer tokens blanked."""
    shown = []
    next_is_header = False
    for token in argv:
        if next_is_header:
            shown.append(_blank_header(token))
            next_is_header = False
            continue
        flag, value = _header_flag(token)
        next_is_header = flag is not None and value is None
        if flag is not None and value is not None:
            token = flag + _blank_header(value)
        shown.append(_blank_anywhere(token))
    return shlex.join(shown)


def _header_flag(token: str) -> tuple[str | None, str | None]:
    """(the flag as typed, its joined value or None) where `token` gives a header; (None, None) elsewhere."""
    long, equals, value = token.partition("=")
    if len(long) > 2 and "--header".startswith(long) and not "--help".startswith(long):
        return long + equals, value if equals else None
    if match := re.match(r"(-[vqazd]*H)(.*)", token, re.DOTALL):
        return match[1], match[2] or None
    return None, None


def _blank_header(header: str) -> str:
    name, colon, _ = header.partition(":")
    return f"{name}: {BLANK}" if colon else BLANK


def _blank_anywhere(token: str) -> str:
    token = re.sub(r"(?<=://)[^/\s]*@", f"{BLANK}@", token)
    return re.sub(r"(?i)\b(bearer\s+)\S+", rf"\1{BLANK}", token)
