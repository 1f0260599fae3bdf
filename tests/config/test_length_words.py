"""The words for numbers of tokens."""

from pathlib import Path

import pytest

from genai_perf.config.lengths import LONGEST, Distribution, parse, parse_pairs
from genai_perf.exceptions import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512", Distribution("fixed", (512, 0), 512, 512)),
        ("normal:550:100", Distribution("normal", (550, 100))),
        ("normal:550:0", Distribution("normal", (550, 0))),
        ("normal:550.5:1e2:10..", Distribution("normal", (550.5, 100), 10)),
        ("uniform:7:9", Distribution("uniform", (7, 9), 7, 9)),
        ("lognormal:500:0.8:..8000", Distribution("lognormal", (500, 0.8), 1, 8000)),
        ("zipf:1.2:4096", Distribution("zipf", (1.2, 4096), 1, 4096)),
        ("zipf:1.2:4096:16..9000", Distribution("zipf", (1.2, 4096), 16, 4096)),
    ],
)
def test_a_text_is_a_distribution(text, expected):
    assert expected == parse(text, "--lengths")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' describes no lengths"),
        ("gaussian:1:2", "'gaussian:1:2' describes no lengths"),
        ("-5", "'-5' describes no lengths"),
        ("0", "the length: 0 is not between 1 and 10,000,000 tokens"),
        ("normal:550", "'normal:550' is not normal:MEAN:STDDEV"),
        ("normal:550:100:3:4", "'normal:550:100:3:4' is not normal:MEAN:STDDEV"),
        ("normal:x:1", "MEAN: 'x' is not a number"),
        ("normal:nan:1", "MEAN: 'nan' is not a number"),
        ("normal:5:-1", "STDDEV: -1 is not at least 0"),
        ("lognormal:0:1", "MEDIAN: 0 is not above 0"),
        ("uniform:9:7", "MIN 9 is more than MAX 7"),
        ("uniform:1.5:7", "MIN: '1.5' is not a whole number of tokens"),
        ("uniform:1:7:2..3", "'uniform:1:7:2..3': uniform has its bounds already"),
        ("normal:5:1:9..3", "'normal:5:1:9..3': LEAST 9 is more than MOST 3"),
        ("normal:5:1:a..3", "LEAST: 'a' is not a whole number of tokens"),
        (f"zipf:1:{LONGEST + 1}", "MAX: 10000001 is not between 1 and 10,000,000 tokens"),
        ("file:", "no file ''"),
        ("file:nowhere.txt", "no file 'nowhere.txt'"),
    ],
)
def test_what_is_wrong_with_a_distribution_is_said(text, message):
    with pytest.raises(UsageError) as raised:
        parse(text, "--lengths")
    assert f"--lengths: {message}" == raised.value.message


def test_a_file_is_named_by_its_path(tmp_path: Path):
    file = tmp_path / "lengths.txt"
    file.touch()
    assert Distribution("file", file=file) == parse(f"file:{file}", "--lengths")
    assert file == parse_pairs(f"file:{file}", "--isl-osl")


def test_pairs_have_weights_or_the_weight_1_and_those_that_never_come_are_left_out():
    assert [((128, 64), 0.4), ((1000, 200), 1.0)] == parse_pairs("128/64:0.4, 1000/200,5/5:0", "--isl-osl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("128", "'128' is not ISL/OSL:WEIGHT"),
        ("128/1,", "'' is not ISL/OSL:WEIGHT"),
        ("128/1:2:3", "'128/1:2:3' is not ISL/OSL:WEIGHT"),
        ("a/1", "input tokens: 'a' is not a whole number of tokens"),
        ("1/0", "output tokens: 0 is not between 1 and 10,000,000 tokens"),
        ("1/1:x", "weight: 'x' is not a number"),
        ("1/1:-1", "weight: -1 is not at least 0"),
        ("1/1:0", "no weight above 0"),
    ],
)
def test_what_is_wrong_with_pairs_is_said(text, message):
    with pytest.raises(UsageError) as raised:
        parse_pairs(text, "--isl-osl")
    assert f"--isl-osl: {message}" == raised.value.message
