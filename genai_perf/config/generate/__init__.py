"""GenAI-Perf's import path."""
