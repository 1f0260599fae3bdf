"""Reads GenAI-Perf's `profile_export.json` into a journal of ours: any release's, and our own.

* A response of the original is one read from the socket with one stamp, whatever events it holds. So what one
  brought is one arrival here too, and the figures are those that GenAI-Perf computes.
* It stamped requests and responses by the wall clock, in user space, and nobody knows how far from the truth.
  The journal says "user"; that its figures have no bounds is for its reader to say.
* The file is mapped, and requests are read one by one: memory is bounded by their number, about a hundred
  bytes each.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from genai_perf import endpoints
from genai_perf.endpoints import Endpoint
from genai_perf.engine import records
from genai_perf.engine.journal import Journal
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Answer, Exchange, Request, RequestError, RequestRecord, RunInfo, Slot
from genai_perf.workload.bodies import images_in


class _Inputs(msgspec.Struct):
    timestamp: int
    request_inputs: dict[str, Any] = {}


class _Request(_Inputs):
    response_timestamps: list[int] = []
    response_outputs: list[dict[str, Any]] = []
    # ours
    scheduled_timestamp: int | None = None
    error: str | None = None
    http_status: int = 200


_Kind = TypeVar("_Kind", bound=_Inputs)


class Experiment(msgspec.Struct):
    """One load level. Its requests are read when they are needed."""

    requests: list[msgspec.Raw]
    experiment: dict[str, Any] = {}
    unanswered_requests: list[msgspec.Raw] = []

    @property
    def level(self) -> tuple[str, float]:
        """What was held constant, and at how much: `("concurrency", 8)`."""
        mode, value = self.experiment.get("mode"), self.experiment.get("value")
        return str(mode or "concurrency"), value if isinstance(value, int | float) else 0

    def first(self) -> _Request | None:
        """The first request; None where there is none. Raises ArtifactError."""
        every = [*self.requests[:1], *self.unanswered_requests[:1]]
        return _decoded(every[0], _Request) if every else None


class Export(msgspec.Struct):
    """A whole file."""

    experiments: list[Experiment]
    version: str = ""
    service_kind: str = ""
    endpoint: str = ""


def read(path: Path) -> Export | None:
    """The file, mapped; None where it is JSON of another kind. Raises ArtifactError."""
    try:
        with path.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return msgspec.json.decode(content, type=Export)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, ValueError) as exc:  # an empty file cannot be mapped
        raise ArtifactError(f"{path}: torn, or no JSON: {exc}") from exc
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be read: {exc.strerror or exc}") from exc


def started_wall_ns(experiment: Experiment) -> int:
    """When the first request was sent, since the epoch. Raises ArtifactError."""
    every = (*experiment.requests, *experiment.unanswered_requests)
    return min((_decoded(raw, _Inputs).timestamp for raw in every), default=0)


def write(
    experiment: Experiment,
    endpoint: Endpoint,
    info: RunInfo,
    count: Callable[[Iterator[str]], list[int]] | None,
    directory: Path,
    names: tuple[str, str],
) -> None:
    """Leave the requests in a journal and their bodies in an inputs file, in `directory`, under `names`.

    `count` gives the tokens of prompts; None where the API has none. Raises ArtifactError.
    """
    places: dict[bytes, int] = {}
    with (directory / names[1]).open("wb") as file:
        prompts = _write_inputs(experiment, endpoint, places, file.write)
        tokens = count(prompts) if count is not None else list(map(_nothing, prompts))
    journal = Journal(directory / names[0], info)
    turns: dict[str, int] = {}
    for index, request in enumerate(_in_order_of_time(experiment)):
        place = places[_key(request)]
        journal.append(_record(request, index, place, tokens[place], endpoint, info, turns))
        if journal.is_full:
            journal.flush()
    journal.close()


def _nothing(_: str) -> None:
    return None


# -- inputs -----------------------------------------------------------------------------------------------


def _write_inputs(
    experiment: Experiment, endpoint: Endpoint, places: dict[bytes, int], write_bytes: Callable[[bytes], Any]
) -> Iterator[str]:
    """Write every distinct input, note its place, and give its prompt."""
    write_bytes(b'{"data":[')
    for raw in (*experiment.requests, *experiment.unanswered_requests):
        inputs = _decoded(raw, _Inputs)
        key = _key(inputs)
        if key in places:
            continue
        body = _body(inputs)
        beside = {name: [value] for name, value in inputs.request_inputs.items() if name in _BESIDE}
        write_bytes(b",\n" if places else b"\n")
        write_bytes(msgspec.json.encode({"payload": [body], **beside}))
        places[key] = len(places)
        yield _prompt(endpoint, body)
    write_bytes(b"\n]}")


_BESIDE = ("session_id", "delay", "timestamp")
"""What stands next to a payload."""


def _key(inputs: _Inputs) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(inputs.request_inputs), digest_size=16).digest()


def _body(inputs: _Inputs) -> dict[str, Any]:
    """What was sent: the payload; of Triton, the tensors."""
    payload = inputs.request_inputs.get("payload")
    if payload is None:
        tensors = {name: value for name, value in inputs.request_inputs.items() if name not in _BESIDE}
        return {name: value if isinstance(value, list) else [value] for name, value in tensors.items()}
    if isinstance(payload, str):
        try:
            payload = msgspec.json.decode(payload)
        except msgspec.DecodeError as exc:
            raise ArtifactError(f"a request's payload is no JSON: {exc}") from exc
    while isinstance(payload, list) and payload:
        payload = payload[0]
    return payload if isinstance(payload, dict) else {"payload": payload}


def _prompt(endpoint: Endpoint, body: Mapping[str, Any]) -> str:
    text = endpoints.prompt_in(endpoint, body)
    return _text(body.get("text_input", "")) if text is None else text


# -- requests ---------------------------------------------------------------------------------------------


def _in_order_of_time(experiment: Experiment) -> Iterator[_Request]:
    """Requests stand in the order of completion, per window; the turns of a session need that of sending."""
    every = (*experiment.requests, *experiment.unanswered_requests)
    sent = [_decoded(raw, _Inputs).timestamp for raw in every]
    for place in sorted(range(len(every)), key=sent.__getitem__):
        yield _decoded(every[place], _Request)


def _record(
    request: _Request,
    index: int,
    place: int,
    tokens: int | None,
    endpoint: Endpoint,
    info: RunInfo,
    turns: dict[str, int],
) -> RequestRecord:
    body = _body(request)
    origin_ns = info.started_wall_ns
    session = request.request_inputs.get("session_id")
    conversation = str(session) if session is not None else str(index)
    turn = turns[conversation] = turns.get(conversation, -1) + 1
    outputs = request.response_outputs[: len(request.response_timestamps)]
    at_ns = [stamp - origin_ns for stamp in request.response_timestamps[: len(outputs)]]
    start_ns = request.timestamp - origin_ns
    data = _data(outputs)
    exchange = Exchange(
        request=Request(
            index=place,
            body=msgspec.json.encode(body),
            model=str(body.get("model") or info.config["endpoint"]["model_names"][0]),
            conversation=conversation,
            turn=turn,
            input_tokens=tokens,
            images=images_in(body),
        ),
        start_ns=start_ns,
        sent_ns=start_ns,
        status=request.http_status,
        headers={"content-type": "text/event-stream" if _is_stream(data) else "application/json"},
        at_ns=at_ns,
        read_ns=at_ns,
        after_ns=at_ns,
        data=data,
        end_ns=at_ns[-1] if at_ns else start_ns,
    )
    due = request.scheduled_timestamp
    answer = _answer(endpoint, exchange, outputs)
    if request.error is not None:
        kind, _, message = request.error.partition(": ")
        answer.error = None if kind == "empty" else RequestError(kind, message)
    return records.make(Slot(index, None), due - origin_ns if due is not None else None, exchange, answer)


def _answer(endpoint: Endpoint, exchange: Exchange, outputs: Sequence[Mapping[str, Any]]) -> Answer:
    if not outputs:
        return Answer()
    if not endpoint.produces_tokens:
        return Answer(content=[""], content_reads=[len(outputs) - 1])
    if "response" in outputs[0]:
        return _by_read(endpoints.decode_whole(endpoint, exchange))
    if "output_ids" in outputs[0] and "text_output" not in outputs[0]:
        raise ArtifactError(
            "the engine's own answers hold numbers of tokens instead of text", hint="they are not read"
        )
    texts = [_text(output.get("text_output", "")) for output in outputs]
    spoken = [place for place, text in enumerate(texts) if text]
    return Answer(content=[texts[place] for place in spoken], content_reads=spoken)


def _by_read(answer: Answer) -> Answer:
    """What one read brought as one arrival."""
    for texts, reads in (
        (answer.content, answer.content_reads),
        (answer.reasoning, answer.reasoning_reads),
        (answer.tool, answer.tool_reads),
    ):
        together: dict[int, list[str]] = {}
        for text, at in zip(texts, reads, strict=True):
            together.setdefault(at, []).append(text)
        texts[:], reads[:] = map("".join, together.values()), together
    return answer


def _data(outputs: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The bytes of each response.

    A response is a read, and may hold a fraction of an event; but where the next one begins an event, this
    one has ended its own, though some files lack the blank line.
    """
    data = [_text(output.get("response", "")).encode("utf-8", "replace") for output in outputs]
    for place, following in enumerate(data[1:]):
        if following.startswith(_EVENT) and data[place].startswith(_EVENT) and data[place][-1:] != b"\n":
            data[place] += b"\n\n"
    return data


_EVENT = (b"data:", b"event:", b"id:", b"retry:", b":")


def _is_stream(data: Sequence[bytes]) -> bool:
    return any(each.startswith(_EVENT) for each in data[:2])


def _text(value: Any) -> str:
    """A tensor's text: one element stands by itself, several in a list."""
    if isinstance(value, list):
        return "".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value)


def _decoded(raw: msgspec.Raw, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as exc:
        raise ArtifactError(f"a request is not as GenAI-Perf leaves it: {exc}") from exc


def model_of(request: _Request) -> str:
    """The model that its body names; `model` where it names none."""
    return str(_body(request).get("model") or "model")
