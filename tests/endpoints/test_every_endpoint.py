"""What every endpoint has, whatever its API: a golden request, a golden answer, and a message for bad input.

An answer is what its server sends, by its recording in `tests/dialects` or by its maker's documentation,
and beside it how it is read. What servers send otherwise is in the tests of the endpoints.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from exchanges import JSON, SSE, event, exchange, stream
from greeter import pool, serving

from genai_perf import endpoints
from genai_perf.cli import main
from genai_perf.endpoints import descriptors
from genai_perf.endpoints.kserve_messages import message
from genai_perf.types import Answer

GOLDEN = Path(__file__).parents[1] / "golden" / "requests"
GRPC = "application/grpc"
COUNTED = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


def chunks(**before: Any) -> bytes:
    """OpenAI's stream of two tokens."""
    deltas = ({"role": "assistant", "content": None}, {"content": "A"}, {"content": " class"}, {})
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices[-1]["finish_reason"] = "stop"
    told = [{"object": "chat.completion.chunk", "choices": [choice], **before} for choice in choices]
    return stream(*told, {"object": "chat.completion.chunk", "choices": [], "usage": COUNTED})


def tensors(text: bytes) -> bytes:
    """One response of Triton's stream; the closing one has none."""
    made = message("ModelStreamInferResponse")()
    made.infer_response.model_name = "m"
    made.infer_response.parameters.add(key="triton_final_response").value.bool_param = not text
    if text:
        made.infer_response.outputs.add(name="text_output", datatype="BYTES", shape=[1])
        made.infer_response.raw_output_contents.append(len(text).to_bytes(4, "little") + text)
    sent: bytes = made.SerializeToString()
    return sent


def greeting(text: str) -> bytes:
    return descriptors.encode({"given": text}, pool().FindMessageTypeByName("greeter.Name"), "here")


def named(*events: dict[str, Any]) -> bytes:
    """Events that are named after their type."""
    return b"".join(event(each, before=f"event: {each['type']}\n".encode()) for each in events)


ANSWERS: dict[str, tuple[str, list[bytes]]] = {
    "chat": (SSE, [chunks()]),
    "multimodal": (SSE, [chunks()]),
    "completions": (
        SSE,
        [
            stream(
                {"object": "text_completion", "choices": [{"index": 0, "text": "A", "finish_reason": None}]},
                {"object": "text_completion", "choices": [{"text": " class", "finish_reason": "length"}]},
            )
        ],
    ),
    "responses": (
        SSE,
        [
            named(
                {"type": "response.created", "response": {"status": "in_progress"}},
                {"type": "response.reasoning_text.delta", "delta": "Hm."},
                {"type": "response.output_text.delta", "delta": "A"},
                {"type": "response.output_text.delta", "delta": " class"},
                {
                    "type": "response.completed",
                    "response": {"status": "completed", "usage": {"input_tokens": 9, "output_tokens": 3}},
                },
            )
        ],
    ),
    "messages": (
        SSE,
        [
            named(
                {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
                {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
                {"type": "ping"},
                {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "A"}},
                {"type": "content_block_delta", "delta": {"type": "text_delta", "text": " class"}},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 2},
                },
                {"type": "message_stop"},
            )
        ],
    ),
    "huggingface_generate": (
        SSE,
        [
            b'data:{"index":1,"token":{"id":319,"text":"A","special":false},"generated_text":null}\n\n'
            b'data:{"index":2,"token":{"id":770,"text":" class","special":false},"generated_text":null}\n\n'
            b'data:{"index":3,"token":{"id":2,"text":"</s>","special":true},"generated_text":"A class",'
            b'"details":{"finish_reason":"eos_token","generated_tokens":3,"input_length":9}}\n\n'
        ],
    ),
    "generate": (
        SSE,
        [
            stream(
                {"model_name": "m", "model_version": "1", "text_output": "A"},
                {"model_name": "m", "model_version": "1", "text_output": " class"},
                done=False,
            )
        ],
    ),
    "kserve": (GRPC, [tensors(b"A"), tensors(b" class"), tensors(b"")]),
    "embeddings": (
        JSON,
        [b'{"object":"list","data":[{"index":0,"embedding":[0.1,-0.2]}],"usage":{"prompt_tokens":9}}'],
    ),
    "nvclip": (
        JSON,
        [b'{"object":"list","data":[{"index":0,"embedding":[0.1,-0.2]}],"usage":{"num_images":1}}'],
    ),
    "image_retrieval": (
        JSON,
        [
            b'{"data":[{"index":0,"bounding_boxes":{"table":[],"chart":[{"x_min":0.1,"confidence":0.9}]}}],'
            b'"usage":{"images_size_mb":0.5}}'
        ],
    ),
    "rankings": (
        JSON,
        [b'{"rankings":[{"index":1,"logit":2.5},{"index":0,"logit":-7.1}],"usage":{"prompt_tokens":9}}'],
    ),
    "rerank": (
        JSON,
        [b'{"results":[{"index":0,"relevance_score":0.9}],"usage":{"prompt_tokens":9,"total_tokens":9}}'],
    ),
    "template": (JSON, [b'{"anything":["at","all"]}']),
    "dynamic_grpc": (GRPC, [greeting("Ada"), greeting("Charles")]),
}
"""By endpoint: the content type, and what came in each read, of gRPC in each message."""


def read_as(answer: Answer) -> dict[str, Any]:
    usage, error = answer.usage, answer.error
    return {
        "content": answer.content,
        "content_reads": answer.content_reads,
        "reasoning": answer.reasoning,
        "tool": answer.tool,
        "usage": None if usage is None else [usage.input_tokens, usage.output_tokens],
        "finish_reason": answer.finish_reason,
        "error": None if error is None else [error.kind, error.message],
    }


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_read_as_this(name: str, golden: Callable[[str, str], None]) -> None:
    content_type, reads = ANSWERS[name]
    endpoint = endpoints.get(name)
    exchanged = exchange(*reads, content_type=content_type, streaming=content_type == SSE)
    answer = endpoints.decode_whole(endpoint, exchanged)
    sent = [repr(each)[2:-1] if content_type == GRPC else each.decode().rstrip("\n") for each in reads]
    told = [f"{key}: {json.dumps(value)}" for key, value in read_as(answer).items()]
    golden(f"answers/{name}.txt", "\n".join([f"# {content_type}", *sent, "", "# is read as", *told, ""]))
    assert answer.error is None
    assert answer.content


def test_a_call_is_this_message(golden: Callable[[str, str], None]) -> None:
    row = {"name": {"given": "Ada"}, "times": 2, "mood": "LOUD"}
    sent = descriptors.encode(row, pool().FindMessageTypeByName("greeter.Greeting"), "rows.jsonl:1")
    golden("requests/dynamic_grpc.txt", f"{json.dumps({'messages': [row]})}\n{sent!r}\n")


@dataclass(frozen=True, slots=True)
class Bad:
    """An input file that lacks something, and what is said of it."""

    rows: str
    said: str
    options: tuple[str, ...] = ()
    name: str = "rows.jsonl"


NO_TEXT = Bad('{"text": "one"}\n{"txt": "two"}\n', 'rows.jsonl:2: no "text" field')
NO_PASSAGE = Bad(
    '{"text": "one"}\n{"passage": "two"}\n', 'passages.jsonl:2: no "text" field', name="passages.jsonl"
)
BAD_INPUT = {
    **dict.fromkeys(
        (
            *("chat", "completions", "embeddings", "generate", "huggingface_generate", "kserve", "messages"),
            *("nvclip", "responses"),
        ),
        NO_TEXT,
    ),
    "rankings": NO_PASSAGE,
    "rerank": NO_PASSAGE,
    "multimodal": Bad(
        '{"text": "one", "image": "none.png"}\n', "rows.jsonl:1: \"image\": Failed to open image 'none.png'."
    ),
    "image_retrieval": Bad('{"text": "one"}\n', 'rows.jsonl:1: no "image" field'),
    "template": replace(
        NO_TEXT, options=("--endpoint", "v1/any", "--extra-inputs", "payload_template:nv-embedqa")
    ),
    "dynamic_grpc": Bad(
        '{}\n{"nmae": {}}\n',
        "rows.jsonl:2: nmae: greeter.Greeting has no field 'nmae'",
        ("--grpc-method", "greeter.Greeter/Greet"),
    ),
}


OF_TRITON = {"generate", "kserve"}
"""Their server is asked before the file is read; see `tests/triton`."""


@pytest.mark.parametrize("name", sorted(set(BAD_INPUT) - OF_TRITON))
def test_a_field_that_is_missing_is_named_with_its_file_and_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = BAD_INPUT[name]
    (tmp_path / bad.name).write_text(bad.rows)
    if bad is NO_PASSAGE:
        (tmp_path / "queries.jsonl").write_text('{"text": "which?"}\n')
    given = tmp_path if bad is NO_PASSAGE else tmp_path / bad.name
    with serving() as url:  # asked by dynamic_grpc for what its messages have; no other gets so far
        line = ["profile", "-m", "m", "--endpoint-type", name, "-u", url, "--tokenizer", "builtin"]
        line += ["--input-file", str(given), "--artifact-dir", str(tmp_path / "runs"), *bad.options]
        assert 2 == main(line)
    assert f"error: {tmp_path}/{bad.said}" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_no_endpoint_is_without_them() -> None:
    names = endpoints.names()
    assert names == sorted(ANSWERS) == sorted(BAD_INPUT)
    requests = {file.stem.removesuffix("_vllm").removesuffix("_tensorrtllm") for file in GOLDEN.glob("*.txt")}
    assert names == sorted(requests)
