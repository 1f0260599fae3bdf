"""Images and audio that stand in a row of a file, or in a file that the row names."""

from base64 import b64decode
from pathlib import Path
from typing import Literal

from genai_perf.exceptions import InputError

Kind = Literal["image", "audio"]


def checked(url: str, kind: Kind, example: str) -> str:
    """The `data:` URL, once it is seen to be one of that kind. Raises InputError."""
    head, comma, _ = url.partition(",")
    if not comma or not head.startswith(f"data:{kind}/") or not head.endswith(";base64"):
        raise InputError(f"not a data: URL of {kind}: {url[:60]!r}", hint=f"{example},… is one")
    return url


def decoded(url: str, kind: Kind) -> bytes:
    """What a `data:` URL holds. Raises InputError."""
    try:
        return b64decode(url.partition(",")[2], validate=True)
    except ValueError as exc:
        raise InputError(f"the data: URL of {kind} is not base64: {url[:60]!r}", hint=str(exc)) from exc


def content(given: str, base: Path, kind: Kind) -> bytes:
    """The bytes of a local file; a relative path counts from the working directory, or else from `base`.

    Raises InputError.
    """
    path = Path(given).expanduser()
    try:
        return (path if path.exists() else base / path).read_bytes()
    except OSError as exc:
        raise InputError(f"Failed to open {kind} '{given}'.", hint=exc.strerror or str(exc)) from exc
