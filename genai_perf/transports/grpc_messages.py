"""gRPC over HTTP/2, without the HTTP/2: messages and their prefixes, compression, metadata, status.

After the protocol's description, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
"""

import base64
import binascii
import gzip
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote_to_bytes

from genai_perf.clock import NS_PER_S
from genai_perf.exceptions import UsageError

_PREFIX = struct.Struct(">BI")
"""Whether the message is compressed, and its length."""
_PREFIX_BYTES = 5
MOST_MESSAGE_BYTES = 2**31 - 1
"""As Triton's own client has it."""

CODES = (
    "ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
    "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range",
    "unimplemented", "internal", "unavailable", "data_loss", "unauthenticated",
)  # fmt: skip
"""The status codes' names by number."""

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
"""By the name that stands in `grpc-encoding`."""
_WINDOW_BITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class MessageError(Exception):
    """The bytes of an answer are no gRPC messages."""


def prefixed(messages: Iterable[bytes], compression: str | None = None) -> bytes:
    """The messages as they stand in a stream. Raises MessageError for one that is too long."""
    parts: list[bytes] = []
    for message in messages:
        if compression is not None:
            message = COMPRESS[compression](message)
        if len(message) > MOST_MESSAGE_BYTES:
            raise MessageError(f"a message of {len(message)} bytes is too long for gRPC")
        parts += (_PREFIX.pack(compression is not None, len(message)), message)
    return b"".join(parts)


class Messages:
    """Takes a stream apart, however it was cut."""

    __slots__ = ("_rest", "encoding")

    def __init__(self) -> None:
        self._rest = bytearray()
        """Of a message that is not complete, from its prefix on."""
        self.encoding = "identity"
        """What `grpc-encoding` says of those that are compressed."""

    @property
    def has_part(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._rest)

    def clear(self) -> None:
        """Another stream begins."""
        self._rest.clear()
        self.encoding = "identity"

    def feed(self, part: bytes, complete: list[bytes]) -> None:
        """Append to `complete` the messages that `part` completes. Raises MessageError."""
        rest = self._rest
        if not rest and len(part) >= _PREFIX_BYTES:
            is_compressed, size = _PREFIX.unpack_from(part)
            if not is_compressed and len(part) == _PREFIX_BYTES + size:  # nearly every DATA frame
                complete.append(part[_PREFIX_BYTES:])
                return
        data: bytes | bytearray = part
        if rest:
            rest += part
            data = rest
        at, end = 0, len(data)
        while end - at >= _PREFIX_BYTES:
            is_compressed, size = _PREFIX.unpack_from(data, at)
            if is_compressed > 1:
                raise MessageError(f"a message that begins with the byte 0x{is_compressed:02x}")
            if size > MOST_MESSAGE_BYTES:
                raise MessageError(f"a message of {size} bytes, more than {MOST_MESSAGE_BYTES}")
            first = at + _PREFIX_BYTES
            if end - first < size:
                break
            at = first + size
            message = bytes(data[first:at])
            complete.append(self._inflated(message) if is_compressed else message)
        if data is rest:
            del rest[:at]
        else:
            rest += data[at:]

    def _inflated(self, message: bytes) -> bytes:
        if self.encoding not in _WINDOW_BITS:
            raise MessageError(f"a message that is compressed, by {self.encoding!r}, which nobody asked for")
        inflate = zlib.decompressobj(_WINDOW_BITS[self.encoding])
        try:
            plain = inflate.decompress(message, MOST_MESSAGE_BYTES)
        except zlib.error as exc:
            raise MessageError(f"a message that is not {self.encoding}: {exc}") from exc
        if not inflate.eof:
            raise MessageError(f"a message whose {self.encoding} does not end with it")
        return plain


def timeout_text(timeout_ns: int) -> str:
    """A `grpc-timeout`: the finest unit in which it has eight digits at most, rounded up."""
    for unit, size_ns in (("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", NS_PER_S)):
        count = -(-timeout_ns // size_ns)
        if count < 10**8:
            return f"{count}{unit}"
    return f"{-(-timeout_ns // (3600 * NS_PER_S))}H"


def metadata(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as metadata: names in lower case; what stands in a `-bin` one must be base64, as it is sent.

    Raises UsageError, without the value: that may be a secret.
    """
    pairs = []
    for name, value in headers.items():
        if name.lower().endswith("-bin"):
            try:
                base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
            except (binascii.Error, ValueError) as exc:
                raise UsageError(
                    f"--header: {name}: its value is not base64",
                    hint="gRPC metadata whose name ends in -bin is binary, and is given in base64",
                ) from exc
        pairs.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    return pairs


def status_name(text: str) -> str:
    """The name of a `grpc-status`, in lower case; the number where it has none."""
    return CODES[int(text)] if text.isdecimal() and int(text) < len(CODES) else text


def message_text(value: bytes) -> str:
    """A `grpc-message`, which is percent-encoded UTF-8."""
    return unquote_to_bytes(value).decode("utf-8", "replace")
