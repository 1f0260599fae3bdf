"""Prometheus' text format 0.0.4, read and written; OpenMetrics' few differences are read as well.

A page is nearly the same each time it is fetched. So a `Reader` remembers every series it has seen by the
text before its value, and the next page costs one look-up and one `float` a line.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping

from genai_perf.telemetry import Sample

_MOST_REMEMBERED = 100_000
"""Series of one source; a server that makes up labels for each request must not fill our memory."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)')
_LINE = re.compile(
    rf"\s*({_NAME})"
    r'(?:\s*\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}\s*|\s+)'  # braces may stand inside a label's value
    r"(\S+)"
    r"(?:\s+(-?[0-9.eE+]+))?"  # a timestamp, which is the server's clock and no use to us
    r"\s*(?:#\s*\{.*)?"  # an exemplar
)
_SERIES = re.compile(rf"({_NAME})(?:\{{(.*)\}})?", re.DOTALL)
_COMMENT = re.compile(rf"#\s*(TYPE|HELP)\s+({_NAME})\s+(.*)")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}

_SUFFIXES = ("_bucket", "_sum", "_count", "_total", "_info")
"""What a sample's name may have after its family's, for which the type is declared."""


def parse(text: str) -> Iterator[Sample]:
    """The samples of one page, in its order."""
    return iter(Reader().read(text))


class Reader:
    """Reads one source's pages, one after another."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        """By family: counter, gauge, histogram, summary, unknown…"""
        self.help: dict[str, str] = {}
        self.torn = 0
        """Lines of the last page that are no sample and no comment, or that were cut off."""
        self._series: dict[str, tuple[str, Mapping[str, str], str]] = {}
        """Name, labels and type by the text before the value."""
        self._comments: set[str] = set()

    def read(self, text: str) -> list[Sample]:
        """The samples of a page. Lines that cannot be read are left out, and counted in `torn`."""
        self.torn = 0
        if len(self._series) + len(self._comments) > _MOST_REMEMBERED:
            self._series.clear()
            self._comments.clear()
        samples = []
        known = self._series
        lines = text.split("\n")
        if (last := lines.pop()) and not last.startswith("#"):
            self.torn += 1  # a page ends with a line feed: the rest of this number is missing
        for line in lines:
            before, _, number = line.rpartition(" ")
            series = known.get(before)
            if series is not None:
                value = _value(number)
                if value is not None:
                    name, labels, type_ = series
                    samples.append(Sample(name, labels, value, type_))
                else:
                    self.torn += 1
            elif line in self._comments:
                continue
            elif line.startswith("#"):
                self._read_comment(line)
            elif line and not line.isspace():
                sample = self._read_line(line, before)
                if sample is not None:
                    samples.append(sample)
                else:
                    self.torn += 1
        return samples

    def _read_comment(self, line: str) -> None:
        self._comments.add(line)
        if match := _COMMENT.fullmatch(line.rstrip()):
            about, family, said = match.groups()
            if about == "HELP":
                self.help[family] = _unescaped(said)
            elif self.types.get(family) != said:
                self.types[family] = "unknown" if said == "untyped" else said
                self._series.clear()  # their types may have changed

    def _read_line(self, line: str, before: str) -> Sample | None:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        name, inside, number, timestamp = match.groups()
        labels = _labels(inside or "")
        value = _value(number)
        if labels is None or value is None:
            return None
        series = name, labels, self._type(name)
        if timestamp is None and before and line == f"{before} {number}":
            self._series[before] = series
        return Sample(name, labels, value, series[2])

    def _type(self, name: str) -> str:
        if name in self.types:
            return self.types[name]
        if name.endswith("_created"):  # OpenMetrics: when the series began
            return "gauge"
        for suffix in _SUFFIXES:
            if name.endswith(suffix) and (found := self.types.get(name.removesuffix(suffix))):
                return found
        return "unknown"


def series_text(name: str, labels: Mapping[str, str]) -> str:
    """`name{label="value"}`, as a page has it before the value."""
    if not labels:
        return name
    inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


def parse_series(text: str) -> tuple[str, dict[str, str]]:
    """The name and labels in what `series_text` wrote. ValueError for anything else."""
    match = _SERIES.fullmatch(text)
    labels = _labels(match[2] or "") if match else None
    if match is None or labels is None:
        raise ValueError(f"{text!r} is no series")
    return match[1], labels


def render(samples: Iterable[Sample], help: Mapping[str, str] | None = None) -> str:  # noqa: A002  the format's word
    """A page of these samples; those of one family must stand together."""
    lines = []
    declared = ""
    for sample in samples:
        family = sample.name
        if sample.type in ("histogram", "summary"):
            family = re.sub("_(bucket|sum|count)$", "", family)
        if family != declared:
            declared = family
            if help and family in help:
                text = help[family].replace("\\", "\\\\").replace("\n", "\\n")
                lines.append(f"# HELP {family} {text}\n")
            lines.append(f"# TYPE {family} {'untyped' if sample.type == 'unknown' else sample.type}\n")
        lines.append(f"{series_text(sample.name, sample.labels)} {_number(sample.value)}\n")
    return "".join(lines)


def _labels(inside: str) -> dict[str, str] | None:
    """The labels between braces; None when they cannot be read. A comma may end them."""
    labels: dict[str, str] = {}
    place = 0
    while place < len(inside):
        match = _LABEL.match(inside, place)
        if match is None:
            return None if inside[place:].strip() else labels
        labels[match[1]] = _unescaped(match[2])
        place = match.end()
    return labels


def _value(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return "NaN" if math.isnan(value) else repr(float(value))


def _unescaped(text: str) -> str:
    """An unknown escape keeps its backslash, as Prometheus' own parser has it."""
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[0]), text) if "\\" in text else text


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
