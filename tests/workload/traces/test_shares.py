"""What prompts share, by their ids and by their tokens."""

from itertools import takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from genai_perf.workload.traces.blocks import BLOCK, Blocks
from genai_perf.workload.traces.shares import Shares

ROW = st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(1, BLOCK))


def by_comparison(ids, tokens, earlier):
    """The longest common beginning with any earlier prompt, in tokens that are (id, place in block)."""

    def spelt(ids, tokens):
        return [(number, place) for number in ids for place in range(BLOCK)][:tokens]

    mine = spelt(ids, tokens)
    return max(
        (
            sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(mine, spelt(*other), strict=False)))
            for other in earlier
        ),
        default=0,
    )


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=12))
def test_a_prompt_shares_what_it_begins_with_as_an_earlier_one_does(rows):
    shares = Shares()
    earlier = []
    for ids, last in rows:
        tokens = (len(ids) - 1) * BLOCK + last
        assert by_comparison(ids, tokens, earlier) == shares.shared(ids, tokens)
        earlier.append((ids, tokens))


def test_the_share_by_ids_is_that_of_the_tokens(builtin_tokenizer):
    """Labels of different blocks may begin alike, by a few words at most."""
    blocks, shares = Blocks(builtin_tokenizer, 0), Shares()
    earlier: list[list[int]] = []
    for ids, tokens in [
        ([1], 300),
        ([1], 512),
        ([1, 2], 700),
        ([1, 2, 3], 1400),
        ([2, 1], 600),
        ([1, 3], 900),
    ]:
        prompt = builtin_tokenizer.encode(blocks.text([2 * number for number in ids], tokens))
        common = max(
            (
                sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, other, strict=False)))
                for other in earlier
            ),
            default=0,
        )
        told = shares.shared(ids, tokens)
        assert told <= common < told + blocks.label_tokens
        earlier.append(prompt)


def test_many_blocks_are_told_apart_and_found_again():
    shares = Shares()
    assert [0] * 5_000 == [shares.shared([number, number], 2 * BLOCK) for number in range(5_000)]
    assert [2 * BLOCK] * 5_000 == [shares.shared([number, number], 2 * BLOCK) for number in range(5_000)]


def test_when_memory_is_full_nothing_is_claimed():
    shares = Shares(most=3)
    assert 0 == shares.shared([1, 2], 1024)
    assert 512 == shares.shared([1], 512)
    assert None is shares.shared([4, 5], 1024)
