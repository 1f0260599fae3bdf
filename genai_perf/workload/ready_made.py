"""Requests that are ready: `inputs.json` as a run leaves it, GenAI-Perf wrote it, or Perf Analyzer reads it.

    {"data": [{"payload": [{body}], "timestamp": [ms], "session_id": ["s1"], "delay": [ms]}, …]}

Rule 1. A body goes out as it stands there, compactly encoded; no option puts anything into it. What goes
        over gRPC stands in its row by itself: tensors by name, or what `calls` reads.
Rule 2. `timestamp` counts with a fixed schedule; `session_id` and `delay` count under a load of sessions,
        whose conversations are in the order in which they begin in the file. Otherwise they are ignored,
        and that is said. They may stand without the list around them.
Rule 3. What stands beside `data` is ignored; in a row, nothing is.
Rule 4. Every row is looked at before anything is sent. A body is there once, as the bytes that are sent;
        until then it is a view of the file.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from genai_perf.clock import NS_PER_MS
from genai_perf.config import Config, ready_made
from genai_perf.config.arguments import did_you_mean
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import InputError
from genai_perf.types import Phase, Request, Send, Workload
from genai_perf.workload import sources
from genai_perf.workload.bodies import counted, encode, images_in
from genai_perf.workload.tokenizer import Tokenizer
from genai_perf.workload.traces.rows import whole

_PAYLOAD, _AT, _SESSION, _DELAY = "payload", "timestamp", "session_id", "delay"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """One request, before its body is looked at."""

    path: Path
    number: int
    """Where it stands in its file, from 1."""
    body: msgspec.Raw
    at_ms: int | None = None
    session: str | None = None
    delay_ms: int = 0
    turn: int = 0

    @property
    def where(self) -> str:
        """What errors call it."""
        return _where(self.path, self.number)


def workload(config: Config, endpoint: Endpoint, tokenizer: Tokenizer | None) -> Workload:
    """The requests of the files. Raises InputError where a row cannot be sent as it stands there."""
    rows = list(_limited(config, endpoint))
    if not rows:
        raise InputError(f"{config.input.file}: holds no requests")
    _check_keys(rows, config)
    if config.has_sessions:
        rows = _by_session(rows)
    made = _requests(rows, config, endpoint)
    requests = list(made if tokenizer is None else counted(made, endpoint, tokenizer))
    if tokenizer is not None and endpoint.render is None:
        _tell_uncounted(rows, requests, endpoint)
    if config.has_sessions:
        starts = [place for place, row in enumerate(rows) if row.turn == 0]
        return Workload(requests, starts, config.input.session_history)
    return Workload(requests, sends=_sends(requests) if config.load.fixed_schedule else ())


def names(config: Config) -> Iterator[str]:
    """What errors call each request, where no conversations have put them into another order."""
    for path in config.input.ready_made:
        for number, _ in enumerate(ready_made.rows(path), 1):
            yield _where(path, number)


def _where(path: Path, number: int) -> str:
    return f"{path}: row {number}"


# -- rows ---------------------------------------------------------------------------------------------


def _limited(config: Config, endpoint: Endpoint) -> Iterator[Row]:
    read = _tensors if endpoint.transport == "grpc" else _payload
    files = ((path, ready_made.rows(path)) for path in config.input.ready_made)
    rows = chain.from_iterable(
        (read(path, number, raw) for number, raw in enumerate(raws, 1)) for path, raws in files
    )
    return islice(rows, config.input.row_limit)


def _payload(path: Path, number: int, raw: msgspec.Raw) -> Row:
    where = _where(path, number)
    entry = _decoded(raw, dict[str, msgspec.Raw], where)
    for key in entry:
        if key not in (_PAYLOAD, _AT, _SESSION, _DELAY):
            known = did_you_mean(key, (_PAYLOAD, _AT, _SESSION, _DELAY))
            hint = "rows of tensors are for --endpoint-type kserve" if _PAYLOAD not in entry else None
            raise InputError(f"{where}: unknown key {key!r}{known}", hint=hint)
    if _PAYLOAD not in entry:
        raise InputError(f'{where}: no "payload"')
    payload = entry.pop(_PAYLOAD)
    try:
        bodies: list[msgspec.Raw] = msgspec.json.decode(payload, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        bodies = []
    if len(bodies) != 1 or bytes(memoryview(bodies[0])[:1]) != b"{":
        found = f"holds {len(bodies)} things" if len(bodies) > 1 else "is something else"
        raise InputError(f'{where}: "payload" is not a list of one object: it {found}')
    beside = {key: _alone(_decoded(value, Any, where)) for key, value in entry.items()}
    session = beside.get(_SESSION)
    if session is not None and (isinstance(session, bool) or not isinstance(session, str | int)):
        raise InputError(f'{where}: "{_SESSION}" is not a name: {session}')
    return Row(
        path,
        number,
        bodies[0],
        at_ms=_ms(beside, _AT, where),
        session=None if session is None else str(session),
        delay_ms=_ms(beside, _DELAY, where) or 0,
    )


def _tensors(path: Path, number: int, raw: msgspec.Raw) -> Row:
    where = _where(path, number)
    entry = _decoded(raw, dict[str, msgspec.Raw], where)
    if _PAYLOAD in entry:
        raise InputError(
            f'{where}: a "payload" is for endpoint types that speak HTTP',
            hint="over gRPC, what is sent stands in the row by itself",
        )
    if not entry.keys() - {_AT}:
        raise InputError(f"{where}: is empty")
    at = _decoded(entry.get(_AT, b"null"), Any, where)
    return Row(path, number, raw, at_ms=_ms({_AT: _alone(at)}, _AT, where))


def _decoded(raw: msgspec.Raw, kind: Any, where: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        raise InputError(f"{where}: not a JSON object: {str(exc).removesuffix('.')}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"{where}: {str(exc).removesuffix('.')}") from exc


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _ms(beside: Mapping[str, Any], key: str, where: str) -> int | None:
    value = beside.get(key)
    return None if value is None else whole(value, key, where, at_least=0)


def _check_keys(rows: Iterable[Row], config: Config) -> None:
    """Say which keys count for nothing under this load. Raises InputError where one is missing."""
    is_fixed, has_sessions = bool(config.load.fixed_schedule), config.has_sessions
    ignored = set()
    for row in rows:
        if is_fixed and row.at_ms is None:
            raise InputError(
                f'{row.where}: no "{_AT}", which a fixed schedule needs',
                hint="with a load option, such as --concurrency, no row needs one",
            )
        if row.at_ms is not None and not is_fixed:
            ignored.add(f'"{_AT}" counts with --fixed-schedule')
        if (row.session is not None or row.delay_ms) and not has_sessions:
            ignored.add(f'"{_SESSION}" and "{_DELAY}" count with --session-concurrency')
    if ignored:
        logger.warning("%s: ignored under this load: %s", config.input.file, "; ".join(sorted(ignored)))


def _by_session(rows: Iterable[Row]) -> list[Row]:
    """Each conversation's turns together; a row that names none is one by itself."""
    sessions: dict[str | int, list[Row]] = {}
    for place, row in enumerate(rows):
        sessions.setdefault(place if row.session is None else row.session, []).append(row)
    return [replace(row, turn=turn) for turns in sessions.values() for turn, row in enumerate(turns)]


# -- requests -----------------------------------------------------------------------------------------


def _requests(rows: Iterable[Row], config: Config, endpoint: Endpoint) -> Iterator[Request]:
    """One for each row. Raises InputError for a body that is not for this run, and tells what is odd."""
    oddities = _Oddities(config, endpoint)
    pauses = config.input.session_delay_ratio if config.has_sessions else 0
    name = ""
    for place, (row, model) in enumerate(zip(rows, sources.models(config))):
        body = _decoded(row.body, dict[str, Any], row.where)
        if endpoint.transport == "grpc":
            body.pop(_AT, None)
        oddities.look_at(row, body)
        if not config.has_sessions:
            name = str(place)
        elif row.turn == 0:
            name = f"row {place + 1}" if row.session is None else row.session
        yield Request(
            index=place,
            body=encode(body),
            model=str(body.get("model") or model),
            conversation=name,
            turn=row.turn,
            images=images_in(body),
            streaming=body.get("stream") in (True, [True]),
            delay_ns=int(row.delay_ms * pauses * NS_PER_MS),
            due_ns=row.at_ms * NS_PER_MS if config.load.fixed_schedule and row.at_ms is not None else None,
        )
    oddities.tell()


def _sends(requests: Iterable[Request]) -> list[Send]:
    """By their instants; those of the same one in the order of the file."""
    sends = [
        Send(each.index, each.due_ns or 0, Phase.BENCHMARK, each.conversation, 0, "") for each in requests
    ]
    return sorted(sends, key=lambda send: send.due_ns)


@dataclass(slots=True)
class _Rows:
    """Rows that are alike in something odd."""

    first: str = ""
    number: int = 0

    def add(self, where: str) -> None:
        self.first = self.first or where
        self.number += 1

    def warn(self, what: str) -> None:
        """Say it of the first, and how many there are."""
        others = f" (and {self.number - 1:,} more)" if self.number > 1 else ""
        if self.number:
            logger.warning("%s: %s%s", self.first, what, others)


class _Oddities:
    """What bodies say that the options say otherwise."""

    def __init__(self, config: Config, endpoint: Endpoint) -> None:
        self._config, self._endpoint = config, endpoint
        self._says_stream = endpoint.transport == "http" and endpoint.can_stream and endpoint.render is None
        self._goes_on = config.has_sessions and config.input.session_history == "server"
        self._rows, self._whole, self._others = 0, _Rows(), _Rows()

    def look_at(self, row: Row, body: Mapping[str, Any]) -> None:
        """Raises InputError for what cannot be sent, or would be measured as what it is not."""
        self._rows += 1
        if self._says_stream:
            self._look_at_stream(row, is_streamed=body.get("stream") is True)
        if body.get("model", self._names[0]) not in self._names:
            if self._endpoint.transport == "grpc":
                raise InputError(
                    f'{row.where}: "model" is {body["model"]!r}, which --model does not name',
                    hint="name every model that is measured; a row without one goes to these in turn",
                )
            self._others.add(row.where)
        if self._goes_on:
            self._try_to_go_on(row, body)

    @property
    def _names(self) -> tuple[str, ...]:
        return self._config.endpoint.model_names

    def _look_at_stream(self, row: Row, *, is_streamed: bool) -> None:
        if not is_streamed:
            self._whole.add(row.where)
        elif not self._config.endpoint.streaming:
            raise InputError(
                f'{row.where}: "stream" is true, and --streaming is not given',
                hint="give --streaming, and the time to the first token is measured as well",
            )

    def _try_to_go_on(self, row: Row, body: Mapping[str, Any]) -> None:
        assert self._endpoint.follow is not None
        try:
            self._endpoint.follow(body, "", dict(body))
        except (KeyError, TypeError, AttributeError) as exc:
            raise InputError(
                f"{row.where}: no conversation of {self._endpoint.name} can go on with this body",
                hint="without --session-concurrency each row is sent by itself",
            ) from exc

    def tell(self) -> None:
        """Warn of what is sent all the same. Raises InputError where no answer would be streamed."""
        if self._config.endpoint.streaming and self._says_stream and self._endpoint.streaming_path is None:
            if self._whole.number == self._rows:
                raise InputError(
                    f"--streaming: no request in {self._config.input.file} asks for a stream",
                    hint='leave --streaming out, or write "stream": true into the bodies',
                )
            self._whole.warn("asks for no stream: its whole answer counts as its first token")
        self._others.warn('"model" is not one that --model names; it is sent as it stands there')


def _tell_uncounted(rows: Iterable[Row], requests: Iterable[Request], endpoint: Endpoint) -> None:
    unread = _Rows()
    for row, request in zip(rows, requests):
        if request.input_tokens is None:
            unread.add(row.where)
    unread.warn(f"no prompt that {endpoint.name} knows: its input tokens are not counted")
