# ruff: noqa: E501  one case, one line
"""Server-sent events: the three rules of `sse.py`, and the standard."""

from itertools import accumulate

import pytest
from exchanges import cut, cuts
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.endpoints import sse

BOM = "\ufeff".encode()


def parse(*reads, complete=True, at_once=2):
    """Every event as (data, read, shared, name)."""
    return [
        (data, read, shared, found.names.get(position))
        for found in sse.parse(reads, complete=complete, at_once=at_once)
        for position, (data, read, shared) in enumerate(
            zip(found.data, found.reads, found.shared, strict=True)
        )
    ]


def data_of(*reads, complete=True):
    return [data for data, _, _, _ in parse(*reads, complete=complete)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="as nearly every server writes it"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", [b"a", b"b", b"c"], id="all of them mixed"),
        pytest.param(b"data:a\n\ndata:b\n\n", [b"a", b"b"], id="no blank after the colon"),
        pytest.param(b"data:  a\n\n", [b" a"], id="only one blank belongs to the colon"),
        pytest.param(BOM + b"data: a\n\n", [b"a"], id="a byte order mark"),
        pytest.param(b"data: a\n\n" + BOM + b"data: b\n\n", [b"a"], id="a byte order mark elsewhere is text"),
        pytest.param(b": ping\n\ndata: a\n\n: ping\n\n", [b"a"], id="comments between events"),
        pytest.param(b": ping\ndata: a\n: pong\n\n", [b"a"], id="comments inside an event"),
        pytest.param(b"id: 7\nevent: x\nretry: 10\ndata: a\n\n", [b"a"], id="the other fields"),
        pytest.param(b"id: 7\n\nretry: 10\n\nevent: x\n\ndata: a\n\n", [b"a"], id="events without data"),
        pytest.param(b"event: x\n\ndata: a\n\n", [b"a"], id="a name does not outlive its event"),
        pytest.param(b"data: a\ndata: b\n\n", [b"a\nb"], id="several data lines"),
        pytest.param(b"data: a\ndata\ndata: b\n\n", [b"a\n\nb"], id="a data line without a colon"),
        pytest.param(b"data: a\nnews: b\n\n", [b"a"], id="a field nobody knows"),
        pytest.param(b"data: a\n data: b\n\n", [b"a"], id="a field's name begins the line"),
        pytest.param(b"Data: a\n\n", [], id="field names are lower case"),
        pytest.param(b"data: a\n\n\n\ndata: b\n\n\n", [b"a", b"b"], id="more blank lines than needed"),
        pytest.param(b"\n\n\ndata: a\n\n", [b"a"], id="blank lines first"),
        pytest.param(b"data: a\n\ndata: \n\ndata:\n\ndata\n\ndata: b\n\n", [b"a", b"b"], id="empty data"),
        pytest.param(b"data: a\n\ndata: \n\ndata: b\n\n", [b"a", b"b"], id="empty data among plain events"),
        pytest.param(b"data: \n\n", [], id="nothing but empty data"),
        pytest.param(b"data: data: a\n\n", [b"data: a"], id="data that looks like a field"),
        pytest.param("data: a\u2028b\u0085c\x0bd\x0c\n\n".encode(), ["a\u2028b\u0085c\x0bd\x0c".encode()], id="only CR and LF end lines"),
        pytest.param(b"", [], id="nothing at all"),
        pytest.param(b"\n", [], id="a blank line"),
        pytest.param(b"{}", [], id="no field"),
    ],
)  # fmt: skip
def test_events_are_found_by_the_letter_of_the_standard(body, expected):
    assert expected == data_of(body)
    assert expected == data_of(*(body[at : at + 1] for at in range(len(body))))


def test_the_event_field_names_the_event_that_has_it_and_no_other():
    body = b"event: a\ndata: 1\n\ndata: 2\n\nevent:b\ndata: 3\nevent: c\n\nevent: d\n\ndata: 4\n\n"
    assert [(b"1", b"a"), (b"2", None), (b"3", b"c"), (b"4", None)] == [
        (data, name) for data, _, _, name in parse(body)
    ]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_last_event_without_its_blank_line_counts_when_the_answer_was_complete(line_end, missing):
    body = b"data: a" + 2 * line_end + b"data: b" + (2 - missing) * line_end
    assert [b"a", b"b"] == data_of(body, complete=True)
    assert [b"a"] == data_of(body, complete=False)


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        pytest.param([b"data: a\n\n", b"data: b\n\n"], [(0, False), (1, False)], id="one event a read"),
        pytest.param([b"data: a\n\ndata: b\n\n"], [(0, True), (0, False)], id="two events in one read"),
        pytest.param([b"data: a\n\ndata: b\n", b"\n"], [(0, True), (1, False)], id="the blank line came later"),
        pytest.param([b"data: a\n", b"\ndata: b\n\n"], [(1, True), (1, False)], id="the blank line came with the next"),
        pytest.param([b"da", b"ta", b": a", b"\n", b"\n"], [(4, False)], id="one event in many reads"),
        pytest.param([b"data: a\n\n: ping\n\n"], [(0, True)], id="a comment came with it"),
        pytest.param([b"data: a\n\n", b": ping\n\n", b"data: b\n\n"], [(0, False), (2, False)], id="a comment came between"),
        pytest.param([b"data: a\r\n\r", b"\ndata: b\r\n\r\n"], [(1, True), (1, False)], id="a line end cut in two"),
        pytest.param([b"data: a\n\n", b"", b"data: b\n\n"], [(0, False), (2, False)], id="a read without body"),
        pytest.param([b"data: a\n\ndata: b"], [(0, True), (0, False)], id="the body's end completes the last"),
    ],
)  # fmt: skip
def test_an_event_belongs_to_the_read_that_brought_its_blank_line(reads, expected):
    assert expected == [(read, shared) for _, read, shared, _ in parse(*reads)]


LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n") | st.sampled_from("\u2028\u0085\ufeff:[]DONE "),
    min_size=1,
    max_size=8,
)


@st.composite
def streams(draw):
    """(body, the events in it as (data, end offset))."""
    line_end = draw(LINE_ENDS)
    plain = draw(st.booleans())
    body, expected = b"", []
    for value in draw(st.lists(VALUES, max_size=8)):
        if not plain:
            body += draw(st.sampled_from([b"", b": ping", b"id: 1", b"event: message"])) + line_end
            line_end = draw(LINE_ENDS)
        text = value.encode()
        # CR then LF would be one line end
        body += b"data: " + text + line_end
        blank = line_end if plain else draw(LINE_ENDS)
        if body.endswith(b"\r") and blank == b"\n":
            blank = b"\r\n"
        body += blank
        expected.append((text, len(body)))
        if blank == b"\r":
            line_end = b"\r\n"  # whatever follows a bare CR must not be a bare LF
    return body, expected


@given(streams(), st.data(), st.integers(1, 5))
def test_however_the_bytes_are_cut_the_events_are_the_same_and_each_has_the_read_that_ended_it(
    streamed, data, at_once
):
    body, expected = streamed
    reads = data.draw(cuts(body))
    ends = list(accumulate(map(len, reads)))
    seen = parse(*reads, at_once=at_once)
    assert [text for text, _ in expected] == [text for text, _, _, _ in seen]
    for (_, end), (_, read, shared, _) in zip(expected, seen, strict=True):
        assert ends[read] >= end
        assert read == 0 or ends[read - 1] < end
        assert shared == (ends[read] > end)


@given(streams(), st.integers(0, 200))
def test_what_a_broken_stream_brought_is_the_beginning_of_what_the_whole_one_would_have(streamed, length):
    body, expected = streamed
    whole = [text for text, end in expected if end <= length]
    torn = data_of(body[:length], complete=False)
    # A cut between CR and LF ends the event a byte earlier.
    assert whole == torn[: len(whole)]
    assert len(torn) - len(whole) <= (body[length - 1 : length + 1] == b"\r\n")


@given(st.binary(max_size=60) | st.text("data: \r\n\ufeffevnt", max_size=40).map(str.encode), st.data())
def test_no_bytes_are_too_strange(body, data):
    reads = data.draw(cuts(body))
    assert data_of(body) == data_of(*reads)


def counted(reads):
    """How many events with data are there after each read."""
    arriving = sse.Arriving()
    counts = []
    for data in reads:
        arriving.feed(data)
        counts.append(arriving.events)
    return counts


@given(streams(), st.data())
def test_events_are_counted_while_they_come_but_for_the_one_that_ends_the_stream(streamed, data):
    body, expected = streamed
    reads = data.draw(cuts(body))
    ends = accumulate(map(len, reads))
    found = [(end, text) for text, end in expected if text != b"[DONE]"]
    # Of a blank line that ends in CRLF the CR is enough.
    least = [sum(end <= so_far for end, _ in found) for so_far in ends]
    for count, complete in zip(counted(reads), least, strict=True):
        assert complete <= count <= complete + 1
    assert counted([*reads, b""])[-1] == len(found)


@given(st.binary(max_size=60) | st.text("data: \r\n\ufeffevnt", max_size=40).map(str.encode), st.data())
def test_as_many_are_counted_as_there_are_in_the_whole(body, data):
    whole = [event for event in data_of(body, complete=False) if event != b"[DONE]"]
    assert len(whole) == counted([*data.draw(cuts(body)), b""])[-1]


@pytest.mark.parametrize(
    "odd", [b": ping\n\n", b"data: \n\n", b"\n", b"id: 7\n\n", b"data: a\ndata: b\n\n", b"data: c\r\n\r\n"]
)
@pytest.mark.parametrize("at", [0, 1, 4_000, 4_999, 5_000])
def test_a_long_answer_may_turn_odd_anywhere(odd, at):
    pieces = [b"data: %d%b\n\n" % (number, b"x" * (number % 40)) for number in range(5_000)]
    pieces.insert(at, odd)
    expected = [data for piece in pieces for data in data_of(piece)]
    body = b"".join(pieces)
    assert expected == data_of(*cut(body, range(0, len(body), 1013)))


FRAMES = {
    "named": b"event: message\ndata: %b\n\n",
    "without a blank": b"data:%b\n\n",
    "plain": b"data: %b\n\n",
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("before", [b"", b": keepalive 1/1\n\n", b": a\n: b\n\n\n: c\n"])
@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"data: {}\n\n",
        b"event: x\ndata: 1\n\n",
        b"event: x\n\n",
        b"event: \ndata: 1\n\n",
        b": a\n\n",
        b"event: x\nid: 7\n\ndata: 1\n\n",
        b"data: 1\nevent: x\n\n",
        b"data:  1\n\n",
        b"data: [DONE]\n\n",
    ],
)
def test_every_frame_that_is_read_quickly_is_read_as_the_standard_says(frame, before, odd):
    events = [FRAMES[frame] % (b"%d" % number) for number in range(20)]
    for at in (0, 7, 20):
        body = b"".join([before, *events[:at], odd, *events[at:]])
        found = [(sse._fields(lines), end) for lines, end, _ in sse._blocks(body, 0)]
        by_the_letter = [
            (data, (end - 1) // 7, end % 7 != 0 and end != len(body), name or None)
            for (name, data), end in found
            if data is not None
        ]
        assert by_the_letter == parse(*cut(body, range(0, len(body), 7)), at_once=64)


def test_an_event_longer_than_a_piece_is_one_event():
    long = b"x" * 200_000
    body = b"data: a\n\ndata: " + long + b"\n\ndata: b\n\n"
    assert [b"a", long, b"b"] == data_of(*cut(body, range(0, len(body), 9_999)))


def test_a_long_answer_comes_in_slices():
    body = b"".join(b"data: %d\n\n" % number for number in range(1000))
    for line_end in (b"\n", b"\r\n"):
        found = list(
            sse.parse(cut(body.replace(b"\n", line_end), range(0, 20_000, 7)), complete=True, at_once=128)
        )
        assert [128] * 7 + [104] == [len(events.data) for events in found]
        assert [b"%d" % number for number in range(1000)] == [data for some in found for data in some.data]
