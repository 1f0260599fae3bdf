"""Methods and messages as their `.proto` files describe them, and JSON as such messages.

Descriptors come as serialized `FileDescriptorProto`s, from `protoc` or from a server's reflection.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genai_perf.exceptions import InputError, UsageError

_SNIPPET = 80
_WELL_KNOWN = "google.protobuf."
"""Messages with a JSON form of their own, such as Timestamp."""


class MissingFiles(Exception):
    """Some files import others that are not there; `names` are those."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a service."""

    name: str
    """`package.Service/Method`."""
    takes: Any
    """The descriptor of the messages it takes."""
    takes_stream: bool
    """Whether it takes any number of them, and not exactly one."""
    gives_stream: bool


def split(method: str) -> tuple[str, str]:
    """(service, method) of `package.Service/Method`. UsageError for anything else."""
    service, slash, name = method.strip("/").partition("/")
    if not slash or not service or not name or "/" in name or " " in method:
        raise UsageError(
            f"--grpc-method: {method!r} is not package.Service/Method",
            hint="for example --grpc-method helloworld.Greeter/SayHello",
        )
    return service, name


def files_of_set(data: bytes) -> list[bytes]:
    """The files of a `FileDescriptorSet`, each by itself. ValueError for what is none."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet
    from google.protobuf.message import DecodeError

    try:
        files = FileDescriptorSet.FromString(data).file
    except DecodeError as exc:
        raise ValueError(str(exc)) from exc
    if not files or not all(file.name for file in files):
        raise ValueError("no files in it")
    return [file.SerializeToString() for file in files]


def pool_of_files(files: Iterable[bytes]) -> Any:
    """A descriptor pool with these files, in whatever order they come. Raises MissingFiles, ValueError."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import DecodeError

    try:
        parsed = [FileDescriptorProto.FromString(data) for data in files]
    except DecodeError as exc:
        raise ValueError(str(exc)) from exc
    waiting = {file.name: file for file in parsed}
    wanted = {name for file in waiting.values() for name in file.dependency}
    missing = [name for name in sorted(wanted - waiting.keys()) if not _add_well_known(name, waiting)]
    if missing:
        raise MissingFiles(missing)
    pool = DescriptorPool()
    added: set[str] = set()
    while ready := [file for file in waiting.values() if added.issuperset(file.dependency)]:
        for file in ready:
            try:
                pool.Add(file)
            except TypeError as exc:  # what the pool raises for descriptors that contradict each other
                raise ValueError(f"{file.name}: {exc}") from exc
            added.add(file.name)
            del waiting[file.name]
    if waiting:
        raise ValueError(f"{', '.join(sorted(waiting))}: they import each other")
    return pool


def _add_well_known(name: str, files: dict[str, Any]) -> bool:
    """Add one of protobuf's own files, which servers and `protoc` may leave out; False for another."""
    from importlib import import_module

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    if not name.startswith("google/protobuf/"):
        return False
    try:
        module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    except ImportError:
        return False
    file = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    files[name] = file
    return all(needed in files or _add_well_known(needed, files) for needed in file.dependency)


def services(pool: Any, files: Iterable[bytes]) -> list[str]:
    """The full names of the services in these files."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    names = (FileDescriptorProto.FromString(data).name for data in files)
    found = (pool.FindFileByName(name).services_by_name.values() for name in names)
    return sorted(service.full_name for each in found for service in each)


def find_method(pool: Any, name: str, known: Sequence[str], source: str) -> Method:
    """The method of that name; UsageError where `source`, which has the services `known`, has none."""
    service_name, method_name = split(name)
    try:
        service = pool.FindServiceByName(service_name)
    except KeyError:
        raise UsageError(
            f"--grpc-method: {source} has no service {service_name}",
            hint=f"it has: {', '.join(known) or 'none'}",
        ) from None
    method = service.methods_by_name.get(method_name)
    if method is None:
        raise UsageError(
            f"--grpc-method: {service_name} has no method {method_name}",
            hint=f"it has: {', '.join(sorted(service.methods_by_name))}",
        )
    return Method(
        f"{service_name}/{method_name}",
        method.input_type,
        takes_stream=method.client_streaming,
        gives_stream=method.server_streaming,
    )


def encode(found: Any, described: Any, where: str) -> bytes:
    """The message that this JSON says, serialized. InputError names the place and the field."""
    from google.protobuf.json_format import ParseDict, ParseError
    from google.protobuf.message import EncodeError
    from google.protobuf.message_factory import GetMessageClass

    if not isinstance(found, Mapping):
        raise InputError(
            f"{where}: not an object, which {described.full_name} is: {_shown(found)}", hint=_has(described)
        )
    _check_fields(found, described, where, "")
    message = GetMessageClass(described)()
    try:
        ParseDict(found, message)
        encoded: bytes = message.SerializeToString()
    except ParseError as exc:
        said = str(exc).strip().rstrip(".")
        raise InputError(f"{where}: {said}", hint=_has(described)) from exc
    except EncodeError as exc:
        raise InputError(f"{where}: {exc}", hint=_has(described)) from exc
    return encoded


def _check_fields(found: Mapping[str, Any], described: Any, where: str, path: str) -> None:
    """Raise InputError for the first key that is no field; what is wrong with a value, protobuf says."""
    if described.full_name.startswith(_WELL_KNOWN):
        return
    fields = {name: field for field in described.fields for name in (field.name, field.json_name)}
    for key, value in found.items():
        field = fields.get(key)
        at = f"{path}.{key}" if path else key
        if field is None:
            if key.startswith("[") and described.is_extendable:
                continue
            raise InputError(
                f"{where}: {at}: {described.full_name} has no field {key!r}",
                hint=_has(described, like=key),
            )
        if field.message_type is None or value is None:
            continue
        inner = field.message_type
        if inner.GetOptions().map_entry:
            value_type = inner.fields_by_name["value"].message_type
            if value_type is not None and isinstance(value, Mapping):
                for name, each in value.items():
                    if isinstance(each, Mapping):
                        _check_fields(each, value_type, where, f"{at}[{name!r}]")
        elif isinstance(value, list):
            for place, each in enumerate(value):
                if isinstance(each, Mapping):
                    _check_fields(each, inner, where, f"{at}[{place}]")
        elif isinstance(value, Mapping):
            _check_fields(value, inner, where, at)


def _has(described: Any, like: str = "") -> str:
    """What a message type has, and which of it may have been meant."""
    near = difflib.get_close_matches(like, [field.name for field in described.fields], 1) if like else []
    meant = f"did you mean {near[0]}? " if near else ""
    fields = ", ".join(f"{field.name} ({_type(field)})" for field in described.fields)
    return f"{meant}{described.full_name} has: {fields or 'no fields'}"


_TYPES = (
    "", "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group",
    "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64",
)  # fmt: skip
"""By number."""


def _type(field: Any) -> str:
    """As a `.proto` file has it."""
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
        return f"map<{_type(key)}, {_type(value)}>"
    named = inner or field.enum_type
    name = named.full_name if named is not None else _TYPES[field.type]
    return f"repeated {name}" if _is_repeated(field) else name


def _is_repeated(field: Any) -> bool:
    known = getattr(field, "is_repeated", None)  # protobuf 6.31 brought it, and 7 dropped the label
    return bool(known) if known is not None else field.label == field.LABEL_REPEATED


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SNIPPET else text[:_SNIPPET] + "…"
