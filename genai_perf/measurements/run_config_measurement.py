"""GenAI-Perf's import path of `RunConfigMeasurement`."""

from genai_perf.analyze.published.measurements import RunConfigMeasurement

__all__ = ["RunConfigMeasurement"]
