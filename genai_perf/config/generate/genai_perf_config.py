"""GenAI-Perf's import path of `GenAIPerfConfig`."""

from genai_perf.analyze.published.run_config import GenAIPerfConfig

__all__ = ["GenAIPerfConfig"]
