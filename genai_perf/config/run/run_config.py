"""GenAI-Perf's import path of `RunConfig`."""

from genai_perf.analyze.published.run_config import RunConfig

__all__ = ["RunConfig"]
