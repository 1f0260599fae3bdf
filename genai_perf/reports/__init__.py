"""One file a report: each takes a `Result` and writes it down, `write(result, directory) -> Path`.

`csv_file`, `json_file` and `raw` leave GenAI-Perf's files, under its names; `console` prints. All read
the same summary, so they cannot disagree, and all can be made again from a run's directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.metrics.histories import has_turns
from genai_perf.types import RunEnd, RunInfo, Summary

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.metrics.batches import BatchSummary
    from genai_perf.metrics.classes import ClassSummary
    from genai_perf.metrics.columns import Columns
    from genai_perf.telemetry.gpu import GPUs
    from genai_perf.telemetry.server_metrics import ServerMetrics


@dataclass(frozen=True, slots=True)
class Result:
    """One run, measured."""

    info: RunInfo
    end: RunEnd | None
    """None when the run was killed."""
    records: pa.Table
    """The journal's; only `raw` and `plots` read it, the others tell the summary."""
    summary: Summary
    endpoint_path: str
    """Where the requests went; by it GenAI-Perf's parser knows the format of the answers."""
    title: str = "LLM Metrics"
    """Of the console table."""
    produces_tokens: bool = True
    classes: Sequence[ClassSummary] = ()
    """Of each kind of traffic, where the run mixed several."""
    batches: Sequence[BatchSummary] = ()
    """Of each batch, where the load was a periodic concurrency."""
    columns: Columns | None = None
    """What the summary was made of; only `plots` reads it, and counts no tokens without."""
    gpus: GPUs | None = None
    """What the GPUs did meanwhile, where they were sampled."""
    server: ServerMetrics | None = None
    """What the server says of itself, where it was asked."""

    def option(self, section: str, name: str, default: Any = None) -> Any:
        """A value of the run's configuration; the default where it is unset or was unknown then."""
        value = self.info.config.get(section, {}).get(name)
        return default if value is None else value

    @property
    def has_sessions(self) -> bool:
        """Whether conversations of several turns were asked for, or are in the records."""
        asked = (("input", "num_sessions"), ("load", "session_concurrency"), ("load", "session_rate"))
        return any(self.option(*each) for each in asked) or has_turns(self.records)

    @property
    def shared_share(self) -> float | None:
        """How much of a trace's input tokens an endless prefix cache would have; None where nobody says."""
        trace = self.end.trace if self.end is not None else {}
        return trace["shared_tokens"] / trace["input_tokens"] if trace.get("input_tokens") else None

    @property
    def raw_name(self) -> str:
        """The name of the raw export."""
        return str(self.option("output", "profile_export_file", "profile_export.json"))

    @property
    def report_stem(self) -> str:
        """What the other files' names begin with."""
        return f"{Path(self.raw_name).stem}_genai_perf"
