"""Searches over levels: a curve of latencies goes in, the levels that are visited come out."""

import math
from itertools import islice
from random import Random

import pytest

from genai_perf.analyze.search import Seen, next_binary, next_linear


def visits(search, meets, limits):
    """The levels that a search asks for, one by one, where `meets` says how each does."""
    seen = []
    while (level := search(seen, *limits)) is not None:
        yield level
        seen.append(Seen(level, meets(level)))


def visited(search, meets, *limits):
    return list(visits(search, meets, limits))


def up_to(most):
    return lambda level: level <= most


def always(_level):
    return True


@pytest.mark.parametrize(
    ("limits", "meets", "expected"),
    [
        ((1, 4, 1), always, [1, 2, 3, 4]),
        ((2, 9, 3), always, [2, 5, 8]),
        ((4, 4, 1), always, [4]),
        ((1, 3, 8), always, [1]),
        ((0.1, 0.5, 0.1), always, [0.1, 0.2, 0.3, 0.4, 0.5]),
        ((10.0, 30.0, 10.0), always, [10.0, 20.0, 30.0]),
        ((1, 8, 1), up_to(3), [1, 2, 3, 4]),
        ((1, 8, 1), up_to(0), [1]),
        ((1, None, 2), up_to(6), [1, 3, 5, 7]),
        ((0.5, None, 0.25), up_to(1), [0.5, 0.75, 1.0, 1.25]),
        ((1, 5, 1), lambda level: level != 3, [1, 2, 3]),
    ],
)
def test_a_linear_search_goes_up_step_by_step_to_the_first_that_misses(limits, meets, expected):
    assert expected == visited(next_linear, meets, *limits)


@pytest.mark.parametrize(
    ("limits", "meets", "expected"),
    [
        ((1, 16, 1), up_to(5), [1, 16, 8, 4, 6, 5]),
        ((1, 16, 1), up_to(15), [1, 16, 8, 12, 14, 15]),
        ((1, 16, 1), up_to(1), [1, 16, 8, 4, 2]),
        ((1, 16, 4), up_to(5), [1, 16, 8, 4]),
        ((1, 16, 1), up_to(0), [1]),
        ((1, 16, 1), always, [1, 16]),
        ((4, 4, 1), always, [4]),
        ((4, 4, 1), up_to(0), [4]),
        ((4, 5, 1), up_to(4), [4, 5]),
        ((10.0, 50.0, 5.0), up_to(22), [10.0, 50.0, 30.0, 20.0, 25.0]),
        ((0.1, 0.4, 0.1), up_to(0.2), [0.1, 0.4, 0.25, 0.175]),
    ],
)
def test_a_binary_search_halves_what_lies_between_one_that_meets_and_one_that_misses(limits, meets, expected):
    assert expected == visited(next_binary, meets, *limits)


@pytest.mark.parametrize("seed", range(200))
def test_a_binary_search_ends_within_its_bounds_and_as_close_as_a_step(seed):
    random = Random(seed)
    if seed % 2:
        start = random.randint(1, 50)
        end, step = start + random.randint(0, 2000), random.randint(1, 20)
    else:
        start = random.uniform(0.01, 50)
        end, step = start + random.uniform(0, 2000), random.uniform(0.01, 20)
    meets = up_to(random.uniform(start - 1, end + 1))
    levels = visited(next_binary, meets, start, end, step)
    assert all(start <= level <= end for level in levels)
    assert len(levels) == len(set(levels))
    assert len(levels) <= 3 + max(0, math.log2(max((end - start) / step, 1)) + 1)
    good, bad = [each for each in levels if meets(each)], [each for each in levels if not meets(each)]
    if good and bad:
        assert 0 < min(bad) - max(good) <= step * (1 + 1e-9)
    else:
        assert levels in ([start], [start, end])


@pytest.mark.parametrize("seed", range(200))
def test_a_linear_search_never_passes_its_end_and_meets_all_but_its_last(seed):
    random = Random(seed)
    start, step = random.uniform(0.01, 50), random.uniform(0.01, 20)
    end = start + random.uniform(0, 40) * step
    meets = up_to(random.uniform(start - 1, end + 10))
    levels = visited(next_linear, meets, start, end, step)
    assert start == levels[0]
    assert levels == sorted(levels)
    assert levels[-1] <= end
    assert all(map(meets, levels[:-1]))
    assert not meets(levels[-1]) or levels[-1] + step > end


def test_a_binary_search_whose_step_is_less_than_any_float_ends():
    levels = visited(next_binary, up_to(1.5), 1.0, 2.0, 1e-300)
    assert 1.5 == max(level for level in levels if level <= 1.5)


def test_a_linear_search_without_an_end_goes_on_while_all_meet():
    assert list(range(1, 500)) == list(islice(visits(next_linear, always, (1, None, 1)), 499))
