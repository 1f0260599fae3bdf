"""What a request costs at each HTTP endpoint, as a ratio to chat: `make bench ARGS=endpoints`.

CPU time of writing one request's body (as many tokens of prompt for each) and of reading its answer: a stream of
128 tokens in the bytes of a real server, arriving in 32 reads; where an API answers without text, as many bytes as
chat's stream. The wire itself is the same for all of them, and not in it. Each endpoint is measured in turn with
chat, many times over; the middle ratio counts.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig
from genai_perf.endpoints import Endpoint
from genai_perf.types import Exchange, Request, Stamp, Turn
from genai_perf.workload import bodies, build

TOKENS, READS, PROMPT_WORDS = 128, 32, 100
ROUNDS, CALLS = 25, 20
WANTED = 1.3
TEXTS = [f" word{number}" for number in range(TOKENS)]


def event(value: Any, before: str = "data: ") -> bytes:
    return f"{before}{json.dumps(value, separators=(',', ':'))}\n\n".encode()


def typed(kind: str, **value: Any) -> bytes:
    return event({"type": kind, **value}, f"event: {kind}\ndata: ")


def chat() -> bytes:
    """As vLLM sends it."""
    head = {
        "id": "chatcmpl-8e5106a86fb5508a",
        "object": "chat.completion.chunk",
        "created": 1795182880,
        "model": "tiny-llama",
    }

    def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event(head | {"choices": [choice]})

    tokens = (chunk({"content": text}) for text in TEXTS)
    return b"".join(
        [chunk({"role": "assistant", "content": ""}), *tokens, chunk({}, "stop"), b"data: [DONE]\n\n"]
    )


def completions() -> bytes:
    """As vLLM sends it."""
    head = {
        "id": "cmpl-8e5106a86fb5508a",
        "object": "text_completion",
        "created": 1795182880,
        "model": "tiny-llama",
    }
    choices = ({"index": 0, "text": text, "logprobs": None, "finish_reason": None} for text in TEXTS)
    return b"".join([*(event(head | {"choices": [choice]}) for choice in choices), b"data: [DONE]\n\n"])


def responses() -> bytes:
    """As vLLM sends it, every event with a number of its own."""
    item = {"item_id": "msg_83c76068869dad7b", "output_index": 0, "content_index": 0}
    done = {"status": "completed", "output": [], "usage": {"input_tokens": 9, "output_tokens": TOKENS}}
    deltas = (
        typed("response.output_text.delta", delta=text, logprobs=[], sequence_number=number, **item)
        for number, text in enumerate(TEXTS)
    )
    return b"".join([*deltas, typed("response.completed", response=done)])


def messages() -> bytes:
    """As llama.cpp and Anthropic send it."""
    deltas = (
        typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in TEXTS
    )
    usage = {"output_tokens": TOKENS}
    return b"".join([*deltas, typed("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)])


def huggingface_generate() -> bytes:
    """As TGI sends it, without a blank after the colon."""
    tokens = (
        {"id": 1000 + number, "text": text, "logprob": -number / 1000, "special": False}
        for number, text in enumerate(TEXTS)
    )
    return b"".join(
        event({"index": number, "token": token, "generated_text": None, "details": None}, "data:")
        for number, token in enumerate(tokens)
    )


def generate() -> bytes:
    """As Triton sends it."""
    head = {"model_name": "ensemble", "model_version": "1", "sequence_end": False, "sequence_id": 0}
    return b"".join(event(head | {"text_output": text}) for text in TEXTS)


def in_bytes(start: str, entry: str, end: str) -> Callable[[], bytes]:
    """An answer without text, as long as chat's."""

    def answer() -> bytes:
        room = len(chat()) - len(start) - len(end)
        return (start + ",".join([entry] * max(1, room // (len(entry) + 1))) + end).encode()

    return answer


VECTOR = '{"data":[{"object":"embedding","index":0,"embedding":['
IMAGE = Turn((), images=("data:image/png;base64," + "A" * 400,))
SAID = Turn((" ".join(["word"] * PROMPT_WORDS),))
RANKED = Turn(("word",), passages=(" ".join(["word"] * (PROMPT_WORDS - 1)),))
SSE, JSON = "text/event-stream", "application/json"


@dataclass(frozen=True, slots=True)
class Row:
    """An endpoint and what it is measured with."""

    name: str
    answer: Callable[[], bytes]
    turn: Turn = SAID
    content_type: str = SSE


ROWS = (
    Row("chat", chat),
    Row("completions", completions),
    Row("responses", responses),
    Row("messages", messages),
    Row("huggingface_generate", huggingface_generate),
    Row("generate", generate),
    Row("multimodal", chat, Turn(SAID.texts, images=IMAGE.images)),
    Row("embeddings", in_bytes(VECTOR, "-0.0123456789", "]}]}"), content_type=JSON),
    Row("nvclip", in_bytes(VECTOR, "-0.0123456789", "]}]}"), IMAGE, JSON),
    Row("rankings", in_bytes('{"rankings":[', '{"index":1,"logit":-2.5}', "]}"), RANKED, JSON),
    Row("rerank", in_bytes('{"results":[', '{"index":1,"relevance_score":0.25}', "]}"), RANKED, JSON),
    Row("image_retrieval", in_bytes('{"data":[', '{"index":1,"bounding_boxes":{}}', "]}"), IMAGE, JSON),
)


def exchange(row: Row) -> Exchange:
    """A finished one."""
    body = row.answer()
    size = -(-len(body) // READS)
    reads = [body[start : start + size] for start in range(0, len(body), size)]
    stamps = list(range(len(reads)))
    return Exchange(
        Request(0, b"", "m", "0", streaming=row.content_type == SSE),
        status=200,
        headers={"content-type": row.content_type},
        data=reads,
        at_ns=stamps,
        read_ns=stamps,
        after_ns=stamps,
        stamp=Stamp.KERNEL,
    )


def prepared(row: Row) -> Callable[[], float]:
    """A function that gives the CPU seconds of one request, the mean of some."""
    endpoint: Endpoint = endpoints.get(row.name)
    config = Config(endpoint=EndpointConfig(model_names=("m",), streaming=row.content_type == SSE))
    finished = exchange(row)
    answer = endpoints.decode_whole(endpoint, finished)
    assert answer.error is None, f"{row.name}: {answer.error}"
    assert len(answer.content) == (TOKENS if row.content_type == SSE else 1), row.name

    def measure() -> float:
        started = time.process_time()
        for _ in range(CALLS):
            bodies.encode(build.body_of(row.turn, "m", config, endpoint))
            endpoints.decode_whole(endpoint, finished)
        return (time.process_time() - started) / CALLS

    return measure


def ratios() -> Iterator[tuple[str, float, float]]:
    """Name, µs a request, and the ratio to chat's measured beside it."""
    of_chat = prepared(ROWS[0])
    for row in ROWS[1:]:
        measure = prepared(row)
        pairs = [(measure(), of_chat()) for _ in range(ROUNDS)]
        ratio = statistics.median(own / chats for own, chats in pairs)
        yield row.name, statistics.median(own for own, _ in pairs) * 1e6, ratio
