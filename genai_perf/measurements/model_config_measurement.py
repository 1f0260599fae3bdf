"""GenAI-Perf's import path of `ModelConfigMeasurement`."""

from genai_perf.analyze.published.measurements import ModelConfigMeasurement, ModelConfigMeasurementDefaults

__all__ = ["ModelConfigMeasurement", "ModelConfigMeasurementDefaults"]
