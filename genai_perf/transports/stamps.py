"""Having the kernel say when it received something (Linux, SO_TIMESTAMPNS)."""

import asyncio
import socket
import struct
import sys

ANCILLARY_BYTES = 64
"""Room for one stamp, and to spare."""
_SO_TIMESTAMPNS = 35
"""The socket module does not name it before Python 3.14."""
_TRIES = 500
_BETWEEN_TRIES_S = 0.001
_IN_A_ROW = 5
"""A single stamp may come from a switch that is just being turned off, for a run that has ended before."""

timespec = struct.Struct("@qq").unpack
"""(seconds, nanoseconds) since the epoch, out of a stamp's ancillary data."""


def enable_kernel_stamps(sock: socket.socket) -> bool:
    """Ask the kernel to stamp what this socket receives; False where it does not know how."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return sock.family != socket.AF_UNIX  # a unix socket takes the option and stamps nothing


async def keep_stamping() -> socket.socket | None:
    """Wait until the kernel stamps; it goes on while the socket given back is open. None where it never does.

    The kernel has one switch for all sockets. It turns it on some time after the first socket has asked, a
    millisecond or many on a busy machine, and off after the last has closed: without this the first answers
    of a run, or of its every connection where none is kept, would now and then come without a stamp.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            sender = socket.create_connection(listener.getsockname())
            receiver, _ = listener.accept()
    except OSError:
        return None  # no loopback to try it on
    with sender:
        if enable_kernel_stamps(receiver):
            receiver.settimeout(_TRIES * _BETWEEN_TRIES_S)
            stamped = 0
            for _ in range(_TRIES):
                sender.send(b"?")
                stamped = stamped + 1 if receiver.recvmsg(1, ANCILLARY_BYTES)[1] else 0
                if stamped == _IN_A_ROW:
                    return receiver
                await asyncio.sleep(_BETWEEN_TRIES_S)
    receiver.close()
    return None
