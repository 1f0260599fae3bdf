"""Records: one figure each, as GenAI-Perf's checkpoints and its Results API have them.

A record holds a value in base units (ns, tokens, what DCGM reports); `reduced()` is what people read. Its
class is made when it is first asked for: `record_type("time_to_first_token_p99")`, or by importing
`genai_perf.record.types.time_to_first_token_p99`.

Comparison is by *better*, not by greater: of two latencies the smaller one is the greater record, and
`a - b` is positive where `a` is better. What GenAI-Perf's factors for memory, PCIe and energy got wrong is
right here: `value() / 10**reduction_factor` is in the header's unit for every record.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import total_ordering
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ClassVar, Literal, Self, cast

from genai_perf.analyze.families import BASE, MODULES, Family
from genai_perf.exceptions import UsageError
from genai_perf.metrics.catalog import Unit

PACKAGE = "genai_perf.record.types"


class ReductionFactor:
    """Powers of ten between what a record holds and what its header says."""

    NONE = 0
    NS_TO_MS = 6
    NJ_TO_MJ = 6
    MJ_TO_MEGAJOULE = 9
    """From the millijoules that DCGM reports, which GenAI-Perf took for something else."""
    MIB_TO_GB = math.log10(Unit.GIGABYTES.base)
    BYTES_TO_KB = math.log10(Unit.KILOBYTES_PER_S.base)
    PERCENTAGE = -2


class RecordType(type):
    """The class of the record classes; knows them all by tag."""

    @classmethod
    def get(cls, tag: str) -> type[Record]:
        """The class with that tag; KeyError when there is none."""
        return record_type(tag)

    @classmethod
    def get_all_record_types(cls) -> dict[str, type[Record]]:
        """All classes by tag."""
        return {tag: record_type(tag) for tag, (_, statistic) in MODULES.items() if _has_tag(tag, statistic)}


@total_ordering
class Record(metaclass=RecordType):
    """One figure."""

    tag: ClassVar[str] = ""
    """`time_to_first_token_p99`; empty for base classes."""
    base_tag: ClassVar[str] = ""
    """`time_to_first_token`."""
    unit: ClassVar[Unit] = Unit.COUNT
    reduction_factor: ClassVar[float] = ReductionFactor.NONE
    _header: ClassVar[str] = ""
    direction: ClassVar[Literal[1, -1]] = 1
    """1 where more is better, -1 where less is."""
    _is_summed: ClassVar[bool] = False

    def __init__(self, value: float, timestamp: int = 0) -> None:
        if not isinstance(value, (int, float)):
            raise TypeError(f"{type(self).__name__}: {value!r} is not a number")
        self._value = value
        self._timestamp = timestamp

    def value(self) -> float:
        """In base units."""
        return self._value

    def timestamp(self) -> int:
        """In ns; 0 where nobody said."""
        return self._timestamp

    def reduced(self) -> float:
        """In the unit of the header."""
        return self.unit.of(self._value)

    @classmethod
    def header(cls, aggregation_tag: bool = False) -> str:  # noqa: ARG003
        """Title, unit and statistic, the latter always, whatever `aggregation_tag` says; as in GenAI-Perf."""
        return cls._header

    @staticmethod
    def aggregation_function() -> Callable[[Iterable[Record]], Record]:
        """Of several records, the one with the greatest value."""
        return lambda records: max(records, key=lambda record: record.value())

    @classmethod
    def value_function(cls) -> Callable[[Sequence[float]], float]:
        """How the values of several models become one: added for throughputs and counts, else averaged."""
        from statistics import mean

        return sum if cls._is_summed else mean

    def is_passing_constraint(self, constraint_value: float) -> bool:
        """Whether the value, in base units, is strictly on the better side of a limit in the same units."""
        return self.direction * self._value > self.direction * constraint_value

    def calculate_percentage_gain(self, other: Record) -> float:
        """By how many percent this is better: of the other where more is better, of this where less is.

        Infinite against (or for) a zero, unless both are.
        """
        base = other._value if self.direction > 0 else self._value
        gain = self.direction * (self._value - other._value)
        if not base:
            return math.copysign(math.inf, gain) if gain else 0.0
        return gain / base * 100

    def create_checkpoint_object(self) -> tuple[str, dict[str, Any]]:
        """Tag and values, as checkpoints hold them."""
        return self.tag, dict(self.__dict__)

    @classmethod
    def create_class_from_checkpoint(cls, record_dict: Mapping[str, Any]) -> Self:
        """The record that `create_checkpoint_object` wrote; KeyError, TypeError when it is none."""
        return cls(record_dict["_value"], timestamp=record_dict.get("_timestamp", 0))

    def _like(self, value: float) -> Self:
        return type(self)(value)

    def _is_kin(self, other: object) -> bool:
        return isinstance(other, Record) and other.base_tag == self.base_tag

    def __add__(self, other: Record) -> Self:
        return self._like(self._value + other._value) if self._is_kin(other) else NotImplemented

    def __sub__(self, other: Record) -> Self:
        """By how much this is better; so the other way round where less is."""
        return (
            self._like(self.direction * (self._value - other._value))
            if self._is_kin(other)
            else NotImplemented
        )

    def __mul__(self, factor: float) -> Self:
        return self._like(self._value * factor) if isinstance(factor, (int, float)) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Self:
        return self._like(self._value / divisor) if isinstance(divisor, (int, float)) else NotImplemented

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or not self._is_kin(other):
            return NotImplemented
        return self._value == other._value

    def __lt__(self, other: Record) -> bool:
        if not self._is_kin(other):
            return NotImplemented
        return self.direction * self._value < self.direction * other._value

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: a record does not change."""
        return self

    __hash__ = None  # type: ignore[assignment]  # equal values may have different tags

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value!r})"


class IncreasingRecord(Record):
    """More is better."""


class DecreasingRecord(Record):
    """Less is better."""

    direction = -1


class GPURecord(Record):
    """A figure of one GPU."""

    def __init__(self, value: float, device_uuid: str | None = None, timestamp: int = 0) -> None:
        super().__init__(value, timestamp)
        self._device_uuid = device_uuid or ""

    def device_uuid(self) -> str:
        """Which one; empty where nobody said."""
        return self._device_uuid

    @classmethod
    def create_class_from_checkpoint(cls, record_dict: Mapping[str, Any]) -> Self:
        """As `Record`'s; the GPU's id is restored, under either of its names."""
        device = record_dict.get("_device_uuid") or record_dict.get("_device")
        return cls(record_dict["_value"], device, record_dict.get("_timestamp", 0))

    def _like(self, value: float) -> Self:
        return type(self)(value, self._device_uuid)


class IncreasingGPURecord(GPURecord):
    """More is better."""


class DecreasingGPURecord(GPURecord):
    """Less is better."""

    direction = -1


_PARENTS: Mapping[tuple[bool, bool], type[Record]] = {
    # (is of a GPU, less is better)
    (False, False): IncreasingRecord,
    (False, True): DecreasingRecord,
    (True, False): IncreasingGPURecord,
    (True, True): DecreasingGPURecord,
}

_made: dict[str, type[Record]] = {}
"""By module."""

_by_tag: dict[str, type[Record]] = {}

_unknown: dict[str, type[Record]] = {}
"""By tag, of what was read from the file of a later version."""


def record_type(tag: str) -> type[Record]:
    """The class of the records with that tag; KeyError when no metric and statistic have it."""
    if made := _by_tag.get(tag):
        return made
    family, statistic = MODULES[tag]
    if not _has_tag(tag, statistic):
        raise KeyError(tag)
    _by_tag[tag] = _class(family, statistic)
    return _by_tag[tag]


def any_record_type(tag: str) -> type[Record]:
    """As `record_type`, and for a tag of a metric that this version does not know, a plain one."""
    if made := _by_tag.get(tag) or _unknown.get(tag):
        return made
    if tag in MODULES and _has_tag(tag, MODULES[tag][1]):
        return record_type(tag)
    _unknown[tag] = _made_class(
        "UnknownRecord", IncreasingRecord, __name__, {"tag": tag, "base_tag": tag, "_header": tag}
    )
    return _unknown[tag]


def known_tag(tag: str) -> str:
    """The tag as it is; UsageError with the nearest ones when no record has it."""
    if tag in MODULES and _has_tag(tag, MODULES[tag][1]):
        return tag
    from difflib import get_close_matches

    near = get_close_matches(tag, MODULES, n=3)
    raise UsageError(
        f"no record has the tag {tag!r}",
        hint=f"did you mean {' or '.join(near)}?" if near else "e.g. time_to_first_token_p99",
    )


def _has_tag(module: str, statistic: str) -> bool:
    return statistic != BASE and module != "gpu_energy_consumption_avg"


def _class(family: Family, statistic: str) -> type[Record]:
    module = f"{family.tag}_{statistic}"
    if module in _made:
        return _made[module]
    if statistic != BASE and family.base:
        parent = _class(family, BASE)
    else:
        parent = _PARENTS[family.is_gpu, family.better == "lower"]
    factor = math.log10(family.unit.base)
    namespace = {
        "tag": "" if statistic == BASE else module,
        "base_tag": family.tag,
        "unit": family.unit,
        "reduction_factor": int(factor) if factor.is_integer() else factor,
        "_header": family.header(statistic),
        "_is_summed": family.is_run_level,
        "__doc__": f"{family.header(statistic)}.",
    }
    made = _made_class(family.class_name(statistic), parent, f"{PACKAGE}.{module}", namespace)
    _made[module] = made
    return made


def _made_class(name: str, parent: type[Record], module: str, namespace: dict[str, Any]) -> type[Record]:
    made: Any = RecordType(name, (parent,), {**namespace, "__module__": module})
    return made  # type: ignore[no-any-return]


class RecordModules:
    """Serves the modules of `genai_perf.record.types`, which are no files: a class each, and its aliases.

    A finder and loader by their methods alone: the base classes in `importlib.abc` load half of pathlib.
    """

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  Python's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """A spec for a module that stands for a record."""
        package, _, module = fullname.rpartition(".")
        if package == PACKAGE and module in MODULES:
            return ModuleSpec(fullname, cast("Any", self), origin="the metrics catalog")
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Python's own kind of module will do."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the class into the module, under all its names."""
        family, statistic = MODULES[module.__name__.rpartition(".")[2]]
        record = _class(family, statistic)
        for name in (*family.aliases(statistic), family.class_name(statistic)):
            setattr(module, name, record)
        module.__doc__ = record.__doc__
        module.__dict__["__all__"] = [family.class_name(statistic)]


def serve_record_modules() -> None:
    """Let `import genai_perf.record.types.…` find its modules; once is enough."""
    if not any(isinstance(finder, RecordModules) for finder in sys.meta_path):
        sys.meta_path.append(RecordModules())
