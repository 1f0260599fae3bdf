"""`--generate-plots`: what it leaves in a run's directory, and what it costs where it was not asked for."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from genai_perf.config.schema import Config, EndpointConfig, OutputConfig
from genai_perf.engine.journal import Journal
from genai_perf.exceptions import ServerError
from genai_perf.profile import report
from genai_perf.reports.plots import images
from genai_perf.reports.plots.images import Image, by_kaleido
from genai_perf.types import Phase, RequestError, RequestRecord, RunInfo, Stamp

GOOD = RequestRecord(
    index=0, input_index=0, conversation="0", turn=0, model="m", url="http://localhost", traffic_class="",
    phase=Phase.BENCHMARK, due_ns=None, start_ns=0, sent_ns=10, end_ns=9_000_000,
    dns_ns=None, connect_ns=5, tls_ns=None, headers_ns=1, first_byte_ns=2,
    status=200, stamp=Stamp.KERNEL, content_ns=[5_000_000, 6_000_000], content_chars=[2, 2],
    content_lag_ns=[100, 100], content_slack_ns=[0, 50],
    reasoning_ns=[], reasoning_chars=[], tool_ns=[], tool_chars=[],
    text="abcd", reasoning_text="", tool_text="", finish_reason="stop", input_tokens=3,
    images=0, request_bytes=1, response_bytes=1, usage=None, error=None,
)  # fmt: skip
BAD = msgspec.structs.replace(
    GOOD, content_ns=[], content_chars=[], content_lag_ns=[], content_slack_ns=[], text="",
    error=RequestError("http_500", "out of memory"),
)  # fmt: skip


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "by_kaleido", lambda jobs: None)


def run_directory(directory: Path, record: RequestRecord) -> Path:
    """What a run with this one request leaves to report on."""
    config = Config(endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True))
    info = RunInfo("1", "genai-perf", 1_700_000_000_000_000_000, "chat", True, config.public(), {}, {})
    journal = Journal(directory / "records.arrows", info)
    journal.append(record)
    closing = journal.close()
    if closing is not None:
        asyncio.run(closing)
    (directory / "inputs.json").write_text('{"data": [{"payload": [{"messages": []}]}]}')
    return directory


@pytest.mark.usefixtures("no_browser")
def test_the_option_draws_the_run_into_its_directory(tmp_path: Path) -> None:
    assert 0 == report(run_directory(tmp_path, GOOD), output=OutputConfig(generate_plots=True))
    assert "Timeline" in (tmp_path / "plots" / "index.html").read_text()


def test_without_the_option_there_are_no_plots(tmp_path: Path) -> None:
    assert 0 == report(run_directory(tmp_path, GOOD))
    assert not (tmp_path / "plots").exists()


@pytest.mark.usefixtures("no_browser")
def test_a_run_in_which_everything_failed_is_drawn_before_it_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="every request failed"):
        report(run_directory(tmp_path, BAD), output=OutputConfig(generate_plots=True))
    assert "failed: http_500" in (tmp_path / "plots" / "timeline.html").read_text()


def test_kaleido_makes_the_image_or_it_is_said_what_to_install(tmp_path: Path) -> None:
    """Whatever this machine has: without kaleido or a Chrome, one sentence with the remedy."""
    image = tmp_path / "dot.png"
    problem = by_kaleido([Image(image, "png", {"data": [{"y": [1]}], "layout": {}}, 300, 200)])
    if problem is None:
        assert image.read_bytes().startswith(b"\x89PNG")
    else:
        assert problem in (
            "kaleido is not installed (pip install 'genai-perf[plots]')",
            "no Chrome or Chromium is installed (apt-get install chromium, or plotly_get_chrome)",
        )
