"""The gRPC transport against grpcio's own server."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from grpc_wire import METHOD, call, calling, echo, exchange_of, in_flight, serving, unopened
from wire import PATIENCE_S, assert_in_order, until, unused_port

from genai_perf.clock import Origin
from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import ServerError, UsageError
from genai_perf.transports.address import Address
from genai_perf.transports.grpc import GrpcTransport
from genai_perf.transports.kept import Kept
from genai_perf.types import Stamp

Messages = AsyncIterator[bytes]
Context = grpc.aio.ServicerContext


async def one_answer_each(messages: Messages, context: Context) -> Messages:
    """Waits for all of the request, and then says how long each message was."""
    sizes = [len(message) async for message in messages]
    for size in sizes:
        yield str(size).encode()


# -- messages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [(), (b"",), (b"one",), (b"one", b"", b"three" * 100)])
async def test_every_message_goes_and_comes(messages: tuple[bytes, ...]) -> None:
    async with serving(echo) as (_, url), calling(url) as transport:
        exchange = await call(transport, *messages)
    assert_in_order(exchange)
    assert list(messages) == exchange.data
    assert (200, "0", url) == (exchange.status, exchange.headers["grpc-status"], exchange.url)
    assert "application/grpc" == exchange.headers["content-type"]


async def test_one_connection_serves_call_after_call() -> None:
    peers: set[str] = set()

    async def talk(messages: Messages, context: Context) -> Messages:
        peers.add(context.peer())
        async for message in messages:
            yield message

    async with serving(talk) as (_, url), calling(url) as transport:
        for number in range(20):
            exchange = await call(transport, b"%d" % number)
            assert_in_order(exchange)
            assert [b"%d" % number] == exchange.data
    assert 1 == len(peers)


async def test_large_messages_pass_the_windows_of_both_sides() -> None:
    sent = tuple(os.urandom(size) for size in (3_000_000, 1, 700_000))
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with serving(echo, options=options) as (_, url), calling(url) as transport:
        for _ in range(2):
            exchange = await call(transport, *sent)
            assert_in_order(exchange)
            assert list(sent) == exchange.data


async def test_the_whole_request_is_sent_before_the_answer_begins_where_the_server_wants_it() -> None:
    async with serving(one_answer_each) as (_, url), calling(url) as transport:
        exchange = await call(transport, b"a" * 100_000, b"b" * 10)
        assert_in_order(exchange)
        assert exchange.sent_ns <= exchange.headers_ns
    assert [b"100000", b"10"] == exchange.data


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed_messages_are_plain_in_the_exchange(algorithm: grpc.Compression) -> None:
    async def talk(messages: Messages, context: Context) -> Messages:
        context.set_compression(algorithm)
        async for message in messages:
            yield message * 1000

    async with serving(talk) as (_, url), calling(url) as transport:
        exchange = await call(transport, b"a", b"b" * 50)
    assert_in_order(exchange)
    assert algorithm.name.lower() == exchange.headers["grpc-encoding"]
    assert [b"a" * 1000, b"b" * 50_000] == exchange.data


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
async def test_messages_are_sent_compressed_where_that_is_wanted(algorithm: str) -> None:
    async with serving(echo) as (_, url), calling(url, grpc_compression=algorithm) as transport:
        for _ in range(2):
            exchange = await call(transport, b"a" * 100_000, b"")
            assert_in_order(exchange)
            assert [b"a" * 100_000, b""] == exchange.data


# -- stamps --------------------------------------------------------------------------------------------


async def test_messages_that_trickle_in_have_a_stamp_of_their_own_each() -> None:
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk(messages: Messages, context: Context) -> Messages:
        while message := await steps.get():
            yield message

    async with serving(talk) as (_, url), calling(url) as transport:
        async with in_flight(transport, b"go") as (exchange, _):
            for number in range(5):
                steps.put_nowait(b"word")
                await until(lambda number=number: len(exchange.data) > number)
            steps.put_nowait(b"")
        assert_in_order(exchange)
    assert [b"word"] * 5 == exchange.data
    assert 5 == len(set(exchange.read_ns))
    assert Stamp.KERNEL is exchange.stamp
    # no doubt about those behind which nothing came; grpcio sends a ping after some
    assert any(map(int.__eq__, exchange.at_ns, exchange.after_ns))


# -- what the server is told ---------------------------------------------------------------------------


async def test_headers_become_metadata_and_the_timeout_is_told() -> None:
    seen: dict[str, object] = {}

    async def talk(messages: Messages, context: Context) -> Messages:
        seen.update(dict(context.invocation_metadata() or ()))
        seen["left"] = context.time_remaining()
        async for message in messages:
            yield message

    headers = {"Authorization": "Bearer secret", "X-Trace-Bin": "AAEC", "User-Agent": "genai-perf/1"}
    async with (
        serving(talk) as (_, url),
        calling(url, headers=headers, request_timeout_s=50) as transport,
    ):
        for _ in range(3):  # the second finds them all in the compression's table
            seen.clear()
            assert (await call(transport, b"x")).error is None
            assert "Bearer secret" == seen["authorization"]
            assert b"\x00\x01\x02" == seen["x-trace-bin"]
            assert str(seen["user-agent"]).startswith("genai-perf/1")
            assert 40 < float(str(seen["left"])) <= 50


def test_metadata_that_must_be_binary_and_is_not_is_refused() -> None:
    with pytest.raises(UsageError) as raised:
        unopened("localhost:1", headers={"X-Bin": "not base64!"})
    assert "--header: x-bin: its value is not base64" == raised.value.message


# -- failures ------------------------------------------------------------------------------------------


async def test_a_status_that_is_not_ok_is_the_error_with_its_name_and_reason() -> None:
    async def talk(messages: Messages, context: Context) -> Messages:
        yield b"a part"
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "zu viele Anfragen: 100 %, später")

    async with serving(talk) as (_, url), calling(url) as transport:
        for _ in range(2):
            exchange = await call(transport, b"x")
            assert exchange.error is not None
            assert "grpc_resource_exhausted" == exchange.error.kind
            assert "zu viele Anfragen: 100 %, später" == exchange.error.message
            assert "8" == exchange.headers["grpc-status"]
            assert [b"a part"] == exchange.data
            assert exchange.at_ns[0] <= exchange.end_ns


async def test_a_method_that_is_not_there_is_answered_by_trailers_only() -> None:
    async with serving(echo) as (_, url), calling(url, method="test.Echo/Nothing") as transport:
        exchange = await call(transport, b"x")
    assert exchange.error is not None
    assert ("grpc_unimplemented", "Method not found!") == (exchange.error.kind, exchange.error.message)


async def test_the_servers_own_deadline_is_a_failed_request() -> None:
    async def talk(messages: Messages, context: Context) -> Messages:
        yield b"one"
        await asyncio.sleep(PATIENCE_S)

    async with serving(talk) as (_, url), calling(url, request_timeout_s=0.2) as transport:
        exchange = await call(transport, b"x")
    assert exchange.error is not None
    assert exchange.error.kind in ("grpc_deadline_exceeded", "timeout")  # whoever looks at the clock first
    assert [b"one"] == exchange.data


async def test_a_cancelled_request_keeps_what_had_come_and_the_server_learns_of_it() -> None:
    has_ended = asyncio.Event()

    async def talk(messages: Messages, context: Context) -> Messages:
        try:
            yield b"one"
            await asyncio.sleep(PATIENCE_S)
        finally:
            has_ended.set()

    async with serving(talk) as (_, url), calling(url) as transport:
        exchange = exchange_of(b"x")
        task = asyncio.create_task(transport.send(exchange))
        await until(lambda: bool(exchange.data))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert exchange.start_ns <= exchange.at_ns[0] <= exchange.end_ns
        async with asyncio.timeout(PATIENCE_S):
            await has_ended.wait()


# -- connections ---------------------------------------------------------------------------------------


async def test_a_server_that_stops_gracefully_lets_what_is_in_flight_finish() -> None:
    goes_on = asyncio.Event()

    async def talk(messages: Messages, context: Context) -> Messages:
        yield b"one"
        await goes_on.wait()
        yield b"two"

    async with serving(talk) as (server, url), calling(url) as transport:
        async with in_flight(transport, b"x") as (exchange, _):
            await until(lambda: len(exchange.data) == 1)
            stopping = asyncio.create_task(server.stop(PATIENCE_S))
            (connection,) = transport._in_flight
            await until(lambda: connection._is_leaving)  # type: ignore[attr-defined]
            goes_on.set()
        assert_in_order(exchange)
        assert [b"one", b"two"] == exchange.data
        await stopping
        refused = await call(transport, b"x")
    assert refused.error is not None
    assert "connect" == refused.error.kind


async def test_a_connection_that_the_server_gave_up_while_it_was_idle_is_replaced() -> None:
    options = [("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 100)]
    async with serving(echo, options=options) as (_, url), calling(url) as transport:
        assert_in_order(await call(transport, b"x"))
        await until(lambda: not transport._pools[0].idle[0].is_open)
        exchange = await call(transport, b"y")
        assert_in_order(exchange)
        assert exchange.connect_ns is not None


async def test_connection_reuse_never_opens_one_for_every_call() -> None:
    async with serving(echo) as (_, url), calling(url, connection_reuse="never") as transport:
        for _ in range(3):
            exchange = await call(transport, b"x")
            assert_in_order(exchange)
            assert exchange.connect_ns is not None


async def test_the_next_run_goes_on_with_the_connections_of_the_one_before() -> None:
    kept = Kept()
    async with serving(echo) as (_, url):
        for number in range(3):
            transport = GrpcTransport([Address.of(url)], METHOD, {}, EndpointConfig(), Origin.now(), kept)
            await transport.open(1)
            (connection,) = transport._pools[0].idle
            exchange = await call(transport, b"x" * 1000)
            assert_in_order(exchange)
            assert 2 * number + 1 == connection._http2.stream  # type: ignore[attr-defined]
            await transport.close()
        await kept.close()


async def test_many_calls_at_once_each_have_a_connection_of_their_own() -> None:
    async with serving(echo) as (_, url), calling(url, connections=8) as transport:
        exchanges = await asyncio.gather(*[call(transport, b"%d" % number) for number in range(20)])
    for number, exchange in enumerate(exchanges):
        assert_in_order(exchange)
        assert [b"%d" % number] == exchange.data


async def test_nobody_there_is_said_before_the_run() -> None:
    url = f"grpc://127.0.0.1:{unused_port()}"
    with pytest.raises(ServerError) as raised:
        async with calling(url):
            pass
    assert f"--url {url}: cannot connect: Connection refused" == raised.value.message


async def test_a_unix_socket_is_spoken_to_as_well(tmp_path: Path) -> None:
    async with serving(echo, listen=f"unix:{tmp_path / 'socket'}") as (_, url), calling(url) as transport:
        exchange = await call(transport, b"x" * 100_000)
    assert_in_order(exchange)
    assert [b"x" * 100_000] == exchange.data


# -- TLS -----------------------------------------------------------------------------------------------


def credentials(authority: Authority, *, asks_client: bool = False) -> grpc.ServerCredentials:
    certificate, key = authority.issue("127.0.0.1")
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=authority.file.read_bytes() if asks_client else None,
        require_client_auth=asks_client,
    )


async def test_calls_go_over_tls(authority: Authority) -> None:
    large = os.urandom(500_000)
    async with (
        serving(echo, credentials=credentials(authority)) as (_, url),
        calling(url, tls_ca_file=authority.file, connections=2) as transport,
    ):
        for messages in ((b"one",), (large, b"two"), ()):
            exchange = await call(transport, *messages)
            assert_in_order(exchange)
            assert list(messages) == exchange.data
        assert exchange.connect_ns is None


async def test_a_server_may_ask_for_a_client_certificate(authority: Authority) -> None:
    certificate, key = authority.issue("client.example")
    async with serving(echo, credentials=credentials(authority, asks_client=True)) as (_, url):
        settings = {"tls_ca_file": authority.file, "tls_cert_file": certificate, "tls_key_file": key}
        async with calling(url, **settings) as transport:
            assert_in_order(await call(transport, b"x"))


async def test_a_certificate_of_nobody_we_trust_is_refused_before_the_run(authority: Authority) -> None:
    async with serving(echo, credentials=credentials(authority)) as (_, url):
        with pytest.raises(ServerError) as raised:
            async with calling(url):
                pass
    assert f"--url {url}: the server's certificate is not accepted" in raised.value.message


# -- Triton's own messages -----------------------------------------------------------------------------


async def test_tritons_messages_go_over_it() -> None:
    from tritonclient.grpc import service_pb2

    async def talk(messages: Messages, context: Context) -> Messages:
        async for message in messages:
            request = service_pb2.ModelInferRequest.FromString(message)
            for word in ("one ", "two "):
                answer = service_pb2.ModelStreamInferResponse()
                answer.infer_response.id = request.id
                answer.infer_response.raw_output_contents.append(word.encode())
                yield answer.SerializeToString()

    request = service_pb2.ModelInferRequest(model_name="m", id="7")
    async with serving(talk) as (_, url), calling(url, method=METHOD) as transport:
        exchange = await call(transport, request.SerializeToString())
    assert_in_order(exchange)
    answers = [service_pb2.ModelStreamInferResponse.FromString(message) for message in exchange.data]
    assert ["7", "7"] == [answer.infer_response.id for answer in answers]
    assert [b"one ", b"two "] == [answer.infer_response.raw_output_contents[0] for answer in answers]
