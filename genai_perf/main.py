"""GenAI-Perf's import path of its command line."""

from genai_perf.cli import main

__all__ = ["main"]
