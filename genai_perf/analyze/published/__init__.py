"""The classes of GenAI-Perf's Results API, under its names, for scripts that were written against it.

They are made of the same scenarios, records and scores as `genai_perf.analyze.Results`, which new code is
better off with. GenAI-Perf's import paths lead here; `docs/results-api.md` says what is different, and what
is left out.
"""
