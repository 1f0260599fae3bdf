"""The reports on a journal as the engine writes it, rather than on rows made for a test."""

import json
import subprocess
import sys
from pathlib import Path

from journal_rows import SCHEMA as ROWS
from runs import write_inputs

from genai_perf.engine.journal import SCHEMA

SCRIPT = """
import sys
from pathlib import Path
import msgspec
from genai_perf.config.schema import Config, EndpointConfig, MetricsConfig
from genai_perf.engine.journal import Journal, read
from genai_perf.metrics.compute import compute
from genai_perf.reports import Result, console, csv_file, json_file, plots, raw
from genai_perf.types import Phase, RequestError, RequestRecord, RunInfo, Stamp, Usage

here = Path(sys.argv[1])
config = Config(endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True))
info = RunInfo("1.0", "genai-perf", 1_700_000_000_000_000_000, "chat", True, config.public(), {}, {})
good = RequestRecord(
    index=0, input_index=0, conversation="0", turn=0, model="m", url="http://localhost", traffic_class="",
    phase=Phase.BENCHMARK, due_ns=None, start_ns=0, sent_ns=10, end_ns=9_000_000,
    dns_ns=None, connect_ns=5, tls_ns=None, headers_ns=1, first_byte_ns=2,
    status=200, stamp=Stamp.KERNEL, content_ns=[5_000_000, 6_000_000], content_chars=[2, 2],
    content_lag_ns=[100, 100], content_slack_ns=[0, 50], reasoning_ns=[], reasoning_chars=[],
    tool_ns=[], tool_chars=[],
    text="abcd", reasoning_text="", tool_text="", finish_reason="stop", input_tokens=None, images=0,
    request_bytes=1, response_bytes=1, usage=Usage(output_tokens=4), error=None,
)
bad = msgspec.structs.replace(
    good, index=1, due_ns=3, status=500, content_ns=[], content_chars=[], content_lag_ns=[],
    content_slack_ns=[], text="", usage=None, error=RequestError("http_500", "out of memory"),
)
journal = Journal(here / "records.arrows", info)
journal.append(good)
journal.flush()
journal.append(bad)
journal.close()
info, records = read(here / "records.arrows")
summary = compute(records, info, settings=MetricsConfig(), count=lambda texts: [len(text) for text in texts])
result = Result(info, None, records, summary, "v1/chat/completions")
for write in (raw.write, json_file.write, csv_file.write):
    write(result, here)
console.write(result, here)
assert "plotly" not in sys.modules, "nothing is drawn yet"
plots.write(result, here, render=lambda images: None)
assert "kaleido" not in sys.modules, "it has a process of its own"
assert "pandas" not in sys.modules, "most of a second, for nothing"
"""


def test_rows_made_for_tests_have_the_journals_columns() -> None:
    assert set(ROWS.names) == set(SCHEMA.names)


def test_every_report_is_made_of_a_journal_and_without_pandas(tmp_path: Path) -> None:
    write_inputs(tmp_path, "chat")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert "http_500: out of memory" in done.stdout
    document = json.loads((tmp_path / "profile_export_genai_perf.json").read_text())
    assert document["inter_token_latency"]["avg"] == 0.333333
    assert document["output_sequence_length_server"]["avg"] == 4
    assert document["error_count"]["avg"] == 1
