"""`--replay RUN`: a workload of what a former run sent, from its inputs and its journal.

Rule 1. Bodies are those of the run's `inputs.json`, row by row. Where the further turns of conversations had
        the server's answers in them, these are put together again from the journal and stand in their rows;
        behind all rows where a row was sent several times, with other answers.
Rule 2. What comes out is what was sent: each has the number of bytes that its record says, or there is no
        replay.
Rule 3. Requests are sent at the instants at which they were sent then, after the first of their phase; each
        stands for itself, whatever the answers are this time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.config.schema import Config
from genai_perf.endpoints import Endpoint
from genai_perf.exceptions import ArtifactError, InputError, UsageError
from genai_perf.metrics import histories
from genai_perf.metrics.histories import Histories
from genai_perf.profile.directory import JOURNAL
from genai_perf.types import Phase, Request, RunInfo, Send, Workload
from genai_perf.workload import inputs_file
from genai_perf.workload.bodies import encode

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = [
    "input_index",
    "conversation",
    "turn",
    "model",
    "traffic_class",
    "phase",
    "due_ns",
    "start_ns",
    "text",
    "images",
    "request_bytes",
]
_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Former:
    """What a run sent."""

    info: RunInfo
    workload: Workload
    sizes: Sequence[int]
    """By row of the workload, how many bytes were sent; 0 where it was not."""


def read(config: Config, endpoint: Endpoint, directory: Path) -> Former:
    """The run that is to be replayed, as a workload; `directory` is where the replay will be.

    Raises ArtifactError, InputError and UsageError.
    """
    assert config.input.replay is not None
    run = config.input.replay
    if run.absolute() == directory.absolute():
        raise ArtifactError(
            f"{directory}: would replace the run that is to be replayed", hint="give another --artifact-dir"
        )
    from genai_perf.engine import journal

    info, records = journal.read(run / JOURNAL)
    _check(info, config, endpoint)
    rows = _Rows(run, info, endpoint, _models(info, config), by=config.input.replay_by)
    rows.take(records)
    if not rows.sends:
        raise InputError(f"--replay: {run} has sent nothing")
    return rows.as_sent()


def _check(info: RunInfo, config: Config, endpoint: Endpoint) -> None:
    if info.endpoint != endpoint.name:
        raise UsageError(f"--endpoint-type: a run of {info.endpoint} cannot be replayed as {endpoint.name}")
    if info.streaming != config.endpoint.streaming:
        raise UsageError(
            f"--streaming: the run that is to be replayed was {'' if info.streaming else 'not '}streamed"
        )


def _models(info: RunInfo, config: Config) -> Mapping[str, str]:
    """Today's name for each model of then; UsageError where that cannot be told."""
    then = list(info.config["endpoint"]["model_names"])
    for kind in info.config.get("traffic", {}).values():
        then += [name for name in kind["model_names"] if name not in then]
    now = config.endpoint.model_names
    if len(now) == 1:
        return dict.fromkeys(then, now[0])
    if set(now) == set(then):
        return {name: name for name in then}
    if len(now) != len(then):
        raise UsageError(f"--model: {len(now)} models cannot stand for the {len(then)} of the former run")
    return dict(zip(then, now, strict=True))


class _Rows:
    """Collects the requests of a run, and when each was sent."""

    def __init__(
        self, run: Path, info: RunInfo, endpoint: Endpoint, models: Mapping[str, str], by: str
    ) -> None:
        self.sends: list[Send] = []
        self._requests: list[Request | None] = []
        self._sizes: list[int] = []
        self._run = run
        self._info = info
        self._endpoint = endpoint
        self._models = models
        self._by_due = by == "due"

    def take(self, records: "pa.Table") -> None:
        """All of a journal's records."""
        config = self._info.config
        are_timed = bool(config["load"].get("fixed_schedule")) and not config["input"].get("replay")
        bodies = list(inputs_file.bodies(self._run / inputs_file.NAME, are_timed=are_timed))
        self._requests, self._sizes = [None] * len(bodies), [0] * len(bodies)
        has_turns = histories.has_turns(records) and self._endpoint.follow is not None
        said = Histories(self._endpoint, bodies.__getitem__) if has_turns else None
        for row in _rows(histories.by_conversation(records) if has_turns else records):
            place = row["input_index"]
            if place >= len(bodies):
                raise ArtifactError(
                    f"{self._run}: {inputs_file.NAME} is not of this run: it has too few rows"
                )
            if said is not None and self._is_told_by_answers(row):
                self._add(row, self._kept(row, said.sent(row)))
            else:
                known = self._requests[place] is not None
                self._add(row, place if known else self._kept(row, bodies[place]))
        for place, body in enumerate(bodies):
            if self._requests[place] is None:  # never sent; it keeps the others in their rows
                model = self._models.get(body.get("model", ""), next(iter(self._models.values())))
                self._requests[place] = Request(place, encode(self._renamed(body)), model, "")

    def as_sent(self) -> Former:
        """Everything in order."""
        first_ns = min(send.due_ns for send in self.sends)
        sends = [
            replace(send, due_ns=send.due_ns - first_ns)
            for send in sorted(self.sends, key=lambda send: (send.phase != Phase.WARMUP, send.due_ns))
        ]
        requests = [request for request in self._requests if request is not None]
        return Former(self._info, Workload(requests, sends=sends), self._sizes)

    def _is_told_by_answers(self, row: Mapping[str, Any]) -> bool:
        """Whether its conversation goes on with what the server says."""
        config = self._info.config
        of_kind = config.get("traffic", {}).get(row["traffic_class"], config)
        is_file = of_kind["input"].get("session_history") == "file"
        return not is_file and not config["input"].get("replay")

    def _kept(self, row: Mapping[str, Any], body: dict[str, Any]) -> int:
        """Where a request stands: in its row, or behind them all where the row was sent with other words."""
        size = row["request_bytes"]
        is_http = self._endpoint.transport == "http"  # what goes over gRPC is checked when it is encoded
        if is_http and (now := len(encode(body))) != size:
            raise _other_bytes(self._run, row["input_index"], now, size)
        place: int = row["input_index"]
        request = Request(
            index=place,
            body=encode(self._renamed(body)),
            model=self._models.get(row["model"], row["model"]),
            conversation=row["conversation"],
            turn=row["turn"],
            images=row["images"] or 0,
            streaming=body.get("stream") in (True, [True]),
            traffic_class=row["traffic_class"] or "",
        )
        there = self._requests[place]
        if there is None:
            self._requests[place], self._sizes[place] = request, size
        elif there.body != request.body:
            place = len(self._requests)
            self._requests.append(replace(request, index=place))
            self._sizes.append(size)
        return place

    def _renamed(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("model")
        return (
            {**body, "model": self._models[name]} if isinstance(name, str) and name in self._models else body
        )

    def _add(self, row: Mapping[str, Any], place: int) -> None:
        at_ns = row["due_ns"] if self._by_due else row["start_ns"]
        if at_ns is None:
            raise UsageError(
                f"--replay-by due: {self._run} had no due times: its load followed the server",
                hint="leave it out for the instants at which requests were sent",
            )
        kind = row["traffic_class"] or ""
        self.sends.append(Send(place, at_ns, Phase(row["phase"]), row["conversation"], row["turn"], kind))


def _rows(records: "pa.Table") -> Iterator[dict[str, Any]]:
    for batch in records.select(_COLUMNS).to_batches(max_chunksize=_AT_ONCE):
        yield from batch.to_pylist()


def _other_bytes(run: Path, row: int, now: int, then: int) -> ArtifactError:
    return ArtifactError(
        f"{run}: row {row} of {inputs_file.NAME} gives a request of {now:,} bytes, and {then:,} were sent",
        hint="the files in a run's directory belong together; has one of them been changed?",
    )


def check_messages(former: Former, workload: Workload, run: Path) -> None:
    """Raise ArtifactError where what goes over gRPC is not what went then; of another model it cannot be."""
    for place, (request, size) in enumerate(zip(workload.requests, former.sizes, strict=True)):
        now = sum(map(len, request.messages))
        is_same = request.model in former.info.config["endpoint"]["model_names"]
        if size and is_same and now != size:
            raise _other_bytes(run, place, now, size)
