"""`profile_export.json`: every request, in the form that Perf Analyzer leaves and GenAI-Perf's parser reads.

* The journal keeps texts and stamps rather than bytes, so each event with visible text is given as the
  smallest response of its API that carries this text. Roles, `[DONE]` and `usage` are left out, which the
  parser would drop anyway.
* `requests` holds the requests that count. GenAI-Perf's parser divides their number by the time they took,
  and for some APIs fails on one without a response; so those that failed or brought nothing stand apart
  in `unanswered_requests`, with `error` and `http_status`, and with what came until then.
* Images and audio are cut short: there is a row for every request, and `inputs.json` has them whole.
* Written row by row: memory is bounded by `inputs.json`, not by the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf import endpoints
from genai_perf.clock import NS_PER_S
from genai_perf.config.schema import SERVICE_KINDS
from genai_perf.config.values import parse_periodic_range
from genai_perf.exceptions import ArtifactError
from genai_perf.metrics.histories import Histories, by_conversation, has_histories
from genai_perf.reports import Result
from genai_perf.reports.files import whole_file
from genai_perf.reports.input_config import stimulus
from genai_perf.types import Phase
from genai_perf.workload import inputs_file

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 64
_COLUMNS = [
    "conversation",
    "turn",
    "input_index",
    "phase",
    "due_ns",
    "start_ns",
    "status",
    "content_ns",
    "content_chars",
    "text",
    "error_kind",
    "error_message",
]

RESPONSES = {
    ("chat", True): (
        'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":',
        "}}]}\n\n",
    ),
    ("chat", False): (
        '{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":',
        "}}]}",
    ),
    ("completions", True): ('data: {"object":"text_completion","choices":[{"index":0,"text":', "}]}\n\n"),
    ("completions", False): ('{"object":"text_completion","choices":[{"index":0,"text":', "}]}"),
    ("generate", True): ('data: {"text_output":', "}\n\n"),
    ("generate", False): ('{"text_output":', "}"),
}
"""By endpoint, and whether it is one of a stream: what stands before and after the text."""
RESPONSES |= {
    # the parser does not know the latter two, and finds its way by what it sees
    (name, streamed): RESPONSES["chat", streamed]
    for name in ("multimodal", "responses", "messages")
    for streamed in (True, False)
}
RESPONSES |= {("huggingface_generate", streamed): ('[{"generated_text":', "}]") for streamed in (True, False)}

EMBEDDING = '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[]}]}'
"""The parser looks for that word; the vectors are not kept."""


def write(result: Result, directory: Path) -> Path:
    """Writes the file and gives its path. Reads `inputs.json`, which must lie in the directory.

    ArtifactError when that is not there, or when the file cannot be written.
    """
    import msgspec

    encode = msgspec.json.Encoder().encode
    inputs = _Inputs(directory / inputs_file.NAME)
    path = directory / result.raw_name
    with whole_file(path) as file:
        file.write(b'{"experiments":[{"experiment":' + encode(_experiment(result)))
        for name, wanted in (("requests", _counts), ("unanswered_requests", _is_unanswered)):
            file.write(b',"%s":[' % name.encode())
            comma = b""
            for row, shown in _shown(result, inputs, wanted):
                file.write(comma + encode(_request(row, result, shown)))
                comma = b","
            file.write(b"]")
        about = {
            "version": result.info.version,
            "service_kind": SERVICE_KINDS.get(result.info.endpoint, "openai"),
            "endpoint": "" if _has_tensors(result) else result.endpoint_path.lstrip("/"),
        }
        file.write(b',"window_boundaries":' + encode(_boundaries(result)) + b"}]," + encode(about)[1:])
    return path


def _has_tensors(result: Result) -> bool:
    """Whether the parser expects tensors by name instead of bodies and responses as text."""
    return SERVICE_KINDS.get(result.info.endpoint) == "triton"


def _experiment(result: Result) -> dict[str, Any]:
    """The load level; GenAI-Perf finds the experiment by these."""
    ((mode, level),) = stimulus(result).items()
    if mode == "concurrency":
        return {"mode": mode, "value": level}
    if mode == "periodic_concurrency_range":  # Perf Analyzer's value is 1, whatever the range
        return {"mode": "concurrency", "value": parse_periodic_range(level, mode).end}
    if mode == "request_intervals":
        return {"mode": "request_rate", "value": _average_rate(result.records)}
    # sessions and schedules have no level that GenAI-Perf knows of
    return {"mode": "request_rate", "value": float(level) if mode == "request_rate" else 0.0}


def _average_rate(records: pa.Table) -> float:
    """Planned requests a second."""
    due = [
        row["due_ns"] for row in _rows(records, lambda row: row["due_ns"] is not None, ["phase", "due_ns"])
    ]
    span_ns = max(due) - min(due) if due else 0
    return (len(due) - 1) * NS_PER_S / span_ns if span_ns else 0.0


def _rows(
    records: pa.Table, wanted: Callable[[dict[str, Any]], bool], columns: list[str] | None = None
) -> Iterator[dict[str, Any]]:
    for batch in records.select(columns or _COLUMNS).to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            if row["phase"] == Phase.BENCHMARK and wanted(row):
                yield row


def _counts(row: dict[str, Any]) -> bool:
    return row["error_kind"] is None and bool(row["content_ns"])


def _is_unanswered(row: dict[str, Any]) -> bool:
    return not _counts(row)


def _shown(
    result: Result, inputs: _Inputs, wanted: Callable[[dict[str, Any]], bool]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The wanted records, and what is shown of each request; of further turns all that was said before."""
    if not has_histories(result.records, result.info.config):
        for row in _rows(result.records, wanted):
            yield row, inputs[row["input_index"]]
        return
    histories = Histories(endpoints.get(result.info.endpoint), inputs.body)
    for row in _rows(by_conversation(result.records), lambda _: True):
        body = histories.sent(row)
        if wanted(row):
            yield row, {**inputs[row["input_index"]], "payload": json.dumps(body)}


def _request(row: dict[str, Any], result: Result, shown: dict[str, Any]) -> dict[str, Any]:
    origin_ns = result.info.started_wall_ns
    request: dict[str, Any] = {
        "timestamp": origin_ns + row["start_ns"],
        "request_inputs": shown,
        "response_timestamps": [origin_ns + at_ns for at_ns in row["content_ns"]],
        "response_outputs": list(_outputs(row, result)),
    }
    if row["due_ns"] is not None:
        request["scheduled_timestamp"] = origin_ns + row["due_ns"]
    if not _counts(row):
        request["error"] = f"{row['error_kind'] or 'empty'}: {row['error_message'] or 'no visible text'}"
        request["http_status"] = row["status"]
    return request


def _outputs(row: dict[str, Any], result: Result) -> Iterator[dict[str, str]]:
    import msgspec

    streamed = result.info.streaming or len(row["content_ns"]) > 1
    before, after = RESPONSES.get((result.info.endpoint, streamed), (None, None))
    place = 0
    for chars in row["content_chars"]:
        text = row["text"][place : place + chars]
        place += chars
        if _has_tensors(result):
            yield {"text_output": text}
        elif result.info.endpoint == "dynamic_grpc":
            yield {"response": ""}  # Perf Analyzer shows nothing of them either
        elif before is None or after is None:
            yield {"response": EMBEDDING}
        else:
            yield {"response": before + msgspec.json.encode(text).decode() + after}


def _boundaries(result: Result) -> list[int]:
    """Where each measurement window began and the last one ended; the whole run is one unless it had some."""
    origin_ns, windows = result.info.started_wall_ns, result.end.windows if result.end else ()
    if windows:
        edges = [*(window.start_ns for window in windows), windows[-1].end_ns]
    else:
        edges = []
        for row in _rows(result.records, _counts, ["phase", "error_kind", "start_ns", "content_ns"]):
            started, ended = row["start_ns"], row["content_ns"][-1]
            edges = [min([started, *edges[:1]]), max([ended, *edges[1:]])]
    return [origin_ns + edge for edge in edges]


def _unwrapped(values: Any) -> Any:
    """A tensor's values as Perf Analyzer shows them: a single one by itself."""
    return values[0] if isinstance(values, list) and len(values) == 1 else values


class _Inputs:
    """The rows of `inputs.json` as `request_inputs` shows them: the body as text, and the rest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = inputs_file.rows(path)
        self._shown: dict[int, dict[str, Any]] = {}

    def __getitem__(self, index: int) -> dict[str, Any]:
        """ArtifactError when there is no such row, or no body in it."""
        if index not in self._shown:
            self._shown[index] = self._read(index)
        return self._shown[index]

    def body(self, index: int) -> dict[str, Any]:
        """The same row's body by itself."""
        body: dict[str, Any] = json.loads(self[index]["payload"])
        return body

    def _read(self, index: int) -> dict[str, Any]:
        import msgspec

        if not 0 <= index < len(self._rows):
            raise ArtifactError(f"{self._path}: no row {index}; the file is of another run than the journal")
        row = msgspec.json.decode(self._rows[index])
        if isinstance(row, dict) and "text_input" in row:
            return {name: _unwrapped(values) for name, values in row.items() if name != "model"}
        if isinstance(row, dict) and (row.keys() & {"message_generator", "messages"}):
            return row
        if not isinstance(row, dict) or not isinstance(row.get("payload"), list):
            raise ArtifactError(f'{self._path}: row {index} has no "payload"')
        body, *_ = row.pop("payload")
        others = {name: values[0] for name, values in row.items()}
        return {"payload": _shortened(msgspec.json.encode(body).decode()), **others}


_DATA = re.compile(r"([0-9A-Za-z+/]{64})[0-9A-Za-z+/]{4000,}={0,2}")
"""Base64 of some length: no text has such words."""


def _shortened(payload: str) -> str:
    """The body without the bytes of its images and audio."""
    return _DATA.sub(r"\1…", payload)
