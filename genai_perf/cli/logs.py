"""What the program says beside its results: plain lines on stderr, few unless asked."""

import logging
import os
import sys

from genai_perf.exceptions import UsageError

VARIABLE = "GENAI_PERF_LOG_LEVEL"
_LEVELS = ("debug", "info", "warning", "error")
NOTICE = logging.INFO + 5
"""The level of what is said once without being asked, such as which columns of a file are taken."""


def set_up(*, verbose: bool = False, quiet: bool = False) -> None:
    """Send the package's log to stderr: what to know, with `verbose` more, with `quiet` errors only.

    GENAI_PERF_LOG_LEVEL goes before both. Other packages' logs are left as they are.
    """
    named = os.environ.get(VARIABLE, "").strip().lower()
    if named and named not in _LEVELS:
        raise UsageError(f"{VARIABLE}: {named!r} is not one of {', '.join(_LEVELS)}")
    level: str | int = named.upper() or ("ERROR" if quiet else "INFO" if verbose else NOTICE)
    logger = logging.getLogger("genai_perf")
    logger.handlers = [_ToStderr()]
    logger.setLevel(level)


class _ToStderr(logging.Handler):
    """Writes `warning: …`, and notices and information bare, as a person would."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        is_bare = logging.INFO <= record.levelno < logging.WARNING
        shown = text if is_bare else f"{record.levelname.lower()}: {text}"
        print(shown, file=sys.stderr)  # noqa: T201  where the program logs to
