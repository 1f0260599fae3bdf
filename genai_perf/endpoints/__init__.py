"""One file an API. The file's name is its `--endpoint-type`; it holds `ENDPOINT = Endpoint(...)`.

Other packages add theirs through the entry-point group `genai_perf.endpoints`.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from genai_perf.exceptions import UsageError
from genai_perf.types import Answer, Exchange, Turn

Decoding = Generator[None, None, Answer]
"""Reading one exchange, in steps: each `yield` is a place where the event loop may take its turn."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API: how its requests are written and its answers read. Both functions are pure."""

    name: str
    path: str
    """The usual path, without the leading slash."""
    build: Callable[[Turn, str, bool], dict[str, Any]]
    """(turn, model, streaming) to the JSON body, before `--extra-inputs`."""
    decode: Callable[[Exchange], Decoding]
    prompt_text: Callable[[Mapping[str, Any]], str]
    """The text in a body whose tokens are the input sequence length (spec §6.1)."""
    produces_tokens: bool = True
    can_stream: bool = True
    can_batch: bool = False
    title: str = "LLM Metrics"
    """Of the console table, as GenAI-Perf names it."""


def decode_whole(endpoint: Endpoint, exchange: Exchange) -> Answer:
    """Run a decoding to its end."""
    decoding = endpoint.decode(exchange)
    while True:
        try:
            next(decoding)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer


def names() -> list[str]:
    """Every `--endpoint-type` there is, sorted."""
    own = {file.stem for file in Path(__file__).parent.glob("[!_]*.py")} - _HELPERS
    return sorted(own | {entry.name for entry in entry_points(group="genai_perf.endpoints")})


def get(name: str) -> Endpoint:
    """The endpoint of that name; UsageError when there is none."""
    for entry in entry_points(group="genai_perf.endpoints"):
        if entry.name == name:
            found: Endpoint = entry.load()
            return found
    if name not in names():
        raise UsageError(
            f"--endpoint-type: no endpoint type named {name!r}", hint=f"known types: {', '.join(names())}"
        )
    endpoint: Endpoint = import_module(f"{__name__}.{name}").ENDPOINT
    return endpoint


_HELPERS = {"sse", "openai"}
"""Files here that several endpoints share and that are no endpoint themselves."""
