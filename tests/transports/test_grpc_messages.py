"""gRPC's messages and what else stands in its headers, by themselves."""

import gzip

import pytest
from http2_frames import (
    message,
)
from hypothesis import given
from hypothesis import strategies as st

from genai_perf.transports.grpc_messages import MessageError, Messages, prefixed, timeout_text


@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(1, 50)))
def test_messages_are_the_same_however_their_stream_is_cut(sent: list[bytes], cuts: list[int]) -> None:
    wire = prefixed(sent)
    messages, found = Messages(), []
    for size in cuts:
        messages.feed(wire[:size], found)
        wire = wire[size:]
    messages.feed(wire, found)
    assert sent == found
    assert not messages.has_part


@pytest.mark.parametrize("compression", ["gzip", "deflate"])
@given(sent=st.lists(st.binary(max_size=200), max_size=4))
def test_compressed_messages_come_back(compression: str, sent: list[bytes]) -> None:
    messages, found = Messages(), []
    messages.encoding = compression
    messages.feed(prefixed(sent, compression), found)
    assert sent == found


@pytest.mark.parametrize("coded", [b"no gzip", gzip.compress(b"cut off")[:-4]])
def test_a_message_that_is_not_compressed_as_it_says_is_an_error(coded: bytes) -> None:
    messages = Messages()
    messages.encoding = "gzip"
    with pytest.raises(MessageError, match=r"a message (that is not|whose) gzip"):
        messages.feed(message(coded, compressed=True), [])


@pytest.mark.parametrize(
    ("timeout_ns", "text"),
    [
        (1, "1n"),
        (99_999_999, "99999999n"),
        (100_000_000, "100000u"),
        (500_000_000, "500000u"),
        (600_000_000_000, "600000m"),
        (600_000_000_001, "600001m"),
        (10**9 * 86_400 * 30, "2592000S"),
        (10**9 * 86_400 * 365 * 10, "87600H"),
    ],
)
def test_a_timeout_is_told_in_eight_digits(timeout_ns: int, text: str) -> None:
    assert text == timeout_text(timeout_ns)
