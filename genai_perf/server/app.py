"""From a request to its answer: routes, refusals, decoding, and the log of each call.

Counting input tokens takes some tenths of a millisecond, in which somebody else's token may be due. So it is
done in a thread (the tokenizer lets go of the GIL), exactly, with the builtin tokenizer; and what was worked
out for a body is remembered, because a load generator sends the same ones again. The wait for the first token
counts from when the request had been received all the same.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from genai_perf.clock import NS_PER_S, monotonic_ns, wall_ns
from genai_perf.server import answers, dialects, metrics, refusals
from genai_perf.server.deadlines import Deadlines
from genai_perf.server.decoder import Decoder, Ending, Generation
from genai_perf.server.latency import Fate
from genai_perf.server.openai import Api, Ask, Refusal, parse
from genai_perf.server.protocol import Connection, HttpRequest
from genai_perf.server.settings import ServerSettings
from genai_perf.server.truth import Truth, TruthLog

Count = Callable[[Iterable[str]], list[int]]
"""How many tokens each text has."""

REMEMBERED_BYTES = 32 << 20
"""Of bodies and what was worked out for them; all are forgotten when it is more."""

DEFAULT_MODEL = "embedded"
"""What the list of models holds when any name will do."""

_APIS = {str(api): api for api in Api}
_HEALTH = b'{"status":"ok"}'
_HEALTH_PATHS = ("/", "/health", "/v1/health/live", "/v1/health/ready")
_MODELS_PATH = "/v1/models"
_METRICS_PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a body asks for, with all that only depends on the body."""

    ask: Ask
    input_tokens: int
    answer: bytes = b""
    """All of it, where an API answers without text."""


@dataclass(slots=True, eq=False)
class Call:
    """One request to the model, from its arrival to its line in the log."""

    connection: Connection
    request: HttpRequest
    api: Api
    number: int
    id: str
    prepared: Prepared | None = None
    model: str = ""
    reply: answers.Reply | None = None
    generation: Generation | None = None
    status: int = 0


@dataclass(slots=True)
class Totals:
    """What the server did, for its last words."""

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class App:
    """Answers the requests of all connections."""

    def __init__(
        self, settings: ServerSettings, deadlines: Deadlines, count: Count, truth_log: TruthLog | None
    ) -> None:
        self._settings = settings
        self._count = count
        self._truth_log = truth_log
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="count")
        self._model = settings.latency
        self._failures = settings.failures
        self._known: dict[tuple[str, bytes], Prepared] = {}
        self._known_bytes = 0
        self._created_s = wall_ns() // NS_PER_S
        self._stopping = False
        self._metrics = metrics.Metrics()
        self.decoder = Decoder(self._model, settings.max_active, deadlines.at)
        self.connections: set[Connection] = set()
        self.totals = Totals()

    def connection(self) -> Connection:
        """For a client that has just connected."""
        return Connection(self.handle, self.connections)

    async def close(self) -> None:
        """Close all connections; what is under way is logged as `shutdown`."""
        self._stopping = True
        for connection in list(self.connections):
            connection.close()
        # Each says goodbye in one of the loop's next rounds.
        while self.connections:  # noqa: ASYNC110  there is no event for that
            await asyncio.sleep(0)
        self._pool.shutdown(cancel_futures=True)

    def handle(self, connection: Connection, request: HttpRequest) -> None:
        """Answer a request, now or later."""
        path = request.path
        if request.problem is not None:
            _refuse(connection, Refusal(*request.problem))
        elif (api := _APIS.get(path)) and (request.method == "POST" or path not in _HEALTH_PATHS):
            if request.method == "POST":
                self._call(connection, request, api)
            else:
                _refuse(connection, refusals.wrong_method(request, "POST"))
        elif path in (*_HEALTH_PATHS, _MODELS_PATH, _METRICS_PATH) or path.startswith(f"{_MODELS_PATH}/"):
            if request.method not in ("GET", "HEAD"):
                _refuse(connection, refusals.wrong_method(request, "GET, HEAD"))
            elif path in _HEALTH_PATHS:
                connection.respond(200, _HEALTH)
            elif path == _METRICS_PATH:
                self._tell_metrics(connection, request)
            else:
                self._list_models(connection, request)
        else:
            known = (*_APIS, _MODELS_PATH, _METRICS_PATH, *_HEALTH_PATHS)
            _refuse(connection, refusals.unknown_path(request, known))

    def _tell_metrics(self, connection: Connection, request: HttpRequest) -> None:
        """Open to everybody, as servers have it: there are no secrets in it."""
        body = self._metrics.page(running=self.decoder.active, waiting=self.decoder.waiting)
        headers = (("content-type", metrics.CONTENT_TYPE), ("content-length", str(len(body))))
        connection.write(connection.head(200, *headers) + (b"" if request.method == "HEAD" else body))
        connection.finish()

    def _list_models(self, connection: Connection, request: HttpRequest) -> None:
        name = request.path.removeprefix(_MODELS_PATH)[1:]
        refusal = refusals.without_key(request, self._settings.api_key)
        if refusal is None and name:
            refusal = refusals.unknown_model(name, self._settings.models)
        if refusal is not None:
            _refuse(connection, refusal)
        elif name:
            connection.respond(200, answers.model(name, self._created_s))
        else:
            connection.respond(
                200, answers.models(self._settings.models or (DEFAULT_MODEL,), self._created_s)
            )

    def _call(self, connection: Connection, request: HttpRequest, api: Api) -> None:
        number = self.totals.requests
        self.totals.requests += 1
        call = Call(connection, request, api, number, request.headers.get("x-request-id") or f"req-{number}")
        connection.on_gone = partial(self._gone, call)
        refusal = refusals.without_key(request, self._settings.api_key)
        if refusal is None and self._failures.fate(number) is Fate.ERROR:
            refusal = refusals.on_demand(self._settings.error_status)
        refusal = refusal or refusals.coded(request)
        if refusal is not None:
            self._refuse(call, refusal)
            return
        prepared = self._known.get((api, request.body))
        if prepared is not None:
            self._begin(call, prepared)
            return
        ask = parse(api, request.body, dialects.READERS.get(api))
        if isinstance(ask, Refusal):
            self._refuse(call, ask)
            return
        work = self._loop.run_in_executor(self._pool, prepare, ask, self._settings, self._count)
        work.add_done_callback(partial(self._prepared, call))

    def _prepared(self, call: Call, work: "asyncio.Future[Prepared]") -> None:
        if work.cancelled():
            return
        prepared = work.result()
        size = len(call.request.body) + len(prepared.answer)
        if self._known_bytes + size > REMEMBERED_BYTES:
            self._known.clear()
            self._known_bytes = 0
        if size <= REMEMBERED_BYTES:
            self._known[call.api, call.request.body] = prepared
            self._known_bytes += size
        if call.connection.current is call.request:
            self._begin(call, prepared)

    def _begin(self, call: Call, prepared: Prepared) -> None:
        """Have it decoded."""
        connection, ask = call.connection, prepared.ask
        call.prepared = prepared
        call.model = ask.model
        known = self._settings.models if ask.model else ()  # some APIs name none
        refusal = refusals.unknown_model(ask.model, known) or refusals.too_long(
            prepared.input_tokens, ask.max_tokens or 0, self._settings.context_length
        )
        if refusal is not None:
            self._refuse(call, refusal)
            return
        tokens, frame = self._tell(call) if prepared.answer else self._generate(call)
        cut_at = -1
        fate = self._failures.fate(call.number)
        if fate is not Fate.ANSWER:
            # An answer that is sent as a whole is cut within its only write, which is that of the last token.
            cut_at = self._failures.tokens_before(call.number, tokens) if ask.streaming else tokens - 1
        call.status = 200
        call.generation = Generation(
            frame=frame,
            tokens=tokens,
            input_tokens=prepared.input_tokens,
            write=connection.write,
            ended=partial(self._ended, call, fate),
            cut_at=cut_at,
            random=self._model.random_for(call.number),
        )
        # A pipelined request counts from when its turn came, as if it had been sent then.
        self.decoder.submit(call.generation, max(call.request.received_ns, connection.free_ns))

    def _tell(self, call: Call) -> tuple[int, answers.Frame]:
        assert call.prepared is not None
        response = call.connection.response(200, call.prepared.answer, ("x-request-id", call.id))
        return 1, answers.whole(response, 1)

    def _generate(self, call: Call) -> tuple[int, answers.Frame]:
        """How many steps of decoding it takes, and the bytes of each."""
        assert call.prepared is not None
        connection, ask = call.connection, call.prepared.ask
        call.reply = reply = answers.Reply(
            ask=ask,
            number=call.number,
            created_s=wall_ns() // NS_PER_S,
            input_tokens=call.prepared.input_tokens,
            output_tokens=ask.max_tokens or self._settings.output_tokens,
            reasoning_tokens=self._settings.reasoning_tokens if ask.api in dialects.THINKERS else 0,
            finish_reason="length" if ask.max_tokens else "stop",
        )
        if not ask.streaming:
            response = connection.response(200, dialects.completion(reply), ("x-request-id", call.id))
            return reply.tokens, answers.whole(response, reply.tokens)
        chunked = call.request.version != "1.0"
        headers = [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("x-request-id", call.id),
        ]
        if chunked:
            headers.append(("transfer-encoding", "chunked"))
        head = connection.head(200, *headers, close=not chunked)
        around = dialects.pieces(reply)
        return reply.tokens, answers.stream(reply, head, chunked=chunked, around=around)

    def _ended(self, call: Call, fate: Fate, _generation: Generation, ending: Ending, now_ns: int) -> None:
        """The decoder is through with it."""
        connection = call.connection
        if ending is Ending.OK:
            self._log(call, "ok", now_ns)
            streams = call.reply is not None and call.reply.ask.streaming
            connection.finish(close=streams and call.request.version == "1.0")
        elif fate is Fate.RESET:
            self._log(call, "reset", now_ns)
            connection.reset()
        else:
            self._log(call, "stall", now_ns)
            connection.on_gone = None  # `current` stays, so that nothing else is answered on this connection

    def _gone(self, call: Call) -> None:
        """The client has closed the connection, or we do."""
        now_ns = monotonic_ns()
        if call.generation is not None:
            self.decoder.cancel(call.generation, now_ns)
        self._log(call, "shutdown" if self._stopping else "client_closed", now_ns)

    def _refuse(self, call: Call, refusal: Refusal) -> None:
        call.status = refusal.status
        self._log(call, "error", monotonic_ns())
        _refuse(call.connection, refusal, ("x-request-id", call.id))

    def _log(self, call: Call, outcome: str, end_ns: int) -> None:
        self.totals.outcomes[outcome] += 1
        if call.generation is not None and call.prepared is not None:
            self._count_in(call, call.generation, call.prepared, outcome, end_ns)
        if self._truth_log is not None:
            self._truth_log.add(_truth(call, outcome, end_ns))

    def _count_in(
        self, call: Call, generation: Generation, prepared: Prepared, outcome: str, end_ns: int
    ) -> None:
        reply = call.reply
        streaming = reply is not None and reply.ask.streaming
        visible, reasoning = _tokens(call, outcome)
        self._metrics.count(
            call.model,
            received_ns=call.request.received_ns,
            admitted_ns=generation.admitted_ns,
            end_ns=end_ns,
            token_ns=generation.sent_ns if streaming else (),
            input_tokens=prepared.input_tokens,
            output_tokens=visible + reasoning,
            finish_reason=(reply.finish_reason if reply is not None else "stop") if outcome == "ok" else None,
        )


def prepare(ask: Ask, settings: ServerSettings, count: Count) -> Prepared:
    """Count the tokens, and make the answer where it has none. Runs in a thread: it touches nothing."""
    if ask.api is Api.INFER:
        return Prepared(ask, 0, answers.nothing_found(ask))
    # an image among the texts is one by its URL, and no text
    texts = [text for text in ask.texts if not text.startswith("data:image/")]
    input_tokens = sum(ask.token_counts) + sum(count(texts))
    if ask.api in dialects.RANKERS:
        return Prepared(ask, input_tokens, dialects.scores(ask, input_tokens))
    if ask.api is not Api.EMBEDDINGS:
        return Prepared(ask, input_tokens)
    dimensions = ask.dimensions or settings.embedding_dimensions
    return Prepared(ask, input_tokens, answers.embeddings(ask, input_tokens, dimensions))


def _truth(call: Call, outcome: str, end_ns: int) -> Truth:
    generation, reply = call.generation, call.reply
    streaming = reply is not None and reply.ask.streaming
    visible, reasoning = _tokens(call, outcome)
    sent_ns = generation.sent_ns if generation is not None else []
    split = reasoning if streaming else 0
    return Truth(
        number=call.number,
        id=call.id,
        path=call.request.path,
        model=call.model,
        streaming=streaming,
        status=call.status,
        outcome=outcome,
        received_ns=call.request.received_ns,
        admitted_ns=generation.admitted_ns if generation is not None else None,
        end_ns=end_ns,
        input_tokens=call.prepared.input_tokens if call.prepared is not None else 0,
        output_tokens=visible,
        reasoning_tokens=reasoning,
        token_ns=sent_ns[split:],
        reasoning_ns=sent_ns[:split],
    )


def _tokens(call: Call, outcome: str) -> tuple[int, int]:
    """How many were sent: those of all prompts without reasoning, and those of the reasoning."""
    generation, reply = call.generation, call.reply
    if generation is None or reply is None:
        return 0, 0
    # An answer sent as a whole has brought all of its tokens or none.
    brought = generation.done if reply.ask.streaming or outcome == "ok" else 0
    reasoning = min(brought, reply.reasoning_tokens)
    return (brought - reasoning) * reply.ask.prompts, reasoning


def _refuse(connection: Connection, refusal: Refusal, *headers: tuple[str, str]) -> None:
    connection.respond(refusal.status, refusal.body(), *refusal.headers, *headers)
