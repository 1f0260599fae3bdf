"""YAML and JSON files with the place of every value, so that an error can name file, line and field."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_perf.exceptions import InputError

if TYPE_CHECKING:
    import yaml


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a file: a scalar, or entries by name or in order."""

    value: Any
    where: str
    """`file:line`."""
    name: str = ""
    """The field, with those around it: `input.extra`; empty for the whole file."""

    @property
    def source(self) -> str:
        """What an error names."""
        return f"{self.where}: {self.name}" if self.name else self.where

    def mapping(self) -> Mapping[str, "Entry"]:
        """The fields by name. Raises InputError where it is something else."""
        if self.value is None:
            return {}
        if not isinstance(self.value, Mapping):
            raise InputError(f"{self.source}: not a mapping of names to values: {self.plain()!r}")
        return self.value

    def items(self) -> Sequence["Entry"]:
        """The elements; of anything but a list, that thing alone."""
        return self.value if isinstance(self.value, list) else [self]

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, Mapping):
            return {name: entry.plain() for name, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value


def read(path: Path) -> Entry:
    """The document in a YAML (or JSON) file. Raises InputError."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise InputError(f"{path}: cannot be read: {reason}") from exc
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            return Entry(None, f"{path}:1") if node is None else _entry(node, loader, str(path), "")
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        raise InputError(f"{path}:{line}: not YAML: {exc.problem or exc}") from exc
    except yaml.YAMLError as exc:
        raise InputError(f"{path}: not YAML: {exc}") from exc


def _entry(
    node: "yaml.Node", loader: "yaml.SafeLoader", path: str, name: str, around: Sequence["yaml.Node"] = ()
) -> Entry:
    import yaml

    where = f"{path}:{node.start_mark.line + 1}"
    if node in around:
        raise InputError(f"{where}: {name or 'the file'} holds itself, by an alias")
    if isinstance(node, yaml.MappingNode):
        return Entry(dict(_fields(node, loader, path, name, (*around, node))), where, name)
    if isinstance(node, yaml.SequenceNode):
        inner = (_entry(each, loader, path, name, (*around, node)) for each in node.value)
        return Entry(list(inner), where, name)
    return Entry(loader.construct_object(node), where, name)


def _fields(
    node: "yaml.MappingNode",
    loader: "yaml.SafeLoader",
    path: str,
    name: str,
    around: Sequence["yaml.Node"],
) -> Iterator[tuple[str, Entry]]:
    seen: set[str] = set()
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node))
        if key in seen:
            raise InputError(f"{path}:{key_node.start_mark.line + 1}: {key} is given twice")
        seen.add(key)
        entry = _entry(value_node, loader, path, f"{name}.{key}" if name else key, around)
        yield key, Entry(entry.value, f"{path}:{key_node.start_mark.line + 1}", entry.name)
