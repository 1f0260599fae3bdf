"""Headers as HTTP/2 sends them, in compressed blocks (HPACK, RFC 7541), for one connection.

Both sides send nearly the same headers with every call. A block that leaves its side's table as it is says
the same next time, and is remembered.
"""

from collections.abc import Sequence

import hpack

Headers = Sequence[tuple[bytes, bytes]]

_BLOCKS_KEPT = 64
_MOST_TABLE_BYTES = 4096
"""HTTP/2's default; a server may allow more, which would gain nothing."""


class HeadersError(Exception):
    """A block that cannot be decoded."""


class HeaderBlocks:
    """Ours, which are the same for every request, and the server's."""

    __slots__ = ("_block", "_decoder", "_encoder", "_headers", "_known")

    def __init__(self, headers: Headers) -> None:
        """`headers`: those of every request."""
        self._headers = headers
        self._encoder = hpack.Encoder()
        self._block: bytes | None = None
        self._decoder = hpack.Decoder()
        self._known: dict[bytes, Headers] = {}

    def ours(self) -> bytes:
        """The block of the next request."""
        if self._block is not None:
            return self._block
        before = _state(self._encoder)
        block: bytes = self._encoder.encode(self._headers)
        if before == _state(self._encoder):
            self._block = block
        return block

    def limit_table(self, size: int) -> None:
        """So many bytes of our headers the server remembers."""
        self._encoder.header_table_size = min(size, _MOST_TABLE_BYTES)
        self._block = None

    def decode(self, block: bytes) -> Headers:
        """What one of the server's blocks says. Raises HeadersError.

        To decode them costs more than all the rest of a short call: 60 µs of 90.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        before = _state(self._decoder)
        try:
            headers = tuple(self._decoder.decode(block, raw=True))
        except hpack.HPACKError as exc:
            raise HeadersError(str(exc)) from exc
        if before != _state(self._decoder):
            self._known.clear()
        elif len(self._known) < _BLOCKS_KEPT:
            self._known[block] = headers
        return headers


def _state(coder: hpack.Encoder | hpack.Decoder) -> object:
    """All that the meaning of the next block depends on."""
    table = coder.header_table
    return list(table.dynamic_entries), table.maxsize
