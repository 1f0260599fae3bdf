"""HTTP/2's frames, by themselves: bytes in, calls and bytes out."""

from contextlib import suppress

import hpack
import pytest
from http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEAD,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    TRAILERS,
    WINDOW_UPDATE,
    block,
    frame,
    headers,
    settings,
    trailers,
    u32,
)
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.transports.header_blocks import Headers
from genai_perf.transports.http2 import FRAME_BYTES, WINDOW_BYTES, Http2, Http2Error

REQUEST = [(b":method", b"POST"), (b":path", b"/a.B/C"), (b"te", b"trailers")]


class Listening:
    """Notes what it is told; parts of a body that follow each other as one."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.sent = b""

    def send(self, data: bytes) -> None:
        self.sent += data

    def on_settings(self) -> None:
        self.told.append("settings")

    def on_headers(self, found: Headers, ends: bool) -> None:
        self.told.append((dict(found), ends))

    def on_data(self, part: bytes) -> None:
        if self.told and isinstance(self.told[-1], bytes):
            self.told[-1] += part
        else:
            self.told.append(part)

    def on_end(self) -> None:
        self.told.append("end")

    def on_reset(self, code: int) -> None:
        self.told.append(f"reset {code}")

    def on_go_away(self, last_stream: int, code: int, text: bytes) -> None:
        self.told.append((last_stream, code, text))


def begun(body: bytes = b"request") -> tuple[Http2, Listening]:
    """A connection with stream 1 in flight."""
    listening = Listening()
    http2 = Http2(REQUEST, listening.send, listening)
    http2.start(body)
    return http2, listening


def fields(found: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in found.items()}


HEADED = (fields(HEAD), False)
TRAILED = (fields(TRAILERS), True)
HEAD_BLOCK = block(HEAD)

ANSWERS: dict[str, tuple[bytes, list[object]]] = {
    "plain": (
        headers(1) + frame(DATA, 0, 1, b"one") + frame(DATA, 0, 1, b"two") + trailers(1),
        [HEADED, b"onetwo", TRAILED, "end"],
    ),
    "ended by its data": (headers(1) + frame(DATA, END_STREAM, 1, b"one"), [HEADED, b"one", "end"]),
    "ended by an empty frame": (
        headers(1) + frame(DATA, 0, 1, b"one") + frame(DATA, END_STREAM, 1),
        [HEADED, b"one", "end"],
    ),
    "trailers only": (trailers(1, HEAD), [(fields(HEAD), True), "end"]),
    "padded": (
        frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05" + HEAD_BLOCK + bytes(5))
        + frame(DATA, PADDED, 1, b"\x03one" + bytes(3))
        + frame(DATA, PADDED, 1, b"\x00two")
        + frame(DATA, PADDED | END_STREAM, 1, b"\x00"),
        [HEADED, b"onetwo", "end"],
    ),
    "with a priority, which has had its day": (
        frame(PRIORITY, 0, 1, bytes(5))
        + frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, bytes(5) + HEAD_BLOCK)
        + frame(
            HEADERS,
            END_HEADERS | HAS_PRIORITY | PADDED | END_STREAM,
            1,
            b"\x02" + bytes(5) + block(TRAILERS) + bytes(2),
        ),
        [HEADED, TRAILED, "end"],
    ),
    "headers that go on": (
        frame(HEADERS, 0, 1, HEAD_BLOCK[:3])
        + frame(CONTINUATION, 0, 1, HEAD_BLOCK[3:3])
        + frame(CONTINUATION, 0, 1, HEAD_BLOCK[3:9])
        + frame(CONTINUATION, END_HEADERS, 1, HEAD_BLOCK[9:])
        + frame(HEADERS, END_STREAM, 1, b"")
        + frame(CONTINUATION, END_HEADERS, 1, block(TRAILERS)),
        [HEADED, TRAILED, "end"],
    ),
    "other frames in between": (
        settings({3: 100})
        + headers(1)
        + frame(PING, 0, 0, b"12345678")
        + frame(DATA, 0, 1, b"one")
        + frame(WINDOW_UPDATE, 0, 0, u32(10))
        + frame(0x42, 0xFF, 1, b"of a kind that nobody knows")
        + frame(PING, ACK, 0, b"12345678")
        + frame(DATA, 0, 1, b"two")
        + frame(SETTINGS, ACK)
        + trailers(1)
        + frame(RST_STREAM, 0, 1, u32(0))
        + frame(GOAWAY, 0, 0, u32(1) + u32(0) + b"bye"),
        ["settings", HEADED, b"onetwo", TRAILED, "end", (1, 0, b"bye")],
    ),
    "given up": (headers(1) + frame(RST_STREAM, 0, 1, u32(7)), [HEADED, "reset 7"]),
}


@pytest.mark.parametrize(("wire", "told"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_told_as_it_comes(wire: bytes, told: list[object]) -> None:
    http2, listening = begun()
    http2.feed(wire)
    assert told == listening.told


@given(st.sampled_from(list(ANSWERS.values())), st.lists(st.integers(1, 40)))
def test_however_an_answer_is_cut_the_same_is_told(
    answer: tuple[bytes, list[object]], cuts: list[int]
) -> None:
    wire, told = answer
    http2, listening = begun()
    for size in cuts:
        http2.feed(wire[:size])
        wire = wire[size:]
    http2.feed(wire)
    assert told == listening.told


def test_a_body_is_handed_on_before_its_frame_is_complete() -> None:
    http2, listening = begun()
    wire = headers(1) + frame(DATA, 0, 1, b"0123456789")
    http2.feed(wire[:-7])
    assert [HEADED, b"012"] == listening.told
    http2.feed(wire[-7:])
    assert [HEADED, b"0123456789"] == listening.told


def test_pings_and_settings_are_answered() -> None:
    http2, listening = begun()
    http2.feed(settings({4: 1000}) + frame(PING, 0, 0, b"12345678"))
    assert frame(SETTINGS, ACK) + frame(PING, ACK, 0, b"12345678") == listening.sent


def test_the_compressions_table_is_kept_from_answer_to_answer() -> None:
    encoder = hpack.Encoder()
    http2, listening = begun()
    for number in range(3):
        if number:
            http2.start(b"")
        stream = http2.stream
        http2.feed(frame(HEADERS, END_HEADERS, stream, encoder.encode(list(HEAD.items()))))
        http2.feed(frame(HEADERS, END_HEADERS | END_STREAM, stream, encoder.encode(list(TRAILERS.items()))))
    assert [HEADED, TRAILED, "end"] * 3 == listening.told


FIELDS = st.tuples(st.sampled_from(["a", "b", "grpc-status"]), st.sampled_from(["", "0", "1", "x" * 1500]))


@given(st.lists(st.lists(FIELDS, max_size=4), max_size=12), st.sampled_from([0, 100, 4096]))
def test_headers_mean_the_same_whatever_came_before(lists: list[list[tuple[str, str]]], table: int) -> None:
    """Those that were seen before are not decoded again, unless something else has changed their meaning."""
    encoder = hpack.Encoder()
    encoder.header_table_size = table
    http2, listening = begun()
    for pairs in lists:
        block = encoder.encode(pairs)
        http2.feed(frame(HEADERS, END_HEADERS | END_STREAM, http2.stream, block))
        http2.start(b"")
    expected = [(fields(dict(pairs)), True) for pairs in lists]
    assert expected == [told for told in listening.told if told != "end"]


# -- what is sent --------------------------------------------------------------------------------------


def parsed(wire: bytes) -> list[tuple[int, int, int, bytes]]:
    frames = []
    while wire:
        length = int.from_bytes(wire[:3])
        frames.append((wire[3], wire[4], int.from_bytes(wire[5:9]), wire[9 : 9 + length]))
        assert len(frames[-1][3]) == length
        wire = wire[9 + length :]
    return frames


def test_a_connection_begins_with_the_preface_and_large_windows() -> None:
    http2 = Http2(REQUEST, lambda data: None, Listening())
    hello = http2.hello()
    assert hello.startswith(PREFACE)
    (kind, _, _, payload), (second, _, stream, increment) = parsed(hello[len(PREFACE) :])
    assert (SETTINGS, WINDOW_UPDATE, 0) == (kind, second, stream)
    assert b"\x00\x02" + u32(0) + b"\x00\x04" + u32(WINDOW_BYTES) == payload
    assert u32(WINDOW_BYTES - 65_535) == increment


def test_headers_shrink_once_the_server_knows_them_and_mean_the_same() -> None:
    http2 = Http2(REQUEST, lambda data: None, Listening())
    decoder = hpack.Decoder()
    sizes = []
    for number in range(4):
        (kind, flags, stream, payload), (_, last, _, body) = parsed(http2.start(b"x"))
        assert (HEADERS, END_HEADERS, 2 * number + 1) == (kind, flags, stream)
        assert (END_STREAM, b"x") == (last, body)
        assert REQUEST == [tuple(pair) for pair in decoder.decode(payload, raw=True)]
        sizes.append(len(payload))
        http2.feed(trailers(stream, HEAD))
    assert sizes[0] > sizes[1] == sizes[2] == sizes[3]


def test_a_request_without_a_message_ends_with_its_headers() -> None:
    http2 = Http2(REQUEST, lambda data: None, Listening())
    ((kind, flags, _, _),) = parsed(http2.start(b""))
    assert (HEADERS, END_HEADERS | END_STREAM) == (kind, flags)


def test_headers_longer_than_a_frame_go_on_in_others() -> None:
    pairs = [*REQUEST, (b"authorization", b"x" * 40_000)]
    http2 = Http2(pairs, lambda data: None, Listening())
    decoder = hpack.Decoder(max_header_list_size=100_000)
    for _ in range(2):
        frames = parsed(http2.start(b""))
        assert HEADERS == frames[0][0]
        assert {CONTINUATION} == {kind for kind, _, _, _ in frames[1:]}
        assert [END_STREAM, *[0] * (len(frames) - 2), END_HEADERS] == [flags for _, flags, _, _ in frames]
        assert all(len(payload) <= FRAME_BYTES for _, _, _, payload in frames)
        found = decoder.decode(b"".join(payload for _, _, _, payload in frames), raw=True)
        assert pairs == [tuple(pair) for pair in found]
        http2.feed(trailers(http2.stream, HEAD))


@given(
    st.integers(0, 100_000),
    st.lists(
        st.tuples(st.sampled_from(["connection", "stream", "settings"]), st.integers(1, 30_000)), max_size=20
    ),
)
def test_no_more_is_sent_than_the_windows_allow(size: int, grants: list[tuple[str, int]]) -> None:
    body = bytes(number % 251 for number in range(size))
    listening = Listening()
    http2 = Http2(REQUEST, listening.send, listening)
    http2.feed(settings())
    listening.sent = b""
    sent = http2.start(body)
    connection = stream = most = initial = 65_535

    def told() -> bytes:
        frames = [each for each in parsed(sent + listening.sent) if each[0] == DATA]
        assert all(len(payload) <= FRAME_BYTES for _, _, _, payload in frames)
        assert all(flags == 0 for _, flags, _, _ in frames[:-1])
        found = b"".join(payload for _, _, _, payload in frames)
        if frames:
            assert (END_STREAM if found == body else 0) == frames[-1][1]
        return found

    for what, grant in grants:
        if what == "settings":
            stream += grant - initial
            initial = grant
            http2.feed(settings({4: grant}))
        elif what == "connection":
            connection += grant
            http2.feed(frame(WINDOW_UPDATE, 0, 0, u32(grant)))
        else:
            stream += grant
            http2.feed(frame(WINDOW_UPDATE, 0, 1, u32(grant)))
        most = max(most, stream)
        assert len(told()) <= min(connection, most)
        assert body.startswith(told())
    assert http2.is_sent == (told() == body)
    http2.feed(frame(WINDOW_UPDATE, 0, 0, u32(1_000_000)) + frame(WINDOW_UPDATE, 0, 1, u32(1_000_000)))
    assert body == told()
    assert http2.is_sent


def test_frames_grow_as_long_as_the_server_takes_them() -> None:
    listening = Listening()
    http2 = Http2(REQUEST, listening.send, listening)
    http2.feed(settings({5: 100_000, 4: 1_000_000}) + frame(WINDOW_UPDATE, 0, 0, u32(1_000_000)))
    sizes = [len(payload) for kind, _, _, payload in parsed(http2.start(bytes(150_000))) if kind == DATA]
    assert [100_000, 50_000] == sizes


def test_the_servers_windows_are_opened_again_when_half_is_used() -> None:
    http2, listening = begun()
    http2.feed(headers(1))
    part = frame(DATA, 0, 1, bytes(FRAME_BYTES))
    for _ in range(WINDOW_BYTES // 2 // FRAME_BYTES - 1):
        http2._count(FRAME_BYTES, 1)  # what feeding half a gigabyte would do
    assert b"" == listening.sent
    http2.feed(part)
    half = u32(WINDOW_BYTES // 2)
    assert frame(WINDOW_UPDATE, 0, 0, half) + frame(WINDOW_UPDATE, 0, 1, half) == listening.sent


# -- what a server must not do -------------------------------------------------------------------------

BROKEN = {
    "too long a frame": (frame(DATA, 0, 1, bytes(FRAME_BYTES + 1)), "a frame of 16385 bytes"),
    "an answer on another stream": (headers(3), "on stream 3, where none is due"),
    "a body on another stream": (frame(DATA, 0, 3, b"x"), "on stream 3, where none is due"),
    "more behind the end": (trailers(1) + frame(DATA, 0, 1, b"x"), "on stream 1, where none is due"),
    "headers behind the end": (trailers(1) + headers(1), "on stream 1, where none is due"),
    "padding longer than its frame": (frame(DATA, PADDED, 1, b"\x05abc"), "more padding than frame"),
    "padding without a length": (frame(HEADERS, PADDED | END_HEADERS, 1), "more padding than frame"),
    "headers cut by others": (
        frame(HEADERS, 0, 1, b"") + frame(PING, 0, 0, bytes(8)),
        "a frame in the middle of headers",
    ),
    "headers cut by data": (
        frame(HEADERS, 0, 1, b"") + frame(DATA, 0, 1, b"x"),
        "a frame in the middle of headers",
    ),
    "a continuation of nothing": (frame(CONTINUATION, 0, 1), "without having begun"),
    "headers that are none": (frame(HEADERS, END_HEADERS, 1, b"\xff\xff"), "headers that cannot be decoded"),
    "headers too short for a priority": (frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, b"a"), "too short"),
    "headers without an end": (
        frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, bytes(FRAME_BYTES)) * 65,
        "headers of more than 1048576 bytes",
    ),
    "settings of a stream": (frame(SETTINGS, 0, 1), "settings that are none"),
    "settings cut short": (frame(SETTINGS, 0, 0, bytes(5)), "settings that are none"),
    "a window beyond all bounds": (settings({4: 2**31}), "an initial window of 2147483648 bytes"),
    "frames shorter than allowed": (settings({5: 100}), "frames of at most 100 bytes"),
    "a window that overflows": (frame(WINDOW_UPDATE, 0, 0, u32(2**31 - 1)), "a window that is too large"),
    "a window that stays": (frame(WINDOW_UPDATE, 0, 0, u32(0)), "grows by nothing"),
    "a window of no stream": (frame(WINDOW_UPDATE, 0, 7, u32(1)), "stream 7, which nobody has begun"),
    "a window of the wrong size": (frame(WINDOW_UPDATE, 0, 0, b"abc"), "a frame of the wrong size"),
    "a pushed stream": (frame(PUSH_PROMISE, END_HEADERS, 1, u32(2)), "a pushed stream"),
    "a ping of the wrong size": (frame(PING, 0, 0, b"abc"), "a ping that is none"),
    "a reset of no stream": (frame(RST_STREAM, 0, 4, u32(8)), "stream 4, which nobody has begun"),
    "a short farewell": (frame(GOAWAY, 0, 0, u32(1)), "a farewell that is too short"),
}


@pytest.mark.parametrize(("wire", "said"), BROKEN.values(), ids=BROKEN)
def test_a_server_that_breaks_the_rules_is_told_apart(wire: bytes, said: str) -> None:
    http2, _ = begun()
    with pytest.raises(Http2Error, match=said):
        http2.feed(wire)


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(wire: bytes) -> None:
    http2, _ = begun()
    with suppress(Http2Error):
        http2.feed(settings() + wire)
