"""Who stamps an arrival, and that the stamp is the arrival's and not the read's.

The server writes while the test holds the event loop. A stamp taken in user space would carry the instant at
which the loop was let go; the kernel's lies before that. So these are assertions about order, and no machine
is too slow for them.
"""

import ssl
import sys
import time
from pathlib import Path

import pytest
from certificates import Authority
from server import LAST_CHUNK, Peer, Server, answer, chunk, event, head
from wire import ask, assert_in_order, in_flight, native, until

from genai_perf.clock import monotonic_ns
from genai_perf.transports.stamps import keep_stamping
from genai_perf.types import Exchange, Stamp

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux stamps what it receives")

HOLD_S = 0.05
STREAM_HEAD = head("Transfer-Encoding: chunked", "Content-Type: text/event-stream")


class Stepped:
    """A server that writes each of its pieces when it is told to, and notes the instant just before."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces
        self.written_ns: list[int] = []

    def __call__(self, peer: Peer) -> None:
        if not peer.request():
            return
        peer.write(STREAM_HEAD)
        for piece in self.pieces:
            peer.wait()
            self.written_ns.extend(peer.write(piece))
        peer.request()

    def hold_the_loop(self, server: Server, *, pieces: int) -> int:
        """Let the server write while this thread and its loop stand; the instant before they go on."""
        expected = len(self.written_ns) + pieces
        for _ in range(pieces):
            server.step()
        while len(self.written_ns) < expected:
            time.sleep(0.001)
        time.sleep(HOLD_S)
        return monotonic_ns()


def tls_settings(authority: Authority, tls: bool) -> tuple[ssl.SSLContext | None, dict[str, Path]]:
    if not tls:
        return None, {}
    return authority.server_context("127.0.0.1"), {"tls_ca_file": authority.file}


@linux
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_what_arrives_while_the_loop_is_busy_is_stamped_when_it_arrived(
    tls: bool, authority: Authority
) -> None:
    context, settings = tls_settings(authority, tls)
    script = Stepped(chunk(event(b"one")), chunk(event(b"two")), LAST_CHUNK)
    with Server(script, tls=context) as server:
        async with native(server.url, **settings) as transport:
            async with in_flight(transport) as (exchange, _):
                await until(lambda: exchange.status == 200)
                let_go_ns = []
                for number in range(2):
                    let_go_ns.append(script.hold_the_loop(server, pieces=1))
                    await until(lambda number=number: len(exchange.data) > number)
                let_go_ns.append(script.hold_the_loop(server, pieces=1))
            origin_ns = transport._origin_ns
    assert Stamp.KERNEL is exchange.stamp
    assert_in_order(exchange)
    for written_ns, at_ns, busy_until_ns, read_ns in zip(
        script.written_ns, exchange.at_ns, let_go_ns, exchange.read_ns, strict=False
    ):
        assert written_ns <= origin_ns + at_ns < busy_until_ns <= origin_ns + read_ns
    assert script.written_ns[2] <= origin_ns + exchange.end_ns < let_go_ns[2]


@linux
async def test_the_head_is_stamped_when_it_arrived() -> None:
    written_ns: list[int] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.wait()
        written_ns.extend(peer.write(answer(b"{}")))
        peer.request()

    with Server(script) as server:
        async with native(server.url) as transport:
            async with in_flight(transport) as (exchange, _):
                await until(lambda: exchange.sent_ns > 0)
                server.step()
                while not written_ns:
                    time.sleep(0.001)  # noqa: ASYNC251  the loop is to stand
                time.sleep(HOLD_S)  # noqa: ASYNC251
                let_go_ns = monotonic_ns()
            origin_ns = transport._origin_ns
    assert_in_order(exchange)
    assert written_ns[0] <= origin_ns + exchange.headers_ns < let_go_ns
    assert exchange.headers_ns == exchange.at_ns[0] == exchange.end_ns


@linux
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_events_that_wait_together_carry_the_last_ones_arrival_and_say_since_when(
    tls: bool, authority: Authority
) -> None:
    """Of several events in one read, all but the last arrived between `after_ns` and `at_ns`."""
    context, settings = tls_settings(authority, tls)
    script = Stepped(*[chunk(event(b"%d" % number)) for number in range(4)], LAST_CHUNK)
    with Server(script, tls=context) as server:
        async with native(server.url, **settings) as transport:
            async with in_flight(transport) as (exchange, _):
                server.step()
                await until(lambda: len(exchange.data) == 1)
                let_go_ns = script.hold_the_loop(server, pieces=3)
                await until(lambda: len(exchange.data) == 2)
                server.step()
            origin_ns = transport._origin_ns
    assert_in_order(exchange)
    assert b"".join(event(b"%d" % number) for number in (1, 2, 3)) == exchange.data[1]
    first, last = script.written_ns[1], script.written_ns[3]
    assert origin_ns + exchange.after_ns[1] <= first < last <= origin_ns + exchange.at_ns[1] < let_go_ns


async def test_where_the_kernel_does_not_stamp_the_exchange_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genai_perf.transports.wire.enable_kernel_stamps", lambda sock: False)
    script = Stepped(chunk(event(b"one")), LAST_CHUNK)
    with Server(script) as server:
        async with native(server.url) as transport, in_flight(transport) as (exchange, _):
            server.step()
            await until(lambda: len(exchange.data) == 1)
            server.step()
    assert Stamp.USER is exchange.stamp


async def test_a_unix_socket_is_stamped_by_this_program(tmp_path: Path) -> None:
    script = Stepped(chunk(event(b"one")), LAST_CHUNK)
    with Server(script, listen=str(tmp_path / "server.sock")) as server:
        async with native(server.url) as transport:
            async with in_flight(transport) as (exchange, _):
                await until(lambda: exchange.status == 200)
                let_go_ns = script.hold_the_loop(server, pieces=1)
                await until(lambda: len(exchange.data) == 1)
                server.step()
            assert_in_order(exchange)
            assert Stamp.USER is exchange.stamp
            assert exchange.at_ns == exchange.read_ns
            assert let_go_ns <= transport._origin_ns + exchange.at_ns[0]
            # The slack is honest about what nobody knows: the event had come at any time since the last look.
            assert transport._origin_ns + exchange.after_ns[0] <= script.written_ns[0]


@linux
@pytest.mark.parametrize("step_s", [-3600, -0.02, 0.02, 30, 3600])
async def test_a_step_of_the_wall_clock_moves_no_stamp_out_of_order(
    step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel stamps by the wall clock, which somebody may set while a request is on its way."""
    script = Stepped(*[chunk(event(b"%d" % number)) for number in range(3)], LAST_CHUNK)
    with Server(script) as server:
        async with native(server.url) as transport:
            async with in_flight(transport) as (exchange, _):
                server.step()
                await until(lambda: len(exchange.data) == 1)
                step_ns = int(step_s * 1e9)
                monkeypatch.setattr("genai_perf.clock.wall_ns", lambda: time.time_ns() + step_ns)
                transport._wall_offset.refresh()
                for number in (2, 3):
                    server.step()
                    await until(lambda number=number: len(exchange.data) == number)
                server.step()
            assert_in_order(exchange)
            assert exchange.after_ns[2] <= exchange.at_ns[2] <= exchange.read_ns[2]


@linux
async def test_a_read_without_a_kernel_stamp_makes_the_exchange_one_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel may have received a segment before it was asked to stamp."""
    script = Stepped(chunk(event(b"one")), LAST_CHUNK)
    with Server(script) as server:
        async with native(server.url) as transport:
            wire = transport._pools[0].idle[0]._wire
            receive = wire._receive
            wire._receive = lambda *sizes: (receive(*sizes)[0], [], 0, None)
            async with in_flight(transport) as (exchange, _):
                server.step()
                await until(lambda: len(exchange.data) == 1)
                server.step()
    assert Stamp.USER is exchange.stamp
    assert exchange.at_ns == exchange.read_ns


@linux
async def test_the_kernel_stamps_from_before_the_run_to_its_end() -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(answer(b"{}"))

    with Server(script) as server:
        async with native(server.url) as transport:
            stamping = transport._kept.stamping
            assert stamping is not None
            assert Stamp.KERNEL is (await ask(transport)).stamp
            assert stamping.fileno() >= 0
        assert -1 == stamping.fileno()


async def test_a_kernel_that_never_stamps_holds_no_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genai_perf.transports.stamps.enable_kernel_stamps", lambda sock: False)
    assert await keep_stamping() is None


@linux
async def test_short_lived_connections_are_stamped_by_the_kernel_as_well() -> None:
    def script(peer: Peer) -> None:
        while peer.request():
            peer.write(answer(b"{}"))

    with Server(script) as server:
        async with native(server.url, connection_reuse="never") as transport:
            exchanges: list[Exchange] = [await ask(transport) for _ in range(50)]
    assert [Stamp.KERNEL] * 50 == [exchange.stamp for exchange in exchanges]
