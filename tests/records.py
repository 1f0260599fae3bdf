"""Records made by hand: what the journal is tested on."""

from typing import Any

from genai_perf.types import Phase, RequestRecord, Stamp


def record(index: int = 0, **fields: Any) -> RequestRecord:
    """A good request with nothing in it."""
    given: dict[str, Any] = dict.fromkeys(RequestRecord.__struct_fields__, 0)
    given |= dict.fromkeys(("due_ns", "dns_ns", "connect_ns", "tls_ns", "finish_reason", "usage", "error"))
    given |= {name: [] for name in given if name.startswith(("content_", "reasoning_", "tool_"))}
    given |= {
        "conversation": "0",
        "model": "m",
        "url": "http://localhost",
        "traffic_class": "",
        "text": "",
        "reasoning_text": "",
        "tool_text": "",
    }
    given |= {"phase": Phase.BENCHMARK, "stamp": Stamp.KERNEL}
    return RequestRecord(**(given | {"index": index} | fields))
