"""`python -m genai_perf.telemetry`: the sampling process."""

import os
from contextlib import suppress


def main() -> None:
    """Serve, without the priority that the client may have been given."""
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    from genai_perf.telemetry import process

    process.main()


if __name__ == "__main__":
    main()
