"""One file an API. The file's name is its `--endpoint-type`; it holds `ENDPOINT = Endpoint(...)`.

Other packages add theirs through the entry-point group `genai_perf.endpoints`, under names of their own.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from genai_perf.config.arguments import did_you_mean
from genai_perf.exceptions import UsageError
from genai_perf.types import Answer, Exchange, Turn

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

Decoding = Generator[None, None, Answer]
"""Reading one exchange, in steps: each `yield` is a place where the event loop may take its turn."""


def max_tokens(tokens: int, exactly: bool) -> dict[str, Any]:
    """The token limit as OpenAI names it; `min_tokens` beside it is vLLM's way to ask for all of them."""
    return {"max_tokens": tokens, "min_tokens": tokens} if exactly else {"max_tokens": tokens}


def at_most(name: str, keys: Callable[[int], dict[str, Any]]) -> Callable[[int, bool], dict[str, Any]]:
    """The limit of an API that has none for exactly so many tokens: UsageError where they are wanted."""

    def limit(tokens: int, exactly: bool) -> dict[str, Any]:
        if exactly:
            raise UsageError(f"The --output-tokens-mean-deterministic flag is not supported for {name}.")
        return keys(tokens)

    return limit


def extend(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`--extra-inputs` as keys of the body, over those that stand there."""
    return {**body, **extra}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API: how its requests are written and its answers read. All its functions are pure."""

    name: str
    path: str
    """The usual path, without the leading slash; `{model}` stands for the first model's name. For gRPC the
    method: `package.Service/Method`. Empty: `--endpoint` must say."""
    build: Callable[[Turn, str, bool], dict[str, Any]]
    """(turn, model, streaming) to the JSON body, before `--extra-inputs`."""
    decode: Callable[[Exchange], Decoding]
    prompt_text: Callable[[Mapping[str, Any]], str]
    """The text in a body whose tokens are the input sequence length (spec §6.1)."""
    produces_tokens: bool = True
    can_stream: bool = True
    can_batch: bool = False
    takes_text: bool = True
    """False: requests are nothing but images, and how long they take is told for each image too."""
    takes_images: bool = False
    takes_audio: bool = False
    takes_system: bool = False
    """Whether what the system says has a place of its own; elsewhere it stands before the text."""
    takes_passages: bool = False
    """Whether it ranks passages by how well they fit a query."""
    transport: Literal["http", "grpc"] = "http"
    streaming_path: str | None = None
    """The path with `--streaming`, where it is another."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """HTTP headers this API wants in every request; `--header` goes over them."""
    limit: Callable[[int, bool], Mapping[str, Any]] = max_tokens
    """(tokens, exactly so many) to the keys that ask for so many output tokens, where any are produced."""
    usage_request: Mapping[str, Any] = field(default_factory=dict)
    """The keys by which a streaming request asks for the server's token counts."""
    usage_unasked: bool = True
    """Whether an answer that is not streamed tells them without being asked."""
    extend: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]] = extend
    """(body, `--extra-inputs`) to the body with both."""
    render: Callable[[dict[str, Any], Callable[[str], str | None]], list[dict[str, Any]]] | None = None
    """Where what is sent is up to the user: (all that `extend` gave, a reader of files) to the bodies of the
    requests, one or more, that a turn becomes. The reader gives None where there is no such file."""
    follow: Callable[[Mapping[str, Any], str, dict[str, Any]], dict[str, Any]] | None = None
    """(the body last sent, the text of its answer, the next turn's body by itself) to that body with all that
    was said before it. None: this API has no conversations."""
    backends: "Mapping[str, Endpoint]" = field(default_factory=dict)
    """By `--backend`: the same API in front of another engine."""
    is_triton: bool = False
    """Whether Triton serves it, which can be asked for its models and what they did."""
    title: str = "LLM Metrics"
    """Of the console table, as GenAI-Perf names it."""


def path_of(endpoint: Endpoint, *, given: str | None, model: str, streaming: bool) -> str:
    """Where requests go: `--endpoint` if given, else the API's own path for this model."""
    if given:
        return given
    path = endpoint.streaming_path if streaming and endpoint.streaming_path else endpoint.path
    return path.replace("{model}", model)


def prompt_in(endpoint: Endpoint, body: Mapping[str, Any]) -> str | None:
    """The prompt in a body that somebody else may have written; None where nobody can tell which it is."""
    if endpoint.render is not None:
        return None
    try:
        text = endpoint.prompt_text(body)
    except (KeyError, TypeError, AttributeError, IndexError):
        return None
    return text if isinstance(text, str) else None


def count_prompts(
    endpoint: Endpoint, bodies: Iterable[Mapping[str, Any]], count: Callable[[list[str]], Sequence[int]]
) -> Iterator[int | None]:
    """How many tokens the prompt in each body has, by `count`; None where nobody can tell which it is."""
    rest = iter(bodies)
    while texts := [prompt_in(endpoint, body) for body in islice(rest, _COUNTED_AT_ONCE)]:
        counts = iter(count([text for text in texts if text is not None]))
        yield from (None if text is None else next(counts) for text in texts)


_COUNTED_AT_ONCE = 256


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
    return sorted(_own_names() | {entry.name for entry in _entries()})


def get(name: str, backend: str | None = None) -> Endpoint:
    """The endpoint of that name, for that backend; UsageError when there is none. Ours come first.

    Other packages are only looked at for a name that is not ours: that takes 40 ms.
    """
    if name in _own_names():
        endpoint: Endpoint = import_module(f"{__name__}.{name}").ENDPOINT
        return endpoint.backends.get(str(backend), endpoint)
    for entry in _entries():
        if entry.name == name:
            return _loaded(entry)
    known = names()
    raise UsageError(
        f"--endpoint-type: no endpoint type named {name!r}{did_you_mean(name, known)}",
        hint=f"known types: {', '.join(known)}",
    )


def _own_names() -> set[str]:
    return {file.stem for file in Path(__file__).parent.glob("[!_]*.py")} - _HELPERS


def _entries() -> "EntryPoints":
    from importlib.metadata import entry_points

    return entry_points(group="genai_perf.endpoints")


def _loaded(entry: "EntryPoint") -> Endpoint:
    try:
        found = entry.load()
    except (ImportError, AttributeError) as exc:
        raise UsageError(
            f"--endpoint-type: {entry.name}: cannot be loaded from {entry.value}: {exc}"
        ) from exc
    if not isinstance(found, Endpoint):
        raise UsageError(f"--endpoint-type: {entry.name}: {entry.value} is no genai_perf.endpoints.Endpoint")
    return found


_HELPERS = {
    "descriptors",
    "frames",
    "kserve_messages",
    "message_tables",
    "openai",
    "reading",
    "scores",
    "sse",
    "tensors",
}
"""Files here that several endpoints share and that are no endpoint themselves."""
