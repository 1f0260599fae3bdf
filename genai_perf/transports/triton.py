"""Asking Triton what it has: its models, what they take, and what they did. Nothing here is measured.

The same questions go over gRPC or HTTP, whichever the run speaks, and the answers come as the same JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from genai_perf.clock import Origin
from genai_perf.config.schema import EndpointConfig
from genai_perf.endpoints.tensors import Interface, interface_of
from genai_perf.exceptions import ServerError
from genai_perf.transports.address import Address
from genai_perf.transports.tls import client_context
from genai_perf.types import Exchange, Request

if TYPE_CHECKING:
    import httpx

_SERVICE = "inference.GRPCInferenceService"
_HINT = (
    "Triton's gRPC is at port 8001 unless it was told otherwise; an OpenAI-style server needs "
    "--endpoint-type chat, completions or embeddings"
)
_LIMIT_S = 10.0
_MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Question:
    """One of the calls of KServe's protocol, or of Triton's extensions to it."""

    method: str
    """Of the gRPC service; the messages are named after it."""
    path: str
    """Over HTTP; `{model}` stands for the model, with its version where one was asked for."""
    verb: str = "GET"


METADATA = Question("ModelMetadata", "v2/models/{model}")
CONFIG = Question("ModelConfig", "v2/models/{model}/config")
STATISTICS = Question("ModelStatistics", "v2/models/stats")
INDEX = Question("RepositoryIndex", "v2/repository/index", "POST")


class Refused(Exception):
    """The server cannot be asked, or answers with an error."""


class UnknownModel(ServerError):
    """The server has other models."""


@dataclass(frozen=True, slots=True)
class Triton:
    """The servers of a run."""

    addresses: Sequence[Address]
    settings: EndpointConfig
    """For headers, TLS and time limits."""
    is_grpc: bool

    async def interface(self, model: str, version: str = "") -> Interface:
        """What the model takes and gives. Raises UnknownModel, or ServerError when it cannot be asked."""
        asked = f"{model}:{version}" if version else model
        try:
            metadata = await self._ask(METADATA, model, version)
            config = await self._ask(CONFIG, model, version)
        except Refused as exc:
            names = await self.models()
            if not names:
                raise ServerError(f"{self.addresses[0].shown}: model {asked}: {exc}") from exc
            if model in names and not version:
                raise ServerError(f"{self.addresses[0].shown}: model {asked} is not ready: {exc}") from exc
            shown = ", ".join(names[:_MOST_NAMES]) + " …" * (len(names) > _MOST_NAMES)
            raise UnknownModel(
                f"{self.addresses[0].shown} has no model {asked!r}", hint=f"it has: {shown}"
            ) from exc
        return interface_of(metadata, config.get("config", config), version)

    async def models(self) -> list[str]:
        """The names in its repository, those that are ready first; empty when it does not say."""
        try:
            found = await self._ask(INDEX)
        except Refused:
            return []
        rows = found if isinstance(found, list) else found.get("models", ())
        names = {row["name"]: row.get("state") == "READY" for row in rows}
        return sorted(names, key=lambda name: (not names[name], name))

    async def statistics(self) -> list[dict[str, Any]]:
        """What every model did since its server was started, a row a server and version; none where unasked.

        `{"name", "version", "inference_count", "execution_count", "inference_stats": {"queue": {"count",
        "ns"}, …}}`, as Triton writes it; over gRPC, zeros are left out.
        """
        rows: list[dict[str, Any]] = []
        for address in self.addresses:
            try:
                rows += (await self._ask(STATISTICS, address=address)).get("model_stats", ())
            except Refused:
                continue  # of a server without this extension
        return rows

    async def _ask(
        self, question: Question, model: str = "", version: str = "", address: Address | None = None
    ) -> Any:
        """The answer's JSON. Raises Refused, and ServerError when nobody is there."""
        ask = self._ask_grpc if self.is_grpc else self._ask_http
        return await ask(question, model, version, address or self.addresses[0])

    async def _ask_grpc(self, question: Question, model: str, version: str, address: Address) -> Any:
        from google.protobuf.json_format import MessageToDict
        from google.protobuf.message import DecodeError

        from genai_perf.endpoints.kserve_messages import message
        from genai_perf.transports.grpc import IS_IT_GRPC, GrpcTransport

        asked = message(f"{question.method}Request")()
        if model:
            asked.name = model
        if version:
            asked.version = version
        method = f"{_SERVICE}/{question.method}"
        limit_s = min(_LIMIT_S, self.settings.request_timeout_s)
        settings = replace(self.settings, request_timeout_s=limit_s)
        transport = GrpcTransport([address], method, self._headers(), settings, Origin.now())
        exchange = Exchange(Request(-1, b"", model, "", messages=(asked.SerializeToString(),)))
        try:
            await transport.open(1)
            await transport.send(exchange)
        except ServerError as exc:
            raise ServerError(exc.message, hint=_HINT if exc.hint == IS_IT_GRPC else exc.hint) from exc
        finally:
            await transport.close()
        if exchange.error is not None:
            raise Refused(exchange.error.message)
        try:
            answer = message(f"{question.method}Response").FromString(b"".join(exchange.data[:1]))
        except DecodeError as exc:
            raise Refused(f"the answer cannot be read: {exc}") from exc
        return MessageToDict(answer, preserving_proto_field_name=True)

    async def _ask_http(self, question: Question, model: str, version: str, address: Address) -> Any:
        import httpx

        named = f"{model}/versions/{version}" if version else model
        try:
            async with self._client(address) as client:
                url = address.http_url(question.path.replace("{model}", named))
                answer = await client.request(question.verb, url, headers=self._headers())
                found = answer.json()
        except (httpx.HTTPError, ValueError) as exc:
            raise Refused(str(exc) or type(exc).__name__) from exc
        if isinstance(found, Mapping) and "error" in found:
            raise Refused(str(found["error"]))
        if not answer.is_success:
            raise Refused(f"HTTP {answer.status_code}")
        return found

    def _client(self, address: Address) -> "httpx.AsyncClient":
        import httpx

        transport = httpx.AsyncHTTPTransport(
            verify=client_context(self.settings) if address.tls else True,
            uds=address.url.path if address.url.scheme == "unix" else None,
            proxy=self.settings.proxy,
        )
        return httpx.AsyncClient(transport=transport, timeout=_LIMIT_S, trust_env=False)

    def _headers(self) -> dict[str, str]:
        headers = [header.partition(":") for header in self.settings.headers]
        return {name.strip(): value.strip() for name, _, value in headers}
