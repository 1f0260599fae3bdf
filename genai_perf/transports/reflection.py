"""Asking a gRPC server what its methods and messages are (server reflection). Nothing here is measured.

Both versions of the protocol are tried: v1, and v1alpha, which is the same under another name and all that
older servers have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from genai_perf.clock import Origin
from genai_perf.config.schema import EndpointConfig
from genai_perf.endpoints.message_tables import message_class, pool_of
from genai_perf.exceptions import ServerError, UsageError
from genai_perf.transports.address import Address
from genai_perf.transports.grpc import GrpcTransport
from genai_perf.types import Exchange, Request

_PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
_LIMIT_S = 10.0
_NOT_FOUND = 5
"""gRPC's status code."""

_MESSAGES: Mapping[str, str] = {
    "ServerReflectionRequest": "3 file_by_filename string, 4 file_containing_symbol string, "
    "7 list_services string",
    "ServerReflectionResponse": "4 file_descriptor_response FileDescriptorResponse, "
    "6 list_services_response ListServiceResponse, 7 error_response ErrorResponse",
    "FileDescriptorResponse": "1 file_descriptor_proto bytes*",
    "ListServiceResponse": "1 service ServiceResponse*",
    "ServiceResponse": "1 name string",
    "ErrorResponse": "1 error_code int32, 2 error_message string",
}
"""Of reflection.proto, what is needed here."""

_HINT = "give --proto FILE, or --proto-descriptor FILE made by protoc --include_imports --descriptor_set_out"


@cache
def _message(name: str) -> Any:
    return message_class(pool_of("reflection", _MESSAGES), f"reflection.{name}")


class _Unimplemented(Exception):
    """The server does not know this version of the protocol."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """A server that can be asked."""

    address: Address
    settings: EndpointConfig
    """For TLS and time limits."""
    headers: Mapping[str, str]

    async def services(self) -> list[str]:
        """The full names of all its services. Raises ServerError, UsageError."""
        (answer,) = await self._ask([{"list_services": ""}])
        return sorted(service.name for service in answer.list_services_response.service)

    async def files(self, service: str) -> list[bytes]:
        """The serialized `FileDescriptorProto`s that describe a service; none where it has no such service.

        What they import is not always among them: see `files_named`. Raises ServerError, UsageError.
        """
        (answer,) = await self._ask([{"file_containing_symbol": service}])
        if answer.HasField("error_response") and answer.error_response.error_code == _NOT_FOUND:
            return []
        return self._descriptors(answer)

    async def files_named(self, names: Sequence[str]) -> list[bytes]:
        """Likewise, by the names that the files import each other by."""
        answers = await self._ask([{"file_by_filename": name} for name in names])
        return [file for answer in answers for file in self._descriptors(answer)]

    def _descriptors(self, answer: Any) -> list[bytes]:
        if answer.HasField("error_response"):
            error = answer.error_response
            raise ServerError(
                f"{self.address.shown}: reflection: {error.error_message or error.error_code}", hint=_HINT
            )
        return list(answer.file_descriptor_response.file_descriptor_proto)

    async def _ask(self, questions: Sequence[Mapping[str, str]]) -> list[Any]:
        for package in _PACKAGES:
            try:
                return await self._ask_version(package, questions)
            except _Unimplemented:
                continue
        raise UsageError(
            f"--grpc-method: {self.address.shown} does not tell its messages (it has no server reflection)",
            hint=_HINT,
        )

    async def _ask_version(self, package: str, questions: Sequence[Mapping[str, str]]) -> list[Any]:
        from google.protobuf.message import DecodeError

        settings = replace(self.settings, request_timeout_s=min(_LIMIT_S, self.settings.request_timeout_s))
        method = f"{package}.ServerReflection/ServerReflectionInfo"
        transport = GrpcTransport([self.address], method, self.headers, settings, Origin.now())
        asked = tuple(_message("ServerReflectionRequest")(**each).SerializeToString() for each in questions)
        exchange = Exchange(Request(-1, b"", "", "", messages=asked))
        try:
            await transport.open(1)
            await transport.send(exchange)
        finally:
            await transport.close()
        if exchange.error is not None and exchange.error.kind in ("grpc_unimplemented", "http_404"):
            raise _Unimplemented
        if exchange.error is not None:
            raise ServerError(f"{self.address.shown}: reflection: {exchange.error.message}", hint=_HINT)
        if len(exchange.data) != len(questions):
            raise ServerError(
                f"{self.address.shown}: reflection: {len(exchange.data)} answers to {len(questions)} "
                "questions",
                hint=_HINT,
            )
        try:
            return [_message("ServerReflectionResponse").FromString(data) for data in exchange.data]
        except DecodeError as exc:
            raise ServerError(
                f"{self.address.shown}: reflection: the answer cannot be read: {exc}", hint=_HINT
            ) from exc
