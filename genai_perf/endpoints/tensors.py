"""What a model on a Triton server takes and gives, by its own metadata, and how values become its tensors.

A tensor's values stand in `inputs.json` as Perf Analyzer has them: a list, or `{"content": […], "shape":
[…]}`.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from genai_perf.exceptions import UsageError


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output."""

    name: str
    datatype: str
    """KServe's word: BYTES, BOOL, INT32, FP32 …"""
    dims: tuple[int, ...]
    """Without the batch dimension; -1 is any length."""
    is_optional: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.datatype}{list(self.dims)}" + " (optional)" * self.is_optional


@dataclass(frozen=True, slots=True)
class Interface:
    """A model as its clients see it."""

    model: str
    version: str
    """As asked for; empty for the server's choice."""
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    is_batched: bool = False
    """Whether every tensor has a batch dimension before its own."""
    is_decoupled: bool = False
    """Whether it may answer one request with several responses, that is, stream."""
    steps: tuple[str, ...] = field(default=())
    """The models that an ensemble is made of."""

    def wants(self) -> str:
        """Its inputs, for an error."""
        return f"{self.model} takes {', '.join(map(str, self.inputs.values())) or 'nothing'}"


def interface_of(metadata: Mapping[str, Any], config: Mapping[str, Any], version: str) -> Interface:
    """From the JSON of a model's metadata and of its configuration.

    The metadata shows a batch dimension in every shape; the configuration says whether there is one, and
    which inputs may be left out.
    """
    is_batched = int(config.get("max_batch_size", 0)) > 0
    optional = {row["name"] for row in config.get("input", ()) if row.get("optional")}

    def tensors(kind: str) -> dict[str, Tensor]:
        return {
            row["name"]: Tensor(
                row["name"],
                row["datatype"],
                tuple(map(int, row.get("shape", ())))[is_batched:],
                kind == "inputs" and row["name"] in optional,
            )
            for row in metadata.get(kind, ())
        }

    return Interface(
        model=metadata["name"],
        version=version,
        inputs=tensors("inputs"),
        outputs=tensors("outputs"),
        is_batched=is_batched,
        is_decoupled=bool(config.get("model_transaction_policy", {}).get("decoupled")),
        steps=tuple(row["model_name"] for row in config.get("ensemble_scheduling", {}).get("step", ())),
    )


def check_names(
    interface: Interface, given: Mapping[str, Any], *, output: str, hint: str | None = None
) -> None:
    """UsageError unless the model takes all that is given, is given all it needs, and has that output."""
    for name in given:
        if name not in interface.inputs:
            near = get_close_matches(name, interface.inputs, n=1)
            raise UsageError(
                f"model {interface.model} has no input {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else ""),
                hint=hint or interface.wants(),
            )
    for name, tensor in interface.inputs.items():
        if name not in given and not tensor.is_optional:
            raise UsageError(
                f"model {interface.model} needs an input {tensor}",
                hint=f"give it with --extra-inputs {name}:…; {interface.wants()}",
            )
    if output not in interface.outputs:
        has = ", ".join(map(str, interface.outputs.values())) or "none"
        raise UsageError(f"model {interface.model} has no output {output!r}", hint=f"its outputs: {has}")


def shape_and_bytes(
    interface: Interface, name: str, given: Any, shape: Sequence[int] = ()
) -> tuple[list[int], bytes]:
    """One input as it goes over the wire: its whole shape, and the values, little-endian in row order.

    `shape` is the user's, without the batch dimension. UsageError when the model wants another datatype or
    another number of values.
    """
    tensor = interface.inputs[name]
    if isinstance(given, Mapping) and "content" in given:
        shape = given.get("shape", shape)
    values = list(values_of(given))
    dims = list(shape) or _resolved(tensor.dims, len(values))
    if dims is None or math.prod(dims) != len(values) or not _fits(dims, tensor.dims):
        raise UsageError(
            f"model {interface.model}: input {name!r} wants {tensor.datatype}{list(tensor.dims)}, "
            + (f"not the shape {list(shape)}" if shape else f"not {len(values)} values")
        )
    return [1] * interface.is_batched + dims, _encoded(interface, tensor, values)


def check_values(interface: Interface, name: str, given: Any) -> None:
    """UsageError when the model wants another datatype than these values have, however many they are."""
    _encoded(interface, interface.inputs[name], list(values_of(given)))


def _encoded(interface: Interface, tensor: Tensor, values: Sequence[Any]) -> bytes:
    """The values as the model wants them. Raises UsageError."""
    try:
        raw: bytes = _ENCODERS[tensor.datatype](values)
    except KeyError as exc:
        raise UsageError(
            f"model {interface.model}: input {tensor.name!r} is {tensor.datatype}, which cannot be sent"
        ) from exc
    except (TypeError, ValueError, OverflowError, struct.error, AttributeError) as exc:
        shown = values[0] if len(values) == 1 else values
        wanted = f"{tensor.datatype}{list(tensor.dims)}"
        raise UsageError(
            f"model {interface.model}: input {tensor.name!r} wants {wanted}, not {shown!r}",
            hint=_HINTS.get(tensor.datatype) or _as_a_number(tensor.name, shown),
        ) from exc
    return raw


def _as_a_number(name: str, given: Any) -> str | None:
    """How to write a text that is a number after all; None for all else."""
    try:
        is_number = type(json.loads(given)) in (int, float)
    except (TypeError, ValueError):
        is_number = False
    if not is_number:
        return None
    return f"a number with a sign or an exponent is given as JSON: --extra-inputs '{{\"{name}\": {given}}}'"


def values_of(given: Any) -> Iterator[Any]:
    """The values of a tensor in row order, as `inputs.json` has them: nested lists, or one by itself."""
    if isinstance(given, Mapping) and "content" in given:
        given = given["content"]
    if not isinstance(given, list):
        yield given
        return
    for part in given:
        yield from values_of(part)


def _resolved(dims: Sequence[int], count: int) -> list[int] | None:
    """`dims` with every -1 replaced, so that there is room for `count` values; None when there is none.

    Where several are open, all but the last become 1, as in a batch of one row.
    """
    fixed = math.prod(size for size in dims if size >= 0)
    open_places = [place for place, size in enumerate(dims) if size < 0]
    if not open_places or not fixed:
        return list(dims)
    if count % fixed:
        return None
    resolved = [1 if size < 0 else size for size in dims]
    resolved[open_places[-1]] = count // fixed
    return resolved


def _fits(shape: Sequence[int], dims: Sequence[int]) -> bool:
    return len(shape) == len(dims) and all(want in (-1, size) for size, want in zip(shape, dims))


def _bytes(values: Sequence[Any]) -> bytes:
    """Each with its length before it, in 4 bytes."""
    encoded = [value.encode() for value in values]
    return b"".join(len(value).to_bytes(4, "little") + value for value in encoded)


def _bools(values: Sequence[Any]) -> bytes:
    if not all(isinstance(value, bool) for value in values):
        raise TypeError
    return bytes(values)


def _numbers(code: str, *kinds: type) -> Any:
    def encode(values: Sequence[Any]) -> bytes:
        if not all(isinstance(value, kinds) and not isinstance(value, bool) for value in values):
            raise TypeError
        return struct.pack(f"<{len(values)}{code}", *values)

    return encode


def _bfloats(values: Sequence[Any]) -> bytes:
    """The upper halves of 32-bit floats."""
    whole: bytes = _numbers("f", int, float)(values)
    return b"".join(whole[place + 2 : place + 4] for place in range(0, len(whole), 4))


_ENCODERS: Mapping[str, Any] = {
    "BYTES": _bytes,
    "BOOL": _bools,
    "UINT8": _numbers("B", int),
    "UINT16": _numbers("H", int),
    "UINT32": _numbers("I", int),
    "UINT64": _numbers("Q", int),
    "INT8": _numbers("b", int),
    "INT16": _numbers("h", int),
    "INT32": _numbers("i", int),
    "INT64": _numbers("q", int),
    "FP16": _numbers("e", int, float),
    "BF16": _bfloats,
    "FP32": _numbers("f", int, float),
    "FP64": _numbers("d", int, float),
}

_HINTS = {
    "BYTES": 'a text that looks like a number is given as JSON: --extra-inputs \'{"name": "5"}\'',
    "BOOL": "true or false",
}
"""How to write a value of that datatype."""
