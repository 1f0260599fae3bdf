"""GenAI-Perf's import path of `PerfAnalyzerConfig`."""

from genai_perf.analyze.published.run_config import PerfAnalyzerConfig

__all__ = ["PerfAnalyzerConfig"]
