import pytest
from journal_rows import characters, failed, row, table

from genai_perf.metrics.latency import client_times, latency_ns
from genai_perf.metrics.reading import read_columns

WARMUP = row(9_000, phase="warmup", sent_ns=5_000, first_byte_ns=8_000)
STREAMED = row(400, 700, 900, start_ns=100, sent_ns=120, first_byte_ns=390)
WHOLE = row(1_000, start_ns=200, sent_ns=260, first_byte_ns=950)


def read(*rows):
    records = table(rows, rows_a_batch=2)
    columns = read_columns(
        records, count=characters, input_tokens=None, use_server_token_count=False, slos={}
    )
    return columns, records


def times(*rows):
    return client_times(*read(*rows))


@pytest.mark.parametrize(("percent", "expected"), [(None, 250), (50, 200), (75, 300), (99, 492)])
def test_the_latency_is_the_mean_or_a_percentile(percent, expected):
    columns, _ = read(*(row(at_ns) for at_ns in (500, 100, 300, 200, 150)))
    assert expected == pytest.approx(latency_ns(columns, percent))


def test_a_latency_is_the_time_to_send_to_wait_and_to_receive():
    found = times(WARMUP, STREAMED, failed(sent_ns=77, first_byte_ns=88), WHOLE)
    assert ((20 + 60) / 2, (270 + 690) / 2, (510 + 50) / 2) == (
        found.send_ns,
        found.wait_ns,
        found.receive_ns,
    )
    latencies = [900 - 100, 1_000 - 200]
    assert sum(latencies) / 2 == pytest.approx(found.send_ns + found.wait_ns + found.receive_ns)


def test_an_answer_that_begins_before_all_is_sent_is_not_waited_for():
    found = times(row(900, start_ns=100, sent_ns=500, first_byte_ns=450))
    assert (400, -50, 450) == (found.send_ns, found.wait_ns, found.receive_ns)


def test_without_a_stamp_of_the_first_byte_the_first_text_is_the_first_that_is_known():
    assert 500 == times(row(400, 900, first_byte_ns=None)).receive_ns
