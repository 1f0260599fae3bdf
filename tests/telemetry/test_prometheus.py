"""Prometheus' text format: as servers write it, in OpenMetrics' way, and as a torn connection leaves it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.telemetry import Sample
from genai_perf.telemetry.prometheus import Reader, parse, parse_series, render, series_text

LINES = [
    ("up 1", Sample("up", {}, 1.0)),
    ("up 1 1395066363000", Sample("up", {}, 1.0)),
    ("up\t1", Sample("up", {}, 1.0)),
    ("  up   1  ", Sample("up", {}, 1.0)),
    ("up{} 1", Sample("up", {}, 1.0)),
    ('a:b{x="1"} 2.5e3', Sample("a:b", {"x": "1"}, 2500.0)),
    ('a{x="1",y="2",} 3', Sample("a", {"x": "1", "y": "2"}, 3.0)),
    ('a{ x = "1" , y="2" } 3', Sample("a", {"x": "1", "y": "2"}, 3.0)),
    ('a {x="1"} 3', Sample("a", {"x": "1"}, 3.0)),
    ('a{x="one, two",y="}"} 3', Sample("a", {"x": "one, two", "y": "}"}, 3.0)),
    (r'a{x="say \"hi\"\\n\n"} 3', Sample("a", {"x": 'say "hi"\\n\n'}, 3.0)),
    (r'a{path="C:\DIR"} 3', Sample("a", {"path": r"C:\DIR"}, 3.0)),
    (
        'a{modelName="NVIDIA H100 80GB HBM3"} 89.412000',
        Sample("a", {"modelName": "NVIDIA H100 80GB HBM3"}, 89.412),
    ),
    ("a +Inf", Sample("a", {}, math.inf)),
    ("a -Inf 17", Sample("a", {}, -math.inf)),
    ('a{le="0.1"} 8 # {trace_id="KOO5S4vxi0o"} 0.67', Sample("a", {"le": "0.1"}, 8.0)),
    ('a 17.0 1520879607.789 # {trace_id="x y"} 0.67 1520879607.7', Sample("a", {}, 17.0)),
    ('a{text="größer"} 1', Sample("a", {"text": "größer"}, 1.0)),
]


@pytest.mark.parametrize(("line", "sample"), LINES)
def test_a_line_is_this_sample_and_the_same_when_it_is_known(line, sample):
    reader = Reader()
    for _ in range(2):
        assert [sample] == reader.read(line + "\n")
        assert 0 == reader.torn


def test_not_a_number_is_a_value():
    (sample,) = parse("a NaN\n")
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    "line",
    [
        "up",
        "up1",
        "up{",
        'up{x="1" 3',
        "up{x=1} 3",
        "up one",
        "up 1_000",
        "1up 3",
        "<html>",
        '{"a": 1}',
        'up{x="1} 3',
    ],
)
def test_what_is_no_sample_is_left_out_and_counted(line):
    reader = Reader()
    assert [Sample("good", {}, 1.0)] == reader.read(f"{line}\ngood 1\n")
    assert 1 == reader.torn


def test_a_page_that_is_cut_off_loses_its_last_number():
    reader = Reader()
    assert [Sample("a", {}, 1.0)] == reader.read("a 1\nb 123")
    assert 1 == reader.torn
    assert [Sample("a", {}, 1.0), Sample("b", {}, 1234.0)] == reader.read("a 1\nb 1234\n")
    assert 0 == reader.torn


OPEN_METRICS = """\
# HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
acme_http_router_request_seconds{quantile="0.5"} 1.5
acme_http_router_request_seconds_sum{path="/api/v1"} 9036.32
acme_http_router_request_seconds_count{path="/api/v1"} 807283.0
acme_http_router_request_seconds_created{path="/api/v1"} 1605281325.0
# HELP go_goroutines Lines\\nwith \\\\ escapes
# TYPE go_goroutines gauge
go_goroutines 69
# TYPE process_cpu_seconds counter
process_cpu_seconds_total 4.20072246e+06
# TYPE latency histogram
latency_bucket{le="+Inf"} 3
latency_sum 1.5
latency_count 3
nobody_says 1
# EOF"""


def test_types_are_those_of_the_family_and_help_is_kept():
    reader = Reader()
    samples = reader.read(OPEN_METRICS)
    assert 0 == reader.torn
    types = ["summary"] * 3 + ["gauge"] * 2 + ["counter"] + ["histogram"] * 3 + ["unknown"]
    assert types == [sample.type for sample in samples]
    assert "Lines\nwith \\ escapes" == reader.help["go_goroutines"]
    assert samples == reader.read(OPEN_METRICS)


def test_a_type_that_changes_is_taken_up():
    reader = Reader()
    assert "gauge" == reader.read("# TYPE a gauge\na 1\n")[0].type
    assert "counter" == reader.read("# TYPE a counter\na 1\n")[0].type
    assert "unknown" == reader.read("# TYPE b untyped\nb 1\n")[0].type


def test_windows_line_ends_are_no_part_of_a_value():
    assert [Sample("a", {}, 1.0, "gauge")] == list(parse("# TYPE a gauge\r\na 1\r\n"))


names = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
label_names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
values = st.floats(allow_nan=False)
series = st.tuples(
    names, st.dictionaries(label_names, st.text(st.characters(exclude_categories=["Cs"])), max_size=4)
)


@given(st.lists(st.builds(lambda one, value: Sample(*one, value), series, values), max_size=10))
def test_what_is_written_is_read_again(samples):
    reader = Reader()
    page = render(samples)
    assert [sample[:3] for sample in samples] == [sample[:3] for sample in reader.read(page)]
    assert [sample[:3] for sample in samples] == [sample[:3] for sample in reader.read(page)]
    assert 0 == reader.torn


@given(series)
def test_the_text_of_a_series_is_its_name_and_labels_again(one):
    assert one == parse_series(series_text(*one))


def test_what_is_no_series_is_refused():
    with pytest.raises(ValueError, match="is no series"):
        parse_series("a{b=1}")


@given(st.text())
def test_no_text_at_all_is_an_error(text):
    reader = Reader()
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    assert len(lines) >= len(reader.read(text)) + reader.torn - 1


@given(st.lists(st.sampled_from([line for line, _ in LINES]), min_size=1), st.integers(0, 10))
def test_a_page_cut_anywhere_has_the_same_samples_up_to_there(lines, cut):
    page = "\n".join(lines) + "\n"
    whole = list(parse(page))
    some = list(parse(page[: len(page) - cut]))
    assert repr(whole[: len(some)]) == repr(some)


def test_a_page_with_ever_new_labels_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("genai_perf.telemetry.prometheus._MOST_REMEMBERED", 100)
    reader = Reader()
    for number in range(300):
        assert [float(number)] == [sample.value for sample in reader.read(f'a{{id="{number}"}} {number}\n')]
    assert len(reader._series) <= 101
