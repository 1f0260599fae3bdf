"""The versions that matter for a result: they stand in every run's record and in `--version`."""

import functools
import platform
import socket
import struct
import sys
from importlib.metadata import PackageNotFoundError, version

from genai_perf import __version__

_PACKAGES = ("uvloop", "httptools", "msgspec", "numpy", "pyarrow", "tokenizers", "httpx")


@functools.cache
def versions() -> dict[str, str]:
    """By name: this program, Python, what sends, reads and counts, the system, and who stamps arrivals."""
    found = {
        "genai-perf": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    found["system"] = f"{platform.system()} {platform.release()} {platform.machine()}"
    found["arrival stamps"] = "kernel" if has_kernel_stamps() else "user space"
    return found


def has_kernel_stamps() -> bool:
    """Whether this system stamps what a TCP socket receives (SO_TIMESTAMPNS)."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return False
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, 35, 1)  # the socket module names it from Python 3.14
        except OSError:
            return False
    return True
