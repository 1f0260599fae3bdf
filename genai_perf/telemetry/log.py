"""The file to which the sampling process appends while the run goes on; that costs it microseconds.

It is a sequence of frames, `length | kind | payload`; a torn one at the end is left out. Kind S declares a
series or a source in JSON, V holds one answer: instant, source, numbers of the series, their values. `store`
reads it.
"""

import errno
import json
import os
import struct
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from genai_perf.clock import NS_PER_S
from genai_perf.telemetry import Sample
from genai_perf.telemetry.prometheus import series_text

LOG = "telemetry.log"

UP, DURATION = "up", "scrape_duration_seconds"
"""What is written of every time a source is asked, beside what it says."""

ANSWER = struct.Struct("<qII")
"""How an answer begins: at_ns, the source's number, how many values."""
_FRAME = struct.Struct("<Ic")


class Log:
    """Writes `telemetry.log`; every answer is in the file when `add` returns. Raises OSError."""

    def __init__(self, path: Path, origin_ns: int) -> None:
        self._file = path.open("wb", buffering=0)
        self._origin_ns = origin_ns
        self._sources: dict[str, int] = {}
        self._series: dict[tuple[str, ...], int] = {}

    def add(
        self, source: str, asked_ns: int, took_ns: int, samples: Iterable[Sample], error: str | None = None
    ) -> None:
        """What a source said when it was asked at `asked_ns` (of the monotonic clock), or why it did not."""
        parts: list[bytes] = []
        numbers, values = array("I"), array("d")
        health = (
            Sample(UP, {"error": error} if error is not None else {}, 0.0 if error is not None else 1.0),
            Sample(DURATION, {}, took_ns / NS_PER_S),
        )
        known = self._series
        for said in (health, samples):
            for name, labels, value, type_ in said:
                key = (name, type_, *labels, *labels.values()) if labels else (name, type_)
                number = known.get(key)
                if number is None:
                    number = known[key] = len(known)
                    series = {"series": series_text(name, labels), "type": type_, "number": number}
                    parts.append(_frame(b"S", json.dumps(series).encode()))
                numbers.append(number)
                values.append(value)
        place = self._sources.get(source)
        if place is None:
            place = self._sources[source] = len(self._sources)
            parts.append(_frame(b"S", json.dumps({"source": source, "number": place}).encode()))
        answer = ANSWER.pack(asked_ns - self._origin_ns, place, len(numbers))
        parts.append(_frame(b"V", answer + numbers.tobytes() + values.tobytes()))
        message = b"".join(parts)
        if self._file.write(message) < len(message):  # what follows half a frame could not be read
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _frame(kind: bytes, payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), kind) + payload


def frames(log: Path) -> Iterator[tuple[bytes, bytes]]:
    """Kind and payload of each frame that is whole."""
    with log.open("rb") as file:
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            size, kind = _FRAME.unpack(head)
            payload = file.read(size)
            if len(payload) < size:
                return  # torn: the process was killed while it wrote this
            yield kind, payload
