"""GenAI-Perf's import path of `Results`."""

from genai_perf.analyze.published.results import Results

__all__ = ["Results"]
