"""GenAI-Perf's import path of `GPURecord`."""

from genai_perf.analyze.records import DecreasingGPURecord, GPURecord, IncreasingGPURecord

__all__ = ["DecreasingGPURecord", "GPURecord", "IncreasingGPURecord"]
