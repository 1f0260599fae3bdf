"""GenAI-Perf's import path of `RunConstraints`."""

from genai_perf.analyze.published.constraints import ModelConstraints, RunConstraints

__all__ = ["ModelConstraints", "RunConstraints"]
