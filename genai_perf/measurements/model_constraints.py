"""GenAI-Perf's import path of `ModelConstraints`."""

from genai_perf.analyze.published.constraints import ModelConstraints

__all__ = ["ModelConstraints"]
