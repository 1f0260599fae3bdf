import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_perf.exceptions import TokenizerError
from genai_perf.workload import synthetic
from genai_perf.workload.tokenizer import Tokenizer


def make(tokenizer: Tokenizer, tokens: list[int], seed: str = "0") -> list[synthetic.Prompt]:
    return list(synthetic.prompts(synthetic.measure(tokenizer), tokenizer, tokens, random.Random(seed)))


def test_every_length_is_exact_with_any_tokenizer(any_tokenizer: Tokenizer) -> None:
    wanted = [0, *range(2, 120), 550, 1000, 3000]

    made = make(any_tokenizer, wanted)

    assert wanted == [prompt.tokens for prompt in made]
    assert wanted == [len(any_tokenizer.encode(prompt.text)) for prompt in made]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.lists(st.integers(0, 400), min_size=1, max_size=40), seed=st.text(max_size=3))
def test_what_is_said_is_what_the_tokenizer_counts(
    builtin_tokenizer: Tokenizer, tokens: list[int], seed: str
) -> None:
    made = make(builtin_tokenizer, tokens, seed)

    assert tokens == [prompt.tokens for prompt in made]
    assert tokens == builtin_tokenizer.count(prompt.text for prompt in made)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.lists(st.integers(min_value=2, max_value=400), min_size=1, max_size=12), seed=st.integers())
def test_the_count_that_is_asked_for_is_the_count_that_is_made(
    any_tokenizer: Tokenizer, tokens: list[int], seed: int
) -> None:
    made = make(any_tokenizer, tokens, str(seed))
    assert tokens == any_tokenizer.count(prompt.text for prompt in made)


def test_one_token_is_possible_wherever_a_word_can_be_one(any_tokenizer: Tokenizer) -> None:
    for prompt in make(any_tokenizer, [1] * 20):
        assert prompt.tokens == len(any_tokenizer.encode(prompt.text))
        assert prompt.tokens == 1


def test_no_tokens_give_an_empty_prompt(builtin_tokenizer: Tokenizer) -> None:
    assert [synthetic.Prompt("", 0)] == make(builtin_tokenizer, [0])


def test_prompts_longer_than_the_text_go_round_it(builtin_tokenizer: Tokenizer) -> None:
    corpus = synthetic.measure(builtin_tokenizer)
    small = synthetic.Corpus(corpus.words[:500], corpus.ends[:501], corpus.fillers)
    whole = small.ends[-1]
    wanted = [whole - 1, whole, whole + 1, 7 * whole + 17]

    made = list(synthetic.prompts(small, builtin_tokenizer, wanted, random.Random("0")))

    assert wanted == builtin_tokenizer.count(prompt.text for prompt in made)


def test_many_prompts_are_all_different(builtin_tokenizer: Tokenizer) -> None:
    made = make(builtin_tokenizer, [60] * 3000)

    assert len({prompt.text for prompt in made}) == 3000


def test_prompts_stay_different_when_every_place_of_the_text_has_been_used(
    builtin_tokenizer: Tokenizer,
) -> None:
    corpus = synthetic.measure(builtin_tokenizer)
    small = synthetic.Corpus(corpus.words[:500], corpus.ends[:501], corpus.fillers)

    made = list(synthetic.prompts(small, builtin_tokenizer, [40] * 2000, random.Random("0")))

    assert {40} == set(builtin_tokenizer.count(prompt.text for prompt in made))
    assert max(Counter(prompt.text for prompt in made).values()) == 1


def test_a_longer_list_begins_with_the_same_prompts(builtin_tokenizer: Tokenizer) -> None:
    assert make(builtin_tokenizer, [50] * 10) == make(builtin_tokenizer, [50] * 700)[:10]


def test_another_seed_gives_other_prompts(builtin_tokenizer: Tokenizer) -> None:
    assert make(builtin_tokenizer, [50], "0") != make(builtin_tokenizer, [50], "1")


def test_prompts_have_single_blanks_and_none_at_the_ends(any_tokenizer: Tokenizer) -> None:
    for prompt in make(any_tokenizer, [5, 50, 500]):
        assert " ".join(prompt.text.split()) == prompt.text


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_prompts_depend_on_neither_hash_seed_nor_cores(
    builtin_tokenizer: Tokenizer, hash_seed: str, threads: str
) -> None:
    program = (
        "import random\n"
        "from genai_perf.config.schema import TokenizerConfig\n"
        "from genai_perf.workload import synthetic, tokenizer\n"
        "t = tokenizer.load(TokenizerConfig(name='builtin'), '')\n"
        "made = list(synthetic.prompts(synthetic.measure(t), t, [30, 0, 7], random.Random('0')))\n"
        "print([prompt.text for prompt in made])\n"
    )
    environment = {
        "PYTHONHASHSEED": hash_seed,
        "RAYON_NUM_THREADS": threads,
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )

    assert f"{[prompt.text for prompt in make(builtin_tokenizer, [30, 0, 7])]}\n" == done.stdout


def test_these_are_the_first_prompts_of_seed_0(builtin_tokenizer: Tokenizer) -> None:
    """On every machine. If this fails, a new release gives other prompts: that belongs into the changelog."""
    first, second = make(builtin_tokenizer, [12, 9])

    assert first.text == "not sort in lexicographical order. For"
    assert second.text == "may be,' said the Mock Turtle,"


def test_the_text_adds_up_where_the_tokenizer_parts_words(
    builtin_tokenizer: Tokenizer, any_tokenizer: Tokenizer
) -> None:
    adds_up = synthetic._adds_up(synthetic.measure(any_tokenizer), any_tokenizer)

    assert ("superword" not in any_tokenizer.name) == adds_up


def test_counting_only_the_ends_gives_the_same_prompts(
    builtin_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [3, 9, 40, 400] * 20
    counted_whole = make(builtin_tokenizer, wanted)
    monkeypatch.setattr(synthetic, "PROOF_PAYS", 0)

    assert counted_whole == make(builtin_tokenizer, wanted)


def test_prompts_that_go_round_the_text_are_counted_whole(
    builtin_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "PROOF_PAYS", 0)
    corpus = synthetic.measure(builtin_tokenizer)
    small = synthetic.Corpus(corpus.words[:20], corpus.ends[:21], corpus.fillers)
    wanted = [5 * small.ends[-1] + 3] * 40

    made = list(synthetic.prompts(small, builtin_tokenizer, wanted, random.Random("0")))

    assert builtin_tokenizer.count(prompt.text for prompt in made) == wanted


def test_a_tokenizer_that_sees_nothing_in_english_is_refused() -> None:
    blind = Tokenizer(
        name="blind",
        kind="local",  # type: ignore[arg-type]
        reason="",
        fingerprint="",
        vocab_size=1,
        _encode=lambda texts: [[] for _ in texts],
        _count=lambda texts: [0 for _ in texts],
        _decode=lambda ids: "",
    )

    with pytest.raises(TokenizerError, match="blind: finds no tokens in English text"):
        synthetic.measure(blind)
