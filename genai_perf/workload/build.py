"""All requests of a run, made before it begins: turns, then bodies, then bytes.

A body is put together in GenAI-Perf's order: what the endpoint writes, the token limit, then `--extra-inputs`
over both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any

from genai_perf.config import Config, inputs
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import InputError, UsageError
from genai_perf.types import Request, TrafficClass, Turn, Workload
from genai_perf.workload import rankings, ready_made, sources
from genai_perf.workload.bodies import encode
from genai_perf.workload.sources import SYNTHETIC, Conversation, is_synthetic
from genai_perf.workload.tokenizer import Tokenizer
from genai_perf.workload.traces import prompts

BATCH = 256
"""Requests whose tokens are counted together."""


def needs_tokenizer(config: Config, endpoint: Endpoint) -> bool:
    """Whether anything of this run is counted in tokens. Embeddings of a file, for one, are not."""
    given = config.input
    makes_text = is_synthetic(config) or given.trace is not None or given.prefix_prompt_num > 0
    return endpoint.produces_tokens or (endpoint.takes_text and makes_text)


def check(config: Config, endpoint: Endpoint) -> None:
    """Refuse what this endpoint, or this program, cannot send. Quick: reads no file. Raises UsageError."""
    given = config.input
    if not (endpoint.path or config.endpoint.path or config.endpoint.grpc_method):
        raise UsageError(
            f"--endpoint-type {endpoint.name} needs --endpoint",
            hint="the path to send to, e.g. v1/embeddings",
        )
    kinds = [config, *(kind.config for kind in config.traffic)]
    models = dict.fromkeys(name for kind in kinds for name in kind.endpoint.model_names)
    if "{model}" in endpoint.path and not config.endpoint.path and len(models) > 1:
        raise UsageError(
            f"--model: {endpoint.name} names its model in the path, which is one: not {', '.join(models)}",
            hint="measure each in a run of its own; over gRPC, --endpoint-type kserve takes several",
        )
    if config.endpoint.streaming and not endpoint.can_stream:
        raise UsageError(f"The --streaming option is not supported for {endpoint.name}.")
    if given.batch_size > 1 and not endpoint.can_batch:
        raise UsageError(
            f"The --batch-size-text flag is not supported for {endpoint.name}.",
            hint=f"it takes one text a request, not {given.batch_size}",
        )
    if config.has_sessions and endpoint.follow is None:
        raise UsageError(
            f"conversations are not supported for {endpoint.name}",
            hint="its requests say nothing of what was said before; chat's do",
        )
    if given.ready_made:
        return
    if given.trace is not None and (endpoint.takes_passages or not endpoint.takes_text):
        raise UsageError(f"--input-file: {given.file!r}: {endpoint.name} takes no traces, which are of texts")
    if endpoint.takes_passages or config.endpoint.grpc_method is not None:
        inputs.check_own_form(config, endpoint.name)
    if endpoint.takes_passages:
        rankings.check(config)
    elif given.file and given.file.startswith(SYNTHETIC) and "," in given.file:
        raise UsageError(
            f"--input-file: {given.file!r}: {endpoint.name} takes one synthetic data set, not several",
            hint="leave --input-file out for synthetic prompts",
        )


def build(config: Config, endpoint: Endpoint, tokenizer: Tokenizer | None) -> Workload:
    """One request for each turn of the workload, bodies encoded; the same for the same seed, everywhere.

    `tokenizer` may be None where `needs_tokenizer` says no; `input_tokens` is None then. Raises UsageError
    and InputError.
    """
    check(config, endpoint)
    if config.traffic:
        return _mixed(config, endpoint, tokenizer)
    if config.input.ready_made:
        return ready_made.workload(config, endpoint, tokenizer)
    if endpoint.render is not None:
        _try_out(config, endpoint)
    if config.load.fixed_schedule:
        return Workload((), is_streamed=True)
    if config.input.trace is not None:
        conversations = prompts.conversations(config, tokenizer)
    else:
        conversations = sources.conversations(config, endpoint, tokenizer)
    requests = list(requests_of(conversations, config, endpoint, tokenizer))
    if not any(request.turn for request in requests) and not config.has_sessions:
        return Workload(requests)
    if config.load.periodic is not None:
        raise UsageError(
            "--periodic-concurrency-range sends requests by themselves; the input has conversations"
        )
    starts = [row for row, request in enumerate(requests) if request.turn == 0]
    return Workload(requests, starts, config.input.session_history)


def _mixed(config: Config, endpoint: Endpoint, tokenizer: Tokenizer | None) -> Workload:
    """The workloads of all kinds of traffic, one behind the other."""
    requests: list[Request] = []
    kinds = []
    for kind in config.traffic:
        part = build(kind.config, endpoint, tokenizer)
        first = len(requests)
        requests += [
            replace(
                request,
                index=first + request.index,
                conversation=f"{kind.name}-{request.conversation}",
                traffic_class=kind.name,
            )
            for request in part.requests
        ]
        starts = None if part.starts is None else [first + row for row in part.starts]
        rows = range(first, len(requests))
        kinds.append(TrafficClass(kind.name, kind.weight, rows, starts, part.history))
    return Workload(requests, classes=kinds)


def requests_of(
    conversations: Iterable[Conversation],
    config: Config,
    endpoint: Endpoint,
    tokenizer: Tokenizer | None,
) -> Iterator[Request]:
    """The requests of these conversations, in order, made some at a time as they are asked for.

    Raises UsageError and InputError.
    """
    drafts = _drafts(conversations, config, endpoint, are_counted=tokenizer is not None)
    while batch := list(islice(drafts, BATCH)):
        yield from (draft.request for draft in batch) if tokenizer is None else _counted(batch, tokenizer)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A request, and the text whose tokens are still to be counted; None where they are known, or nobody's.

    It holds neither the turn nor the body: with images they are megabytes that are encoded already.
    """

    request: Request
    text: str | None


def _drafts(
    conversations: Iterable[Conversation], config: Config, endpoint: Endpoint, *, are_counted: bool
) -> Iterator[_Draft]:
    rows = count()
    read = cache(_text_of)
    for place, (conversation, model) in enumerate(zip(conversations, sources.models(config))):
        said: dict[str, Any] | None = None
        for number, turn in enumerate(conversation.turns):
            body = body_of(turn, model, config, endpoint)
            if said is not None and config.input.session_history == "file":
                body = _after(said, conversation.turns[number - 1], body, endpoint)
            said = body
            for each in [body] if endpoint.render is None else endpoint.render(body, read):
                text = _prompt(each, endpoint) if are_counted else None
                is_known = (text,) == turn.texts and turn.input_tokens is not None
                request = Request(
                    index=next(rows),
                    body=encode(each),
                    model=str(each.get("model", model)),
                    conversation=conversation.id or str(place),
                    turn=number,
                    input_tokens=turn.input_tokens if is_known else None,
                    images=len(turn.images),
                    streaming=each.get("stream") in (True, [True]),
                    delay_ns=turn.delay_ns or 0,
                    due_ns=conversation.due_ns if number == 0 else None,
                    shared_tokens=turn.shared_tokens if is_known else None,
                )
                yield _Draft(request, None if is_known else text)


def _prompt(body: Mapping[str, Any], endpoint: Endpoint) -> str | None:
    """The text of a body as it is sent; None where nobody can tell which it is."""
    if endpoint.render is not None:
        return None
    try:
        return endpoint.prompt_text(body)
    except (KeyError, TypeError) as exc:
        raise UsageError("--extra-inputs: the request body no longer holds a prompt to count") from exc


def _counted(drafts: Sequence[_Draft], tokenizer: Tokenizer) -> Iterator[Request]:
    """The requests, with the tokens of those texts that were not known yet."""
    counts = iter(tokenizer.count(draft.text for draft in drafts if draft.text is not None))
    for draft in drafts:
        counted = draft.text is not None
        yield replace(draft.request, input_tokens=next(counts)) if counted else draft.request


def _try_out(config: Config, endpoint: Endpoint) -> None:
    """Render something of everything, so that a template that cannot do it is known at once."""
    assert endpoint.render is not None
    texts = tuple(f"test{number}" for number in range(1, 1 + max(2, config.input.batch_size)))
    turn = Turn(texts, images=("data:image/png;base64,",), audio=("data:audio/wav;base64,",), max_tokens=1)
    endpoint.render(body_of(turn, config.endpoint.model_names[0], config, endpoint), _text_of)


def _text_of(name: str) -> str | None:
    try:
        return Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        raise InputError(f"{name}: cannot be read: {reason}") from exc


def _after(said: Mapping[str, Any], before: Turn, body: dict[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """A body with what the file says was said and answered before it."""
    assert endpoint.follow is not None
    if before.answer is None:
        raise InputError(
            "--session-history file: the input has no answers", hint="leave it out for the server's answers"
        )
    return endpoint.follow(said, before.answer, body)


def body_of(turn: Turn, model: str, config: Config, endpoint: Endpoint) -> dict[str, Any]:
    """The JSON body of one turn."""
    streaming = config.endpoint.streaming
    extra = config.input.extra
    body = endpoint.build(turn, model, streaming)
    if endpoint.produces_tokens:
        if turn.max_tokens is not None:
            body |= endpoint.limit(turn.max_tokens, config.input.output_tokens_deterministic)
        if config.metrics.use_server_token_count and (streaming or not endpoint.usage_unasked):
            body |= endpoint.usage_request
    # `--extra-inputs max_completion_tokens` without a value: this server's name for the token limit
    named = {
        key: turn.max_tokens if key == "max_completion_tokens" and value is None else value
        for key, value in {**extra, **turn.extra}.items()
    }
    if "max_completion_tokens" in extra and "max_tokens" not in extra:
        body.pop("max_tokens", None)
    return endpoint.extend(body, named)
