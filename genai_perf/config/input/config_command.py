"""GenAI-Perf's import path of `ConfigCommand`."""

from genai_perf.analyze.published.checkpoint import ConfigCommand

__all__ = ["ConfigCommand"]
