"""The service of `inputs/grpc/greeter.proto` on loopback: grpcio's server, in threads of its own."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection

from genai_perf.endpoints.descriptors import pool_of_files
from genai_perf.workload.protos import compile_file

INPUTS = Path(__file__).parents[1] / "inputs" / "grpc"
PROTO = INPUTS / "greeter.proto"
SERVICE = "greeter.Greeter"


@cache
def files() -> tuple[bytes, ...]:
    """The compiled files."""
    return tuple(compile_file(PROTO))


@cache
def pool() -> DescriptorPool:
    return pool_of_files(files())


def message(name: str) -> Any:
    """The class of one of its messages."""
    return GetMessageClass(pool().FindMessageTypeByName(f"greeter.{name}"))


def _greeting(request: Any) -> str:
    return " ".join(["hello", *request.titles, request.name.given, request.name.family]).strip()


def _greet(request: Any, context: grpc.ServicerContext) -> Any:
    if not request.name.given:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "nobody to greet")
    return message("Reply")(text=_greeting(request))


def _greet_slowly(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    for number in range(request.times):
        yield message("Reply")(text=f"{_greeting(request)} {number}")
        time.sleep(request.pause.seconds + request.pause.nanos / 1e9)


def _greet_all(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    return message("Reply")(text=", ".join(map(_greeting, requests)))


def _talk(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    for request in requests:
        yield message("Reply")(text=_greeting(request))


@contextmanager
def serving(*, reflects: bool = True, identity: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Where it listens, as host:port; `reflects`: whether it tells its messages (by v1alpha).

    In TLS with an `identity`, certificate and key.
    """
    server = grpc.server(ThreadPoolExecutor(8))
    formats = {
        "request_deserializer": message("Greeting").FromString,
        "response_serializer": message("Reply").SerializeToString,
    }
    methods = {
        "Greet": grpc.unary_unary_rpc_method_handler(_greet, **formats),
        "GreetSlowly": grpc.unary_stream_rpc_method_handler(_greet_slowly, **formats),
        "GreetAll": grpc.stream_unary_rpc_method_handler(_greet_all, **formats),
        "Talk": grpc.stream_stream_rpc_method_handler(_talk, **formats),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    if reflects:
        reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server, pool=pool())
    if identity is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        certificate, key = (file.read_bytes() for file in identity)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
