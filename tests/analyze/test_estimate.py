"""How long the rest of a sweep takes."""

import pytest

from genai_perf.analyze.estimate import left_s, shown
from genai_perf.config.schema import Config, LoadConfig


def load(**settings):
    return Config(load=LoadConfig(**settings))


@pytest.mark.parametrize(
    ("to_come", "past", "past_s", "expected"),
    [
        ([], None, 0.0, (0.0, 0.0)),
        ([load(concurrency=2)], None, 0.0, None),
        # what the settings say
        ([load(duration_s=5.0), load(duration_s=5.0)], None, 0.0, (10.0, 10.0)),
        ([load(request_rate=4.0, request_count=20)], None, 0.0, (5.0, 5.0)),
        ([load(request_rate=4.0)], None, 0.0, (10.0, 10.0)),
        ([load(request_rate=4.0, request_count=20, duration_s=3.0)], None, 0.0, (3.0, 3.0)),
        ([load(concurrency=1, request_count=9, duration_s=3.0)], None, 0.0, None),
        # 16 requests in 8 s by 1; then by 4 either four times as fast or no faster
        ([load(concurrency=4, request_count=16)], load(concurrency=1, request_count=16), 8.0, (2.0, 8.0)),
        ([load(concurrency=8)], load(concurrency=4), 5.0, (10 / 3, 8.0)),
        ([load(measurement_interval_ms=9)], load(measurement_interval_ms=9), 4.0, (4.0, 4.0)),
    ],
)
def test_the_rest_lies_between_these_bounds(to_come, past, past_s, expected):
    assert pytest.approx(expected) == left_s(to_come, past, past_s)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((0.2, 0.4), "about 0:01 left"),
        ((95.0, 100.0), "about 1:40 left"),
        ((40.0, 80.0), "0:40 to 1:20 left"),
        ((3600.0, 7384.0), "1:00:00 to 2:03:04 left"),
    ],
)
def test_bounds_read_like_this(bounds, expected):
    assert expected == shown(bounds)
