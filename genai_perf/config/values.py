"""Values with a grammar of their own: `--extra-inputs`, `--goodput`, and Perf Analyzer's own."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from genai_perf.exceptions import UsageError


def parse_extra_inputs(texts: Iterable[str], source: str) -> dict[str, Any]:
    """Keys for the request body, from `{…}`, `name` and `name:value`.

    GenAI-Perf's rules to the letter (spec 2.3): `true` and `false` are booleans, digits are an int, digits
    with one dot are a float, a name alone is null, and all else is text, negative numbers included; the
    `{…}` form is for those, and for values with a colon.
    """
    extra: dict[str, Any] = {}
    for text in texts:
        if text.startswith("{"):
            extra.update(_parse_object(text, source))
            continue
        name, colon, value = text.partition(":")
        if ":" in value:
            raise UsageError(
                f"{source}: Invalid input format for --extra-inputs: {text}",
                hint="""write it as JSON: --extra-inputs '{"name": "value:with:colons"}'""",
            )
        if not name or (colon and not value):
            raise UsageError(f"{source}: Input name or value is empty in --extra-inputs: {text}")
        if name in extra:
            raise UsageError(f"{source}: Input name already exists in request_inputs dictionary: {name}")
        extra[name] = _plain_value(value) if colon else None
    return extra


def _parse_object(text: str, source: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{source}: Failed to parse JSON string: {text} ({error})",
            hint="""a shell leaves it whole in single quotes: --extra-inputs '{"name": "value"}'""",
        ) from error
    return parsed


def _plain_value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if re.fullmatch(r"\d+", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"\d+\.\d*|\.\d+", text, re.ASCII):
        return float(text)
    return text


COLUMN_ROLES = ("prompt", "system", "output", "output_length", "image", "audio", "messages")
"""What a column of a dataset can be."""


def parse_columns(texts: Iterable[str], source: str) -> dict[str, str]:
    """Columns by what they are, from `role:column`; which columns there are is the dataset's business."""
    columns: dict[str, str] = {}
    for text in texts:
        role, _, column = text.partition(":")
        if not role or not column:
            raise UsageError(
                f"{source}: {text!r} is not ROLE:COLUMN",
                hint="for example --dataset-columns prompt:question output:answer",
            )
        if role not in COLUMN_ROLES:
            raise UsageError(f"{source}: {role!r} is not one of {', '.join(COLUMN_ROLES)}")
        if role in columns:
            raise UsageError(
                f"{source}: {role} is given twice",
                hint=f"columns are joined by +: {role}:{columns[role]}+{column}",
            )
        columns[role] = column
    return columns


@dataclass(frozen=True, slots=True)
class PeriodicRange:
    """What a periodic concurrency sends: `start` requests at once, then `step` and `step`, `end` in all."""

    start: int
    end: int
    step: int = 1

    @property
    def batches(self) -> int:
        """How many there are."""
        return 1 + (self.end - self.start) // self.step

    def batch_of(self, index: int) -> int:
        """Which batch, from 0, the request of that index belongs to."""
        return 0 if index < self.start else 1 + (index - self.start) // self.step


def parse_periodic_range(text: str, source: str) -> PeriodicRange:
    """Perf Analyzer's `start:end[:step]`. Raises UsageError."""
    if not re.fullmatch(r"\d+:\d+(:\d+)?", text, re.ASCII):
        is_number = text.isdigit()
        raise UsageError(
            f"{source}: {text!r} is not START:END[:STEP]",
            hint="for example 4:16:4" + "; YAML takes it for a number where it is not in quotes" * is_number,
        )
    found = PeriodicRange(*map(int, text.split(":")))
    if not found.start or not found.step:
        raise UsageError(f"{source}: {text!r}: start and step must be more than 0")
    if found.start > found.end:
        raise UsageError(f"{source}: {text!r} ends before it starts")
    if (found.end - found.start) % found.step:
        last = found.start + (found.batches - 1) * found.step
        raise UsageError(
            f"{source}: {text!r}: steps of {found.step} from {found.start} do not lead to {found.end}",
            hint=f"they lead to {last} and {last + found.step}",
        )
    return found


_PARAMETER_TYPES = ("bool", "int", "string")


def parse_request_parameters(texts: Iterable[str]) -> dict[str, bool | int | str]:
    """Parameters of an inference request, from Perf Analyzer's `name:value:type`; a string without a type."""
    source = "--request-parameter"
    parameters: dict[str, bool | int | str] = {}
    for text in texts:
        name, colon, rest = text.partition(":")
        value, _, kind = rest.rpartition(":") if ":" in rest else (rest, "", "string")
        if not name or not colon or not value or kind not in _PARAMETER_TYPES:
            raise UsageError(
                f"{source}: {text!r} is not NAME:VALUE:TYPE", hint=f"types: {', '.join(_PARAMETER_TYPES)}"
            )
        if kind == "bool" and value.lower() not in ("true", "false"):
            raise UsageError(f"{source}: {text!r}: {value!r} is neither true nor false")
        if kind == "int" and not re.fullmatch(r"[+-]?\d+", value, re.ASCII):
            raise UsageError(f"{source}: {text!r}: {value!r} is not a whole number")
        parameters[name] = (
            value.lower() == "true" if kind == "bool" else int(value) if kind == "int" else value
        )
    return parameters


def parse_shapes(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Shapes by tensor, from Perf Analyzer's `name:d1,d2`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition(":")
        if not name or not re.fullmatch(r"\d+(,\d+)*", sizes, re.ASCII):
            raise UsageError(f"--shape: {text!r} is not NAME:D1,D2", hint="for example --shape max_tokens:1")
        shapes[name] = tuple(map(int, sizes.split(",")))
    return shapes


def parse_goodput(texts: Iterable[str], source: str) -> dict[str, float]:
    """Limits by metric name, in the metric's own unit; which names there are is the metrics' business."""
    limits: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition(":")
        if not name or not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
            raise UsageError(
                f"{source}: Invalid format found for goodput constraints. {text!r} is not METRIC:VALUE",
                hint="for example --goodput time_to_first_token:75 request_latency:2000",
            )
        if name in limits:
            raise UsageError(f"{source}: {name} is given twice")
        limits[name] = float(value)
        if limits[name] < 0:
            raise UsageError(
                f"{source}: Invalid value found, {name}: {value}. "
                "The goodput constraint value should be non-negative."
            )
    return limits
