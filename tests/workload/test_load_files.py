"""Files of gaps and of changing loads: what they say, and what is wrong with them."""

import pytest

from genai_perf.exceptions import InputError
from genai_perf.schedule import Stretch
from genai_perf.workload.load_files import read_intervals, read_schedule


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "load.csv"
        path.write_text(text)
        return path

    return write


def test_a_line_is_a_stretch_steady_or_sloped(file):
    path = file("# seconds, requests/s\n\n10, 2\n5.5, 2, 8  # rising\n1,0\n")
    assert (Stretch(10, 2, 2), Stretch(5.5, 2, 8), Stretch(1, 0, 0)) == read_schedule(path, "--x")


def test_a_file_from_a_spreadsheet_is_read_too(file):
    path = file("\ufeff10, 2\r\n5, 2, 8\r\n")
    assert (Stretch(10, 2, 2), Stretch(5, 2, 8)) == read_schedule(path, "--x")
    assert [5, 7] == read_intervals(file("\ufeff5\r\n7\r\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10\n", "load.csv:1: '10' has 1 field"),
        ("10,1\n1,2,3,4\n", "load.csv:2: '1,2,3,4' has 4 fields"),
        ("10, fast\n", "load.csv:1: level: 'fast' is not a number"),
        ("0, 5\n", "load.csv:1: seconds: 0 is not above 0"),
        ("inf, 5\n", "load.csv:1: seconds: 'inf' is not a number"),
        ("5, -1\n", "load.csv:1: level: -1 is not at least 0"),
        ("5, 1, nan\n", "load.csv:1: level at the end: 'nan' is not a number"),
        ("5, 0\n", "no load above 0 in it"),
        ("# nothing\n", "no load above 0 in it"),
    ],
)
def test_a_bad_line_is_named(file, text, message):
    with pytest.raises(InputError) as caught:
        read_schedule(file(text), "--concurrency-schedule")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("5\n-3\n", "load.csv:2: '-3' is not a whole number of µs"), ("0\n", "no gap above 0 µs in it")],
)
def test_a_bad_gap_is_named(file, text, message):
    with pytest.raises(InputError) as caught:
        read_intervals(file(text))
    assert message in str(caught.value)


def test_gaps_are_read_in_their_order(file):
    assert [5, 0, 7] == read_intervals(file("5\n0 # at once\n\n7\n"))
