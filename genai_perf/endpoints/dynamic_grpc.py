"""Any method of any gRPC service, by its name (`--grpc-method`), with messages of the user's own.

A request is one call: all its messages are sent, then the answer is read to its end. Which messages, a row of
`--input-file` says: as JSON, or as a command that writes them (`workload/calls.py`). What they mean is
nobody's business here, so that a response is an event without text, and latency and throughput are all there
is to tell.
"""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Decoding, Endpoint
from genai_perf.types import Answer, Exchange, Turn


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """As GenAI-Perf writes it into `inputs.json`: the row's text is the command that writes the messages."""
    return {"message_generator": turn.texts[0]}


def prompt_text(body: Mapping[str, Any]) -> str:  # noqa: ARG001  likewise
    """None that anybody could count."""
    return ""


def decode(exchange: Exchange) -> Decoding:
    """Every response is an event; the transport knows by how much its stamp may be another's.

    A call that ends well without a response, as a stream may, has its end for its event.
    """
    yield
    if not exchange.data and exchange.error is None:
        exchange.at_ns, exchange.read_ns, exchange.after_ns = ([exchange.end_ns] for _ in range(3))
        exchange.data = [b""]
    number = len(exchange.data)
    return Answer(
        content=[""] * number,
        content_reads=list(range(number)),
        content_shared=list(range(number)),
        error=exchange.error,
    )


ENDPOINT = Endpoint(
    name="dynamic_grpc",
    path="",
    build=build,
    decode=decode,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_stream=False,
    transport="grpc",
)
