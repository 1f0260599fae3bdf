"""What the journal keeps of an exchange: stamps that belong to events, and how sure they are."""

import msgspec
from exchanges import chunk, cuts, event, exchange, request, stream, whole
from hypothesis import given
from hypothesis import strategies as st

from genai_perf import endpoints
from genai_perf.engine import records
from genai_perf.types import Answer, Phase, RequestError, Slot, Stamp, Usage

CHAT = endpoints.get("chat")
EMBEDDINGS = endpoints.get("embeddings")
SLOT = Slot(7, None)
ABC = [event(chunk(text)) for text in "abc"]


def make(given, *, endpoint=CHAT, slot=SLOT, due_ns=None):
    return records.make(slot, due_ns, given, endpoints.decode_whole(endpoint, given))


def test_each_event_has_the_stamp_of_the_read_that_ended_it():
    record = make(exchange(*ABC))
    assert [100, 110, 120] == record.content_ns
    assert [3, 3, 3] == record.content_lag_ns
    assert [1, 1, 1] == record.content_chars
    assert "abc" == record.text
    assert (100, 90, 120) == (record.first_byte_ns, record.headers_ns, record.end_ns)


def test_a_kernel_stamp_is_exact_unless_the_read_went_on_after_the_event():
    alone = make(exchange(*ABC))
    together = make(exchange(ABC[0] + ABC[1], ABC[2]))
    assert [0, 0, 0] == alone.content_slack_ns
    # the first may have come any time since the socket was last seen empty, 9 ns before
    assert ([100, 100, 110], [9, 0, 0]) == (together.content_ns, together.content_slack_ns)


def test_a_stamp_of_our_own_may_always_be_late_by_the_time_since_the_last_look():
    record = make(exchange(*ABC, stamp=Stamp.USER))
    assert (Stamp.USER, [9, 9, 9]) == (record.stamp, record.content_slack_ns)


def test_slack_is_never_below_zero():
    record = make(exchange(*ABC, stamp=Stamp.USER, after_ns=[200, 105, 120]))
    assert [0, 5, 0] == record.content_slack_ns


def test_reasoning_has_stamps_of_its_own():
    thought = [event(chunk(delta={"reasoning_content": text})) for text in ("let", "me")]
    record = make(exchange(*thought, *ABC))
    assert ([100, 110], [3, 2], "letme") == (
        record.reasoning_ns,
        record.reasoning_chars,
        record.reasoning_text,
    )
    assert [120, 130, 140] == record.content_ns


def test_an_answer_in_one_piece_has_one_stamp_its_end():
    body = msgspec.json.encode({"choices": [{"message": {"content": "Hello"}}]})
    record = make(exchange(body[:5], body[5:], content_type="application/json", streaming=False))
    assert ([110], [5], 100) == (record.content_ns, record.content_chars, record.first_byte_ns)


def test_an_answer_without_text_has_the_stamp_of_its_end_where_the_api_has_none():
    record = make(whole(b'{"data": [{"embedding": [1]}]}'), endpoint=EMBEDDINGS)
    assert ([100], [0], "") == (record.content_ns, record.content_chars, record.text)


def test_what_was_planned_and_sent_is_copied():
    given = exchange(*ABC, url="http://h", start_ns=5, sent_ns=6, dns_ns=1, connect_ns=2, tls_ns=3)
    given.request = request(4, body=b"12345", model="other", conversation="c", turn=2, input_tokens=9)
    record = make(given, slot=Slot(7, 20, Phase.WARMUP), due_ns=1020)
    assert (7, 4, "c", 2, "other", Phase.WARMUP) == (
        record.index,
        record.input_index,
        record.conversation,
        record.turn,
        record.model,
        record.phase,
    )
    assert (1020, 5, 6, 1, 2, 3) == (
        record.due_ns,
        record.start_ns,
        record.sent_ns,
        record.dns_ns,
        record.connect_ns,
        record.tls_ns,
    )
    assert (9, 5, sum(map(len, ABC)), "http://h") == (
        record.input_tokens,
        record.request_bytes,
        record.response_bytes,
        record.url,
    )


def test_what_the_server_says_is_copied():
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    record = make(exchange(stream(chunk("a"), chunk(finish_reason="stop", usage=usage))))
    assert (Usage(5, 3), "stop", None, 200) == (
        record.usage,
        record.finish_reason,
        record.error,
        record.status,
    )


def test_a_request_without_an_answer_has_no_stamps():
    error = RequestError("connect", "cannot connect: Connection refused")
    record = make(exchange(status=0, content_type=None, headers_ns=0, error=error))
    assert (error, 0, None, None, []) == (
        record.error,
        record.status,
        record.headers_ns,
        record.first_byte_ns,
        record.content_ns,
    )


def test_a_broken_answer_keeps_its_text_stamps_and_error():
    error = RequestError("reset", "connection reset by the server")
    record = make(exchange(ABC[0], ABC[1], ABC[2][:9], error=error))
    assert ("ab", [100, 110], error) == (record.text, record.content_ns, record.error)


@given(st.lists(st.text(max_size=3), max_size=8), st.sampled_from(Stamp), st.data())
def test_the_lists_of_a_record_run_in_parallel(texts, stamp, data):
    reads = data.draw(cuts(stream(*map(chunk, texts))))
    record = make(exchange(*reads, stamp=stamp))
    lists = (record.content_chars, record.content_lag_ns, record.content_slack_ns)
    assert {len(record.content_ns)} == set(map(len, lists))
    assert sorted(record.content_ns) == record.content_ns
    assert sum(record.content_chars) == len(record.text)
    assert min(record.content_slack_ns, default=0) >= 0
    assert len(record.reasoning_ns) == len(record.reasoning_chars)


def test_the_published_example_reads_as_published():
    """TTFT 5 ms (the role chunk dropped), TTST 1 ms, latency 6 ms (finish chunk and [DONE] dropped)."""
    at_ns = [4_000_000, 5_000_000, 6_000_000, 10_500_000, 11_000_000]
    events = [
        event(chunk("", delta={"role": "assistant"})),
        event(chunk("ab")),
        event(chunk("cd")),
        event(chunk(finish_reason="stop")),
        event(b"[DONE]"),
    ]
    record = make(exchange(*events, at_ns=at_ns, read_ns=at_ns, after_ns=at_ns, start_ns=0))
    assert ([5_000_000, 6_000_000], "abcd") == (record.content_ns, record.text)


def test_an_endpoint_without_anything_to_say_makes_a_record_as_well():
    record = records.make(Slot(0, None), None, exchange(b"x"), Answer())
    assert ([], "", 100) == (record.content_ns, record.text, record.first_byte_ns)
