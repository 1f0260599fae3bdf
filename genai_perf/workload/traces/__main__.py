"""`python -m genai_perf.workload.traces`: the process that reads a trace."""

import os
from contextlib import suppress


def main() -> None:
    """Step back, then make requests."""
    _step_back()
    from genai_perf.workload.traces import produce

    produce.main()


def _step_back() -> None:
    """Leave the event loop its core: no real-time priority that was inherited, and a low one otherwise.

    Not the lowest: on a single core it has to get its share, or every request is late.
    """
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with suppress(OSError):
        os.nice(10)


if __name__ == "__main__":
    main()
