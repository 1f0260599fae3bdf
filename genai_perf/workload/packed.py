"""Files that are packed: told as such, instead of as bytes that are no text."""

from pathlib import Path

from genai_perf.exceptions import InputError

_KINDS = {
    b"\x1f\x8b": ("gzip", "gunzip -k"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"\xfd7zXZ\x00": ("xz", "unxz -k"),
    b"BZh": ("bzip2", "bunzip2 -k"),
    b"PK\x03\x04": ("zip (a spreadsheet is, too)", "unzip"),
}
"""What each begins with, its name, and what unpacks it."""


def refuse(path: Path, head: bytes) -> None:
    """Raise InputError where a file that begins like this is packed."""
    for magic, (name, command) in _KINDS.items():
        if head.startswith(magic):
            raise InputError(f"{path}: packed with {name}", hint=f"unpack it first: {command} {path}")
