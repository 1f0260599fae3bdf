# ruff: noqa: E501  one case, one line
"""Runs of chunks that differ in their text only are read as every event by itself would be."""

import json

import pytest
from exchanges import chunk, cuts, event, exchange
from hypothesis import given
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.endpoints.frames import find_run

CHAT = endpoints.get("chat")


def read(*reads):
    return endpoints.decode_whole(CHAT, exchange(*reads))


def one_by_one(events):
    """(content, reasoning, last usage, last finish reason, first error) of every event read alone."""
    answers = [read(each) for each in events]
    errors = [answer.error for answer in answers if answer.error is not None and not says_nothing(answer)]
    usages = [answer.usage for answer in answers if answer.usage is not None]
    reasons = [answer.finish_reason for answer in answers if answer.finish_reason is not None]
    return (
        [text for answer in answers for text in answer.content],
        [text for answer in answers for text in answer.reasoning],
        usages[-1] if usages else None,
        reasons[-1] if reasons else None,
        errors[0] if errors else None,
    )


def says_nothing(answer):
    """Whether all that is wrong is that it holds no choices, as many a good event does by itself."""
    return answer.error is not None and answer.error.message.startswith("the answer holds no choices")


ENVELOPES = [
    '{"id":"1","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}',
    '{"choices": [{"delta": {"role": "assistant", "content": %s}, "index": 0}], "usage": null}',
    '{"choices":[{"text":%s,"index":0}]}',
    '{"choices":[{"delta":{"reasoning_content":"hm","content":%s}}]}',
    '{"choices":[{"delta":{"content":%s}}],"usage":{"prompt_tokens":3}}',
    '{"choices":[{"logprobs":{"content":"x"},"delta":{"content":%s}}]}',
    '{"choices":[{"delta":{"content":%s},"logprobs":{"content":"x"}}]}',
    '{"choices":[{"delta":{"content":"x","content":%s}}]}',
    '{"choices":[{"delta":{"content":%s,"content":"x"}}]}',
    '{"text":"x","choices":[{"delta":{"content":%s}}]}',
    '{"text":%s,"choices":[{"delta":{"content":"x"}}]}',
    '{"choices":[{"delta":{"content":"x"}},{"delta":{"content":%s}}]}',
    '{"error":{"text":%s}}',
    '{"choices":[{"delta":{"content":%s',
    "%s",
]
PLAIN = st.text(min_size=1, max_size=5).map(json.dumps) | st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n\x7f", min_codepoint=32), min_size=1, max_size=5
).map(lambda text: json.dumps(text, ensure_ascii=False))
ODD = st.sampled_from(
    [r'"\""', r'"\\"', r'"\\\""', r'"a\"', r'"a\\\"', '"a","b"', '"a" ,"content":"b"', '""', "null", "7", '"a', 'a"',
     '["a"]', '[{"type":"text","text":"a"}]', r'"\ud83d"', r'"\ud83d\ude00"', r'"\u0022"', '"\t"', '"a"}}]},{"x":"a"']
)  # fmt: skip


@st.composite
def strings(draw):
    """Enough JSON strings for a run, and perhaps a few that are none or strange ones."""
    found = draw(st.lists(PLAIN, min_size=1, max_size=40) | st.lists(PLAIN, min_size=16, max_size=40))
    for odd in draw(st.lists(ODD, max_size=2)):
        found.insert(draw(st.integers(0, len(found))), odd)
    return found


@given(
    st.sampled_from(ENVELOPES),
    strings(),
    st.lists(
        st.sampled_from([chunk(), chunk("odd"), chunk(finish_reason="stop"), {"choices": []}]), max_size=3
    ),
    st.data(),
)
def test_a_run_is_read_as_each_of_its_events_would_be(envelope, texts, others, data):
    bodies = [(envelope % string).encode() for string in texts]
    for other in others:
        bodies.insert(data.draw(st.integers(0, len(bodies))), json.dumps(other).encode())
    events = [event(body) for body in bodies]
    answer = read(*data.draw(cuts(b"".join(events))))
    expected = one_by_one(events)
    seen = (answer.content, answer.reasoning, answer.usage, answer.finish_reason)
    assert expected[:4] == seen
    assert expected[4] == (None if says_nothing(answer) else answer.error)


@given(st.lists(st.text(min_size=1, max_size=4), min_size=16, max_size=300), st.data())
def test_the_pieces_of_a_run_keep_their_reads(texts, data):
    events = [event(chunk(text)) for text in texts]
    reads = data.draw(cuts(b"".join(events)))
    answer = read(*reads)
    assert texts == answer.content
    end, before = 0, [sum(map(len, reads[: number + 1])) for number in range(len(reads))]
    for number, (piece, found_in) in enumerate(zip(events, answer.content_reads, strict=True)):
        end += len(piece)
        assert before[found_in] >= end
        assert found_in == 0 or before[found_in - 1] < end
        assert (number in answer.content_shared) == (before[found_in] > end)


HEAD, TAIL = b'{"delta":{"content":"', b'"},"i":0}'


@pytest.mark.parametrize(
    ("middles", "expected"),
    [
        pytest.param([b"a", b"b", b"c"], (0, 3, ["a", "b", "c"]), id="alike"),
        pytest.param([b"\\u0061", b"\\n", b"\xc3\xa9"], (0, 3, ["a", "\n", "é"]), id="escapes"),
        pytest.param([b"a", b"", b"c"], None, id="one without text"),
        pytest.param([b'a\\"', b"b", b"c"], (0, 3, ['a"', "b", "c"]), id="a quote at the end"),
        pytest.param([b"a\\", b"b", b"c"], None, id="a backslash at the end"),
        pytest.param([b"a", b"b", b"c\\"], None, id="a backslash at the very end"),
        pytest.param([b'a","b', b"b", b"c"], None, id="two values in one"),
        pytest.param([b"a", b"b", b"\xff"], None, id="no UTF-8"),
        pytest.param([b"a", b"b", b"\\ud800"], None, id="half a pair"),
        pytest.param([b"a", b"b", b"\t"], None, id="a control character"),
    ],
)  # fmt: skip
def test_a_run_is_found_only_where_its_strings_are_beyond_doubt(middles, expected):
    assert expected == find_run([HEAD + middle + TAIL for middle in middles])


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([b"{}", HEAD + b"a" + TAIL, HEAD + b"b" + TAIL, b"{}"], (1, 3, ["a", "b"]), id="others around it"),
        pytest.param([HEAD + b"a" + TAIL, b"{}", HEAD + b"b" + TAIL], None, id="another in the middle"),
        pytest.param([b"{}", b"{}"], None, id="no text anywhere"),
        pytest.param([HEAD + b"a" + TAIL, HEAD + TAIL[1:], HEAD + b"c" + TAIL], None, id="head and tail overlap"),
    ],
)  # fmt: skip
def test_a_run_reaches_as_far_as_its_events_are_alike(events, expected):
    assert expected == find_run(events)
