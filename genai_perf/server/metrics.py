"""What the server tells of itself at `/metrics`, under vLLM's names, by the instants of its log of the truth.

A request is counted when it ends; its lists of instants are gone through once, then. A page costs the loop
about a tenth of a millisecond.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from genai_perf.clock import NS_PER_S
from genai_perf.telemetry.prometheus import series_text

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# vLLM's
_TTFT_S = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
)
_ITL_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0)
_REQUEST_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0)

_HELP = {
    "genai_perf_server_info": "That this is no vLLM.",
    "vllm:num_requests_running": "Number of requests being decoded.",
    "vllm:num_requests_waiting": "Number of requests waiting for a place.",
    "vllm:prompt_tokens_total": "Number of input tokens of requests that got a place.",
    "vllm:generation_tokens_total": "Number of output tokens sent, reasoning included.",
    "vllm:request_success_total": "Number of requests that were answered completely.",
    "vllm:time_to_first_token_seconds": "From a request being received to its first token, streamed answers.",
    "vllm:inter_token_latency_seconds": "Gaps between the tokens of streamed answers.",
    "vllm:e2e_request_latency_seconds": "From a request being received to the end of its answer.",
    "vllm:request_queue_time_seconds": "From a request being received to it getting a place.",
}


class Histogram:
    """How many observations fell into each bucket."""

    def __init__(self, edges_s: Sequence[float]) -> None:
        self._edges_s = edges_s
        self._edges_ns = [round(edge * NS_PER_S) for edge in edges_s]
        self._counts = [0] * (len(edges_s) + 1)
        self._sum_ns = 0

    def observe(self, value_ns: int) -> None:
        """Count one."""
        self._counts[bisect_left(self._edges_ns, value_ns)] += 1
        self._sum_ns += value_ns

    def lines(self, family: str, labels: dict[str, str]) -> Iterator[str]:
        """As the page has them."""
        up_to = 0
        edges = (*(f"{edge!r}" for edge in self._edges_s), "+Inf")
        for edge, count in zip(edges, self._counts, strict=True):
            up_to += count
            yield f"{series_text(f'{family}_bucket', {**labels, 'le': edge})} {up_to}.0"
        yield f"{series_text(f'{family}_sum', labels)} {self._sum_ns / NS_PER_S!r}"
        yield f"{series_text(f'{family}_count', labels)} {up_to}.0"


class _Model:
    """The counters of one model."""

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self.succeeded: dict[str, int] = {}
        self.histograms = {
            "vllm:time_to_first_token_seconds": Histogram(_TTFT_S),
            "vllm:inter_token_latency_seconds": Histogram(_ITL_S),
            "vllm:e2e_request_latency_seconds": Histogram(_REQUEST_S),
            "vllm:request_queue_time_seconds": Histogram(_REQUEST_S),
        }


class Metrics:
    """All that the page tells, but for what is so at this very moment."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}

    def count(
        self,
        model: str,
        *,
        received_ns: int,
        admitted_ns: int | None,
        end_ns: int,
        token_ns: Sequence[int],
        input_tokens: int,
        output_tokens: int,
        finish_reason: str | None,
    ) -> None:
        """A request has ended. `token_ns` is empty unless streamed; `finish_reason` is None if it failed."""
        if admitted_ns is None:
            return
        counted = self._models.setdefault(model, _Model())
        counted.prompt_tokens += input_tokens
        counted.generation_tokens += output_tokens
        histograms = counted.histograms
        if token_ns:
            histograms["vllm:time_to_first_token_seconds"].observe(token_ns[0] - received_ns)
            observe = histograms["vllm:inter_token_latency_seconds"].observe
            for earlier_ns, later_ns in pairwise(token_ns):
                observe(later_ns - earlier_ns)
        if finish_reason is not None:
            counted.succeeded[finish_reason] = counted.succeeded.get(finish_reason, 0) + 1
            histograms["vllm:e2e_request_latency_seconds"].observe(end_ns - received_ns)
            histograms["vllm:request_queue_time_seconds"].observe(max(0, admitted_ns - received_ns))

    def page(self, *, running: int, waiting: int) -> bytes:
        """The whole of it."""
        models = [({"model_name": name, "engine": "0"}, model) for name, model in self._models.items()]
        lines: list[str] = []

        def family(name: str, type_: str, values: Iterable[str]) -> None:
            lines.extend((f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {type_}", *values))

        family("genai_perf_server_info", "gauge", ["genai_perf_server_info 1.0"])
        for name, now in (("vllm:num_requests_running", running), ("vllm:num_requests_waiting", waiting)):
            family(name, "gauge", [f"{name} {now}.0"])
        for field in ("prompt_tokens", "generation_tokens"):
            name = f"vllm:{field}_total"
            values = [f"{series_text(name, labels)} {getattr(model, field)}.0" for labels, model in models]
            family(name, "counter", values)
        name = "vllm:request_success_total"
        values = [
            f"{series_text(name, {**labels, 'finished_reason': reason})} {count}.0"
            for labels, model in models
            for reason, count in model.succeeded.items()
        ]
        family(name, "counter", values)
        for name in _Model().histograms:
            values = [line for labels, model in models for line in model.histograms[name].lines(name, labels)]
            family(name, "histogram", values)
        return ("\n".join(lines) + "\n").encode()
