"""Asking servers for their messages: grpcio's own reflection, and one that tells as little as it may."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import greeter
import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from wire import unused_port

from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import ServerError, UsageError
from genai_perf.transports.address import Address
from genai_perf.transports.reflection import Reflection

FILES = {FileDescriptorProto.FromString(file).name: file for file in greeter.files()}
NO_REFLECTION = "does not tell its messages (it has no server reflection)"


def asking(url: str) -> Reflection:
    return Reflection(Address.of(url), EndpointConfig(), {"authorization": "Bearer secret"})


def names(files: list[bytes]) -> list[str]:
    return sorted(FileDescriptorProto.FromString(file).name for file in files)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with greeter.serving() as url:
        yield url


async def test_a_server_tells_its_services(url: str) -> None:
    assert [greeter.SERVICE, "grpc.reflection.v1alpha.ServerReflection"] == await asking(url).services()


async def test_a_server_tells_what_a_service_is_made_of(url: str) -> None:
    found = await asking(url).files(greeter.SERVICE)
    assert "greeter.proto" in names(found)


async def test_a_service_that_is_not_there_has_no_files(url: str) -> None:
    assert [] == await asking(url).files("greeter.Nobody")


async def test_files_are_had_by_their_names(url: str) -> None:
    found = await asking(url).files_named(["names.proto", "greeter.proto"])
    assert {"names.proto", "greeter.proto"} <= set(names(found))


async def test_a_file_that_is_not_there_is_an_error(url: str) -> None:
    with pytest.raises(ServerError) as raised:
        await asking(url).files_named(["nothing.proto"])
    assert raised.value.message.startswith(f"{url}: reflection: ")


async def test_a_server_without_reflection_is_told_with_what_to_do() -> None:
    with greeter.serving(reflects=False) as url, pytest.raises(UsageError) as raised:
        await asking(url).files(greeter.SERVICE)
    assert f"--grpc-method: {url} {NO_REFLECTION}" == raised.value.message
    assert "--proto FILE" in str(raised.value.hint)


async def test_a_server_that_is_not_there_is_told() -> None:
    url = f"grpc://127.0.0.1:{unused_port()}"
    with pytest.raises(ServerError, match=f"--url {url}: cannot connect: Connection refused"):
        await asking(url).services()


# -- one of its own ------------------------------------------------------------------------------------


@asynccontextmanager
async def reflecting(version: str, *, answers: int = 1, garbled: bool = False) -> AsyncIterator[str]:
    """A server that tells one file at a time, under that version's name."""

    async def tell(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        assert ("authorization", "Bearer secret") in (context.invocation_metadata() or ())
        async for data in requests:
            asked = reflection_pb2.ServerReflectionRequest.FromString(data)
            answer = reflection_pb2.ServerReflectionResponse()
            name = asked.file_by_filename or "greeter.proto"
            answer.file_descriptor_response.file_descriptor_proto.append(FILES[name])
            for _ in range(answers):
                yield b"\xff" if garbled else answer.SerializeToString()

    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(tell)
    service = f"grpc.reflection.{version}.ServerReflection"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_both_versions_of_the_protocol_are_spoken(version: str) -> None:
    async with reflecting(version) as url:
        assert ["greeter.proto"] == names(await asking(url).files(greeter.SERVICE))


async def test_what_a_file_imports_is_asked_for_until_it_is_all_there() -> None:
    from genai_perf.profile.dynamic_grpc import completed

    async with reflecting("v1") as url:
        server = asking(url)
        pool, files = await completed(await server.files(greeter.SERVICE), server.files_named, url)
    assert {"greeter.proto", "names.proto"} <= set(names(files))
    assert pool.FindServiceByName(greeter.SERVICE)


@pytest.mark.parametrize(
    ("answers", "garbled", "said"),
    [(2, False, "2 answers to 1 questions"), (1, True, "the answer cannot be read")],
)
async def test_a_server_that_answers_oddly_is_told(answers: int, garbled: bool, said: str) -> None:
    async with reflecting("v1", answers=answers, garbled=garbled) as url:
        with pytest.raises(ServerError, match=said):
            await asking(url).files(greeter.SERVICE)
