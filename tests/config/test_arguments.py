import pytest

from genai_perf.config.arguments import Flag, Takes, read
from genai_perf.exceptions import UsageError

FLAGS = {
    "-m": Flag("--model", Takes.SEVERAL),
    "--model": Flag("--model", Takes.SEVERAL),
    "--model-selection-strategy": Flag("--model-selection-strategy", Takes.ONE),
    "--concurrency": Flag("--concurrency", Takes.ONE),
    "--num-prompts": Flag("--num-dataset-entries", Takes.ONE),
    "--num-prefix-prompts": Flag("--num-prefix-prompts", Takes.ONE),
    "--num-dataset-entries": Flag("--num-dataset-entries", Takes.ONE),
    "-H": Flag("--header", Takes.ONE),
    "--header": Flag("--header", Takes.ONE),
    "-p": Flag("--measurement-interval", Takes.ONE),
    "-v": Flag("--verbose", Takes.NOTHING),
    "-q": Flag("--quiet", Takes.NOTHING),
    "--streaming": Flag("--streaming", Takes.NOTHING),
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["-m", "a"], [("--model", "a")]),
        (["-m", "a", "b", "--streaming"], [("--model", "a"), ("--model", "b"), ("--streaming", None)]),
        (["-m", "a", "-m", "b"], [("--model", "a"), ("--model", "b")]),
        (["--model=a", "-v"], [("--model", "a"), ("--verbose", None)]),
        (["--concur", "8"], [("--concurrency", "8")]),
        (["--concur=8"], [("--concurrency", "8")]),
        (["--concurrency", "-1"], [("--concurrency", "-1")]),
        (["--concurrency", "-.5"], [("--concurrency", "-.5")]),
        (["--concurrency=-x"], [("--concurrency", "-x")]),
        (["--concurrency="], [("--concurrency", "")]),
        (["--num-d", "3"], [("--num-dataset-entries", "3")]),
        (["-p5000"], [("--measurement-interval", "5000")]),
        (["-p=5000"], [("--measurement-interval", "5000")]),
        (["-vp5000"], [("--verbose", None), ("--measurement-interval", "5000")]),
        (["-vq"], [("--verbose", None), ("--quiet", None)]),
        (["-HA: b c"], [("--header", "A: b c")]),
        (["--header=A: b c"], [("--header", "A: b c")]),
        (["-H", "A: -b"], [("--header", "A: -b")]),
        (["-H", "- A: b"], [("--header", "- A: b")]),
    ],
)
def test_a_line_is_read_as_argparse_read_it(line, expected):
    assert expected == read(line, FLAGS).pairs


def test_what_follows_no_flag_is_positional():
    assert ["a", "-"] == read(["a", "-v", "-"], FLAGS).positionals


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--concurency", "8"], "no option --concurency; did you mean --concurrency?"),
        (["--zzz"], "no option --zzz"),
        (["-z"], "no option -z"),
        (["--num", "3"], "--num is ambiguous: --num-dataset-entries, --num-prefix-prompts, --num-prompts"),
        (["--concurrency"], "--concurrency: needs a value"),
        (["--concurrency", "--streaming"], "--concurrency: needs a value"),
        (["-m", "-v"], "-m: needs a value"),
        (["--streaming=true"], "--streaming: takes no value, 'true' was given"),
        (["-vx"], "no option -x"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(line, message):
    with pytest.raises(UsageError) as raised:
        read(line, FLAGS)
    assert raised.value.message.startswith(message)


def test_a_value_with_a_dash_gets_the_hint_to_join_it():
    with pytest.raises(UsageError) as raised:
        read(["--header", "-x:1"], FLAGS)
    assert "a value that begins with a dash is joined: --header=-x:1" == raised.value.hint
