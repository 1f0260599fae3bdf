"""`python -m genai_perf.workload.traces`: the process that reads a trace."""

import os
from contextlib import suppress


def main() -> None:
    """Step back, then make requests."""
    _step_back()
    from genai_perf.workload.traces import produce

    produce.main()


def _step_back() -> None:
    """Take no core from the event loop when that wakes up: no real-time priority that was inherited.

    But no lower priority than other programs have: where they want all cores, every request would be late.
    """
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


if __name__ == "__main__":
    main()
