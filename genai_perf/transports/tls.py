"""The TLS settings of a run, TLS in memory, and its errors in words that help."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress

from genai_perf.config.schema import EndpointConfig
from genai_perf.exceptions import UsageError
from genai_perf.types import RequestError

_READ_BYTES = 65_536


def client_context(endpoint: EndpointConfig, alpn: Sequence[str] = ()) -> ssl.SSLContext:
    """Verification on, the system's authorities or the user's; `alpn`: what to offer. Raises UsageError."""
    try:
        context = ssl.create_default_context(cafile=endpoint.tls_ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(
            f"--tls-ca-file: {endpoint.tls_ca_file}: {exc}", hint="give a file of PEM certificates"
        ) from exc
    context.check_hostname = endpoint.tls_verify and endpoint.tls_verify_host
    context.verify_mode = ssl.CERT_REQUIRED if endpoint.tls_verify else ssl.CERT_NONE
    if endpoint.tls_cert_file is not None:
        try:
            context.load_cert_chain(endpoint.tls_cert_file, endpoint.tls_key_file, _no_password)
        except (OSError, ssl.SSLError) as exc:
            given = f"--tls-cert-file: {endpoint.tls_cert_file}"
            raise UsageError(
                f"{given}: {exc}", hint="PEM certificate, and its key there or in --tls-key-file"
            ) from exc
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class TlsLayer:
    """TLS for bytes that are moved by somebody else."""

    __slots__ = ("_incoming", "_object", "_outgoing", "has_ended")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.has_ended = False
        """Whether the peer has said that nothing more comes (close_notify)."""

    async def handshake(self, sock: socket.socket) -> None:
        """Shake hands over a connected socket. Raises ssl.SSLError, OSError."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await loop.sock_sendall(sock, self._outgoing.read())
                received = await loop.sock_recv(sock, _READ_BYTES)
                if not received:
                    raise ConnectionResetError(
                        "closed by the server during the TLS handshake; would http:// be right?"
                    ) from None
                self._incoming.write(received)
            except ssl.SSLError:
                await loop.sock_sendall(sock, self._outgoing.read())  # the alert that says why
                raise
            else:
                await loop.sock_sendall(sock, self._outgoing.read())
                return

    def encrypt(self, plain: bytes) -> bytes:
        """The records that carry `plain`."""
        self._object.write(plain)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """What the records complete so far say; raises ssl.SSLError. Empty where none is complete."""
        self._incoming.write(received)
        plain: list[bytes] = []
        with suppress(ssl.SSLWantReadError):
            while part := self._object.read(_READ_BYTES):
                plain.append(part)
            self.has_ended = True
        return b"".join(plain)

    def replies(self) -> bytes:
        """What the protocol itself wants sent (key updates, alerts)."""
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """The record that says that nothing more comes from here."""
        with suppress(ssl.SSLError):
            self._object.unwrap()
        return self._outgoing.read()


_OF_THE_NAME = (62, 64)
"""OpenSSL's codes for a certificate of another host name or address."""

_EXPLAINED = (
    ("CERTIFICATE_REQUIRED", "the server asks for a client certificate; see --tls-cert-file"),
    ("ALERT_UNKNOWN_CA", "the server does not know who signed our certificate; see --tls-cert-file"),
    ("ALERT_BAD_CERTIFICATE", "the server does not accept our certificate; see --tls-cert-file"),
    ("HANDSHAKE_FAILURE", "the server refuses the handshake; it may want a client certificate"),
    ("WRONG_VERSION_NUMBER", "the server does not speak TLS there; would http:// be right?"),
    ("RECORD_LAYER_FAILURE", "the server does not speak TLS there; would http:// be right?"),
    ("PACKET_LENGTH_TOO_LONG", "the server does not speak TLS there; would http:// be right?"),
    ("HTTP_REQUEST", "the server does not speak TLS there; would http:// be right?"),
)
"""Parts of OpenSSL's reasons."""


_NOT_ACCEPTED = "the server's certificate is not accepted"


def explain(exc: ssl.SSLError) -> str:
    """What went wrong with TLS, and which option has to do with it."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        advice = "" if exc.verify_code in _OF_THE_NAME else "; see --tls-ca-file"
        return f"{_NOT_ACCEPTED}: {exc.verify_message.rstrip('.')}{advice}"
    reason = exc.reason or str(exc)
    for part, explained in _EXPLAINED:
        if part in reason:
            return explained
    return f"TLS failed: {reason.lower().replace('_', ' ')}"


def hint_for(error: RequestError, otherwise: str) -> str | None:
    """What may help where no first connection came up; `otherwise` where TLS was not the reason."""
    if error.kind != "tls":
        return otherwise
    if error.message.startswith(_NOT_ACCEPTED):
        return "--tls-ca-file names a certificate to trust, --no-tls-verify does without"
    return None


def _no_password() -> bytes:
    """Stands where OpenSSL would ask the terminal."""
    raise UsageError(
        "--tls-cert-file: its private key needs a password",
        hint="decrypt the key: openssl pkey -in key.pem -out plain.pem",
    )
