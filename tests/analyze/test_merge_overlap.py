"""When runs measured: the union of their spans, and what is cut out between them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.analyze.overlap import How, Span, how, measured_ns, moves_ns, overlapped_ns, stretches


@pytest.mark.parametrize(
    ("spans", "lie", "measured", "overlapped", "moves"),
    [
        ([(5, 15)], How.ALONE, 10, 0, [0]),
        ([(0, 10), (0, 10)], How.TOGETHER, 10, 10, [0, 0]),
        ([(0, 10), (2, 13)], How.TOGETHER, 13, 8, [0, 0]),
        ([(0, 10), (10, 20)], How.APART, 20, 0, [0, 0]),
        ([(100, 110), (0, 10)], How.APART, 20, 0, [90, 0]),
        ([(0, 10), (5, 20), (50, 60)], How.PARTLY, 30, 5, [0, 0, 30]),
        ([(0, 10), (5, 20), (12, 60)], How.PARTLY, 60, 13, [0, 0, 0]),
        ([(0, 100), (10, 20), (30, 40), (150, 160)], How.PARTLY, 110, 20, [0, 0, 0, 50]),
        ([], How.ALONE, 0, 0, []),
    ],
)
def test_runs_lie_in_time(spans, lie, measured, overlapped, moves):
    of = [Span(*span) for span in spans]
    assert (lie, measured, overlapped, moves) == (how(of), measured_ns(of), overlapped_ns(of), moves_ns(of))


@pytest.mark.parametrize(
    ("spans", "together"),
    [
        ([], []),
        ([(0, 10), (10, 20)], [[0], [1]]),
        ([(50, 60), (0, 10), (5, 20)], [[1, 2], [0]]),
        ([(0, 10), (15, 30), (5, 20), (40, 50)], [[0, 2, 1], [3]]),
        ([(0, 100), (10, 20), (30, 40)], [[0, 1, 2]]),
    ],
)
def test_runs_that_overlap_directly_or_by_others_are_one_stretch(spans, together):
    assert together == stretches([Span(*span) for span in spans])


SPANS = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(1, 100)).map(lambda pair: Span(pair[0], sum(pair))),
    min_size=1,
    max_size=6,
)


@given(SPANS)
def test_what_is_cut_out_leaves_exactly_the_time_that_was_measured(spans):
    moved = [
        Span(span.start_ns - move, span.end_ns - move)
        for span, move in zip(spans, moves_ns(spans), strict=True)
    ]
    assert measured_ns(spans) == max(s.end_ns for s in moved) - min(s.start_ns for s in moved)
    assert measured_ns(spans) == measured_ns(moved)
    assert overlapped_ns(spans) == overlapped_ns(moved)
    assert min(s.start_ns for s in spans) == min(s.start_ns for s in moved)


@given(SPANS)
def test_runs_that_overlap_keep_their_places_to_each_other(spans):
    moves = moves_ns(spans)
    for first, move in zip(spans, moves, strict=True):
        for second, other in zip(spans, moves, strict=True):
            assert move == other or not first.overlaps(second)
