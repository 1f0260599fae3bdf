"""Runs to merge, made by hand: ours with a journal, and GenAI-Perf's with its export."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from records import record

from genai_perf.analyze.merge import merge
from genai_perf.config.schema import Config, EndpointConfig, LoadConfig, OutputConfig, TokenizerConfig
from genai_perf.engine.journal import Journal
from genai_perf.profile import summarize
from genai_perf.profile.directory import JOURNAL, write_run
from genai_perf.reports import Result
from genai_perf.types import RequestError, RequestRecord, RunEnd, RunInfo

MS, S = 1_000_000, 1_000_000_000
NOON_NS = 1_700_000_000 * S

CHAT = Config(
    endpoint=EndpointConfig(model_names=("gpt2",), type="chat", streaming=True),
    tokenizer=TokenizerConfig(name="builtin"),
    load=LoadConfig(concurrency=8, request_count=10),
)
BUILTIN = {
    "name": "builtin",
    "kind": "builtin",
    "reason": "the built-in tokenizer: as asked",
    "fingerprint": "ab",
}


ENDED = RunEnd("request_count")


def answered(
    start_ms: float, ttft_ms: float = 10, tokens: int = 5, itl_ms: float = 2, **fields: Any
) -> RequestRecord:
    """A good request, in ms since its run's origin."""
    start_ns = int(start_ms * MS)
    content = [start_ns + int((ttft_ms + itl_ms * token) * MS) for token in range(tokens)]
    given = {
        "start_ns": start_ns,
        "sent_ns": start_ns + 1000,
        "end_ns": content[-1] + MS,
        "headers_ns": content[0] - 1000,
        "first_byte_ns": content[0],
        "status": 200,
        "content_ns": content,
        "content_chars": [2] * tokens,
        "content_lag_ns": [20_000] * tokens,
        "content_slack_ns": [3000] + [0] * (tokens - 1),
        "text": " a" * tokens,
        "input_tokens": 7,
    }
    return record(**(given | fields))


def failed(start_ms: float, kind: str = "http_500") -> RequestRecord:
    start_ns = int(start_ms * MS)
    return record(start_ns=start_ns, sent_ns=start_ns, end_ns=start_ns + MS, status=500,
                  error=RequestError(kind, "out of memory"))  # fmt: skip


def leave_run(
    directory: Path,
    rows: Sequence[RequestRecord],
    *,
    after_s: float = 0,
    config: Config = CHAT,
    end: RunEnd | None = ENDED,
    prompts: int = 2,
    word: str = "hello",
    endpoint: str = "chat",
    host: str = "",
) -> Path:
    """What a run leaves that began so long after noon; row i was sent with the prompt i mod `prompts`."""
    directory.mkdir(parents=True)
    info = RunInfo(
        version="1.2.3",
        command=f"genai-perf profile --artifact-dir {directory.name}",
        started_wall_ns=NOON_NS + int(after_s * S),
        endpoint=endpoint,
        streaming=config.endpoint.streaming,
        config=config.public(),
        tokenizer=BUILTIN if endpoint == "chat" else {},
        versions={"python": "3.11"},
        host=host,
    )
    journal = Journal(directory / JOURNAL, info)
    for place, row in enumerate(rows):
        journal.append(
            msgspec.structs.replace(row, index=place, input_index=place % prompts, conversation=str(place))
        )
    journal.close()
    data = [{"payload": [body(f"{word} {number}")]} for number in range(prompts)]
    (directory / "inputs.json").write_text(json.dumps({"data": data}, indent=2))
    write_run(directory, info, end)
    return directory


def merged(runs: Path, artifacts: Path, **options: Any) -> Result:
    """The result of merging into one run."""
    output = OutputConfig(artifact_dir=artifacts)
    assert 0 == merge(runs, output, command="genai-perf process-export-files", **options)
    (directory,) = artifacts.iterdir()
    return summarize(directory)


def at_level(concurrency: int) -> Config:
    return replace(CHAT, load=LoadConfig(concurrency=concurrency))


def body(prompt: str, **others: Any) -> dict[str, Any]:
    return {"model": "gpt2", "messages": [{"role": "user", "content": prompt}], "stream": True, **others}


# -- GenAI-Perf's -----------------------------------------------------------------------------------------

NEWER = {
    "model_names": ["gpt2"],
    "subcommand": "profile",
    "endpoint": {"type": "chat", "streaming": True, "backend": "tensorrtllm", "service_kind": "openai"},
    "perf_analyzer": {"stimulus": {"concurrency": 8}},
    "input": {"num_dataset_entries": 100, "synthetic_tokens": {"mean": 200, "stddev": 0}, "goodput": ""},
    "output": {"profile_export_file": "artifacts/x/profile_export.json"},
    "tokenizer": {"name": "builtin", "revision": "main", "trust_remote_code": False},
    "process": {"input_path": ""},
}
"""`input_config` since 25.04."""

OLDER = {
    "model": ["gpt2"],
    "endpoint": "v1/chat/completions",
    "endpoint_type": "chat",
    "service_kind": "openai",
    "streaming": True,
    "u": "localhost:8000",
    "num_prompts": 100,
    "synthetic_input_tokens_mean": 200,
    "concurrency": 8,
    "tokenizer": "builtin",
    "backend": None,
}
"""And before."""


def event(text: str | None, **others: Any) -> str:
    delta = {"role": "assistant"} if text is None else {"content": text}
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}], **others}
    return f"data: {json.dumps(chunk)}\n\n"


DONE = "data: [DONE]\n\n"


def exported(
    start_ms: float, responses: Sequence[tuple[float, str]], prompt: str = "hello", **fields: Any
) -> dict[str, Any]:
    """A request of an export: responses as (ms since noon, bytes)."""
    return {
        "timestamp": NOON_NS + int(start_ms * MS),
        "request_inputs": {"payload": json.dumps(body(prompt), separators=(",", ":"))},
        "response_timestamps": [NOON_NS + int(at_ms * MS) for at_ms, _ in responses],
        "response_outputs": [{"response": text} for _, text in responses],
        **fields,
    }


def leave_export(
    directory: Path,
    requests: Sequence[dict[str, Any]],
    *,
    level: tuple[str, float] = ("concurrency", 8),
    config: dict[str, Any] | None = NEWER,
    name: str = "profile_export",
    kind: str = "openai",
    path: str = "v1/chat/completions",
    report: dict[str, Any] | None = None,
) -> Path:
    directory.mkdir(parents=True)
    experiment = {
        "experiment": {"mode": level[0], "value": level[1]},
        "requests": list(requests),
        "window_boundaries": [NOON_NS, NOON_NS + S],
    }
    export = {"experiments": [experiment], "version": "2.59.1", "service_kind": kind, "endpoint": path}
    (directory / f"{name}.json").write_text(json.dumps(export, separators=(",", ":")))
    (directory / "inputs.json").write_text('{"data": [{"payload": [{}]}]}')
    if config is not None:
        (directory / f"{name}_genai_perf.json").write_text(
            json.dumps({**(report or {}), "input_config": config})
        )
    return directory
