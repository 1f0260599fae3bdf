"""Protobuf messages written as a table, for those few that this program speaks itself.

A row is a message's name and its fields, `number name type`, with commas between; `*` is repeated, and a type
that is no scalar is another message of the table. What a table does not name, protobuf skips.
"""

from collections.abc import Mapping
from typing import Any

_SCALARS = ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes", "uint32")


def pool_of(package: str, messages: Mapping[str, str]) -> Any:
    """A descriptor pool with these messages.

    One of their own: another package in this process may know the same names.
    """
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    kind, label = FieldDescriptorProto.Type.Value, FieldDescriptorProto.Label.Value
    # proto2, in which a field that is set is sent, whatever its value: a parameter may well be False
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for field in fields.split(", "):
            number, field_name, type_name = field.split()
            is_repeated = type_name.endswith("*")
            type_name = type_name.rstrip("*")
            row = described.field.add(name=field_name, number=int(number))
            row.label = label("LABEL_REPEATED" if is_repeated else "LABEL_OPTIONAL")
            if type_name in _SCALARS:
                row.type = kind(f"TYPE_{type_name.upper()}")
            else:
                row.type = kind("TYPE_MESSAGE")
                row.type_name = f".{package}.{type_name}"
    pool = DescriptorPool()
    pool.Add(file)
    return pool


def message_class(pool: Any, name: str) -> Any:
    """The class of a message by its full name. KeyError where the pool has none of that name."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(pool.FindMessageTypeByName(name))
