"""How well passages fit a query, by NVIDIA's reranking microservices, or by Hugging Face's TEI.

`--extra-inputs rankings:tei` selects the latter, whose path is `rerank`.
"""

from collections.abc import Mapping
from typing import Any

from genai_perf.endpoints import Endpoint
from genai_perf.endpoints import extend as extend_plainly
from genai_perf.endpoints.scores import decode_scores
from genai_perf.exceptions import UsageError
from genai_perf.types import Turn

DIALECT = "rankings"
"""The extra input that names the dialect; it is not sent."""


def build(turn: Turn, model: str, streaming: bool) -> dict[str, Any]:  # noqa: ARG001  every endpoint's signature
    """A query and its passages, as NVIDIA's microservices want them."""
    passages = [{"text": passage} for passage in turn.passages]
    return {"query": {"text": turn.texts[0]}, "passages": passages, "model": model}


def extend(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body in the wanted dialect. UsageError for one that nobody knows."""
    others = {key: value for key, value in extra.items() if key != DIALECT}
    if DIALECT not in extra:
        return extend_plainly(body, others)
    if extra[DIALECT] != "tei":
        raise UsageError(
            f"--extra-inputs: {DIALECT}:{extra[DIALECT]}: no such dialect",
            hint=f"{DIALECT}:tei is Hugging Face's; NVIDIA's needs no such input",
        )
    texts = [passage["text"] for passage in body["passages"]]
    return extend_plainly({"query": body["query"]["text"], "texts": texts}, others)


def prompt_text(body: Mapping[str, Any]) -> str:
    """Query and passages, joined by blanks."""
    if "texts" in body:
        return " ".join([body["query"], *body["texts"]])
    return " ".join([body["query"]["text"], *(passage["text"] for passage in body["passages"])])


ENDPOINT = Endpoint(
    name="rankings",
    path="v1/ranking",
    build=build,
    decode=decode_scores,
    prompt_text=prompt_text,
    produces_tokens=False,
    can_stream=False,
    can_batch=True,
    takes_passages=True,
    extend=extend,
    title="Rankings Metrics",
)
