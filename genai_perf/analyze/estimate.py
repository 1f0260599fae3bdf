"""How long the rest of a sweep will take, between two bounds; pure.

A run that time or a rate ends takes as long as that says. A closed loop's depends on the server. With more
in flight, either every request takes as long as before (the server has room), or the server answers as many
a second as before (it is full); the truth lies between, so both are told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from genai_perf.config.schema import Config

Bounds = tuple[float, float]
"""Least and most seconds."""

_CLOSE = 0.9
"""Bounds that differ by less than a tenth are told as one number."""


def left_s(to_come: Iterable[Config], past: Config | None, past_s: float) -> Bounds | None:
    """Of all scenarios to come, given that the latest, `past`, took `past_s`; None while that is unknown."""
    least = most = 0.0
    for config in to_come:
        bounds = _known_s(config) or (_like(config, past, past_s) if past is not None else None)
        if bounds is None:
            return None
        least += bounds[0]
        most += bounds[1]
    return least, most


def shown(bounds: Bounds) -> str:
    """`about 1:20 left`, or `0:40 to 1:20 left`."""
    least, most = bounds
    if least >= most * _CLOSE or _minutes(least) == _minutes(most):
        return f"about {_minutes(most)} left"
    return f"{_minutes(least)} to {_minutes(most)} left"


def _known_s(config: Config) -> Bounds | None:
    """Where the settings say it; without the warm-up, whose length only the server knows."""
    load = config.load
    by_time = load.duration_s
    by_rate = None
    if load.request_rate is not None and config.request_count is not None:
        by_rate = config.request_count / load.request_rate
    known = [seconds for seconds in (by_time, by_rate) if seconds is not None]
    if not known or (by_rate is None and load.request_count is not None):
        return None  # a count of requests may end a closed loop before its duration does
    return min(known), min(known)


def _like(config: Config, past: Config, past_s: float) -> Bounds:
    """By what the latest scenario took."""
    now, before = config.request_count, past.request_count
    if now is None or before is None:
        return past_s, past_s
    as_many_a_second = past_s * now / before
    places, places_before = config.concurrency, past.concurrency
    if config.is_open_loop or places is None or places_before is None:
        return as_many_a_second, as_many_a_second
    as_long_each = past_s * math.ceil(now / places) / math.ceil(before / places_before)
    return min(as_long_each, as_many_a_second), max(as_long_each, as_many_a_second)


def _minutes(seconds: float) -> str:
    whole = math.ceil(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
