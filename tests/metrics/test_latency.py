import pytest
from journal_rows import characters, row, table

from genai_perf.metrics.latency import latency_ns
from genai_perf.metrics.reading import read_columns


@pytest.mark.parametrize(("percent", "expected"), [(None, 250), (50, 200), (75, 300), (99, 492)])
def test_the_latency_is_the_mean_or_a_percentile(percent, expected):
    rows = [row(at_ns) for at_ns in (500, 100, 300, 200, 150)]
    columns = read_columns(
        table(rows), count=characters, input_tokens=None, use_server_token_count=False, slos={}
    )
    assert expected == pytest.approx(latency_ns(columns, percent))
