"""How each server calls what it tells of itself: THE table of server metrics.

A row says under which names a server keeps a quantity, in what unit, and which of our metrics measures the
same from the outside. Where a server has renamed it, the names stand in a tuple, the newest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from genai_perf.metrics.catalog import Unit


class Kind(StrEnum):
    """How readings of a quantity become a figure."""

    DISTRIBUTION = "distribution"
    """A histogram or summary; or two counters, of a sum and of how many it is the sum of."""
    LEVEL = "level"
    """A gauge."""
    COUNT = "count"
    """A counter."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What servers tell of themselves."""

    tag: str
    kind: Kind
    unit: Unit
    ours: str | None = None
    """The metric of ours that it is compared with; `Said.ours` may name another."""

    @property
    def title(self) -> str:
        """As tables call it."""
        return self.tag.replace("_", " ").title().replace("Kv", "KV")

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit.heading})"


_ROWS = (
    Quantity("time_to_first_token", Kind.DISTRIBUTION, Unit.MS, "time_to_first_token"),
    Quantity("inter_token_latency", Kind.DISTRIBUTION, Unit.MS, "inter_chunk_latency"),
    Quantity("time_per_output_token", Kind.DISTRIBUTION, Unit.MS, "inter_token_latency"),
    Quantity("request_latency", Kind.DISTRIBUTION, Unit.MS, "request_latency"),
    Quantity("queue_time", Kind.DISTRIBUTION, Unit.MS),
    Quantity("requests_running", Kind.LEVEL, Unit.COUNT),
    Quantity("requests_waiting", Kind.LEVEL, Unit.COUNT),
    Quantity("kv_cache_usage", Kind.LEVEL, Unit.PERCENT),
    Quantity("requests_succeeded", Kind.COUNT, Unit.COUNT, "requests"),
    Quantity("prompt_tokens", Kind.COUNT, Unit.TOKENS, "prompt_tokens"),
    Quantity("generation_tokens", Kind.COUNT, Unit.TOKENS, "output_tokens"),
)

QUANTITIES: Mapping[str, Quantity] = {quantity.tag: quantity for quantity in _ROWS}
"""By tag, in the order of display."""


@dataclass(frozen=True, slots=True)
class Said:
    """Where a server keeps a quantity."""

    names: tuple[str, ...]
    """Of the family; several where it has been renamed."""
    base: float = 1.0
    """How much of the quantity's base unit (ns, a share of 1, a token) one of the server's is."""
    per: tuple[str, ...] = ()
    """For a sum that is a counter: the counter of what it is to be divided by."""
    labels: Mapping[str, str] | None = None
    """Only the series with these."""
    ours: str | None = None
    """What it is compared with, where that is not `Quantity.ours`; empty for nothing."""
    note: str = ""
    """In what it differs from what the others call so."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One server's names."""

    server: str
    prefix: str
    """How the names begin by which its page is known."""
    said: Mapping[str, Said]
    """By the quantity's tag."""
    model_labels: Sequence[str] = ("model_name", "model", "model_id")
    """Where a series says whose it is."""


_S, _US = 1e9, 1e3

_VLLM: Mapping[str, Said] = {
    "time_to_first_token": Said(("vllm:time_to_first_token_seconds",), _S),
    "inter_token_latency": Said(
        ("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"), _S
    ),
    "time_per_output_token": Said(("vllm:request_time_per_output_token_seconds",), _S),
    "request_latency": Said(("vllm:e2e_request_latency_seconds",), _S),
    "queue_time": Said(("vllm:request_queue_time_seconds",), _S),
    "requests_running": Said(("vllm:num_requests_running",)),
    "requests_waiting": Said(("vllm:num_requests_waiting",)),
    "kv_cache_usage": Said(("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")),
    "requests_succeeded": Said(("vllm:request_success_total",)),
    "prompt_tokens": Said(("vllm:prompt_tokens_total",)),
    "generation_tokens": Said(("vllm:generation_tokens_total",)),
}

DIALECTS: Sequence[Dialect] = (
    Dialect("embedded server", "genai_perf_server_", _VLLM),
    # First: its page may hold those of the engine behind it as well, and what a client meets is the frontend.
    Dialect(
        "Dynamo",
        "dynamo_frontend_",
        {
            "time_to_first_token": Said(("dynamo_frontend_time_to_first_token_seconds",), _S),
            "inter_token_latency": Said(("dynamo_frontend_inter_token_latency_seconds",), _S),
            "request_latency": Said(("dynamo_frontend_request_duration_seconds",), _S),
            "requests_running": Said(("dynamo_frontend_inflight_requests",)),
            "requests_waiting": Said(
                ("dynamo_frontend_queued_requests",), note="waiting for their first token"
            ),
            "requests_succeeded": Said(("dynamo_frontend_requests_total",), labels={"status": "success"}),
            "prompt_tokens": Said(("dynamo_frontend_input_sequence_tokens",)),
            "generation_tokens": Said(
                ("dynamo_frontend_output_tokens_total", "dynamo_frontend_output_sequence_tokens")
            ),
        },
    ),
    Dialect("vLLM", "vllm:", _VLLM),
    Dialect(
        "SGLang",
        "sglang:",
        {
            "time_to_first_token": Said(("sglang:time_to_first_token_seconds",), _S),
            "inter_token_latency": Said(
                ("sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"), _S
            ),
            "request_latency": Said(("sglang:e2e_request_latency_seconds",), _S),
            "queue_time": Said(("sglang:queue_time_seconds",), _S),
            "requests_running": Said(("sglang:num_running_reqs",)),
            "requests_waiting": Said(("sglang:num_queue_reqs",)),
            "kv_cache_usage": Said(("sglang:token_usage",)),
            "requests_succeeded": Said(("sglang:num_requests_total",)),
            "prompt_tokens": Said(("sglang:prompt_tokens_total",)),
            "generation_tokens": Said(("sglang:generation_tokens_total",)),
        },
    ),
    Dialect(
        "TGI",
        "tgi_",
        {
            "time_per_output_token": Said(
                ("tgi_request_mean_time_per_token_duration",),
                _S,
                ours="",
                note="inference time / tokens, the first among them",
            ),
            "request_latency": Said(("tgi_request_duration",), _S),
            "queue_time": Said(("tgi_request_queue_duration",), _S),
            "requests_running": Said(("tgi_batch_current_size",)),
            "requests_waiting": Said(("tgi_queue_size",)),
            "requests_succeeded": Said(("tgi_request_success",)),
            "prompt_tokens": Said(("tgi_request_input_length",)),
            "generation_tokens": Said(("tgi_request_generated_tokens",)),
        },
    ),
    Dialect(
        "llama.cpp",
        "llamacpp:",
        {
            "inter_token_latency": Said(
                ("llamacpp:tokens_predicted_seconds_total",),
                _S,
                per=("llamacpp:tokens_predicted_total",),
                note="time decoding / tokens",
            ),
            "requests_running": Said(("llamacpp:requests_processing",)),
            "requests_waiting": Said(("llamacpp:requests_deferred",)),
            "kv_cache_usage": Said(("llamacpp:kv_cache_usage_ratio",)),
            "prompt_tokens": Said(
                ("llamacpp:prompt_tokens_total",),
                ours="uncached_prompt_tokens",
                note="processed, not cached",
            ),
            "generation_tokens": Said(("llamacpp:tokens_predicted_total",)),
        },
    ),
    Dialect(
        "Triton",
        "nv_inference_",
        {
            "time_to_first_token": Said(("nv_inference_first_response_histogram_ms",), 1e6),
            "request_latency": Said(
                ("nv_inference_request_duration_us",),
                _US,
                per=("nv_inference_request_success",),
                note="of a decoupled model only until its execute() returns",
            ),
            "queue_time": Said(
                ("nv_inference_queue_duration_us",), _US, per=("nv_inference_request_success",)
            ),
            "requests_waiting": Said(("nv_inference_pending_request_count",)),
            "requests_succeeded": Said(("nv_inference_request_success",)),
        },
    ),
)
"""Known servers; where a page has the names of several, the first is meant."""


def dialect_of(names: Sequence[str]) -> Dialect | None:
    """The server whose names these are; None for one that is not known."""
    for dialect in DIALECTS:
        if any(name.startswith(dialect.prefix) for name in names):
            return dialect
    return None


def table_markdown() -> str:
    """The table for the documentation."""
    servers = DIALECTS[1:]  # the embedded one speaks vLLM's
    lines = [
        f"| | {' | '.join(dialect.server for dialect in servers)} |",
        f"|---|{'---|' * len(servers)}",
    ]
    for quantity in QUANTITIES.values():
        cells = [_cell(dialect.said.get(quantity.tag)) for dialect in servers]
        lines.append(f"| {quantity.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(said: Said | None) -> str:
    if said is None:
        return ""
    names = " or ".join(f"`{name}`" for name in said.names)
    divided = f" / `{said.per[0]}`" if said.per else ""
    labels = "".join(f', `{name}="{value}"`' for name, value in (said.labels or {}).items())
    return names + divided + labels + (f" ({said.note})" if said.note else "")
