"""Rows of a journal, made by hand: what the metrics and the reports are tested on."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from genai_perf.types import RunEnd, RunInfo

SCHEMA = pa.schema(
    {
        "index": pa.int64(),
        "input_index": pa.int64(),
        "conversation": pa.string(),
        "turn": pa.int64(),
        "model": pa.dictionary(pa.int32(), pa.string()),
        "traffic_class": pa.dictionary(pa.int32(), pa.string()),
        "url": pa.dictionary(pa.int32(), pa.string()),
        "phase": pa.dictionary(pa.int32(), pa.string()),
        "due_ns": pa.int64(),
        "start_ns": pa.int64(),
        "sent_ns": pa.int64(),
        "end_ns": pa.int64(),
        "dns_ns": pa.int64(),
        "connect_ns": pa.int64(),
        "tls_ns": pa.int64(),
        "headers_ns": pa.int64(),
        "first_byte_ns": pa.int64(),
        "status": pa.int64(),
        "stamp": pa.dictionary(pa.int32(), pa.string()),
        "content_ns": pa.list_(pa.int64()),
        "content_chars": pa.list_(pa.int32()),
        "content_lag_ns": pa.list_(pa.int32()),
        "content_slack_ns": pa.list_(pa.int32()),
        "reasoning_ns": pa.list_(pa.int64()),
        "reasoning_chars": pa.list_(pa.int32()),
        "tool_ns": pa.list_(pa.int64()),
        "tool_chars": pa.list_(pa.int32()),
        "text": pa.string(),
        "reasoning_text": pa.string(),
        "tool_text": pa.string(),
        "finish_reason": pa.string(),
        "usage_input_tokens": pa.int64(),
        "usage_output_tokens": pa.int64(),
        "usage_reasoning_tokens": pa.int64(),
        "usage_cached_tokens": pa.int64(),
        "input_tokens": pa.int64(),
        "images": pa.int32(),
        "request_bytes": pa.int64(),
        "response_bytes": pa.int64(),
        "error_kind": pa.string(),
        "error_message": pa.string(),
    }
)


def row(
    *content_ns: int, texts: Sequence[str] | None = None, start_ns: int = 0, **fields: Any
) -> dict[str, Any]:
    """A good benchmark request with content at these instants; any column can be set by name."""
    pieces = ["x" * 2 for _ in content_ns] if texts is None else list(texts)
    given = {
        "index": 0,
        "input_index": 0,
        "conversation": "0",
        "turn": 0,
        "model": "m",
        "traffic_class": "",
        "url": "http://localhost:8000",
        "phase": "benchmark",
        "due_ns": None,
        "start_ns": start_ns,
        "sent_ns": start_ns,
        "end_ns": content_ns[-1] if content_ns else start_ns,
        "status": 200,
        "stamp": "kernel",
        "content_ns": list(content_ns),
        "content_chars": [len(piece) for piece in pieces],
        "content_lag_ns": [0] * len(content_ns),
        "content_slack_ns": [0] * len(content_ns),
        "reasoning_ns": [],
        "reasoning_chars": [],
        "tool_ns": [],
        "tool_chars": [],
        "text": "".join(pieces),
        "reasoning_text": "",
        "tool_text": "",
        "input_tokens": 12,
        "request_bytes": 100,
        "response_bytes": 100,
    }
    return {name: (given | fields).get(name) for name in SCHEMA.names}


def failed(kind: str = "http_500", message: str = "out of memory", **fields: Any) -> dict[str, Any]:
    """A request that failed before it was answered."""
    return row(**({"status": 500, "error_kind": kind, "error_message": message} | fields))


def table(rows: Sequence[dict[str, Any]], *, rows_a_batch: int = 3) -> pa.Table:
    """As the journal gives it: in several batches, the recurring strings dictionary-encoded."""
    batches = [
        pa.RecordBatch.from_pylist(list(rows[start : start + rows_a_batch]), schema=SCHEMA)
        for start in range(0, len(rows), rows_a_batch)
    ]
    return pa.Table.from_batches(batches, schema=SCHEMA)


def characters(texts: Sequence[str]) -> list[int]:
    """A tokenizer for which every character is a token."""
    return [len(text) for text in texts]


def info(**fields: Any) -> RunInfo:
    given = {
        "version": "1.2.3",
        "command": "genai-perf profile -m m --endpoint-type chat --streaming",
        "started_wall_ns": 1_700_000_000_000_000_000,
        "endpoint": "chat",
        "streaming": True,
        "config": {},
        "tokenizer": {"name": "gpt2", "kind": "cache", "reason": "", "fingerprint": "abc"},
        "versions": {"python": "3.11.9", "uvloop": "0.21.0", "os": "Linux 6.8"},
    }
    return RunInfo(**(given | fields))


ENDED = RunEnd(stop_reason="request_count")
