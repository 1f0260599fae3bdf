"""GenAI-Perf's import path of `Record`."""

from genai_perf.analyze.records import (
    DecreasingRecord,
    IncreasingRecord,
    Record,
    RecordType,
    ReductionFactor,
)

__all__ = ["DecreasingRecord", "IncreasingRecord", "Record", "RecordType", "ReductionFactor"]
