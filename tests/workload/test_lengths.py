"""Numbers of tokens that are drawn: their means, their bounds, their shares, and that they repeat."""

import json
import math
import random
import statistics
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.config.lengths import parse
from genai_perf.config.schema import Config, EndpointConfig, InputConfig
from genai_perf.exceptions import InputError, UsageError
from genai_perf.workload import build, lengths

COUNT = 4000


def drawn(text: str, count: int = COUNT, seed: str = "0") -> list[int]:
    found = lengths.draw(parse(text, "--lengths"), random.Random(seed), count, "--lengths")
    return list(islice(found, count))


def near(expected: float, values: list[int]) -> bool:
    """Within five standard errors, and half a token of rounding."""
    error = statistics.pstdev(values) / math.sqrt(len(values))
    return abs(statistics.fmean(values) - expected) <= 5 * error + 0.5


@pytest.mark.parametrize(
    ("text", "mean", "stddev"),
    [
        ("512", 512, 0),
        ("normal:550:100", 550, 100),
        ("normal:550:0", 550, 0),
        ("uniform:100:300", 200, 201 / math.sqrt(12)),
        ("lognormal:500:0.5", 500 * math.exp(0.125), 500 * math.exp(0.125) * math.sqrt(math.expm1(0.25))),
        ("lognormal:500:0", 500, 0),
    ],
)
def test_a_distribution_has_its_mean_and_its_spread(text, mean, stddev):
    values = drawn(text)
    assert near(mean, values)
    assert abs(statistics.pstdev(values) - stddev) <= 0.1 * stddev


def test_half_of_a_lognormal_is_below_its_median():
    below = sum(value < 500 for value in drawn("lognormal:500:0.8"))
    assert abs(below / COUNT - 0.5) < 5 * 0.5 / math.sqrt(COUNT)


def test_a_zipf_length_comes_as_often_as_its_power_says():
    exponent, most = 1.3, 50
    values = Counter(drawn(f"zipf:{exponent}:{most}"))
    total = sum(n**-exponent for n in range(1, most + 1))
    for length in (1, 2, 5, 20):
        share = length**-exponent / total
        assert abs(values[length] / COUNT - share) < 5 * math.sqrt(share * (1 - share) / COUNT)
    assert set(values) <= set(range(1, most + 1))


KINDS = st.one_of(
    st.builds("normal:{}:{}".format, st.integers(1, 500), st.integers(50, 300)),
    st.builds("lognormal:{}:{}".format, st.integers(1, 500), st.floats(0.8, 2)),
    st.builds("zipf:{}:{}".format, st.floats(0.3, 2), st.integers(600, 5000)),
)


@given(KINDS, st.integers(1, 300), st.integers(0, 300))
@settings(max_examples=60)
def test_nothing_is_drawn_beyond_the_bounds(kind, least, width):
    try:
        values = drawn(f"{kind}:{least}..{least + width}", 200)
    except UsageError:
        reject()  # next to nothing of it is there
    assert least <= min(values)
    assert max(values) <= least + width


@pytest.mark.parametrize("text", ["normal:5:3", "lognormal:2:1", "zipf:2:9"])
def test_without_bounds_a_prompt_has_at_least_one_token(text):
    assert 1 == min(drawn(text))


def test_a_distribution_cut_off_keeps_its_form_within():
    whole = [value for value in drawn("normal:500:100", 4 * COUNT) if 450 <= value <= 600]
    assert near(statistics.fmean(whole), drawn("normal:500:100:450..600"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("normal:5:1:90..99", "next to nothing of it is between 90 and 99"),
        ("normal:5:0:90..99", "always 5 is not between 90 and 99"),
    ],
)
def test_a_distribution_with_nothing_within_its_bounds_is_refused(text, message):
    with pytest.raises(UsageError) as raised:
        drawn(text)
    assert f"--lengths: {message}" == raised.value.message


@pytest.mark.parametrize("text", ["normal:550:100", "lognormal:50:1", "zipf:1.1:999", "uniform:1:999"])
def test_the_same_seed_draws_the_same_lengths(text):
    assert drawn(text, 50) == drawn(text, 50)
    assert drawn(text, 50) != drawn(text, 50, seed="1")


# -- by weight ----------------------------------------------------------------------------------------


def of_pairs(text: str, count: int, seed: int = 0) -> list[tuple[int, int]]:
    return lengths.pairs(InputConfig(isl_osl=text), count, random.Random(seed))


WEIGHTS = st.lists(st.floats(0.01, 100), min_size=1, max_size=8)


@given(WEIGHTS, st.integers(1, 300), st.integers())
def test_each_pair_comes_as_often_as_its_share_rounded_up_or_down(weights, count, seed):
    text = ",".join(f"{place}/{place}:{weight}" for place, weight in enumerate(weights, 1))
    found = Counter(of_pairs(text, count, seed))
    assert count == sum(found.values())
    for place, weight in enumerate(weights, 1):
        share = count * weight / sum(weights)
        assert share - 1 - 1e-6 < found[place, place] < share + 1 + 1e-6


def test_forty_and_sixty_of_a_hundred_in_an_order_that_is_shuffled():
    found = of_pairs("128/128:0.4,1000/200:0.6", 100)
    assert {(128, 128): 40, (1000, 200): 60} == Counter(found)
    assert found != sorted(found)
    assert found == of_pairs("128/128:0.4,1000/200:0.6", 100)
    assert found != of_pairs("128/128:0.4,1000/200:0.6", 100, seed=1)


def test_as_many_prompts_as_a_file_has_lines_have_its_very_lengths(tmp_path: Path):
    file = tmp_path / "lengths.txt"
    rng = random.Random(7)
    said = [rng.randint(1, 900) for _ in range(200)]
    file.write_text("# measured\n" + "\n".join(map(str, said)) + "\n\n")
    assert sorted(said) == sorted(drawn(f"file:{file}", 200))
    assert said != drawn(f"file:{file}", 200)


@pytest.mark.parametrize("text", ["10,3\n20, 1\n", "10\t3\n20\t1", "10 3  # often\n20 1\n30 0"])
def test_a_histogram_has_lengths_and_how_often_they_come(tmp_path: Path, text: str):
    file = tmp_path / "histogram.csv"
    file.write_text(text)
    assert {10: 75, 20: 25} == Counter(drawn(f"file:{file}", 100))


def test_pairs_come_from_a_file_too(tmp_path: Path):
    file = tmp_path / "pairs.csv"
    file.write_text("\ufeff10, 5, 3\n20, 8\n")
    assert {(10, 5): 75, (20, 8): 25} == Counter(of_pairs(f"file:{file}", 100))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10\n1.5\n", ":2: tokens: '1.5' is not a whole number from 1 to 10,000,000"),
        ("0\n", ":1: tokens: '0' is not a whole number from 1 to 10,000,000"),
        ("10, 1, 2\n", ":1: '10, 1, 2' is not `tokens` or `tokens, weight`"),
        ("10, x\n", ":1: weight: 'x' is not a number"),
        ("10, -1\n", ":1: weight: -1 is not at least 0"),
        ("10, 0\n", ": no weight above 0"),
        ("# nothing\n", ": no lengths in it"),
        (b"\xff\xfe\x00", ": not text"),
    ],
)
def test_a_bad_line_is_named_with_its_file_and_number(tmp_path: Path, text: str | bytes, message: str):
    file = tmp_path / "lengths.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as raised:
        lengths.read(file)
    assert f"{file}{message}" == raised.value.message


def test_a_file_that_went_away_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match=r"gone\.txt: No such file"):
        lengths.read(tmp_path / "gone.txt")


# -- what GenAI-Perf had ------------------------------------------------------------------------------


def test_lengths_are_drawn_as_genai_perf_draws_them():
    rng = random.Random("0")
    assert [550] * 5 == lengths.of_prompts(InputConfig(), 5, rng)
    wide = InputConfig(synthetic_tokens_mean=10, synthetic_tokens_stddev=10)
    values = lengths.of_prompts(wide, 2000, rng)
    assert 0 == min(values)
    assert 9.5 < statistics.fmean(values) < 11.5
    answers = lengths.of_answers(InputConfig(output_tokens_mean=10, output_tokens_stddev=10), rng)
    assert answers is not None
    assert 1 == min(islice(answers, 2000))
    assert None is lengths.of_answers(InputConfig(), rng)


# -- in the requests ----------------------------------------------------------------------------------


def requests(tokenizer, name: str = "chat", **given):
    config = Config(
        endpoint=EndpointConfig(model_names=("m",), type=name),
        input=InputConfig(**{"random_seed": 3, **given}),
    )
    return build.build(config, endpoints.get(name), tokenizer).requests


def test_pairs_are_input_and_output_of_one_request(builtin_tokenizer):
    found = requests(builtin_tokenizer, isl_osl="12/5:1,40/9:3", num_dataset_entries=40)
    bodies = [json.loads(each.body) for each in found]
    assert {(12, 5): 10, (40, 9): 30} == Counter(
        (each.input_tokens, body["max_tokens"]) for each, body in zip(found, bodies, strict=True)
    )
    assert [each.input_tokens for each in found] == builtin_tokenizer.count(
        body["messages"][0]["content"] for body in bodies
    )


def test_all_texts_of_a_batch_have_the_pair_s_length(builtin_tokenizer):
    found = requests(
        builtin_tokenizer, "completions", isl_osl="12/5,40/9", num_dataset_entries=6, batch_size=3
    )
    for each in found:
        body = json.loads(each.body)
        wanted = {5: 12, 9: 40}[body["max_tokens"]]
        assert [wanted] * 3 == builtin_tokenizer.count(body["prompt"])


def test_input_and_output_lengths_are_drawn_apart(builtin_tokenizer):
    found = requests(
        builtin_tokenizer,
        input_length_distribution="uniform:20:30",
        output_length_distribution="lognormal:50:0.3:40..60",
        num_dataset_entries=60,
    )
    assert set(range(20, 31)) >= {each.input_tokens for each in found}
    limits = [json.loads(each.body)["max_tokens"] for each in found]
    assert 40 <= min(limits) < max(limits) <= 60


def test_passages_to_rank_have_drawn_lengths_too(builtin_tokenizer):
    found = requests(
        builtin_tokenizer, "rankings", input_length_distribution="uniform:9:9", num_dataset_entries=3
    )
    body = json.loads(found[0].body)
    assert [9, 9] == builtin_tokenizer.count([body["query"]["text"], body["passages"][0]["text"]])
