"""Exchanges made by hand: what the endpoints and the engine are tested on."""

import gzip
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import strategies as st

from genai_perf.types import Exchange, Request, Stamp

SSE = "text/event-stream"
JSON = "application/json"


def request(index: int = 0, *, streaming: bool = True, **fields: Any) -> Request:
    given = {"body": b"{}", "model": "m", "conversation": str(index)}
    return Request(index, **(given | fields), streaming=streaming)


def exchange(
    *reads: bytes,
    content_type: str | None = SSE,
    streaming: bool = True,
    status: int = 200,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Exchange:
    """A finished exchange whose reads came 10 ns apart, each read 3 ns late and not there 9 ns before."""
    at_ns = [100 + 10 * number for number in range(len(reads))]
    given = {
        "status": status,
        "headers": ({"content-type": content_type} if content_type is not None else {}) | (headers or {}),
        "data": list(reads),
        "at_ns": at_ns,
        "read_ns": [at + 3 for at in at_ns],
        "after_ns": [at - 9 for at in at_ns],
        "headers_ns": 90,
        "end_ns": at_ns[-1] if at_ns else 90,
        "stamp": Stamp.KERNEL,
    }
    return Exchange(request(streaming=streaming), **(given | fields))


def whole(body: bytes, **fields: Any) -> Exchange:
    """An answer that is no stream, in one read."""
    return exchange(body, **({"content_type": JSON, "streaming": False} | fields))


def chunk(content: Any = None, **more: Any) -> dict[str, Any]:
    """The JSON of one chat chunk; `delta` and `finish_reason` go into its choice."""
    delta = more.pop("delta", {}) | ({"content": content} if content is not None else {})
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish_reason", None)}
    return {"object": "chat.completion.chunk", "choices": [choice], **more}


def event(value: Any, *, line_end: bytes = b"\n", before: bytes = b"") -> bytes:
    """One event: a `data` line and a blank one."""
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return before + b"data: " + data + line_end + line_end


def stream(*values: Any, line_end: bytes = b"\n", done: bool = True) -> bytes:
    """Events, and the one that ends OpenAI's streams."""
    ending = [b"[DONE]"] if done else []
    return b"".join(event(value, line_end=line_end) for value in (*values, *ending))


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body in reads that end at these offsets."""
    offsets = [0, *sorted(place for place in set(places) if 0 < place < len(body)), len(body)]
    return [body[start:end] for start, end in pairwise(offsets) if start < end]


def cuts(body: bytes) -> st.SearchStrategy[list[bytes]]:
    """Every way in which a body can come in reads."""
    return st.lists(st.integers(0, len(body)), max_size=12).map(lambda places: cut(body, places))


def gzipped(reads: Sequence[bytes]) -> bytes:
    return gzip.compress(b"".join(reads), mtime=0)
