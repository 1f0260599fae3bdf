"""What was sampled beside several runs, as one run's file; `telemetry.stretches` reads it.

Rule 1. Samples keep what they say. Instants count from the merged run's origin, and a source's name begins
        with that of its run.
Rule 2. One source that several runs asked is told of once. It is the same where it has the same name; one of
        a machine's own, as `localhost` is, only for runs of that machine.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.analyze import overlap
from genai_perf.analyze.merged_journal import later
from genai_perf.analyze.overlap import Span
from genai_perf.analyze.parts import Part
from genai_perf.exceptions import ArtifactError
from genai_perf.metrics import arrow

if TYPE_CHECKING:
    import pyarrow as pa

    from genai_perf.telemetry.store import Telemetry
    from genai_perf.telemetry.windowed import Window


def write(directory: Path, parts: Sequence[Part], shifts_ns: Sequence[int]) -> None:
    """All samples of all parts; `shifts_ns` is what each part's are to be later by. Raises ArtifactError."""
    from genai_perf.telemetry import store

    tables = [
        _placed(found.table, _prefix(part, parts), shift_ns)
        for part, shift_ns in zip(parts, shifts_ns, strict=True)
        if (found := _sampled(part)) is not None
    ]
    (directory / store.NAME).unlink(missing_ok=True)  # of what was merged here before
    if tables:
        _write(directory / store.NAME, tables)


def stretches(parts: Sequence[Part], shifts_ns: Sequence[int]) -> list[dict[str, Any]]:
    """When any part measured, and what was asked then, as `telemetry.stretches.apart` takes it."""
    measuring = [
        (part, part.span, shift_ns)
        for part, shift_ns in zip(parts, shifts_ns, strict=True)
        if part.span is not None
    ]
    asked = {
        part.name: tuple(sampled.sources)
        for part, _, _ in measuring
        if (sampled := _sampled(part)) is not None
    }
    shown = _shown([part for part, _, _ in measuring], asked)
    found = []
    for places in overlap.stretches([span for _, span, _ in measuring]):
        sources: dict[str, list[str]] = {}
        members = [measuring[place] for place in places]
        for part, _, _ in members:
            for source in asked.get(part.name, ()):
                sources.setdefault(shown[part.name, source], []).append(_prefix(part, parts) + source)
        measured = [_since(span, shift_ns - part.info.started_wall_ns) for part, span, shift_ns in members]
        sent = [_since(_sent(part), shift_ns) for part, _, shift_ns in members]
        found.append({"measured_ns": _around(measured), "sent_ns": _around(sent), "sources": sources})
    return found


def _sampled(part: Part) -> Telemetry | None:
    """What was sampled beside it. Of an export nothing is read: it does not tell when its run began."""
    from genai_perf.telemetry import store

    return store.read(part.directory) if part.is_ours else None


def _sent(part: Part) -> Window:
    from genai_perf.telemetry.ours import window

    found = window(part.records())
    assert found is not None  # it measured something
    return found


def _since(span: Span | Window, shift_ns: int) -> tuple[int, int]:
    return span.start_ns + shift_ns, span.end_ns + shift_ns


def _around(spans: Sequence[tuple[int, int]]) -> list[int]:
    return [min(start_ns for start_ns, _ in spans), max(end_ns for _, end_ns in spans)]


def _prefix(part: Part, parts: Sequence[Part]) -> str:
    return f"{part.name}/" if len(parts) > 1 else ""


def _shown(parts: Sequence[Part], asked: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], str]:
    """By part and source, the name that it is shown with; a part's before it where two are called so."""
    first: dict[tuple[str, str], str] = {}
    identities = {}
    for part in parts:
        for source in asked.get(part.name, ()):
            whose = (part.info.host or part.name) if _is_local(source) else ""
            identities[part.name, source] = (source, whose)
            first.setdefault((source, whose), part.name)
    names = [source for source, _ in first]
    return {
        key: source if names.count(source) == 1 else f"{first[source, whose]}/{source}"
        for key, (source, whose) in identities.items()
    }


def _is_local(source: str) -> bool:
    """Whether that name means another thing on another machine."""
    address = source.partition(":")[2]
    if not address or address.startswith("/"):
        return True  # what was found there, or a unix socket
    host = re.sub(r":\d+$", "", address.partition("/")[0]).strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _placed(table: pa.Table, prefix: str, shift_ns: int) -> pa.Table:
    import pyarrow as pa

    table = table.unify_dictionaries().combine_chunks()
    for name, column in _changed(table, prefix, shift_ns):
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.chunked_array(column, field.type))
    return table


def _changed(table: pa.Table, prefix: str, shift_ns: int) -> Iterator[tuple[str, list[pa.Array]]]:
    import pyarrow as pa

    yield "at_ns", [later(chunk, shift_ns) for chunk in table.column("at_ns").chunks]
    yield (
        "source",
        [
            pa.DictionaryArray.from_arrays(
                chunk.indices, arrow.texts([prefix + name for name in chunk.dictionary.to_pylist()])
            )
            for chunk in table.column("source").chunks
        ],
    )


def _write(path: Path, tables: Sequence[pa.Table]) -> None:
    import pyarrow as pa

    together = pa.concat_tables(tables).unify_dictionaries()
    try:
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_stream(file, together.schema) as writer,
        ):
            writer.write_table(together)
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc
