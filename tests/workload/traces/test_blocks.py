"""Blocks: the same number, the same tokens; exact counts, with every family of tokenizers."""

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_perf.config.schema import TokenizerConfig
from genai_perf.exceptions import TokenizerError
from genai_perf.workload.tokenizer import load
from genai_perf.workload.traces.blocks import BLOCK, NUMBERS, Blocks

FAMILIES = (
    "builtin",
    "byte_level_bpe",
    "metaspace_bpe",
    "superword_bpe",
    "wordpiece",
    "unigram",
    "single_bytes",
)
ANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBER = st.integers(0, NUMBERS - 1)


@pytest.fixture(scope="session")
def made(tokenizer_files):
    """Each family's tokenizer and its blocks, made once."""

    @cache
    def make(name):
        tokenizer = load(TokenizerConfig(name=str(tokenizer_files.get(name, name))), "model")
        return tokenizer, Blocks(tokenizer, 0)

    return make


@st.composite
def prompts(draw):
    """(numbers of the blocks, tokens in all)."""
    numbers = draw(st.lists(NUMBER, min_size=1, max_size=4))
    return numbers, (len(numbers) - 1) * BLOCK + draw(st.integers(1, BLOCK))


@pytest.mark.parametrize("family", FAMILIES)
@ANY
@given(prompt=prompts())
def test_a_prompt_has_exactly_the_tokens_that_were_asked_for(made, family, prompt):
    tokenizer, blocks = made(family)
    numbers, tokens = prompt
    assert [tokens] == tokenizer.count([blocks.text(numbers, tokens)])


@pytest.mark.parametrize("family", FAMILIES)
@ANY
@given(before=st.lists(NUMBER, max_size=2), after=st.lists(NUMBER, max_size=2), number=NUMBER)
def test_a_block_is_the_same_tokens_wherever_it_stands(made, family, before, after, number):
    """But for the first of a text, which some tokenizers write without the blank before it."""
    tokenizer, blocks = made(family)
    alone = tokenizer.encode(blocks.text([number], BLOCK))
    numbers = [*before, number, *after]
    place = len(before) * BLOCK
    within = tokenizer.encode(blocks.text(numbers, len(numbers) * BLOCK))[place : place + BLOCK]
    assert alone[1:] == within[1:]
    assert before or alone == within


@pytest.mark.parametrize("family", FAMILIES)
@ANY
@given(number=NUMBER, after=NUMBER, tail=st.integers(1, BLOCK))
def test_a_short_tail_that_is_reused_in_the_middle_is_its_beginning_there(made, family, number, after, tail):
    tokenizer, blocks = made(family)
    short = tokenizer.encode(blocks.text([number], tail))
    longer = tokenizer.encode(blocks.text([number, after], BLOCK + tail))
    assert short == longer[:tail]
    assert BLOCK + tail == len(longer)


@pytest.mark.parametrize("family", FAMILIES)
@ANY
@given(one=NUMBER, other=NUMBER)
def test_different_numbers_are_different_from_their_first_tokens_on(made, family, one, other):
    tokenizer, blocks = made(family)
    first, second = (tokenizer.encode(blocks.text([number], BLOCK)) for number in (one, other))
    label = slice(0, blocks.label_tokens)
    assert (one == other) == (first[label] == second[label]) == (first == second)


def test_neighbours_differ_in_their_first_word(builtin_tokenizer):
    blocks = Blocks(builtin_tokenizer, 0)
    assert 64 == len({blocks.text([number], BLOCK).split()[0] for number in range(64)})


def test_the_seed_alone_decides(builtin_tokenizer):
    one, same, other = (Blocks(builtin_tokenizer, seed) for seed in (0, 0, 1))
    assert one.text([3, 4], 700) == same.text([3, 4], 700) != other.text([3, 4], 700)


def test_the_text_is_the_shipped_one_where_words_keep_to_themselves(builtin_tokenizer):
    words = Blocks(builtin_tokenizer, 0).text([9], BLOCK).split()
    assert len(set(words)) > 80


def test_a_tokenizer_without_any_such_words_is_a_clear_error(builtin_tokenizer):
    class Odd:
        """Joins any two neighbours into one token."""

        name = "odd"

        def encode_all(self, texts):
            return [[7] * ((len(text.split()) + 1) // 2) for text in texts]

        def count(self, texts):
            return [len(ids) for ids in self.encode_all(texts)]

    with pytest.raises(TokenizerError, match="odd: finds no words or letters that keep their tokens"):
        Blocks(Odd(), 0)
