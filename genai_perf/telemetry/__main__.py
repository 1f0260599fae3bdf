"""`python -m genai_perf.telemetry`: the sampling process."""

import os
from contextlib import suppress


def main() -> None:
    """Step back, then serve."""
    _step_back()
    from genai_perf.telemetry import process

    process.main()


def _step_back() -> None:
    """Run only where a core would idle. The nice value is for systems without SCHED_IDLE."""
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    main()
